"""How much room the server has left: what there is belongs to open incidents."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from engine.adapters.redis.client import Client, RefusedError
from engine.errors import OverloadedError
from engine.ports import Clock

CHECKED_EVERY = timedelta(seconds=1)
FULL_AT_PERCENT = 85


class Headroom:
    """Tells when the memory is too full to take in alerts; asks once a second."""

    def __init__(
        self, client: Client, clock: Clock, limit_bytes: int | None = None
    ) -> None:
        """
        Wire it up.

        Args:
            client: Asks the server.
            clock: Says when to ask again.
            limit_bytes: What counts where the server has no `maxmemory`.
        """
        self._client = client
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._checked_at: datetime | None = None
        self._used_percent = 0

    async def check(self) -> None:
        """
        Return if there is room.

        Raises:
            OverloadedError: If the memory is 85 % full or more.
            StoreUnavailableError: If Redis cannot be reached.
        """
        now = self._clock.now()
        if self._checked_at is None or now - self._checked_at >= CHECKED_EVERY:
            self._checked_at = now
            self._used_percent = await self.measured()
        if self._used_percent >= FULL_AT_PERCENT:
            message = f"the memory of Redis is {self._used_percent} % full"
            raise OverloadedError(message)

    async def measured(self) -> int:
        """
        Ask how many percent of the memory are used.

        Raises:
            StoreUnavailableError: If Redis cannot be reached.
        """
        try:
            memory: Mapping[str, object] = await self._client.ask("INFO", "memory")
        except RefusedError:
            return 0  # a server that does not say is trusted to have room

        return used_percent(memory, self._limit_bytes)


def used_percent(memory: Mapping[str, object], limit_bytes: int | None) -> int:
    """Return how many percent are used; none where there is no limit at all."""
    limit = int(str(memory.get("maxmemory", 0))) or limit_bytes

    return int(str(memory.get("used_memory", 0))) * 100 // limit if limit else 0
