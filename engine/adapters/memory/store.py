"""Incidents, their mail and what they send, in dicts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product

from engine.adapters.memory.clock import CountingIds, ManualClock
from engine.adapters.memory.letters import Letters
from engine.codec import (
    decode_entry,
    decode_history,
    decode_incident,
    decode_mail,
    encode_entry,
    encode_incident,
    encode_mail,
)
from engine.core.alerts import AlertRecord, AlertStatus
from engine.core.events import DeliveryReported
from engine.core.incident import Incident, Status
from engine.errors import OverloadedError, UnknownIncidentError
from engine.ids import RANDOM_BITS, SHARDS_MAX
from engine.ports import (
    Answer,
    Claimed,
    Commit,
    Entry,
    Lane,
    Mail,
    Posting,
    Receipt,
    Routed,
    RoutedAcknowledgement,
    Stored,
    Summary,
)
from policies.policy import Snapshot

LEASE = timedelta(seconds=2)
OCCURRENCE_KEPT = timedelta(hours=24)
PARK_SECONDS_MAX, PARK_SECONDS_NEWER = 60, 5
CLAIM_MAX, MAIL_MAX, MAILBOX_MAX = 256, 200, 10_000


@dataclass
class Kept:
    """All that is kept of one incident."""

    key: tuple[str, str]
    state: bytes | None = None
    snapshot: Snapshot | None = None
    snapshots: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])
    alerts: dict[str, AlertRecord] = field(default_factory=dict[str, AlertRecord])
    revision: int = 0
    history: list[bytes] = field(default_factory=list[bytes])
    mail: list[tuple[int, datetime, bytes]] = field(
        default_factory=list[tuple[int, datetime, bytes]]
    )
    mail_count: int = 0
    failures: int = 0
    after: str | None = None
    due: datetime | None = None
    # When the lanes look at it next: the due time, or the end of a lease.
    due_at: datetime | None = None
    mail_at: datetime | None = None
    closed_at: datetime | None = None
    # The history before `history`, how much that is, and since when it could be packed.
    packed: bytes = b""
    packed_count: int = 0
    unpacked_at: datetime | None = None

    @property
    def lines(self) -> list[bytes]:
        """The whole history."""
        packed = decode_history(self.packed) if self.packed else []

        return [*packed, *self.history]

    def incident(self) -> Incident | None:
        """Decode the state, with every alert."""
        if self.state is None or self.snapshot is None:
            return None

        return decode_incident(self.state, self.snapshot, dict(self.alerts))


class MemoryStore:
    """Keeps incidents, their mail and what they send, in dicts."""

    def __init__(self, clock: ManualClock, ids: CountingIds) -> None:
        self._clock = clock
        self._ids = ids
        self.kept: dict[str, Kept] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._ended: dict[tuple[str, str], datetime] = {}
        # By key, the incident that somebody resolved while its alerts went on.
        self._left_firing: dict[tuple[str, str], str] = {}
        self.letters = Letters()
        self.late: list[Routed] = []

    def next_due(self) -> datetime | None:
        """Return when anything is due next: a timer, mail or a send."""
        dues = [kept.due_at for kept in self.kept.values() if kept.due_at]
        dues += [kept.mail_at for kept in self.kept.values() if kept.mail_at]
        sends_due = self.letters.next_due()

        return min([*dues, sends_due] if sends_due else dues, default=None)

    async def append(self, notices: Sequence[Routed]) -> Sequence[Receipt]:
        """Put each notice into the mailbox of the open incident with its key."""
        return [self._append(routed) for routed in notices]

    async def post(self, answers: Sequence[Answer]) -> None:
        """Put each answer into its incident's mailbox."""
        for answer in answers:
            if answer.incident_id in self.kept:
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
        if incident_id not in self.kept:
            raise UnknownIncidentError(incident_id)

        return self._claimed(incident_id, MAILBOX_MAX)

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Store each decided incident in one piece, if nobody stored it since."""
        return [self._commit(commit) for commit in commits]

    async def release(self, claimed: Sequence[Claimed], *, park: bool = False) -> None:
        """End claims without a change, or put the incidents aside."""
        for one in claimed:
            kept = self.kept.get(one.incident_id)
            if kept is None:
                continue
            if park:
                is_newer = one.unreadable is not None and one.unreadable.is_newer
                kept.failures += not is_newer
                seconds = min(2**kept.failures, PARK_SECONDS_MAX)
                seconds = PARK_SECONDS_NEWER if is_newer else seconds
                until = self._clock.now() + timedelta(seconds=seconds)
                kept.due_at = until if kept.due_at else None
                # Also without mail: what comes in meanwhile waits with the rest.
                kept.mail_at = until
            else:
                kept.due_at = kept.due
                kept.mail_at = self._clock.now() if kept.mail else None

    async def summaries(
        self,
        statuses: frozenset[Status],
        limit: int,
        before: str | None = None,
        teams: frozenset[str | None] | None = None,
    ) -> Sequence[Summary]:
        """Return incidents, newest first."""
        incidents = [kept.incident() for kept in self.kept.values()]
        wanted = [
            Summary.of(incident)
            for incident in incidents
            if incident and incident.status in statuses
            if before is None or incident.id < before
            if teams is None or incident.team in teams
        ]
        wanted.sort(key=lambda summary: summary.id, reverse=True)

        return wanted[:limit]

    async def history(self, incident_id: str) -> Sequence[Entry]:
        """Return what happened to an incident, oldest first."""
        kept = self.kept.get(incident_id)
        if kept is None or not kept.lines:
            raise UnknownIncidentError(incident_id)

        return [decode_entry(line) for line in kept.lines]

    async def policies_of(
        self, incident_id: str, hashes: Collection[str]
    ) -> Mapping[str, Snapshot]:
        """Return policy snapshots by hash; those that are gone are left out."""
        known = self.kept[incident_id].snapshots if incident_id in self.kept else {}

        return {hashed: known[hashed] for hashed in hashes if hashed in known}

    async def holder(self, integration: str, key: str) -> str | None:
        """Return the id of the open incident with a dedup key."""
        return self._keys.get((integration, key))

    def _append(self, routed: Routed) -> Receipt:
        key = (routed.integration, routed.key)
        known = self._keys.get(key)
        if self._is_late(routed, is_open=known is not None):
            self.late.append(routed)
            return Receipt(posting=Posting.LATE, incident_id=None)
        if known is not None and len(self.kept[known].mail) >= MAILBOX_MAX:
            message = f"the mailbox of {known} is full"
            raise OverloadedError(message)

        return self._join_or_open(routed)

    def _join_or_open(self, routed: Routed) -> Receipt:
        key = (routed.integration, routed.key)
        known = self._keys.get(key)
        posting = Posting.JOINED if known else Posting.OPENED
        if known is None:
            known = self._keys[key] = self._fresh_id()
            self.kept[known] = Kept(key=key, after=self._left_firing.pop(key, None))
        self._post(known, encode_mail(routed))

        return Receipt(posting=posting, incident_id=known)

    def _is_late(self, routed: Routed, *, is_open: bool) -> bool:
        if isinstance(routed, RoutedAcknowledgement):
            return not is_open
        fires = routed.alert.status is AlertStatus.FIRING
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
        """Mint until an id is free; what one shard has no room for goes to the next."""
        for shard, _ in product(range(SHARDS_MAX), range(1 << RANDOM_BITS)):
            minted = self._ids.incident_id(self._clock.now(), shard)
            if minted not in self.kept:
                return minted
        message = "there are no ids left at this time"
        raise OverloadedError(message)

    def _post(self, incident_id: str, body: bytes) -> None:
        kept = self.kept[incident_id]
        kept.mail_count += 1
        kept.mail.append((kept.mail_count, self._clock.now(), body))
        kept.mail_at = kept.mail_at or self._clock.now()

    def _in_order(self, lane: Lane, limit: datetime) -> list[tuple[str, Kept]]:
        def time_of(kept: Kept) -> datetime | None:
            return kept.due_at if lane is Lane.DUE else kept.mail_at

        due = [
            (at, incident_id, kept)
            for incident_id, kept in self.kept.items()
            if (at := time_of(kept)) and at <= limit
        ]
        due.sort(key=lambda entry: entry[:2])

        return [(incident_id, kept) for _, incident_id, kept in due[:CLAIM_MAX]]

    def _claimed(self, incident_id: str, mail_max: int) -> Claimed:
        kept = self.kept[incident_id]

        return Claimed(
            incident_id=incident_id,
            claimed_at=self._clock.now(),
            incident=kept.incident(),
            revision=str(kept.revision) if kept.revision else "",
            history_count=kept.packed_count + len(kept.history),
            due=kept.due,
            mail=tuple(
                Mail(number=number, at=at, content=decode_mail(body))
                for number, at, body in kept.mail[:mail_max]
            ),
            failures=kept.failures,
            after=kept.after,
        )

    def _commit(self, commit: Commit) -> Stored:
        refused = self._refusal(commit)
        if refused is not None:
            return refused
        incident = commit.incident
        kept = self.kept[incident.id]
        for send in commit.sends:
            self.letters.put(incident.id, send)
        for withdrawal in commit.withdrawals:
            self.letters.withdraw(incident.id, withdrawal)
        unpacked = commit.claimed.history_count - kept.packed_count
        kept.history[unpacked:] = map(encode_entry, commit.history)
        self._note_key(commit, kept.key)
        kept.state, kept.snapshot = encode_incident(incident), incident.snapshot
        kept.snapshots[incident.snapshot.hash] = incident.snapshot
        kept.alerts |= incident.alerts
        kept.revision += 1
        kept.failures = 0
        kept.mail = [mail for mail in kept.mail if mail[0] > commit.read_up_to]
        kept.due = kept.due_at = incident.next_due
        self._note_close(kept, commit)
        kept.mail_at = self._clock.now() if kept.mail else None
        for routed in commit.follow_ups:
            self._join_or_open(routed)

        return Stored.DONE

    def _note_close(self, kept: Kept, commit: Commit) -> None:
        """Note since when it is closed, and since when its history could be packed."""
        now, is_open = self._clock.now(), commit.incident.status.is_open
        if is_open and kept.closed_at:
            kept.closed_at = kept.unpacked_at = None
        if not is_open:
            kept.closed_at = kept.closed_at or now
        if commit.history and (commit.rests or not is_open):
            kept.unpacked_at = now

    def _note_key(self, commit: Commit, key: tuple[str, str]) -> None:
        """Note who has the key now, and what is over."""
        incident = commit.incident
        for occurrence in commit.ended:
            self._ended[incident.integration, occurrence] = self._clock.now()
        if incident.status.is_open:
            self._keys[key] = incident.id
        elif self._keys.get(key) == incident.id:
            del self._keys[key]
        if commit.leaves_firing:
            self._left_firing[key] = incident.id

    def _refusal(self, commit: Commit) -> Stored | None:
        kept = self.kept.get(commit.incident.id)
        if kept is None:
            return Stored.LOST
        if (str(kept.revision) if kept.revision else "") != commit.claimed.revision:
            return Stored.LOST
        before = commit.claimed.incident
        was_open = before is None or before.status.is_open
        is_open = commit.incident.status.is_open
        holder = self._keys.get(kept.key)
        opens = not commit.claimed.revision
        if opens and holder != commit.incident.id:
            return Stored.KEY_TAKEN
        if is_open and not was_open and holder not in {None, commit.incident.id}:
            return Stored.KEY_TAKEN
        if commit.not_before and self._clock.now() < commit.not_before:
            return Stored.EARLY
        if (
            was_open
            and not is_open
            and any(number > commit.read_up_to for number, _, _ in kept.mail)
        ):
            return Stored.MORE_MAIL

        return None

    def report(self, incident_id: str, event: DeliveryReported) -> None:
        """Put an outcome into the mailbox."""
        if incident_id in self.kept:
            self._post(incident_id, encode_mail(event))

    def current(self, incident_id: str) -> Incident | None:
        """Return an incident as it is stored."""
        kept = self.kept.get(incident_id)

        return kept.incident() if kept else None
