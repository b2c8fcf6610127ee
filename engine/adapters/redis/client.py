"""
The client: runs scripts, alone or in batches, and says what an error means.

Items of a batch stand alone: an error is neither success nor stale. Only a script
that Redis does not know is sent again at once; everything else is for the caller.
"""

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from engine.adapters.redis.connections import exchange
from engine.adapters.redis.scripts import Name, Script, load_scripts
from engine.adapters.redis.wakes import WakeJobs
from engine.errors import EngineError, StoreUnavailableError

Argument = str | bytes | int
Reply = Any
Observe = Callable[[int], None]

# A server may forget its scripts again while they are loaded: a failover.
LOADS_MAX = 3
# What people and senders are promised has to be on the replicas first; a drain has
# nobody to promise anything.
PROMISED = frozenset({Name.APPEND, Name.COMMIT, Name.CONFIGURE})
REPLICAS_WAIT_MS = 100
# Errors that pass by themselves. Those of a command inside a script reach us as text:
# Redis 6 puts its own word before the one that counts.
PASSING_KINDS = (OutOfMemoryError, ReadOnlyError)
PASSING = re.compile(
    r"(^|-)(OOM|MISCONF|READONLY|LOADING|NOREPLICAS|MASTERDOWN|BUSY|TRYAGAIN)\b"
)
# The last is what uvloop says of a connection that the server has closed meanwhile.
BROKEN = (RedisError, OSError, RuntimeError)
DEMOTED = re.compile(r"(^|-)(READONLY|MASTERDOWN)\b")
# Replicas that are missing may have followed another primary, and left this one alone.
LONELY = re.compile(r"(^|-)NOREPLICAS\b")
REFUSED_BY_REDIS = (
    "Redis refuses user or password ({}): correct them in REDIS_URL, percent-encoded"
)


class AnswerLostError(StoreUnavailableError):
    """The connection broke before the answer came: it may have been written."""


class NotReplicatedError(StoreUnavailableError):
    """It is written, but on fewer replicas than it has to be: nothing is promised."""


class RefusedError(EngineError):
    """Redis refused a command, and will again: a bug of ours, or damaged data."""


class Client:
    """Runs the scripts on one primary."""

    def __init__(
        self,
        redis: Redis,
        wakes: WakeJobs,
        observe: Observe,
        scripts: Mapping[Name, Script] | None = None,
        *,
        replicas: int = 0,
    ) -> None:
        """
        Wire it up.

        Args:
            redis: A client that answers in bytes.
            wakes: What arq lends to the scripts.
            observe: Is told the server's time, in milliseconds, as it is learned.
            scripts: Others than those in lua/, for a test that sets the time.
            replicas: How many must have an append or a commit before it counts.
        """
        self.redis = redis
        self.observe = observe
        self._scripts = scripts or load_scripts(wakes)
        self._replicas = replicas
        self._is_looking = False

    async def run(self, name: Name, *arguments: Argument) -> Reply:
        """
        Run one script.

        Raises:
            StoreUnavailableError: If Redis cannot be reached, or cannot write.
            AnswerLostError: If it may have been run.
            RefusedError: If Redis finds fault with it.
        """
        [reply] = without_errors(await self.run_all(name, [arguments]))

        return reply

    async def run_all(
        self, name: Name, calls: Sequence[Sequence[Argument]]
    ) -> list[Reply]:
        """
        Run one script many times in one round trip.

        Returns:
            A reply for each call, or the error it met.

        Raises:
            StoreUnavailableError: If Redis cannot be reached at all.
            AnswerLostError: If any of them may have been run.
            NotReplicatedError: If they are run, and too few replicas say so.
        """
        script = self._scripts[name]
        ask = self._ask_replicas_too if name in PROMISED else self.ask_each
        commands = [("EVALSHA", script.sha, 0, *arguments) for arguments in calls]
        replies = await ask(commands)
        for _ in range(LOADS_MAX):
            unknown = [n for n, r in enumerate(replies) if isinstance(r, NoScriptError)]
            if not unknown:
                break
            await self.ask("SCRIPT LOAD", script.text)
            again = await ask([commands[number] for number in unknown])
            for number, reply in zip(unknown, again, strict=True):
                replies[number] = reply

        return replies

    async def _ask_replicas_too(
        self, commands: Sequence[Sequence[Argument]]
    ) -> list[Reply]:
        """
        Run several commands, and wait until the replicas have them.

        Without a command, until they have all that was written before.
        """
        if not self._replicas:
            return await self.ask_each(commands)
        wait = ("WAIT", self._replicas, REPLICAS_WAIT_MS)
        *replies, count = await self.ask_each([*(commands or [("PING",)]), wait])
        without_errors([count])
        if count < self._replicas:
            await self._look_again()
            message = f"{count} of {self._replicas} replicas have it"
            raise NotReplicatedError(message)

        return replies[: len(commands)]

    async def ask(self, *command: Argument) -> Reply:
        """
        Run one command.

        Raises:
            StoreUnavailableError: If Redis cannot be reached, or cannot write.
            AnswerLostError: If it may have been run.
            RefusedError: If Redis finds fault with it.
        """
        [reply] = without_errors(await self.ask_each([command]))

        return reply

    async def ask_each(self, commands: Sequence[Sequence[Argument]]) -> list[Reply]:
        """
        Run several commands in one round trip.

        Returns:
            A reply for each command, or the error it met.

        Raises:
            StoreUnavailableError: If Redis cannot be reached at all.
            AnswerLostError: If any of them may have been run.
        """
        if not commands:
            return []
        pool = self.redis.connection_pool
        try:
            # Apart, so that what was never sent is told from what may have been.
            connection = await pool.get_connection()
        except BROKEN as error:
            raise StoreUnavailableError(_told(error)) from error
        try:
            replies = await exchange(connection, commands)
        except (AuthenticationError, BusyLoadingError) as error:
            raise StoreUnavailableError(_told(error)) from error
        except BROKEN as error:
            raise AnswerLostError(str(error)) from error
        finally:
            await pool.release(connection)
        replies = [self._meant(*each) for each in zip(commands, replies, strict=True)]
        if any(map(_is_demoted, replies)):
            await self._leave()
        elif any(map(_is_lonely, replies)):
            await self._look_again()

        return replies

    def _meant(self, command: Sequence[Argument], reply: Reply) -> Reply:
        """Read a reply as redis-py does; those of scripts are left as they are."""
        callback = self.redis.response_callbacks.get(str(command[0]))
        if callback is None or isinstance(reply, Exception):
            return reply

        return callback(reply)

    async def _leave(self) -> None:
        """
        Give up the connections to a server that is the primary no longer.

        The address may lead to another one by now; who stays connected stays with a
        replica that takes no writes.
        """
        await self.redis.connection_pool.disconnect(inuse_connections=False)

    async def _look_again(self) -> None:
        """
        Ask who the primary is, where Sentinels can say it; leave the one that was.

        A primary that was cut off from its replicas, and not from us, does not end our
        connections: it does not know that there is another one.
        """
        pool = self.redis.connection_pool
        if self._is_looking or not isinstance(pool, SentinelConnectionPool):
            return
        self._is_looking = True
        try:
            with contextlib.suppress(*BROKEN):
                await pool.get_master_address()  # type: ignore[no-untyped-call]
        finally:
            self._is_looking = False

    async def time(self) -> int:
        """
        Return the server's time in milliseconds, and let the clock know.

        Raises:
            StoreUnavailableError: If Redis cannot be reached.
        """
        seconds, microseconds = await self.ask("TIME")
        now = int(seconds) * 1_000 + int(microseconds) // 1_000
        self.observe(now)

        return now


def meaning_of(error: Exception) -> EngineError:
    """Say whether an error passes by itself: then nothing was written."""
    if isinstance(error, ResponseError) and not is_passing(error):
        return RefusedError(str(error))

    return StoreUnavailableError(str(error))


def without_errors(replies: Sequence[Reply]) -> Sequence[Reply]:
    """
    Return replies of which each has to be there.

    Raises:
        StoreUnavailableError: If one is an error that passes by itself.
        RefusedError: If one is an error that does not.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise meaning_of(reply) from reply

    return replies


def _told(error: Exception) -> str:
    """Say what is wrong, and name the setting where it is one."""
    if isinstance(error, AuthenticationError):
        return REFUSED_BY_REDIS.format(error)

    return str(error)


def _is_lonely(reply: object) -> bool:
    return isinstance(reply, ResponseError) and bool(LONELY.search(str(reply)))


def _is_demoted(reply: object) -> bool:
    if isinstance(reply, ReadOnlyError):
        return True

    return isinstance(reply, ResponseError) and bool(DEMOTED.search(str(reply)))


def is_passing(reply: object) -> bool:
    """Tell whether a reply is an error that passes by itself: nothing was written."""
    if not isinstance(reply, ResponseError):
        return isinstance(reply, RedisError)

    return isinstance(reply, PASSING_KINDS) or bool(PASSING.search(str(reply)))
