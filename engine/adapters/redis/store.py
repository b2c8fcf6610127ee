"""The store on Redis: one claim, one commit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import (
    AnswerLostError,
    Argument,
    Client,
    NotReplicatedError,
    Reply,
    is_passing,
)
from engine.adapters.redis.commits import commit_arguments, revision_in
from engine.adapters.redis.reader import RedisReader
from engine.adapters.redis.recent import RecentIncidents
from engine.adapters.redis.rows import Row, claimed_from, read_row
from engine.adapters.redis.scripts import Name
from engine.codec import incident_from, integration_of, read_incident
from engine.codec.shapes import instant, milliseconds
from engine.core.incident import Incident
from engine.errors import StoreUnavailableError, UnknownIncidentError, UnreadableError
from engine.ids import show_incident_id
from engine.ports import Claimed, Commit, Lane, Stored
from policies.policy import Snapshot

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LEASE_MS = 2_000
CLAIM_MAX, CLAIM_SHARD_MAX = 256, 64
# Ahead of their time about so many, which takes some 5 ms: while they are read, nothing
# else is decided. With all 256 that was 35 ms, at 2,000 due a second.
EARLY_MAX = 96
MAIL_MAX, MAIL_CLAIM_MAX = 200, 2_000
# What `release` is told: no pause, one that doubles each time, one for newer state.
NO_PAUSE, GROWING_PAUSE, NEWER_PAUSE_MS = 0, -1, 5_000
PAUSE_MS_MAX = 60_000
NEED, DONE = b"need", Stored.DONE.value.encode()
OUTCOMES = {stored.value.encode(): stored for stored in Stored}


class RedisStore(RedisReader):
    """Keeps incidents, says which of them are due, and shows them."""

    def __init__(
        self, client: Client, *, shards: int, nonce: Callable[[], int]
    ) -> None:
        """
        Wire it up.

        Args:
            client: Runs the scripts.
            shards: How many there are; fixed at first start.
            nonce: Gives 32 random bits for each revision, so that two writers with
                the same number are told apart.
        """
        super().__init__(client, shards=shards)
        self._nonce = nonce
        self._first_shard = 0
        self._recent = RecentIncidents()

    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """Take incidents that are due, for the length of a lease."""
        self._first_shard = (self._first_shard + 1) % self._shards
        at, *found = await self._client.run(
            Name.CLAIM,
            lane.value,
            milliseconds(ahead_until) if ahead_until else 0,
            LEASE_MS,
            CLAIM_SHARD_MAX,
            CLAIM_MAX,
            self._first_shard,
            self._shards,
            MAIL_MAX,
            MAIL_CLAIM_MAX,
            EARLY_MAX,
        )
        self._client.observe(at)
        if not found:
            return []
        return await self._read(found, at)

    async def load(self, incident_id: str) -> Claimed:
        """Return one incident with its unread mail, without a lease."""
        at, found = await self._client.run(
            Name.LOAD, keys.prefix_of(incident_id), incident_id
        )
        self._client.observe(at)
        [read] = await self._read([found], at)
        if read.unreadable is not None:
            raise read.unreadable
        if read.incident is None and not read.mail:
            raise UnknownIncidentError(incident_id)

        return read

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Store each decided incident in one piece, if nobody stored it since."""
        replies = await self._commit(commits, with_snapshot=False)
        needed = [number for number, reply in enumerate(replies) if reply == NEED]
        if needed:
            again = [commits[number] for number in needed]
            for number, reply in zip(needed, await self._again(again), strict=True):
                replies[number] = reply
        if replies and all(map(is_passing, replies)):
            raise StoreUnavailableError(str(replies[0])) from replies[0]

        return [_stored(*each) for each in zip(commits, replies, strict=True)]

    async def release(self, claimed: Sequence[Claimed], *, park: bool = False) -> None:
        """End claims without a change, or put the incidents aside."""
        calls: list[list[Argument]] = [
            [
                keys.prefix_of(one.incident_id),
                one.incident_id,
                _pause_of(one) if park else NO_PAUSE,
                PAUSE_MS_MAX,
            ]
            for one in claimed
        ]
        for reply in await self._client.run_all(Name.RELEASE, calls):
            if isinstance(reply, Exception):
                log.warning("incident.left_to_its_lease", error=str(reply))

    async def incident_from(self, incident_id: str, state: bytes) -> Incident:
        """
        Decode a state, without its alerts.

        Raises:
            UnreadableError: If it is damaged or of a newer version.
            StoreUnavailableError: If Redis cannot be reached.
        """
        written = read_incident(state)
        read = await self.snapshots.read([(incident_id, written.snapshot)])
        snapshot = read[written.snapshot]
        if isinstance(snapshot, UnreadableError):
            raise snapshot

        return incident_from(written, snapshot, {})

    async def _read(self, found: Sequence[Reply], at: int) -> list[Claimed]:
        """Decode what a script found; what cannot be harms no other."""
        rows = [_row(item, self._recent) for item in found]
        readable = [row for row in rows if isinstance(row, Row)]
        snapshots = await self.snapshots.read(
            (row.incident_id, row.written.snapshot) for row in readable if row.written
        )
        records = iter(await self._records(readable))
        claimed_at = instant(at)

        read = [
            row
            if isinstance(row, UnreadableError)
            else _claimed(row, snapshots, records, claimed_at)
            for row in rows
        ]

        return [
            _unread(item, one, claimed_at) if isinstance(one, UnreadableError) else one
            for item, one in zip(found, read, strict=True)
        ]

    async def _records(self, rows: Sequence[Row]) -> list[Reply]:
        """Read the alerts that unread mail speaks of, of those rows that have some."""
        replies = await self._client.ask_each(
            [
                ("HMGET", _alerts_key(row.incident_id), *row.fingerprints)
                for row in rows
                if row.fingerprints
            ]
        )
        passing = next(filter(is_passing, replies), None)
        if passing is not None:
            raise StoreUnavailableError(str(passing)) from passing

        return replies

    async def _commit(
        self, commits: Sequence[Commit], *, with_snapshot: bool
    ) -> list[Reply]:
        calls = [
            commit_arguments(commit, self._nonce(), with_snapshot=with_snapshot)
            for commit in commits
        ]
        try:
            replies = await self._client.run_all(Name.COMMIT, calls)
        except AnswerLostError as error:
            if not calls:
                raise
            return [error] * len(calls)
        for commit, call, reply in zip(commits, calls, replies, strict=True):
            if reply == DONE:
                self._recent.keep(revision_in(call), commit.incident)
                self.snapshots.keep(commit.incident.snapshot)

        return replies

    async def _again(self, commits: Sequence[Commit]) -> list[Reply]:
        """Commit with snapshots; by now others of the batch have been stored."""
        try:
            return await self._commit(commits, with_snapshot=True)
        except NotReplicatedError:
            raise
        except StoreUnavailableError as error:
            return [error] * len(commits)


def _unread(found: Reply, error: UnreadableError, at: datetime) -> Claimed:
    """Say what is known of an incident that cannot be read."""
    return Claimed(
        incident_id=found[0].decode(),
        claimed_at=at,
        incident=None,
        failures=int(found[1][4] or 0),
        unreadable=error,
        integration=integration_of(found[1][1]) if found[1][1] else None,
    )


def _pause_of(claimed: Claimed) -> int:
    is_newer = claimed.unreadable is not None and claimed.unreadable.is_newer

    return NEWER_PAUSE_MS if is_newer else GROWING_PAUSE


def _alerts_key(incident_id: str) -> str:
    return f"{keys.prefix_of(incident_id)}a:{incident_id}"


def _row(found: Reply, recent: RecentIncidents) -> Row | UnreadableError:
    try:
        return read_row(found, recent)
    except UnreadableError as error:
        return error


def _claimed(
    row: Row,
    snapshots: Mapping[str, Snapshot | UnreadableError],
    records: Iterator[Reply],
    at: datetime,
) -> Claimed | UnreadableError:
    """Decode one incident, with its share of the records that were asked for."""
    names = row.fingerprints
    values = next(records) if names else []
    if isinstance(values, Exception):
        return UnreadableError("alerts", str(values))
    snapshot = snapshots[row.written.snapshot] if row.written else None
    if isinstance(snapshot, UnreadableError):
        return snapshot
    known = {n: value for n, value in zip(names, values, strict=True) if value}
    try:
        return claimed_from(row, snapshot, known, at)
    except UnreadableError as error:
        return error


def _stored(commit: Commit, reply: Reply) -> Stored:
    if isinstance(reply, bytes) and reply in OUTCOMES:
        return OUTCOMES[reply]
    # What passes by itself is no news to look into, and an outage has many of them.
    passes = isinstance(reply, AnswerLostError) or is_passing(reply)
    write = log.warning if passes else log.error
    write(
        "commit.failed",
        incident_id=show_incident_id(commit.incident.id),
        error=str(reply),
    )

    return Stored.FAILED if passes else Stored.REFUSED
