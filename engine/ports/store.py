"""Incidents, as they are claimed, decided, stored and shown."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self

from engine.core.effects import Comment, Send, Withdraw
from engine.core.events import Event
from engine.core.incident import Incident, Status
from engine.core.reasons import Reason
from engine.errors import UnreadableError
from engine.ports.mailbox import (
    Routed,
)
from policies.policy import (
    Snapshot,
)


class Lane(StrEnum):
    """What a claim is for: timers of open incidents, or mail."""

    DUE = "due"
    MAIL = "mail"


# Kept small from then on. To pack a history takes as long as a few decisions.
REST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """
    One unread item of a mailbox.

    Attributes:
        number: Counts an incident's mail; the commit says up to which it read.
        at: The store's time at which it was appended.
        content: What a source said, with its route, or the event of an answer; None if
            it could not be read.
    """

    number: int
    at: datetime
    content: Routed | Event | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """
    An incident to be decided, as it was at `claimed_at`.

    Attributes:
        incident: None if its first mail has not been read yet. Of its alerts it
            holds those that the unread mail speaks of.
        revision: Names the stored version; empty if there is none.
        history_count: How many events its history holds.
        due: The time at which it is due, without the lease.
        mail: What is unread, oldest first, at most 200 items.
        failures: How often in a row it was parked.
        unreadable: Why its state or its mail cannot be read; it can only be parked.
        integration: Of one that cannot be read: whose it is, if that much is known.
        after: Of one that is not open yet: the incident that somebody resolved while
            this one's alert went on firing.
    """

    incident_id: str
    claimed_at: datetime
    incident: Incident | None
    revision: str = ""
    history_count: int = 0
    due: datetime | None = None
    mail: tuple[Mail, ...] = ()
    failures: int = 0
    unreadable: UnreadableError | None = None
    integration: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One line of an incident's history: what happened and why it meant what it did.

    Attributes:
        comments: What was shown with it.
    """

    event: Event
    reason: Reason
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """
    One decided incident, to be stored in one piece.

    Attributes:
        history: What happened, in order, after the claim's `history_count`.
        read_up_to: Number of the last mail that was decided.
        not_before: The due time that was decided; an early commit is refused.
        ended: Occurrences that their source resolved; remembered for 24 h.
        repeats: Notices of alerts that were known to fire already; only counted.
        follow_ups: What came after the alert that closed this incident, in one claim,
            from the first one that fires on. That one opens the next incident of the
            key, or joins it if there is one.
    """

    claimed: Claimed
    incident: Incident
    history: tuple[Entry, ...] = ()
    sends: tuple[Send, ...] = ()
    withdrawals: tuple[Withdraw, ...] = ()
    read_up_to: int = 0
    not_before: datetime | None = None
    ended: tuple[str, ...] = ()
    repeats: int = 0
    follow_ups: tuple[Routed, ...] = ()

    @property
    def leaves_firing(self) -> bool:
        """Whether somebody closes it here whose alerts go on firing."""
        before, after = self.claimed.incident, self.incident
        was_open = before is None or before.status.is_open

        return (
            was_open
            and after.status is Status.RESOLVED
            and after.resolved_by is not None
            and after.firing_count > 0
        )

    @property
    def rests(self) -> bool:
        """Whether it will not move by itself for ten minutes, if it ever does."""
        due = self.incident.next_due

        return due is None or due - self.claimed.claimed_at >= REST


class Stored(StrEnum):
    """
    What came of a commit.

    LOST and MORE_MAIL: load it and decide again. EARLY: the claim's due time has
    not come by the store's clock. KEY_TAKEN: the dedup key names another incident,
    so this one was never opened. FAILED: an error that passes by itself; the lease
    brings it back. REFUSED: one that does not, so that it has to be put aside.
    """

    DONE = "done"
    LOST = "lost"
    MORE_MAIL = "more_mail"
    EARLY = "early"
    KEY_TAKEN = "key_taken"
    FAILED = "failed"
    REFUSED = "refused"


class IncidentStore(Protocol):
    """
    Keeps incidents, and says which of them are due.

    Every method raises StoreUnavailableError if the store cannot be reached.
    """

    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """
        Take incidents that are due, for the length of a lease of 2 s.

        Lane DUE: those with a timer due by `ahead_until` (default: now). Lane MAIL:
        those with unread mail. Nobody else gets them from a claim before the lease
        is over; if no commit or release comes, they are due again then. At most
        256 in all, at most 64 a shard, an incident once. One that cannot be read
        says so, and harms no other.
        """
        ...

    async def load(self, incident_id: str) -> Claimed:
        """
        Return one incident with its unread mail, without a lease.

        Raises:
            UnknownIncidentError: If there is neither an incident nor mail for it.
            StoreUnavailableError: If the store cannot be reached.
        """
        ...

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """
        Store each decided incident in one piece, if nobody stored it since.

        State, history, outbox, due time, mailbox position, dedup key and indexes
        change together or not at all. Items stand alone: one that fails takes no
        other with it. A commit that closes an incident while other mail waits is
        refused (MORE_MAIL), so that no alert is closed away unread. With no commits it
        only returns when all that was stored before is as safe as a commit.

        Raises:
            StoreUnavailableError: If none of them was stored, or they are not on as
                many replicas as they have to be.
        """
        ...

    async def release(self, claimed: Sequence[Claimed], *, park: bool = False) -> None:
        """
        End claims without a change: the true due times are written back.

        With `park`, the incident is put aside for 2^n seconds, at most 60; one that a
        newer version wrote for 5 s, which is not counted.
        """
        ...


# What senders call the urgency of an alert; the key of an incident's metadata.
SEVERITY, SEVERITY_MAX = "severity", 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """
    What a list shows of an incident.

    Attributes:
        severity: The first one that its alerts had, as their sender spelt it.
        policy: The policy that it started with.
    """

    id: str
    title: str
    status: Status
    integration: str
    team: str | None = None
    opened_at: datetime
    alert_count: int
    firing_count: int
    acknowledged_by: str | None = None
    exhausted_at: datetime | None = None
    resolved_at: datetime | None = None
    severity: str = ""
    policy: str = ""

    @classmethod
    def of(cls, incident: Incident) -> Self:
        """Return what a list shows of this incident."""
        return cls(
            id=incident.id,
            title=incident.title,
            status=incident.status,
            integration=incident.integration,
            team=incident.team,
            opened_at=incident.opened_at,
            alert_count=incident.alert_count,
            firing_count=incident.firing_count,
            acknowledged_by=incident.acknowledged_by,
            exhausted_at=incident.exhausted_at,
            resolved_at=incident.resolved_at,
            severity=next(iter(incident.metadata.get(SEVERITY, ())), "")[:SEVERITY_MAX],
            policy=incident.snapshot.root,
        )


class IncidentReader(Protocol):
    """Shows incidents."""

    async def summaries(
        self,
        statuses: frozenset[Status],
        limit: int,
        before: str | None = None,
        teams: frozenset[str | None] | None = None,
    ) -> Sequence[Summary]:
        """
        Return incidents older than the id `before`, newest first (by id).

        With `teams`, only theirs. An incident whose team is None is the default team's;
        who that is only the directory knows, so whoever asks for it names both.
        """
        ...

    async def history(self, incident_id: str) -> Sequence[Entry]:
        """
        Return what happened to an incident, oldest first.

        Raises:
            UnknownIncidentError: If no incident has this id.
        """
        ...

    async def policies_of(
        self, incident_id: str, hashes: Collection[str]
    ) -> Mapping[str, Snapshot]:
        """
        Return policy snapshots that events of an incident name, by hash.

        One that is gone, or that this version cannot read, is left out.
        """
        ...

    async def holder(self, integration: str, key: str) -> str | None:
        """Return the id of the open incident with a dedup key; None if none has it."""
        ...
