"""What was rejected, on Redis: a list for each integration, on the home primary."""

from collections.abc import Sequence
from itertools import chain

import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client, Reply, without_errors
from engine.codec import decode_rejected, encode_rejected
from engine.errors import UnreadableError
from engine.ports import RejectedEvent

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

KEPT_MAX = 100


class RedisRejectedEvents:
    """Keeps the last hundred of each integration."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def keep(self, event: RejectedEvent) -> None:
        """Keep one."""
        key = _key(event.integration)
        replies = await self._client.ask_each(
            [
                ("LPUSH", key, encode_rejected(event)),
                ("LTRIM", key, 0, KEPT_MAX - 1),
                ("EXPIRE", key, keys.REJECTED_SECONDS),
            ]
        )
        without_errors(replies)

    async def latest(
        self, integrations: Sequence[str | None], limit: int
    ) -> Sequence[RejectedEvent]:
        """Return the newest."""
        commands = [("LRANGE", _key(one), 0, limit - 1) for one in integrations]
        lists = without_errors(await self._client.ask_each(commands))
        events = [
            event
            for written in chain.from_iterable(lists)
            if (event := _read(written)) is not None
        ]

        return sorted(events, key=lambda event: event.at, reverse=True)[:limit]


def _key(integration: str | None) -> str:
    return keys.REJECTED if integration is None else f"{keys.REJECTED}:{integration}"


def _read(written: Reply) -> RejectedEvent | None:
    try:
        return decode_rejected(written)
    except UnreadableError as error:
        log.warning("rejected_event.unreadable", error=str(error))
        return None
