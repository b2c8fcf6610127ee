"""Linting: what is wrong with a configuration, and what hardly anybody meant."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.directory import Directory, ObjectKind
from engine.directory.checks import Checks, Problem
from engine.directory.drafts import Draft, mistake_at, mistakes_among
from engine.directory.findings import DirectoryCode, DirectoryFinding, find
from policies.lint import Code
from policies.mistakes import Mistake

CODES = frozenset({*Code, *DirectoryCode})
# What is not there for the whole installation is shown like a setting.
SETTINGS = "settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """
    Findings that somebody wants so.

    Attributes:
        object_id: Of this object only; None: everywhere.
    """

    code: str
    object_id: str | None = None

    def allows(self, finding: DirectoryFinding) -> bool:
        """Tell whether a finding is one of them."""
        is_here = self.object_id is None or self.object_id == finding.object_id

        return finding.code == self.code and is_here


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """
    What a configuration is looked at with.

    Attributes:
        channels: Those that are configured.
        has_schedules: Whether every schedule is in the configuration.
    """

    channels: frozenset[str]
    has_schedules: bool = True
    allowed: Collection[Allowed] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One finding, and where it is."""

    code: str
    place: Mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What was found.

    Attributes:
        is_complete: Whether findings were looked for: not while some of it cannot be
            read, since what is not there would be found missing.
    """

    directory: Directory
    mistakes: Sequence[Mistake]
    findings: Sequence[Told]
    is_complete: bool = True


def look_at_files(draft: Draft, around: Around) -> Report:
    """Return what is wrong with files, and what was found in them."""
    among = mistakes_among(draft, has_schedules=around.has_schedules)
    mistakes = [*draft.mistakes, *among]
    if draft.mistakes:
        return Report(
            directory=draft.directory, mistakes=mistakes, findings=(), is_complete=False
        )
    findings = sorted(
        _findings(draft, around), key=lambda one: (one.place.file, one.place.line or 0)
    )

    return Report(directory=draft.directory, mistakes=mistakes, findings=findings)


def look_at_store(directory: Directory, around: Around) -> Report:
    """Return what is wrong with what is stored, and what was found in it."""
    draft = Draft(directory=directory)
    checks = Checks(directory=directory, has_schedules=around.has_schedules)
    mistakes = [
        mistake_at(draft, f"{kind}/{name}", problem)
        for kind in ObjectKind
        # A token is known by its hash, which nobody needs to see.
        if kind is not ObjectKind.TOKENS
        for name in directory.objects(kind)
        for problem in checks.problems(kind, name)
    ]
    mistakes += [
        mistake_at(
            draft, f"{SETTINGS}/{one.path}", Problem(path="", problem=one.problem)
        )
        for one in checks.problems_of_settings()
    ]
    findings = list(_findings(draft, around))

    return Report(directory=directory, mistakes=mistakes, findings=findings)


def counted(directory: Directory) -> Mapping[str, int]:
    """Return how much of everything was looked at."""
    return {
        "policies": len(directory.policies),
        "users": len(directory.users),
        "integrations": len(directory.integrations),
    }


def stand_in(secret_of: Callable[[str], str | None]) -> Callable[[str], str]:
    """
    Return what stands for a name of the environment, also where it is not set.

    Whoever only looks at files need not have what is secret in them. What stands for it
    may be a key, an address or a signing secret, and is another one for each name.
    """

    def secret_or_stand_in(name: str) -> str:
        return secret_of(name) or f"whsec_{hashlib.sha256(name.encode()).hexdigest()}"

    return secret_or_stand_in


def _findings(draft: Draft, around: Around) -> Iterator[Told]:
    found = find(draft.directory, around.channels, has_schedules=around.has_schedules)
    for one in found:
        if any(each.allows(one) for each in around.allowed):
            continue
        key = f"{one.kind or SETTINGS}/{one.object_id}"
        problem = Problem(path=one.path, problem=one.text)
        yield Told(code=one.code, place=mistake_at(draft, key, problem))
