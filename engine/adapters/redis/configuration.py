"""The directory on Redis, cached in the process by its version."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import anyio
import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import (
    AnswerLostError,
    Argument,
    Client,
    NotReplicatedError,
)
from engine.adapters.redis.scripts import Name
from engine.codec import DIRECTORY_KINDS, decode_directory, encode_directory
from engine.directory import Directory
from engine.errors import (
    ConfigurationUnclearError,
    StoreUnavailableError,
    UnreadableError,
)
from engine.ports import Clock

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

CHECKED_EVERY = timedelta(seconds=1)
# Less than a look-up waits for an answer: one that needs the directory has it then.
CHECK_SECONDS_MAX = 0.5
# What a script takes for the version of an empty store, and of one not read yet.
NO_VERSION = ""


class RedisConfiguration:
    """Keeps the directory; without Redis the last one known goes on being used."""

    def __init__(
        self, client: Client, clock: Clock, writer: Client | None = None
    ) -> None:
        """
        Wire it up.

        Args:
            client: Reads, while others decide what is due.
            clock: Says when to look again.
            writer: Promises people that what they changed is kept; None: the same.
        """
        self._client = client
        self._writer = writer or client
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

    async def latest(self) -> Directory:
        """Return the directory as it is stored now."""
        found = await self._refreshed(self._known)
        if found is None:
            return Directory()
        self._know(found)

        return found

    async def seed(self, directory: Directory) -> bool:
        """Store a first directory if there is none; tell whether it was stored."""
        return await self._store(NO_VERSION, Directory(), directory)

    async def change(self, before: Directory, after: Directory) -> bool:
        """Put one directory in the place of another, as the next version."""
        is_first = before == Directory()
        wanted = NO_VERSION if is_first else before.version
        next_one = after.model_copy(update={"version": before.version + 1})
        try:
            return await self._store(wanted, before, next_one)
        except (AnswerLostError, NotReplicatedError) as error:
            raise ConfigurationUnclearError(str(error)) from error

    async def _store(
        self, wanted: int | str, before: Directory, after: Directory
    ) -> bool:
        """Store what differs, if the stored version is the one that is wanted."""
        stored = await self._writer.run(
            Name.CONFIGURE,
            keys.DIRECTORY,
            wanted,
            after.version,
            *_differences(encode_directory(before), encode_directory(after)),
        )
        # What differs is all that was written: the next reader looks for the rest.
        self._checked_at = None
        if stored:
            self._know(after)

        return bool(stored)

    def _know(self, directory: Directory) -> None:
        self._known = directory
        self._checked_at = self._clock.now()

    async def _first(self) -> Directory:
        """Return the directory as it is stored; an empty one is not worth keeping."""
        found = await self._refreshed(None)
        if found is None:
            return Directory()
        self._know(found)

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
        version = NO_VERSION if known is None else known.version
        told, *objects = await self._client.run(
            Name.DIRECTORY, keys.DIRECTORY, version, *DIRECTORY_KINDS
        )
        if not told:
            return None
        if not objects:
            return known
        await self._refuse_one_piece(objects)
        try:
            return decode_directory(int(told), _by_kind(objects))
        except UnreadableError as error:
            raise StoreUnavailableError(str(error)) from error

    async def _refuse_one_piece(self, objects: Sequence[Sequence[bytes]]) -> None:
        """Refuse a directory that was stored in one piece, before the first release."""
        if any(objects) or not await self._client.ask(
            "HEXISTS", keys.DIRECTORY, "body"
        ):
            return
        message = (
            "the configuration was stored by a version before the first release: "
            "start with an empty store"
        )
        raise StoreUnavailableError(message)


def _by_kind(objects: Sequence[Sequence[bytes]]) -> Mapping[str, Mapping[str, bytes]]:
    """Put together what Redis answered: names and bodies, one after the other."""
    return {
        kind: {
            name.decode(): body
            for name, body in zip(found[::2], found[1::2], strict=True)
        }
        for kind, found in zip(DIRECTORY_KINDS, objects, strict=True)
    }


def _differences(
    before: Mapping[str, Mapping[str, bytes]], after: Mapping[str, Mapping[str, bytes]]
) -> Iterator[Argument]:
    """Yield kind, name and body of what is other than before; no body removes it."""
    for kind in DIRECTORY_KINDS:
        for name in sorted(before[kind].keys() | after[kind].keys()):
            body = after[kind].get(name, b"")
            if body != before[kind].get(name, b""):
                yield from (kind, name, body)
