"""Whom a target stands for, and whose turn it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from policies.targets import Target


class OnCallReason(StrEnum):
    """Why somebody is on call."""

    OVERRIDE = "override"
    FIXED_SHIFT = "fixed_shift"
    ROTATION = "rotation"
    EVENT = "event"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCall:
    """
    Who is behind a target.

    Attributes:
        people: User ids in paging order, without repeats.
        source: What answered: a schedule's name, a file.
        until: The instant up to which the answer holds; None is unknown.
    """

    people: tuple[str, ...]
    reason: OnCallReason
    source: str
    until: datetime | None = None


class OnCallLookup(Protocol):
    """
    Knows who is on call.

    One that answers from what this process and its store know is asked while a drain
    waits. Any other may take its time: nobody waits for it (LookUps in engine/service).
    """

    async def who(self, target: Target, at: datetime) -> OnCall:
        """
        Return who is behind the target at this time; nobody is an answer too.

        Raises:
            LookUpFailedError: If it cannot be told. The walk goes on without.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOnCall:
    """Who was behind a target, when that was last told."""

    answer: OnCall
    at: datetime


class LastKnown(Protocol):
    """Remembers who was on call last, for when nobody can tell."""

    async def note(self, target: str, known: KnownOnCall) -> None:
        """
        Remember an answer, for a day.

        Raises:
            StoreUnavailableError: If it was not written.
        """
        ...

    async def recall(self, target: str) -> KnownOnCall | None:
        """
        Return the last answer about a target; None if there was none for a day.

        Raises:
            StoreUnavailableError: If it cannot be told.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """
    A turn to be taken.

    Attributes:
        of: What turns are taken at.
        ticket: Names whoever takes it; the same ticket gets the same answer.
        candidates: In their order, at least one.
    """

    of: str
    ticket: str
    candidates: tuple[str, ...]


class Turns(Protocol):
    """Knows whose turn it is."""

    async def take(self, turns: Sequence[Turn]) -> Sequence[str]:
        """
        Take turns, in this order: each is the candidate after the one taken last.

        The same ticket gets the same answer, for an hour. If the last one taken is no
        candidate any more, or there was none yet, it is the first one's turn.

        Raises:
            StoreUnavailableError: If it cannot be told of one of them.
        """
        ...
