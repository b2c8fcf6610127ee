"""
Adapters that live in this process: for tests, replays and a first look.

They keep the promises of the ports like the others do, on a clock that moves only
when told to. What is stored goes through the codec, so what could not be stored
elsewhere cannot be stored here.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from engine.codec import (
    decode_entry,
    decode_incident,
    decode_mail,
    encode_entry,
    encode_incident,
    encode_mail,
)
from engine.core.alerts import AlertRecord, AlertStatus
from engine.core.effects import Send
from engine.core.events import DeliveryReported, Outcome
from engine.core.incident import Incident, Status
from engine.directory import Directory
from engine.errors import OverloadedError, UnknownIncidentError
from engine.ids import mint
from engine.ports import (
    Answer,
    Claimed,
    Commit,
    Delivery,
    DeliveryResult,
    Entry,
    Lane,
    Mail,
    Notification,
    Posting,
    Receipt,
    RoutedAlert,
    Stored,
    Summary,
    Wake,
)
from policies.policy import Snapshot

LEASE = timedelta(seconds=2)
SEND_LEASE = timedelta(seconds=3)
OCCURRENCE_KEPT = timedelta(hours=24)
PARK_SECONDS_MAX = 60
CLAIM_MAX, MAIL_MAX, MAILBOX_MAX = 256, 200, 10_000
WOKEN_AHEAD = timedelta(milliseconds=150)


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._moved = anyio.Event()

    def now(self) -> datetime:
        """Return the current time."""
        return self._at

    async def sleep_until(self, at: datetime) -> None:
        """Return when somebody has moved the clock there."""
        while self._at < at:
            await self._moved.wait()

    def advance(self, by: timedelta) -> None:
        """
        Move forward.

        Raises:
            ValueError: If that would be back.
        """
        if by < timedelta(0):
            message = "time cannot go backwards"
            raise ValueError(message)
        self._at += by
        self._moved.set()
        self._moved = anyio.Event()


class CountingIds:
    """Makes ids by counting, so that every run makes the same."""

    def __init__(self) -> None:
        self._count = 0

    def incident_id(self, at: datetime, shard: int) -> str:
        """Return the next id."""
        self._count += 1

        return mint(at, shard, self._count)

    def command_id(self) -> str:
        """Return the next id."""
        self._count += 1

        return f"c{self._count}"


@dataclass
class _Kept:
    """All that is kept of one incident."""

    key: tuple[str, str]
    state: bytes | None = None
    snapshot: Snapshot | None = None
    alerts: dict[str, AlertRecord] = field(default_factory=dict[str, AlertRecord])
    revision: int = 0
    history: list[bytes] = field(default_factory=list[bytes])
    mail: list[tuple[int, datetime, bytes]] = field(
        default_factory=list[tuple[int, datetime, bytes]]
    )
    mail_count: int = 0
    failures: int = 0
    due: datetime | None = None
    # When the lanes look at it next: the due time, or the end of a lease.
    due_at: datetime | None = None
    mail_at: datetime | None = None

    def incident(self) -> Incident | None:
        """Decode the state, with every alert."""
        if self.state is None or self.snapshot is None:
            return None

        return decode_incident(self.state, self.snapshot, dict(self.alerts))


@dataclass
class _Letter:
    """One entry of the outbox."""

    incident_id: str
    send: Send
    at: datetime
    attempt: int = 0
    is_begun: bool = False
    is_withdrawn: bool = False


class MemoryStore:
    """Keeps incidents, their mail and what they send, in dicts."""

    def __init__(self, clock: ManualClock, ids: CountingIds) -> None:
        self._clock = clock
        self._ids = ids
        self._kept: dict[str, _Kept] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._ended: dict[tuple[str, str], datetime] = {}
        self._outbox: dict[tuple[str, str, int], _Letter] = {}
        self.late: list[RoutedAlert] = []

    def next_due(self) -> datetime | None:
        """Return when anything is due next: a timer, mail or a send."""
        dues = [kept.due_at for kept in self._kept.values() if kept.due_at]
        dues += [kept.mail_at for kept in self._kept.values() if kept.mail_at]
        dues += [letter.at for letter in self._outbox.values()]

        return min(dues, default=None)

    async def append(self, alerts: Sequence[RoutedAlert]) -> Sequence[Receipt]:
        """Put each alert into the mailbox of the open incident with its key."""
        return [self._append(routed) for routed in alerts]

    async def post(self, answers: Sequence[Answer]) -> None:
        """Put each answer into its incident's mailbox."""
        for answer in answers:
            if answer.incident_id in self._kept:
                self._post(answer.incident_id, encode_mail(answer.event))

    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """Take incidents that are due, for the length of a lease."""
        now = self._clock.now()
        limit = max(now, ahead_until) if ahead_until and lane is Lane.DUE else now
        found = []
        for incident_id, kept in self._in_order(lane, limit):
            until = now + LEASE
            if lane is Lane.DUE or (kept.due_at and kept.due_at <= now):
                kept.due_at = until
            if lane is Lane.MAIL or (kept.mail_at and kept.mail_at <= now):
                kept.mail_at = until
            found.append(self._claimed(incident_id, MAIL_MAX))

        return found

    async def load(self, incident_id: str) -> Claimed:
        """Return one incident with its unread mail, without a lease."""
        if incident_id not in self._kept:
            raise UnknownIncidentError(incident_id)

        return self._claimed(incident_id, MAILBOX_MAX)

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Store each decided incident in one piece, if nobody stored it since."""
        return [self._commit(commit) for commit in commits]

    async def release(self, claimed: Sequence[Claimed], *, park: bool = False) -> None:
        """End claims without a change, or put the incidents aside."""
        for one in claimed:
            kept = self._kept[one.incident_id]
            if park:
                kept.failures += 1
                seconds = min(2**kept.failures, PARK_SECONDS_MAX)
                until = self._clock.now() + timedelta(seconds=seconds)
                kept.due_at = until if kept.due_at else None
                kept.mail_at = until if kept.mail_at else None
            else:
                kept.due_at = kept.due
                kept.mail_at = self._clock.now() if kept.mail else None

    async def summaries(
        self, statuses: frozenset[Status], limit: int, before: str | None = None
    ) -> Sequence[Summary]:
        """Return incidents, newest first."""
        incidents = [kept.incident() for kept in self._kept.values()]
        wanted = [
            summary_of(incident)
            for incident in incidents
            if incident and incident.status in statuses
            if before is None or incident.id < before
        ]
        wanted.sort(key=lambda summary: summary.id, reverse=True)

        return wanted[:limit]

    async def history(self, incident_id: str) -> Sequence[Entry]:
        """Return what happened to an incident, oldest first."""
        kept = self._kept.get(incident_id)
        if kept is None or not kept.history:
            raise UnknownIncidentError(incident_id)

        return [decode_entry(line) for line in kept.history]

    def _append(self, routed: RoutedAlert) -> Receipt:
        key = (routed.integration, routed.key)
        known = self._keys.get(key)
        fires = routed.alert.status is AlertStatus.FIRING
        if self._is_late(routed, fires=fires, is_open=known is not None):
            self.late.append(routed)
            return Receipt(posting=Posting.LATE, incident_id=None)
        if known is None:
            posting, known = Posting.OPENED, self._fresh_id()
            self._keys[key] = known
            self._kept[known] = _Kept(key=key)
        else:
            posting = Posting.JOINED
        if len(self._kept[known].mail) >= MAILBOX_MAX:
            message = f"the mailbox of {known} is full"
            raise OverloadedError(message)
        self._post(known, encode_mail(routed))

        return Receipt(posting=posting, incident_id=known)

    def _is_late(self, routed: RoutedAlert, *, fires: bool, is_open: bool) -> bool:
        occurrence = routed.alert.occurrence
        mark = (routed.integration, occurrence or "")
        ended_at = self._ended.get(mark)
        is_kept = ended_at and self._clock.now() - ended_at < OCCURRENCE_KEPT
        if fires and occurrence and is_kept:
            return True
        if fires or is_open:
            return False
        if occurrence:
            self._ended[mark] = self._clock.now()

        return True

    def _fresh_id(self) -> str:
        while (minted := self._ids.incident_id(self._clock.now(), 0)) in self._kept:
            pass

        return minted

    def _post(self, incident_id: str, body: bytes) -> None:
        kept = self._kept[incident_id]
        kept.mail_count += 1
        kept.mail.append((kept.mail_count, self._clock.now(), body))
        kept.mail_at = kept.mail_at or self._clock.now()

    def _in_order(self, lane: Lane, limit: datetime) -> list[tuple[str, _Kept]]:
        def time_of(kept: _Kept) -> datetime | None:
            return kept.due_at if lane is Lane.DUE else kept.mail_at

        due = [
            (at, incident_id, kept)
            for incident_id, kept in self._kept.items()
            if (at := time_of(kept)) and at <= limit
        ]
        due.sort(key=lambda entry: entry[:2])

        return [(incident_id, kept) for _, incident_id, kept in due[:CLAIM_MAX]]

    def _claimed(self, incident_id: str, mail_max: int) -> Claimed:
        kept = self._kept[incident_id]

        return Claimed(
            incident_id=incident_id,
            claimed_at=self._clock.now(),
            incident=kept.incident(),
            revision=str(kept.revision) if kept.revision else "",
            history_count=len(kept.history),
            due=kept.due,
            mail=tuple(
                Mail(number=number, at=at, content=decode_mail(body))
                for number, at, body in kept.mail[:mail_max]
            ),
            failures=kept.failures,
        )

    def _commit(self, commit: Commit) -> Stored:
        refused = self._refusal(commit)
        if refused is not None:
            return refused
        incident = commit.incident
        kept = self._kept[incident.id]
        for send in commit.sends:
            self._outbox[incident.id, send.page, send.rule] = _Letter(
                incident_id=incident.id, send=send, at=send.due
            )
        for one in commit.withdrawals:
            self._withdraw((incident.id, one.page, one.rule))
        kept.history[commit.claimed.history_count :] = map(encode_entry, commit.history)
        for occurrence in commit.ended:
            self._ended[incident.integration, occurrence] = self._clock.now()
        if (
            incident.status is Status.RESOLVED
            and self._keys.get(kept.key) == incident.id
        ):
            del self._keys[kept.key]
        kept.state, kept.snapshot = encode_incident(incident), incident.snapshot
        kept.alerts |= incident.alerts
        kept.revision += 1
        kept.failures = 0
        kept.mail = [mail for mail in kept.mail if mail[0] > commit.read_up_to]
        kept.due = kept.due_at = incident.next_due
        kept.mail_at = self._clock.now() if kept.mail else None

        return Stored.DONE

    def _refusal(self, commit: Commit) -> Stored | None:
        kept = self._kept[commit.incident.id]
        if (str(kept.revision) if kept.revision else "") != commit.claimed.revision:
            return Stored.LOST
        opens = not commit.claimed.revision
        if opens and self._keys.get(kept.key) != commit.incident.id:
            return Stored.KEY_TAKEN
        if commit.not_before and self._clock.now() < commit.not_before:
            return Stored.EARLY
        before = commit.claimed.incident
        was_open = before is None or before.status is not Status.RESOLVED
        closes = was_open and commit.incident.status is Status.RESOLVED
        if closes and any(number > commit.read_up_to for number, _, _ in kept.mail):
            return Stored.MORE_MAIL

        return None

    def _withdraw(self, name: tuple[str, str, int]) -> None:
        letter = self._outbox.get(name)
        if letter is not None and letter.is_begun:
            letter.is_withdrawn = True
        else:
            self._outbox.pop(name, None)

    def letters(self, channel: str) -> Iterator[_Letter]:
        """Yield what is due on a channel, one caused by a timer, one by an opening."""
        now = self._clock.now()
        due = [
            letter
            for letter in self._outbox.values()
            if letter.send.channel == channel and letter.at <= now
        ]
        due.sort(key=lambda letter: letter.at)
        by_timer = [letter for letter in due if letter.send.caused_by_timer]
        by_opening = [letter for letter in due if not letter.send.caused_by_timer]
        while by_timer or by_opening:
            yield from by_timer[:1]
            yield from by_opening[:1]
            del by_timer[:1], by_opening[:1]

    def drop(self, letter: _Letter) -> None:
        """Forget an entry of the outbox."""
        self._outbox.pop((letter.incident_id, letter.send.page, letter.send.rule), None)

    def letter(self, delivery: Delivery) -> _Letter | None:
        """Return the entry that a delivery is of."""
        send = delivery.send

        return self._outbox.get((delivery.incident_id, send.page, send.rule))

    def report(self, incident_id: str, event: DeliveryReported) -> None:
        """Put an outcome into the mailbox."""
        self._post(incident_id, encode_mail(event))

    def current(self, incident_id: str) -> Incident | None:
        """Return an incident as it is stored."""
        return self._kept[incident_id].incident()


class MemoryOutbox:
    """The outbox of a memory store."""

    def __init__(self, store: MemoryStore, clock: ManualClock) -> None:
        self._store = store
        self._clock = clock

    async def claim(self, channel: str, slots: int) -> Sequence[Delivery]:
        """Take notifications that are due, for the length of a lease."""
        found: list[Delivery] = []
        for letter in list(self._store.letters(channel)):
            if len(found) >= slots:
                break
            if letter.is_withdrawn:
                self._store.drop(letter)
                continue
            letter.attempt += 1
            letter.is_begun = False
            letter.at = self._clock.now() + SEND_LEASE
            found.append(
                Delivery(
                    incident_id=letter.incident_id,
                    send=letter.send,
                    attempt=letter.attempt,
                )
            )

        return found

    async def renew(self, deliveries: Sequence[Delivery]) -> None:
        """Lengthen the leases of sends that are under way."""
        for delivery in deliveries:
            letter = self._store.letter(delivery)
            if letter and letter.attempt == delivery.attempt:
                letter.at = self._clock.now() + SEND_LEASE

    async def begin(self, delivery: Delivery) -> Incident | None:
        """Ask whether to send at all; from here on it is in flight."""
        letter = self._store.letter(delivery)
        if letter is None or letter.is_withdrawn or letter.attempt != delivery.attempt:
            return None
        letter.is_begun = True

        return self._store.current(delivery.incident_id)

    async def finish(
        self,
        delivery: Delivery,
        outcome: Outcome,
        detail: str,
        retry_at: datetime | None,
    ) -> None:
        """Note the outcome in the incident's mailbox, or keep it for another try."""
        letter = self._store.letter(delivery)
        if letter is None:
            return
        if outcome is Outcome.FAILED and letter.attempt != delivery.attempt:
            return
        if retry_at and not letter.is_withdrawn:
            letter.at, letter.is_begun = retry_at, False
            return
        self._store.drop(letter)
        self._store.report(
            delivery.incident_id,
            DeliveryReported(
                at=self._clock.now(),
                page=delivery.send.page,
                rule=delivery.send.rule,
                attempt=delivery.attempt,
                outcome=outcome,
                detail=detail,
            ),
        )


class MemoryConfiguration:
    """Keeps the directory in a variable."""

    def __init__(self, directory: Directory | None = None) -> None:
        self._directory = directory

    async def read(self) -> Directory:
        """Return the directory."""
        return self._directory or Directory()

    async def seed(self, directory: Directory) -> bool:
        """Store a first directory if there is none; tell whether it was stored."""
        if self._directory is not None:
            return False
        self._directory = directory

        return True

    def change(self, directory: Directory) -> None:
        """Put another directory in the place of this one."""
        self._directory = replace_version(
            directory, (self._directory or directory).version
        )


class MemoryTimers:
    """Wakes on a manual clock."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._armed: set[datetime] = set()
        self._changed = anyio.Event()

    async def arm(self, dues: Sequence[datetime]) -> None:
        """Have `run` wake shortly before each of these times."""
        self._armed.update(dues)
        self._changed.set()
        self._changed = anyio.Event()

    async def run(self, wake: Callable[[Wake], Awaitable[None]]) -> None:
        """Call `wake` whenever it is time, never beside itself, until cancelled."""
        while True:
            due = min(self._armed, default=None)
            if due is None:
                await self._changed.wait()
                continue
            now = self._clock.now()
            if due - WOKEN_AHEAD > now:
                await self._wait(due - WOKEN_AHEAD)
                continue
            self._armed = {at for at in self._armed if at - WOKEN_AHEAD > now}
            await wake(Wake.KICK if due <= now else Wake.DUE)

    async def _wait(self, until: datetime) -> None:
        """Wait for the time, or for another one to be armed."""
        async with anyio.create_task_group() as tasks:

            async def changed() -> None:
                await self._changed.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(changed)
            await self._clock.sleep_until(until)
            tasks.cancel_scope.cancel()


class MemoryChannel:
    """Remembers what it was given; answers as it was told to."""

    def __init__(self) -> None:
        self.sent: list[Notification] = []
        self.answers: dict[str, DeliveryResult] = {}

    async def send(self, notification: Notification) -> DeliveryResult:
        """Remember a notification, unless its person cannot be reached."""
        answer = self.answers.get(notification.person)
        if answer is not None and answer.outcome is Outcome.FAILED:
            return answer
        self.sent.append(notification)

        return answer or DeliveryResult(outcome=Outcome.SENT)


def summary_of(incident: Incident) -> Summary:
    """Return what a list shows of an incident."""
    return Summary(
        id=incident.id,
        title=incident.title,
        status=incident.status,
        integration=incident.integration,
        opened_at=incident.opened_at,
        alert_count=incident.alert_count,
        firing_count=incident.firing_count,
        acknowledged_by=incident.acknowledged_by,
        exhausted_at=incident.exhausted_at,
        resolved_at=incident.resolved_at,
    )


def replace_version(directory: Directory, version: int) -> Directory:
    """Return the directory as the version after this one."""
    return directory.model_copy(update={"version": version + 1})
