"""The store on Redis: one claim, one commit."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument, Client
from engine.adapters.redis.rows import Row, claimed_from, read_row, snapshot_named
from engine.adapters.redis.scripts import Name
from engine.codec import (
    decode_entry,
    decode_record,
    decode_snapshot,
    decode_summary,
    encode_entry,
    encode_incident,
    encode_record,
    encode_send,
    encode_snapshot,
    encode_summary,
)
from engine.codec.shapes import instant, milliseconds
from engine.core.alerts import AlertRecord
from engine.core.incident import Incident, Status
from engine.errors import UnknownIncidentError, UnreadableError
from engine.ids import shard_of, show_incident_id, to_number
from engine.ports import Claimed, Commit, Entry, Lane, Stored, Summary
from policies.policy import Snapshot

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LEASE_MS = 2_000
CLAIM_MAX, CLAIM_SHARD_MAX = 256, 64
MAIL_MAX, MAIL_CLAIM_MAX = 200, 2_000
NEWER_PAUSE_MS, PARK_MS_MAX = 5_000, 60_000
SENDS_MAX = 500
SNAPSHOTS_CACHED_MAX = 1_000
NEED = "need"


class RedisStore:
    """Keeps incidents, and says which of them are due."""

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
        self._client = client
        self._shards = shards
        self._nonce = nonce
        self._first_shard = 0
        self._snapshots: dict[str, Snapshot] = {}

    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """Take incidents that are due, for the length of a lease."""
        self._first_shard = (self._first_shard + 1) % self._shards
        found = await self._client.run(
            Name.CLAIM,
            lane.value,
            milliseconds(ahead_until) if ahead_until else "",
            LEASE_MS,
            CLAIM_SHARD_MAX,
            CLAIM_MAX,
            self._first_shard,
            self._shards,
            MAIL_MAX,
            MAIL_CLAIM_MAX,
        )
        self._client.observe(found[0])
        rows = [row for item in found[1:] if (row := await self._readable(item))]

        return await self._decoded(rows, instant(found[0]))

    async def load(self, incident_id: str) -> Claimed:
        """Return one incident with its unread mail, without a lease."""
        now, found = await self._client.run(
            Name.LOAD, keys.prefix_of(incident_id), incident_id
        )
        self._client.observe(now)
        row = read_row(found)
        if row.state is None and not row.mail:
            raise UnknownIncidentError(incident_id)
        alerts = await self._alerts([row])
        snapshot = await self._snapshot(row)

        return claimed_from(row, snapshot, alerts[0], instant(now))

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Store each decided incident in one piece, if nobody stored it since."""
        if not commits:
            return []
        replies = await self._client.run_all(
            Name.COMMIT, [self._arguments(commit, b"") for commit in commits]
        )
        needed = [n for n, reply in enumerate(replies) if _word(reply) == NEED]
        if needed:
            bodies = [
                self._arguments(
                    commits[n], encode_snapshot(commits[n].incident.snapshot)
                )
                for n in needed
            ]
            again = await self._client.run_all(Name.COMMIT, bodies)
            for number, reply in zip(needed, again, strict=True):
                replies[number] = reply

        return [_stored(c, reply) for c, reply in zip(commits, replies, strict=True)]

    async def release(self, claimed: Sequence[Claimed], *, park: bool = False) -> None:
        """End claims without a change, or put the incidents aside."""
        ids = [one.incident_id for one in claimed]
        await self._release(ids, "grow" if park else "")

    async def summaries(
        self, statuses: frozenset[Status], limit: int, before: str | None = None
    ) -> Sequence[Summary]:
        """Return incidents, newest first."""
        below = f"({to_number(before)}" if before else "+inf"
        found: list[Summary] = []
        for index in _indexes(statuses):
            found += await self._listed(index, statuses, limit, below)
        found.sort(key=lambda summary: summary.id, reverse=True)

        return found[:limit]

    async def history(self, incident_id: str) -> Sequence[Entry]:
        """Return what happened to an incident, oldest first."""
        prefix = keys.prefix_of(incident_id)
        lines = await self._client.ask("LRANGE", f"{prefix}h:{incident_id}", 0, -1)
        if not lines:
            raise UnknownIncidentError(incident_id)

        return [decode_entry(line) for line in lines]

    async def _listed(
        self, index: str, statuses: frozenset[Status], limit: int, below: str
    ) -> list[Summary]:
        """Merge one index over all shards, page by page until there are enough."""
        found: list[Summary] = []
        for shard in range(self._shards):
            prefix, top, left = keys.prefix(shard), below, limit
            while left > 0:
                page = await self._summaries(f"{prefix}{index}", prefix, top, limit)
                wanted = [one for one in page if one.status in statuses]
                found += wanted
                left -= len(wanted)
                if len(page) < limit:
                    break
                top = f"({to_number(page[-1].id)}"

        return found

    async def _summaries(
        self, index: str, prefix: str, top: str, limit: int
    ) -> list[Summary]:
        ids = await self._client.ask(
            "ZREVRANGEBYSCORE", index, top, "-inf", "LIMIT", 0, limit
        )
        texts = await self._client.ask_all(
            [("HGET", f"{prefix}i:{incident_id.decode()}", "y") for incident_id in ids]
        )

        return [decode_summary(text) for text in texts if text]

    async def _readable(self, found: object) -> Row | None:
        try:
            return read_row(found)
        except UnreadableError as error:
            assert isinstance(found, list)
            await self._put_aside(found[0].decode(), error)
            return None

    async def _decoded(self, rows: Sequence[Row], at: datetime) -> list[Claimed]:
        """Decode what can be; what cannot is put aside and harms no other."""
        alerts = await self._alerts(rows)
        claimed = []
        for row, known in zip(rows, alerts, strict=True):
            try:
                snapshot = await self._snapshot(row)
                claimed.append(claimed_from(row, snapshot, known, at))
            except UnreadableError as error:
                await self._put_aside(row.incident_id, error)

        return claimed

    async def _put_aside(self, incident_id: str, error: UnreadableError) -> None:
        log.error(
            "incident.parked",
            incident_id=show_incident_id(incident_id),
            error=str(error),
        )
        pause = str(NEWER_PAUSE_MS) if error.is_newer else "grow"
        await self._release([incident_id], pause)

    async def _release(self, ids: Sequence[str], pause: str) -> None:
        calls: list[list[Argument]] = [
            [keys.prefix_of(one), one, pause, PARK_MS_MAX] for one in ids
        ]
        for reply in await self._client.run_all(Name.RELEASE, calls):
            if isinstance(reply, Exception):
                log.warning("incident.left_to_its_lease", error=str(reply))

    async def _alerts(self, rows: Sequence[Row]) -> list[dict[str, AlertRecord]]:
        """Read the alerts that unread mail speaks of, in one round trip for all."""
        asked = [row.fingerprints if row.state is not None else [] for row in rows]
        replies = iter(
            await self._client.ask_all(
                [
                    ("HMGET", _alerts_key(row.incident_id), *fingerprints)
                    for row, fingerprints in zip(rows, asked, strict=True)
                    if fingerprints
                ]
            )
        )

        return [
            {
                fingerprint: decode_record(record)
                for fingerprint, record in zip(names, next(replies), strict=True)
                if record
            }
            if names
            else {}
            for names in asked
        ]

    async def _snapshot(self, row: Row) -> Snapshot | None:
        named = snapshot_named(row)
        if named is None:
            return None
        if named not in self._snapshots:
            prefix = keys.prefix_of(row.incident_id)
            body = await self._client.ask("HGET", f"{prefix}snap", named)
            if body is None:
                raise UnreadableError("snapshot", f"{named} is missing")
            if len(self._snapshots) >= SNAPSHOTS_CACHED_MAX:
                self._snapshots.clear()
            self._snapshots[named] = decode_snapshot(body)

        return self._snapshots[named]

    def _arguments(self, commit: Commit, body: bytes) -> list[Argument]:
        incident, claimed = commit.incident, commit.claimed
        due = incident.next_due

        return [
            keys.prefix_of(incident.id),
            incident.id,
            claimed.revision,
            self._next_revision(claimed.revision),
            milliseconds(commit.not_before) if commit.not_before else "",
            int(_closes(commit)),
            keys.hash_of(incident.integration, incident.key),
            to_number(incident.id),
            encode_incident(incident),
            encode_summary(_summary(incident)),
            milliseconds(due) if due else "",
            commit.read_up_to,
            commit.repeats,
            incident.snapshot.hash,
            body,
            keys.OCCURRENCE_SECONDS,
            *_lists(commit),
        ]

    def _next_revision(self, revision: str) -> str:
        number = int(revision.split("-", 1)[0]) if revision else 0

        return f"{number + 1}-{self._nonce():08x}"


def _alerts_key(incident_id: str) -> str:
    return f"{keys.prefix_of(incident_id)}a:{incident_id}"


def _lists(commit: Commit) -> list[Argument]:
    """Return the five lists of a commit, each after its length."""
    incident = commit.incident
    before = commit.claimed.incident
    known = before.alerts if before else {}
    changed = [
        (fingerprint, record)
        for fingerprint, record in incident.alerts.items()
        if known.get(fingerprint) != record
    ]
    sends = commit.sends[:SENDS_MAX]
    lists: list[Argument] = [len(commit.history)]
    lists += [encode_entry(entry) for entry in commit.history]
    lists.append(len(sends))
    for send in sends:
        lists += [
            keys.outbox_entry(incident.id, send.page, send.rule),
            keys.outbox_list(send.channel, by_timer=send.caused_by_timer),
            milliseconds(send.due),
            encode_send(send),
        ]
    lists.append(len(commit.withdrawals))
    for one in commit.withdrawals:
        lists += [keys.outbox_entry(incident.id, one.page, one.rule), one.channel]
    lists.append(len(changed))
    for fingerprint, record in changed:
        lists += [fingerprint, encode_record(record)]
    lists.append(len(commit.ended))
    lists += [
        keys.hash_of(incident.integration, occurrence) for occurrence in commit.ended
    ]

    return lists


def _closes(commit: Commit) -> bool:
    before = commit.claimed.incident
    was_open = before is None or before.status is not Status.RESOLVED

    return was_open and commit.incident.status is Status.RESOLVED


def _summary(incident: Incident) -> Summary:
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


def _indexes(statuses: frozenset[Status]) -> list[str]:
    indexes = []
    if statuses - {Status.RESOLVED}:
        indexes.append("open")
    if Status.RESOLVED in statuses:
        indexes.append("closed")

    return indexes


def _word(reply: object) -> str:
    return reply.decode() if isinstance(reply, bytes) else ""


def _stored(commit: Commit, reply: object) -> Stored:
    word = _word(reply)
    if word in set(Stored):
        return Stored(word)
    log.error(
        "commit.failed",
        incident_id=show_incident_id(commit.incident.id),
        shard=shard_of(commit.incident.id),
        error=str(reply),
    )

    return Stored.FAILED
