"""
The directory as files: YAML texts in, objects and mistakes out.

Every file has some of the keys below, each with objects by id. What an object may hold
is what its record takes; an id is a key, so it is not written again. Nothing is read or
looked up here, so whoever has the texts gets the same answer everywhere.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from engine.directory.directory import Directory, ObjectKind
from engine.directory.drafts import Draft
from engine.directory.file_form import (
    KEYS,
    KINDS,
    MODELS,
    SETTINGS,
    Settings,
    file_schema,
    schema_of,
)
from engine.directory.people import HIGH, LOW
from engine.directory.secrets import Secrets
from engine.directory.tokens import SECRET, hash_secret
from policies.loading import Loaded, Path, YamlError, load_yaml, write_path
from policies.mistakes import Mistake, not_known, problems_of
from policies.targets import Name

__all__ = ["Draft", "Mistake", "read_files"]

ID_MAX = 200
# The key of an integration that has none lies in a file of this name.
FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
NO_KEY = "should be 16 to 200 letters, digits or . _ ~ -: leave it out, and one is made"
NO_FILE_NAME = (
    "without a key its id names a file: use letters, digits, . _ -, or give it a key"
)
PEOPLE: TypeAdapter[tuple[Name, ...]] = TypeAdapter(tuple[Name, ...])


def read_files(
    texts: Mapping[str, str], secret_of: Callable[[str], str | None]
) -> Draft:
    """
    Read the files of a directory.

    Args:
        texts: What stands in each file, by its name.
        secret_of: What a name of the environment stands for, if it is set.
    """
    reader = _Reader(secret_of=secret_of)
    for file in sorted(texts):
        reader.read(file, texts[file])

    return reader.draft()


@dataclass(slots=True, kw_only=True)
class _Reader:
    secret_of: Callable[[str], str | None]
    objects: dict[ObjectKind, dict[str, Any]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS.values()}
    )
    settings: dict[str, str] = field(default_factory=dict[str, str])
    written: dict[str, tuple[str, int]] = field(
        default_factory=dict[str, tuple[str, int]]
    )
    mistakes: list[Mistake] = field(default_factory=list[Mistake])
    lines: dict[str, int] = field(default_factory=dict[str, int])
    unread: set[str] = field(default_factory=set[str])
    is_whole: bool = True

    def draft(self) -> Draft:
        """Return all that was read."""
        objects = {kind.value: found for kind, found in self.objects.items()}
        urgencies = {one.id: one for one in (HIGH, LOW)} | objects["urgencies"]
        origins = {
            key: file
            for key, (file, _) in self.written.items()
            if key not in self.unread
        }
        directory = Directory.model_validate(
            objects | self.settings | {"urgencies": urgencies, "origins": origins}
        )

        return Draft(
            directory=directory,
            mistakes=tuple(self.mistakes),
            lines=self.lines,
            unread=frozenset(self.unread),
            is_whole=self.is_whole,
        )

    def read(self, file: str, text: str) -> None:
        try:
            loaded = load_yaml(text)
        except YamlError as error:
            self.is_whole = False
            self.mistakes.append(
                Mistake(
                    file=file,
                    line=error.line,
                    path=write_path(error.path),
                    problem=error.problem,
                )
            )
            return
        self._read_top(_Source(file=file, loaded=loaded))

    def _read_top(self, source: "_Source") -> None:
        # Of what two files write, the first counts, and the other is a mistake.
        for path, line in source.loaded.lines.items():
            self.lines.setdefault(write_path(path), line)
        top = source.loaded.value
        if top is None:
            return
        if not isinstance(top, dict):
            problem = f"should be keys with objects: some of {', '.join(KEYS)}"
            self._add(source, (), problem)
            return
        for name, entries in top.items():
            if name == SETTINGS:
                self._read_settings(source, entries)
            elif name in KINDS:
                self._read_kind(source, name, entries)
            else:
                self._add(source, (name,), not_known(name, KEYS))

    def _read_kind(self, source: "_Source", name: str, entries: Any) -> None:
        if entries is None:
            return
        if not isinstance(entries, dict):
            what = "[alice, bob]" if name == "schedules" else "{...}"
            problem = f"should be ids with values: write it like {{id: {what}}}"
            self._add(source, (name,), problem)
            return
        kind = KINDS[name]
        for object_id, fields in entries.items():
            path, key = (name, object_id), f"{kind}/{object_id}"
            if not 0 < len(object_id) <= ID_MAX:
                self._add(source, path, f"an id has 1 to {ID_MAX} characters")
                continue
            if not self._is_first(source, path, key):
                continue
            before = len(self.mistakes)
            one = self._object(source, kind, path, fields)
            if one is None or before < len(self.mistakes):
                self.unread.add(key)
            else:
                self.objects[kind][object_id] = one

    def _is_first(self, source: "_Source", path: Path, key: str) -> bool:
        """Note where something is written, unless another file has it already."""
        other = self.written.get(key)
        if other is not None:
            problem = f"is in {other[0]}:{other[1]} too: remove one of them"
            self._add(source, path, problem)
            return False
        self.written[key] = source.file, source.loaded.line_of(path)

        return True

    def _object(
        self, source: "_Source", kind: ObjectKind, path: Path, fields: Any
    ) -> Any:
        """Return an object; None if it cannot be made, and why is noted."""
        secrets = Secrets(secret_of=self.secret_of)
        filled = secrets.filled_in(kind, fields)
        if kind is ObjectKind.INTEGRATIONS and isinstance(filled, dict):
            filled = self._with_key_hash(source, path, filled)
        if isinstance(filled, dict) and "id" in filled:
            problem = "the id is the key above: remove it here"
            self._add(source, (*path, "id"), problem)
        problems = dict(secrets.problems)
        try:
            return _made(kind, str(path[1]), filled)
        except ValidationError as error:
            # Of what could not be filled in, that is all there is to say.
            found = problems_of(error, schema_of(kind), fields)
            problems = dict(found) | problems
        finally:
            for below, problem in problems.items():
                self._add(source, (*path, *below), problem)

        return None

    def _with_key_hash(
        self, source: "_Source", path: Path, fields: dict[str, Any]
    ) -> dict[str, Any]:
        """Put the hash of a key in its place; without one it is empty."""
        if "key_hash" in fields:
            problem = "a file holds no hash: write `key: {env: NAME}`, or leave it out"
            self._add(source, (*path, "key_hash"), problem)
        key = fields.get("key")
        if key is not None and not (isinstance(key, str) and SECRET.fullmatch(key)):
            self._add(source, (*path, "key"), NO_KEY)
        if key is None and not FILE_NAME.fullmatch(str(path[1])):
            self._add(source, path, NO_FILE_NAME)
        rest = {name: value for name, value in fields.items() if name != "key"}

        return rest | {"key_hash": hash_secret(str(key)) if key else ""}

    def _read_settings(self, source: "_Source", entries: Any) -> None:
        if entries is None:
            return
        try:
            read = Settings.model_validate(entries)
        except ValidationError as error:
            schema = file_schema()["$defs"][Settings.__name__]
            for below, problem in problems_of(error, schema, entries):
                self._add(source, (SETTINGS, *below), problem)
            return
        for name, value in read.model_dump(exclude_none=True).items():
            if self._is_first(source, (SETTINGS, name), f"{SETTINGS}/{name}"):
                self.settings[name] = value

    def _add(self, source: "_Source", path: Path, problem: str) -> None:
        line = source.loaded.line_of(path)
        mistake = Mistake(
            file=source.file, line=line, path=write_path(path), problem=problem
        )
        self.mistakes.append(mistake)


def _made(kind: ObjectKind, object_id: str, fields: Any) -> Any:
    """
    Return an object.

    Raises:
        ValidationError: If it cannot be made of these.
    """
    if kind is ObjectKind.ON_CALL:
        return PEOPLE.validate_python(fields)
    if isinstance(fields, dict):
        fields = fields | {"id": object_id}

    return MODELS[kind].model_validate(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    file: str
    loaded: Loaded
