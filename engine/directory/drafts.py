"""Drafts: what files say, before it is put in the place of what is stored."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.directory.checks import Checks, Problem
from engine.directory.directory import Directory, ObjectKind
from engine.directory.file_form import SETTINGS, WRITTEN
from policies.mistakes import Mistake

# Given a channel and an address, what is wrong with it, if anything is.
Judge = Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """
    What some files say.

    Attributes:
        directory: All that could be read; `origins` has the file of each. High and Low
            Severity are in it even if no file writes them, and then without a file.
            An integration whose key no file writes has an empty `key_hash`.
        mistakes: What could not be read. What is wrong among objects that could be is
            found by `mistakes_among`.
        lines: Of each path, like `policies.default.steps[2]`, the line in its file.
        unread: What is written, as `kind/id`, and could not be read.
        is_whole: Whether every file is YAML, so that what is not there is nowhere.
    """

    directory: Directory
    mistakes: tuple[Mistake, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict[str, int])
    unread: frozenset[str] = frozenset()
    is_whole: bool = True


def mistake_at(draft: Draft, key: str, problem: Problem) -> Mistake:
    """
    Return what is wrong with an object of a draft as a mistake in its file.

    Args:
        draft: What the files say.
        key: The object, as `kind/id`; `settings/name` is one too.
        problem: What is wrong; its path begins in the object.
    """
    kind, _, name = key.partition("/")
    whole = f"{WRITTEN.get(kind, kind)}.{name}"
    below = problem.path
    path = whole + below if below[:1] in ("", "[") else f"{whole}.{below}"
    around = path
    while around and around not in draft.lines:
        around = around[: max(around.rfind("."), around.rfind("["), 0)]

    return Mistake(
        file=draft.directory.origins.get(key, ""),
        line=draft.lines.get(around),
        path=path,
        problem=problem.problem,
    )


def mistakes_among(
    draft: Draft,
    directory: Directory | None = None,
    *,
    has_schedules: bool = True,
    judge_address: Judge | None = None,
) -> list[Mistake]:
    """
    Return what is wrong among the objects of a draft: names of nobody, and the like.

    Args:
        draft: What the files say. If one of them is no YAML, nobody knows which names
            there are, and nothing is found.
        directory: What the objects will be among; None: only what the files say.
        has_schedules: Whether every schedule is in the directory.
        judge_address: Says what is wrong with an address.
    """
    if not draft.is_whole:
        return []
    checks = Checks(
        directory=directory or draft.directory,
        has_schedules=has_schedules,
        unread=draft.unread,
    )
    found = [
        mistake_at(draft, key, problem)
        for key in draft.directory.origins
        for problem in _problems(draft, checks, key, judge_address)
    ]

    return sorted(found, key=lambda one: (one.file, one.line or 0, one.path))


def _problems(
    draft: Draft, checks: Checks, key: str, judge_address: Judge | None
) -> Iterator[Problem]:
    kind, _, name = key.partition("/")
    if kind == SETTINGS:
        problems = checks.problems_of_settings()
        yield from (
            Problem(path="", problem=one.problem)
            for one in problems
            if one.path == name
        )
        return
    yield from checks.problems(ObjectKind(kind), name)
    if judge_address is not None:
        one = draft.directory.objects(ObjectKind(kind))[name]
        for path, channel, address in _addresses(ObjectKind(kind), one):
            problem = judge_address(channel, address)
            if problem is not None:
                yield Problem(path=path, problem=problem)


def _addresses(kind: ObjectKind, one: Any) -> Iterator[tuple[str, str, str]]:
    """Yield path, channel and address of all that an object is reached by."""
    if kind is ObjectKind.PLACES:
        yield "address", one.channel, one.address
    if kind is ObjectKind.USERS:
        for index, method in enumerate(one.contact_methods):
            path = f"contact_methods[{index}].address"
            yield path, method.channel, method.address
