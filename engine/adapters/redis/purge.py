"""The purge: closed incidents are removed, those first that closed first."""

import heapq
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client, Reply, without_errors
from engine.adapters.redis.scripts import Name
from engine.codec.shapes import milliseconds
from engine.ports import Purged

FULL_OVER_PERCENT = 70
# Between two of them the memory is looked at again, and others get their turn.
BATCH_MAX = 100
ANY_TIME_MS = 1 << 53
GONE = b"gone"


class Purge:
    """Removes incidents from one primary."""

    def __init__(
        self, client: Client, used_percent: Callable[[], Awaitable[int]], *, shards: int
    ) -> None:
        """Wire it up; `used_percent` measures how full the memory is now."""
        self._client = client
        self._used_percent = used_percent
        self._shards = shards

    async def purge(self, closed_before: datetime) -> Purged:
        """Remove some incidents, for their age or for want of memory."""
        old_ms = milliseconds(closed_before)
        is_full = await self._used_percent() > FULL_OVER_PERCENT
        limit_ms = ANY_TIME_MS if is_full else old_ms
        found = await self._oldest(limit_ms)
        replies = await self._client.run_all(
            Name.PURGE,
            [(keys.prefix_of(one), one, limit_ms) for _, one in found],
        )
        gone = [
            closed_at <= old_ms
            for (closed_at, _), reply in zip(
                found, without_errors(replies), strict=True
            )
            if reply == GONE
        ]

        return Purged(old=gone.count(True), early=gone.count(False))

    async def _oldest(self, limit_ms: int) -> Sequence[tuple[int, str]]:
        """Return the incidents that closed first, each after its time, of all shards."""
        replies = await self._client.ask_each(
            [
                (
                    *("ZRANGEBYSCORE", f"{keys.prefix(shard)}over", "-inf", limit_ms),
                    *("WITHSCORES", "LIMIT", 0, BATCH_MAX),
                )
                for shard in range(self._shards)
            ]
        )

        return heapq.nsmallest(
            BATCH_MAX,
            [one for reply in without_errors(replies) for one in _timed(reply)],
        )


def _timed(reply: Reply) -> list[tuple[int, str]]:
    return [
        (int(float(score)), incident_id.decode())
        for incident_id, score in zip(reply[::2], reply[1::2], strict=True)
    ]
