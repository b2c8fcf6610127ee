"""
What the engine needs from the outside world.

A port is a promise with its fine print. Each promise has a test in
tests/contract that every adapter passes, the in-memory one too.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self

from engine.core.alerts import Alert
from engine.core.effects import Comment, Send, Withdraw
from engine.core.events import Event, Outcome
from engine.core.incident import Incident, Status
from engine.core.reasons import Reason
from engine.directory import Directory
from engine.errors import UnreadableError
from policies.targets import Target


class Clock(Protocol):
    """Tells the time, the same to every process, in UTC and whole milliseconds."""

    def now(self) -> datetime:
        """
        Return the current time.

        It may lag the store's own clock by a few milliseconds, it never leads it.
        """
        ...

    async def sleep_until(self, at: datetime) -> None:
        """Return at `at` or just after it; at once if that is past. Never before."""
        ...


class Ids(Protocol):
    """Makes ids. A replay takes them from the history instead."""

    def incident_id(self, at: datetime, shard: int) -> str:
        """Return an id for an incident; the store may ask for another one."""
        ...

    def command_id(self) -> str:
        """Return an id for a command or an alert whose sender gave none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedAlert:
    """An alert whose incident is settled: the open one with this key."""

    alert: Alert
    integration: str
    key: str


class Posting(StrEnum):
    """What an append did with an alert."""

    JOINED = "joined"
    OPENED = "opened"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where an alert went; `incident_id` is None if it was late."""

    posting: Posting
    incident_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An event that answers what an incident asked for: a report, a look-up."""

    incident_id: str
    event: Event


class Mailbox(Protocol):
    """Takes in what happened to incidents, without deciding anything."""

    async def append(self, alerts: Sequence[RoutedAlert]) -> Sequence[Receipt]:
        """
        Put each alert into the mailbox of the open incident with its key.

        When this returns, every one of them is stored and will be decided. If the
        key has no open incident, a firing alert claims it for a new one; a resolved
        alert, and a firing one whose occurrence is known to be resolved, go to the
        list of late notices and no further. A request that failed halfway may be
        sent again: it joins what is there.

        Raises:
            StoreUnavailableError: If not all of it was written.
            OverloadedError: If a mailbox or the memory is full.
        """
        ...

    async def post(self, answers: Sequence[Answer]) -> None:
        """
        Put each answer into its incident's mailbox.

        Raises:
            StoreUnavailableError: If not all of it was written.
        """
        ...


class Lane(StrEnum):
    """What a claim is for: timers of open incidents, or mail."""

    DUE = "due"
    MAIL = "mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """
    One unread item of a mailbox.

    Attributes:
        number: Counts an incident's mail; the commit says up to which it read.
        at: The store's time at which it was appended.
        content: An alert with its route, or the event of an answer; None if it
            could not be read.
    """

    number: int
    at: datetime
    content: RoutedAlert | Event | None


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
        follow_ups: Alerts that fired after the one that closed this incident, in one
            claim. They open the next one of the key, or join it if there is one.
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
    follow_ups: tuple[RoutedAlert, ...] = ()

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


class Stored(StrEnum):
    """
    What came of a commit.

    LOST and MORE_MAIL: load it and decide again. EARLY: the claim's due time has
    not come by the store's clock. KEY_TAKEN: the dedup key names another incident,
    so this one was never opened. FAILED: an error; the lease brings it back.
    """

    DONE = "done"
    LOST = "lost"
    MORE_MAIL = "more_mail"
    EARLY = "early"
    KEY_TAKEN = "key_taken"
    FAILED = "failed"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a list shows of an incident."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """
    One notification that this process is to send.

    Attributes:
        attempt: Counts the tries; only the latest one's failure counts.
    """

    incident_id: str
    send: Send
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """How many notifications are under way, by what caused them."""

    by_timer: int = 0
    by_opening: int = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return self.by_timer + self.by_opening


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """
    What more a process can send on one channel.

    Attributes:
        slots: So many more notifications at once.
        each: So many at once with one provider, those under way included.
        under_way: What is under way, by provider; one that is missing has nothing.
    """

    channel: str
    slots: int
    each: int
    under_way: Mapping[str, UnderWay] = field(default_factory=dict[str, UnderWay])


class Outbox(Protocol):
    """
    Keeps what is to be sent until a channel has taken it.

    Every method raises StoreUnavailableError if the store cannot be reached.
    """

    async def claim(self, rooms: Sequence[Room]) -> Sequence[Delivery]:
        """
        Take notifications that are due, as far as there is room, for a lease of 3 s.

        The provider with the fewest under way comes first, and takes a slot only while
        more are free than it has: unless each slot has a provider of its own, one that
        comes later finds a slot, however many hang. Of a provider's notifications those
        caused by a timer and those caused by an opening share its slots: the cause with
        fewer under way comes first. Where two are even, who is due for longer does.
        """
        ...

    async def renew(self, deliveries: Sequence[Delivery]) -> None:
        """
        Lengthen the leases of sends that are under way, to 3 s from now.

        What is finished meanwhile, or has a later attempt, stays as it is.
        """
        ...

    async def begin(self, delivery: Delivery) -> Incident | None:
        """
        Ask, directly before the first byte, whether to send at all.

        Returns:
            The incident as it is now, for the text; None if the notification was
            withdrawn or a later attempt has begun.
        """
        ...

    async def finish(
        self,
        delivery: Delivery,
        outcome: Outcome,
        detail: str,
        retry_at: datetime | None,
    ) -> None:
        """
        Note the outcome in the incident's mailbox, or keep it for another try.

        Success of any attempt counts, a failure only from the latest. With
        `retry_at`, which only the latest may ask for, the notification is due again
        then and nothing is reported; one withdrawn while it was under way is never
        tried again.
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


class Wake(StrEnum):
    """Why a worker is woken: a timer is about to be due, or something is due now."""

    DUE = "due"
    KICK = "kick"


class Timers(Protocol):
    """Wakes workers when something is due."""

    async def arm(self, dues: Sequence[datetime]) -> None:
        """
        Have some worker woken shortly before each of these times.

        At most 250 ms before and at most 100 ms after it, if a worker runs. Arming
        the same time again changes nothing. One that is past is a kick.
        """
        ...

    async def run(self, wake: Callable[[Wake], Awaitable[None]]) -> None:
        """Call `wake` whenever it is time, never beside itself, until cancelled."""
        ...


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
        Pack the histories of some incidents closed a minute ago or earlier.

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


class Configuration(Protocol):
    """Keeps the directory."""

    async def read(self) -> Directory:
        """
        Return the directory, at most a second old.

        While the store is down this is the last one known; without one it raises.

        Raises:
            StoreUnavailableError: If there never was one.
        """
        ...

    async def seed(self, directory: Directory) -> bool:
        """Store a first directory if there is none; tell whether it was stored."""
        ...


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
class Notification:
    """
    What a channel needs to reach one person.

    Attributes:
        secrets: What the other side knows us by; for signatures, never sent.
        incident_url: Where the incident is shown, if others can reach us at all.
    """

    key: str
    incident_id: str
    title: str
    status: Status
    person: str
    name: str
    address: str
    attempt: int
    late_by_seconds: int = 0
    labels: dict[str, str] = field(default_factory=dict[str, str])
    secrets: tuple[str, ...] = field(default=(), repr=False)
    incident_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """
    What a channel says of one attempt.

    Attributes:
        is_final: Of a failure: it would fail again, so it is not tried again.
        is_repeatable: Of an unknown outcome: the other side knows the key, so a second
            try does no harm. Without it what may have arrived is not sent again.
        retry_after: How long the other side asks to be left alone.
    """

    outcome: Outcome
    detail: str = ""
    is_final: bool = False
    is_repeatable: bool = False
    retry_after: timedelta | None = None


class Channel(Protocol):
    """Reaches people."""

    async def send(self, notification: Notification) -> DeliveryResult:
        """
        Send one notification, with its key as the provider's idempotency key.

        Returns an outcome and does not raise for what the provider does.
        """
        ...
