"""Packing: the history of an incident that rests or is over becomes a small blob."""

import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument, Client, Reply, without_errors
from engine.adapters.redis.scripts import Name
from engine.codec import decode_history, encode_history
from engine.errors import UnreadableError
from engine.ids import show_incident_id

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Reports of what was under way come after the close; then it is quiet.
QUIET_MS = 60_000
# Deflating a history takes a millisecond, and pages go out of this process meanwhile.
BATCH_MAX = 25


class Packing:
    """Packs histories on one primary."""

    def __init__(self, client: Client, *, shards: int) -> None:
        self._client = client
        self._shards = shards

    async def pack(self) -> int:
        """Pack the histories of some incidents that are over; count them."""
        waiting = await self._client.run(
            Name.WAITING, self._shards, QUIET_MS, BATCH_MAX
        )
        ids = [incident_id.decode() for incident_id in waiting]
        histories = await self._client.run_all(
            Name.HISTORY, [(keys.prefix_of(one), one) for one in ids]
        )
        replies = await self._client.run_all(
            Name.PACK, list(map(_arguments, ids, without_errors(histories)))
        )

        return sum(without_errors(replies))


def _arguments(incident_id: str, history: Reply) -> list[Argument]:
    count, packed, blob, lines = history
    try:
        known = decode_history(blob) if blob else []
        together = encode_history([*known, *lines])
    except UnreadableError as error:
        log.warning(
            "history.not_packed",
            incident_id=show_incident_id(incident_id),
            error=str(error),
        )
        together = b""

    return [keys.prefix_of(incident_id), incident_id, count, packed, together]
