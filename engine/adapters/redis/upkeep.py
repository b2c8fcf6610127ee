"""Upkeep on Redis: one process at a time audits, packs and purges."""

from datetime import datetime

from engine.adapters.redis import keys
from engine.adapters.redis.audit import Audit
from engine.adapters.redis.client import Client
from engine.adapters.redis.packing import Packing
from engine.adapters.redis.purge import Purge
from engine.adapters.redis.scripts import Name
from engine.ports import Audited, Purged


class RedisUpkeep:
    """Looks after what is stored on one primary."""

    def __init__(
        self, client: Client, *, audit: Audit, packing: Packing, purge: Purge
    ) -> None:
        self._client = client
        self._packing = packing
        self._audit = audit
        self._purge = purge

    async def hold(self, owner: str) -> bool:
        """Take the upkeep for 15 s, or keep it."""
        held = await self._client.run(
            Name.HOLD, keys.UPKEEP, owner, keys.UPKEEP_SECONDS * 1_000
        )

        return bool(held)

    async def audit(self, after: str | None = None) -> Audited:
        """Check a slice, and put right what is wrong."""
        return await self._audit.audit(after)

    async def pack(self) -> int:
        """Pack the histories of some incidents."""
        return await self._packing.pack()

    async def purge(self, closed_before: datetime) -> Purged:
        """Remove some closed incidents."""
        return await self._purge.purge(closed_before)
