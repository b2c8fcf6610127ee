"""Whoever looks after what is stored, and tells that it is well."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


class Repair(StrEnum):
    """
    What an audit found wrong and put right.

    MAIL and DUE: an incident was not in a lane that it has to be in. INDEX: a list
    named an incident that is gone. SNAPSHOT: the policies of an incident were gone, and
    this process knew them. LOST: they are gone for good; nothing was put right.
    """

    MAIL = "mail"
    DUE = "due"
    INDEX = "index"
    SNAPSHOT = "snapshot"
    LOST = "snapshot_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """
    What one slice of an audit found.

    Attributes:
        repaired: How often it found each of these; what it never found is left out.
        done: The share of the whole audit that is behind it, up to 1.
        after: What the next slice is told; None: this was the last one.
        overdue: Of the last slice: for how long the head of each lane and each outbox
            list has been overdue.
    """

    repaired: Mapping[Repair, int]
    done: float
    after: str | None = None
    overdue: Mapping[str, timedelta] = field(default_factory=dict[str, timedelta])


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How many incidents were removed: those of age, and those for want of memory."""

    old: int = 0
    early: int = 0

    @property
    def count(self) -> int:
        """All of them."""
        return self.old + self.early


class Upkeep(Protocol):
    """
    Looks after what is stored: finds what got lost, and makes room.

    Crashing anywhere in it is harmless: the next process does it again. Every method
    raises StoreUnavailableError if the store cannot be reached.
    """

    async def hold(self, owner: str) -> bool:
        """
        Take the upkeep for 15 s, or keep it; tell whether this owner has it now.

        Only one has it at a time. Whoever dies loses it when the time is over.
        """
        ...

    async def audit(self, after: str | None = None) -> Audited:
        """
        Check a slice of at most some 500 incidents, and put right what is wrong.

        An incident with unread mail is in the lane of mail; an open one that is due at
        a time is in the lane of timers at that time; a lease or a pause may hold either
        for a minute. Every snapshot that an open incident named exists. However long
        ago it went wrong, the audit finds it; it changes nothing that is right.
        """
        ...

    async def pack(self) -> int:
        """
        Pack the histories of some incidents at rest, or closed, for a minute or longer.

        Nobody who reads or goes on with one sees a difference.

        Returns:
            How many it packed; 0: none is waiting.
        """
        ...

    async def purge(self, closed_before: datetime) -> Purged:
        """
        Remove some incidents closed before this time, those first that closed first.

        While the memory is over 70 % full, younger ones too. One that is open, or has
        unread mail, stays. All of an incident goes at once, and its snapshots with the
        last incident that named them.

        Returns:
            How many it removed; 0: there is none to remove.
        """
        ...


class Heartbeat(Protocol):
    """Tells somebody outside that pages go out; silence is their alarm."""

    async def ping(self) -> None:
        """Tell them once. Whatever this raises is logged, and harms nothing."""
        ...
