"""The sweep: arms and kicks what arq may have dropped; and the arming of one time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.adapters.redis.client import Client
from engine.adapters.redis.scripts import Name
from engine.codec.shapes import milliseconds

OVERDUE_MS = 300
OLD_WAKE_MS = 5_000
DELETED_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """
    How much a sweep had to repair.

    Attributes:
        armed: Buckets that got a wake job, or a kick if their time is here.
        kicked: Queues with something overdue at their head.
        deleted: Wake jobs that nobody ran.
    """

    armed: int
    kicked: int
    deleted: int


class Sweep:
    """Repairs the wake-ups of one primary."""

    def __init__(self, client: Client, *, shards: int) -> None:
        self._client = client
        self._shards = shards

    async def sweep(self) -> Swept:
        """
        Give each bucket of the next minute its wake job, and kick for what is overdue.

        Raises:
            StoreUnavailableError: If Redis cannot be reached.
        """
        armed, kicked, deleted = await self._client.run(
            Name.SWEEP, self._shards, OVERDUE_MS, OLD_WAKE_MS, DELETED_MAX
        )

        return Swept(armed=armed, kicked=kicked, deleted=deleted)

    async def arm(self, dues: Sequence[datetime]) -> None:
        """
        Have some worker woken shortly before each of these times.

        Raises:
            StoreUnavailableError: If Redis cannot be reached.
        """
        if dues:
            await self._client.run(Name.ARM, *map(milliseconds, dues))
