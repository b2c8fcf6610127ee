"""Lists of incidents, merged over the shards, and their histories."""

import heapq
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client, without_errors
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.snapshots import Snapshots
from engine.codec import decode_entry, decode_history, decode_summary
from engine.core.incident import Status
from engine.errors import UnknownIncidentError, UnreadableError
from engine.ids import show_incident_id, to_number
from engine.ports import Entry, Summary
from policies.policy import Snapshot

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RedisReader:
    """Shows incidents: from their summaries, never from their states."""

    def __init__(self, client: Client, *, shards: int) -> None:
        self._client = client
        self._shards = shards
        self.snapshots = Snapshots(client)

    async def summaries(
        self,
        statuses: frozenset[Status],
        limit: int,
        before: str | None = None,
        teams: frozenset[str | None] | None = None,
    ) -> Sequence[Summary]:
        """Return incidents older than the id `before`, newest first."""
        found: list[Summary] = []
        while len(found) < limit:
            ids = await self._ids(_indexes(statuses, teams), limit, before)
            found += [
                one
                for one in await self._summaries(ids)
                if one.status in statuses
                if teams is None or one.team in teams
            ]
            if len(ids) < limit:
                break
            before = ids[-1]

        return found[:limit]

    async def history(self, incident_id: str) -> Sequence[Entry]:
        """Return what happened to an incident, oldest first."""
        prefix = keys.prefix_of(incident_id)
        count, _, blob, lines = await self._client.run(
            Name.HISTORY, prefix, incident_id
        )
        if not count:
            raise UnknownIncidentError(incident_id)
        lines = [*_unpacked(incident_id, blob), *lines]

        return [entry for line in lines if (entry := _entry(incident_id, line))]

    async def policies_of(
        self, incident_id: str, hashes: Collection[str]
    ) -> Mapping[str, Snapshot]:
        """Return policy snapshots by hash; those that cannot be had are left out."""
        found = await self.snapshots.read((incident_id, one) for one in hashes)

        return {
            hashed: snapshot
            for hashed, snapshot in found.items()
            if isinstance(snapshot, Snapshot)
        }

    async def holder(self, integration: str, key: str) -> str | None:
        """Return the id of the open incident with a dedup key."""
        prefix = keys.prefix(keys.shard_for(integration, key, self._shards))
        held = await self._client.ask(
            "GET", f"{prefix}k:{keys.hash_of(integration, key)}"
        )

        return held.decode() if held is not None else None

    async def _ids(
        self, indexes: Sequence[str], limit: int, before: str | None
    ) -> list[str]:
        """Return the newest ids below one, over all shards, each once."""
        below = f"({to_number(before)}" if before else "+inf"
        span = (below, "-inf", "LIMIT", 0, limit)
        found = await self._client.ask_each(
            [
                ("ZREVRANGEBYSCORE", f"{keys.prefix(shard)}{index}", *span)
                for index in indexes
                for shard in range(self._shards)
            ]
        )
        merged = heapq.merge(*without_errors(found), reverse=True)

        return [one.decode() for one in islice(dict.fromkeys(merged), limit)]

    async def _summaries(self, ids: Sequence[str]) -> list[Summary]:
        replies = await self._client.ask_each(
            [("HGET", f"{keys.prefix_of(one)}i:{one}", "y") for one in ids]
        )
        read = zip(ids, replies, strict=True)

        return [summary for each in read if (summary := _summary(*each))]


def _unpacked(incident_id: str, blob: bytes) -> list[bytes]:
    """Unpack what is packed; if that cannot be, the rest is shown all the same."""
    try:
        return decode_history(blob) if blob else []
    except UnreadableError as error:
        _log_unreadable(incident_id, error)
        return []


def _entry(incident_id: str, line: bytes) -> Entry | None:
    """Read one line; one that cannot be read must not hide the others."""
    try:
        return decode_entry(line)
    except UnreadableError as error:
        _log_unreadable(incident_id, error)
        return None


def _log_unreadable(incident_id: str, error: UnreadableError) -> None:
    log.warning(
        "history.unreadable",
        incident_id=show_incident_id(incident_id),
        error=str(error),
    )


def _summary(incident_id: str, text: object) -> Summary | None:
    """Read one summary; one that cannot be read must not hide the others."""
    if not isinstance(text, bytes):
        return None
    try:
        return decode_summary(text)
    except UnreadableError as error:
        log.warning(
            "summary.unreadable",
            incident_id=show_incident_id(incident_id),
            error=str(error),
        )
        return None


def _indexes(
    statuses: frozenset[Status], teams: frozenset[str | None] | None
) -> list[str]:
    """
    Return the indexes to read, in the order in which incidents move.

    A team's index holds all that it ever had. Where only open incidents are wanted,
    those of every team are fewer.
    """
    wants_open = any(status.is_open for status in statuses)
    wants_closed = not all(status.is_open for status in statuses)
    if wants_closed and teams is not None:
        return [keys.team_index(team) for team in teams]

    return ["open"] * wants_open + ["closed"] * wants_closed
