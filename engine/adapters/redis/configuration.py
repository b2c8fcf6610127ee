"""The directory on Redis, cached in the process by its version."""

from datetime import datetime, timedelta

import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.adapters.redis.scripts import Name
from engine.codec import decode_directory, encode_directory
from engine.directory import Directory
from engine.errors import StoreUnavailableError
from engine.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

CHECKED_EVERY = timedelta(seconds=1)


class RedisConfiguration:
    """Keeps the directory; without Redis the last one known goes on being used."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: Directory | None = None
        self._checked_at: datetime | None = None

    async def read(self) -> Directory:
        """Return the directory, at most a second old."""
        if self._known and self._is_fresh():
            return self._known
        try:
            self._known = await self._refreshed(self._known)
        except StoreUnavailableError:
            if self._known is None:
                raise
            log.warning("configuration.stale", version=self._known.version)
        self._checked_at = self._clock.now()

        return self._known

    async def seed(self, directory: Directory) -> bool:
        """Store a first directory if there is none; tell whether it was stored."""
        stored = await self._client.run(
            Name.SEED, keys.DIRECTORY, directory.version, encode_directory(directory)
        )
        self._checked_at = None

        return bool(stored)

    def _is_fresh(self) -> bool:
        if self._checked_at is None:
            return False

        return self._clock.now() - self._checked_at < CHECKED_EVERY

    async def _refreshed(self, known: Directory | None) -> Directory:
        await self._client.time()
        version = await self._client.ask("HGET", keys.DIRECTORY, "version")
        if known is not None and version is not None and int(version) == known.version:
            return known
        body = await self._client.ask("HGET", keys.DIRECTORY, "body")

        return decode_directory(body) if body else Directory()
