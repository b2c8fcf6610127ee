"""The directory on Redis, cached in the process by its version."""

from datetime import datetime, timedelta

import anyio
import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.adapters.redis.scripts import Name
from engine.codec import decode_directory, encode_directory
from engine.directory import Directory
from engine.errors import StoreUnavailableError, UnreadableError
from engine.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

CHECKED_EVERY = timedelta(seconds=1)
# Less than a look-up waits for an answer: one that needs the directory has it then.
CHECK_SECONDS_MAX = 0.5


class RedisConfiguration:
    """Keeps the directory; without Redis the last one known goes on being used."""

    def __init__(self, client: Client, clock: Clock) -> None:
        """Wire it up; the clock says when to look again."""
        self._client = client
        self._clock = clock
        self._known: Directory | None = None
        self._checked_at: datetime | None = None
        self._is_looking = False

    async def read(self) -> Directory:
        """Return the directory, at most a second old."""
        if self._known is None:
            return await self._first()
        if not self._is_fresh() and not self._is_looking:
            # One looks for all; while Redis hangs, only that one waits for it.
            self._is_looking = True
            try:
                self._known = await self._refreshed_or(self._known)
                self._checked_at = self._clock.now()
            finally:
                self._is_looking = False

        return self._known

    async def seed(self, directory: Directory) -> bool:
        """Store a first directory if there is none; tell whether it was stored."""
        stored = await self._client.run(
            Name.SEED, keys.DIRECTORY, directory.version, encode_directory(directory)
        )
        self._checked_at = None

        return bool(stored)

    async def _first(self) -> Directory:
        """Return the directory as it is stored; an empty one is not worth keeping."""
        found = await self._refreshed(None)
        if found is None:
            return Directory()
        self._known = found
        self._checked_at = self._clock.now()

        return found

    def _is_fresh(self) -> bool:
        if self._checked_at is None:
            return False

        return self._clock.now() - self._checked_at < CHECKED_EVERY

    async def _refreshed_or(self, known: Directory) -> Directory:
        try:
            with anyio.fail_after(CHECK_SECONDS_MAX):
                return await self._refreshed(known) or known
        except (StoreUnavailableError, TimeoutError) as error:
            problem = str(error) or "no answer in time"
            log.warning("configuration.stale", version=known.version, error=problem)
            return known

    async def _refreshed(self, known: Directory | None) -> Directory | None:
        """
        Return what is stored, or what is known if that is the same; None if nothing is.

        Raises:
            StoreUnavailableError: If Redis cannot be reached, or holds a directory
                that only a newer version of rung can read.
        """
        await self._client.time()
        version = await self._client.ask("HGET", keys.DIRECTORY, "version")
        if version is None or (known is not None and int(version) == known.version):
            return known
        body = await self._client.ask("HGET", keys.DIRECTORY, "body")
        try:
            return decode_directory(body)
        except UnreadableError as error:
            raise StoreUnavailableError(str(error)) from error
