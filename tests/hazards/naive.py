"""
A pager on stock arq, as its README would have it: what rung is held against.

Its jobs are the only record of a timer. Run as `python -m tests.hazards.naive OPTIONS`
it is a worker; OPTIONS are those of arq's `Worker`, as JSON, and REDIS_URL says where.
"""

import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import orjson
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import default_queue_name, in_progress_key_prefix, job_key_prefix
from arq.worker import Worker

from tests.support.processes import Rung, eventually, running_module
from tests.support.servers import RunningServer

MODULE = "tests.hazards.naive"
# How far the pager is, what its jobs did, and whether those that hold on may end.
STEP, NOTES, MAY_END = "naive:step", "naive:notes", "naive:may-end"
KILL_BETWEEN = "NAIVE_KILLED_BETWEEN"
STEP_SECONDS = 0.2
LOOK_AGAIN_SECONDS = 0.02
T = TypeVar("T")
Context = dict[Any, Any]


async def note(ctx: Context, what: str) -> None:
    """Write down what a job did."""
    await ctx["redis"].rpush(NOTES, what)


async def escalate(ctx: Context, step: int) -> None:
    """Page for one step, store that, then enqueue the next: two writes, one after the other."""
    redis = ctx["redis"]
    if int(await redis.get(STEP) or 0) != step:
        await note(ctx, f"skipped {step}")  # the guard against running twice
        return
    await note(ctx, f"paged {step}")
    await redis.set(STEP, step + 1)
    if KILL_BETWEEN in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    await redis.enqueue_job("escalate", step + 1, _defer_by=STEP_SECONDS)


async def hold(ctx: Context, name: str) -> None:
    """Begin to page, and end when the test says so."""
    await note(ctx, f"began {name}")
    while not await ctx["redis"].exists(MAY_END):  # noqa: ASYNC110 - another process's
        await anyio.sleep(LOOK_AGAIN_SECONDS)
    await note(ctx, f"ended {name}")


@dataclass
class Naive:
    """Stock arq on a server, and what its jobs did there."""

    server: RunningServer
    directory: Path
    outputs: list[Path] = field(default_factory=list[Path])

    def enqueue(self, function: str, *arguments: object, **options: Any) -> list[str]:
        """Enqueue a job as one does; return the ids of all that wait."""

        async def enqueue(redis: ArqRedis) -> list[str]:
            await redis.enqueue_job(function, *arguments, **options)
            names = await redis.zrange(default_queue_name, 0, -1)
            return [name.decode() for name in names]

        return self.ask(enqueue)

    def ask(self, what: Callable[[ArqRedis], Awaitable[T]]) -> T:
        """Do something with a pool."""

        async def ask() -> T:
            async with self.pool() as redis:
                return await what(redis)

        return anyio.run(ask)

    @asynccontextmanager
    async def pool(self, **options: Any) -> Any:
        """Connect to the server, as arq does."""
        redis = await create_pool(RedisSettings.from_dsn(self.server.url), **options)
        try:
            yield redis
        finally:
            await redis.aclose()

    @contextmanager
    def worker(self, *, killed_between: bool = False, **options: Any) -> Iterator[Rung]:
        """
        Run a worker for as long as the block lasts.

        One that has another queue is of those who write JSON, as ours is.
        """
        self.outputs.append(self.directory / f"naive-{len(self.outputs)}")
        environment = {"REDIS_URL": self.server.url}
        if killed_between:
            environment[KILL_BETWEEN] = "yes"
        with running_module(
            MODULE, self.outputs[-1], json.dumps(options), **environment
        ) as worker:
            yield worker

    def burst(self, *functions: Any, **options: Any) -> None:
        """Run a worker in this process, until nothing is left to do."""

        async def burst(redis: ArqRedis) -> None:
            worker = Worker(
                functions=functions,
                redis_pool=redis,
                burst=True,
                handle_signals=False,
                **({"poll_delay": LOOK_AGAIN_SECONDS} | options),
            )
            with anyio.fail_after(5):
                await worker.main()

        self.ask(burst)

    def notes(self) -> list[str]:
        """Return what the jobs did."""

        async def read(redis: ArqRedis) -> list[str]:
            notes = await redis.lrange(NOTES, 0, -1)  # type: ignore[misc]
            return [each.decode() for each in notes]

        return self.ask(read)

    def wait_for(self, *notes: str) -> None:
        """Return as soon as the jobs have done exactly this."""
        eventually(lambda: sorted(notes) == sorted(self.notes()))

    def waiting(self) -> list[str]:
        """Return the ids of all jobs that arq still knows."""

        async def read(redis: ArqRedis) -> list[str]:
            names = await redis.zrange(default_queue_name, 0, -1)
            return [name.decode() for name in names]

        return self.ask(read)

    def leases(self) -> list[int]:
        """Return for how long, in milliseconds, nobody else may run what is in progress."""

        async def read(redis: ArqRedis) -> list[int]:
            names = await redis.keys(f"{in_progress_key_prefix}*")
            return [await redis.pttl(name) for name in names]

        return self.ask(read)

    def life_of(self, job: str) -> int:
        """Return how long, in milliseconds, arq keeps what a job is to do."""

        async def read(redis: ArqRedis) -> int:
            return int(await redis.pttl(job_key_prefix + job))

        return self.ask(read)

    def expire(self, job: str) -> None:
        """Let that time be over, in place of waiting for it."""

        async def expire(redis: ArqRedis) -> None:
            await redis.delete(job_key_prefix + job)

        self.ask(expire)

    def end_leases(self) -> None:
        """Let the leases be over, in place of waiting for them."""

        async def end(redis: ArqRedis) -> None:
            await redis.delete(*await redis.keys(f"{in_progress_key_prefix}*"))

        self.ask(end)

    def let_end(self) -> None:
        """Let the jobs that hold on come to their end."""

        async def let(redis: ArqRedis) -> None:
            await redis.set(MAY_END, "yes")

        self.ask(let)


def main(options: Sequence[str]) -> None:
    """Run a worker until it ends."""
    logging.basicConfig(level=logging.DEBUG, format="%(name)s %(message)s")
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    given = {"poll_delay": LOOK_AGAIN_SECONDS} | json.loads(options[0])
    if "queue_name" in given:
        given |= {"job_serializer": orjson.dumps, "job_deserializer": orjson.loads}
    worker = Worker(
        functions=[escalate, hold],
        redis_settings=RedisSettings.from_dsn(os.environ["REDIS_URL"]),
        **given,
    )
    worker.run()


if __name__ == "__main__":
    main(sys.argv[1:])
