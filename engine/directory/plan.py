"""
What files change in what is stored.

Files own what came from them, and nothing else: what the API made is neither changed
nor removed, unless somebody says that the files shall have it. A plan is a value:
whoever carries it out stores `after` in the place of what it was made for, or plans
again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from engine.directory.checks import Problem
from engine.directory.directory import Directory, ObjectKind
from engine.directory.drafts import Draft, mistake_at
from engine.directory.file_form import KINDS, SETTINGS, WRITTEN, Settings
from engine.directory.integrations import Integration
from policies.loading import write_path
from policies.mistakes import Mistake

# Only that they differ is said of these.
SECRET_FIELDS = frozenset({"address", "secrets", "key_hash"})
FILE = "file"

Objects = dict[str, dict[str, Any]]


class Verb(StrEnum):
    """What becomes of an object."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    One field that is other than before.

    Attributes:
        path: Like `steps[2].urgency`; `file` is where the object is written.
        before: As it is stored; None: it is not there, or is not shown.
        after: As it will be; None: it will not be there, or is not shown.
    """

    path: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    What becomes of one object.

    Attributes:
        kind: As a file calls it: `users`, `policies`, `settings`.
        differences: Of one that is changed.
    """

    verb: Verb
    kind: str
    id: str
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What some files change.

    Attributes:
        conflicts: What the API made otherwise than the files say; it is left as it is,
            so a plan with conflicts should not be carried out.
        after: What shall be stored. Integrations that get a key only then are in
            `without_key`.
    """

    changes: tuple[Change, ...]
    conflicts: tuple[Mistake, ...]
    after: Directory

    @property
    def without_key(self) -> list[str]:
        """The integrations that no key opens yet."""
        return sorted(
            one.id for one in self.after.integrations.values() if not one.key_hash
        )

    def with_keys(self, hashes: Mapping[str, str]) -> Directory:
        """Return what shall be stored, with the hashes of keys by integration."""
        keyed = {
            name: one.model_copy(update={"key_hash": hashes[name]})
            for name, one in self.after.integrations.items()
            if name in hashes
        }
        integrations = {**self.after.integrations, **keyed}

        return self.after.model_copy(update={"integrations": integrations})


def plan(stored: Directory, draft: Draft, *, adopt: bool = False) -> Plan:
    """
    Compare what is stored with what files say.

    Args:
        stored: As it was read.
        draft: What the files say.
        adopt: Whether the files get what they write and the API has made.
    """
    planner = _Planner(stored=stored, draft=draft, adopt=adopt)
    for kind in (*KINDS.values(), SETTINGS):
        planner.compare(kind)

    return planner.plan()


@dataclass(slots=True, kw_only=True)
class _Planner:
    stored: Directory
    draft: Draft
    adopt: bool
    changes: list[Change] = field(default_factory=list[Change])
    conflicts: list[Mistake] = field(default_factory=list[Mistake])
    after: Objects = field(default_factory=dict[str, dict[str, Any]])
    origins: dict[str, str] = field(default_factory=dict[str, str])

    def plan(self) -> Plan:
        update: dict[str, Any] = {**self.after, "origins": self.origins}
        settings = dict.fromkeys(Settings.model_fields) | update.pop(SETTINGS)

        return Plan(
            changes=tuple(self.changes),
            conflicts=tuple(self.conflicts),
            after=self.stored.model_copy(update=update | settings),
        )

    def compare(self, kind: str) -> None:
        """Decide what becomes of every object of a kind."""
        before, written = _all(self.stored, kind), _all(self.draft.directory, kind)
        self.after[kind] = {}
        for name in sorted(before.keys() | written.keys()):
            key = f"{kind}/{name}"
            old, new = before.get(name), written.get(name)
            if new is None:
                self._not_written(kind, name, old)
            elif old is None:
                self._keep(key, new, self.draft.directory.origins.get(key))
                self._note(Verb.ADDED, kind, name)
            else:
                self._written(kind, name, old, _keyed(new, old))

    def _not_written(self, kind: str, name: str, old: Any) -> None:
        """Remove what came from a file. A setting stays as it is, and is let go."""
        key = f"{kind}/{name}"
        origin = self.stored.origins.get(key)
        if origin is None:
            self._keep(key, old, None)
        elif kind == SETTINGS:
            self._keep(key, old, None)
            let_go = Difference(path=FILE, before=origin)
            self._note(Verb.CHANGED, kind, name, let_go)
        else:
            self._note(Verb.REMOVED, kind, name)

    def _written(self, kind: str, name: str, old: Any, new: Any) -> None:
        key = f"{kind}/{name}"
        was, now = (
            directory.origins.get(key)
            for directory in (self.stored, self.draft.directory)
        )
        differences = tuple(differences_of(old, new))
        is_of_api = was is None and not self.adopt
        if is_of_api or (was is None and now is None):
            self._keep(key, old, None)
            if differences and now is not None:
                self._conflict(key, differences)
            return
        self._keep(key, new, now)
        if was != now:
            differences += (Difference(path=FILE, before=was, after=now),)
        if differences:
            self._note(Verb.CHANGED, kind, name, *differences)

    def _keep(self, key: str, one: Any, origin: str | None) -> None:
        kind, _, name = key.partition("/")
        self.after[kind][name] = one
        if origin is not None:
            self.origins[key] = origin

    def _note(self, verb: Verb, kind: str, name: str, *found: Difference) -> None:
        written = WRITTEN.get(kind, kind)
        self.changes.append(Change(verb=verb, kind=written, id=name, differences=found))

    def _conflict(self, key: str, differences: tuple[Difference, ...]) -> None:
        fields = dict.fromkeys(_field_of(one.path) for one in differences)
        named = f" ({', '.join(filter(None, fields))})" if any(fields) else ""
        problem = (
            f"was made through the API and is not the same there{named}: remove it "
            "here or there, make both the same, or let --adopt take it over"
        )
        self.conflicts.append(
            mistake_at(self.draft, key, Problem(path="", problem=problem))
        )


def differences_of(before: Any, after: Any) -> Iterator[Difference]:
    """Yield every field that is other than before; secrets are not shown."""
    if before == after:
        return
    old, new = dict(_leaves(_plain(before))), dict(_leaves(_plain(after)))
    said: set[str] = set()
    for path in dict.fromkeys([*old, *new]):
        if old.get(path) == new.get(path) and (path in old) == (path in new):
            continue
        written, secret = write_path(path), _secret_in(path)
        if secret is None:
            yield Difference(path=written, before=old.get(path), after=new.get(path))
        elif secret not in said:
            said.add(secret)
            yield Difference(path=secret)


def _all(directory: Directory, kind: str) -> Mapping[str, Any]:
    """Return all objects of a kind; the settings are one too."""
    if kind != SETTINGS:
        return directory.objects(ObjectKind(kind))

    return {
        name: value
        for name in Settings.model_fields
        if (value := getattr(directory, name)) is not None
    }


def _keyed(new: Any, old: Any) -> Any:
    """Return an integration with the key it has, unless its file writes one."""
    if isinstance(new, Integration) and not new.key_hash:
        return new.model_copy(update={"key_hash": old.key_hash})

    return new


def _plain(one: Any) -> Any:
    if isinstance(one, BaseModel):
        return one.model_dump(mode="json", by_alias=True)

    return list(one) if isinstance(one, tuple) else one


def _leaves(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the path and the value of everything that holds nothing else."""
    match value:
        case dict() if value:
            for key, below in value.items():
                yield from _leaves(below, (*path, key))
        case list() if value:
            for index, below in enumerate(value):
                yield from _leaves(below, (*path, index))
        case _:
            yield path, value


def _secret_in(path: tuple[str | int, ...]) -> str | None:
    """Return the path of the secret that a path leads to or into, if it does."""
    for index, part in enumerate(path):
        if part in SECRET_FIELDS:
            return write_path(path[: index + 1])

    return None


def _field_of(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]
