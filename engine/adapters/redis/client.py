"""
The client: runs scripts, alone or in batches, and maps errors.

Items of a batch stand alone: an error is neither success nor stale. Only a script
that Redis does not know is sent again at once; everything else is for the caller.
"""

from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from engine.adapters.redis.scripts import Name, load_scripts
from engine.adapters.redis.wakes import WakeJobs
from engine.errors import StoreUnavailableError

Argument = str | bytes | int
Reply = Any
Observe = Callable[[int], None]


class Client:
    """Runs the scripts on one primary."""

    def __init__(self, redis: Redis, wakes: WakeJobs, observe: Observe) -> None:
        """
        Wire it up.

        Args:
            redis: A client that answers in bytes.
            wakes: What arq lends to the scripts.
            observe: Is told the server's time, in milliseconds, as it is learned.
        """
        self.redis = redis
        self.observe = observe
        self._scripts = load_scripts(wakes)

    async def run(self, name: Name, *arguments: Argument) -> Reply:
        """
        Run one script.

        Raises:
            StoreUnavailableError: If Redis cannot be reached, or refuses.
        """
        [reply] = await self.run_all(name, [arguments])
        if isinstance(reply, Exception):
            raise StoreUnavailableError(str(reply)) from reply

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
        """
        replies = await self._send(name, calls)
        unknown = [n for n, r in enumerate(replies) if isinstance(r, NoScriptError)]
        if unknown:
            await self._load(name)
            again = await self._send(name, [calls[n] for n in unknown])
            for number, reply in zip(unknown, again, strict=True):
                replies[number] = reply

        return replies

    async def ask(self, *command: Argument) -> Reply:
        """
        Run one command.

        Raises:
            StoreUnavailableError: If Redis cannot be reached, or refuses.
        """
        try:
            return await self.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(str(error)) from error

    async def ask_all(self, commands: Sequence[Sequence[Argument]]) -> list[Reply]:
        """
        Run several commands in one round trip.

        Raises:
            StoreUnavailableError: If Redis cannot be reached, or refuses one.
        """
        if not commands:
            return []
        try:
            async with self.redis.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(str(error)) from error

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

    async def _send(
        self, name: Name, calls: Sequence[Sequence[Argument]]
    ) -> list[Reply]:
        sha = self._scripts[name].sha
        try:
            async with self.redis.pipeline(transaction=False) as pipeline:
                for arguments in calls:
                    pipeline.execute_command("EVALSHA", sha, 0, *arguments)
                return await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(str(error)) from error

    async def _load(self, name: Name) -> None:
        await self.ask("SCRIPT LOAD", self._scripts[name].text)
