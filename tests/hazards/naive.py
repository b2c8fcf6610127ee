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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import orjson
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import default_queue_name, in_progress_key_prefix, job_key_prefix
from arq.worker import Worker
from redis import Redis

from tests.support.processes import PATIENCE_SECONDS, Rung, eventually, running_module
from tests.support.servers import RunningServer

MODULE = "tests.hazards.naive"
# How far the pager is, what its jobs did, and whether those that hold on may end.
STEP, NOTES, MAY_END = "naive:step", "naive:notes", "naive:may-end"
KILL_BETWEEN = "NAIVE_KILLED_BETWEEN"
STEP_SECONDS = 0.2
LOOK_AGAIN_SECONDS = 0.02
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
    client: Redis
    outputs: list[Path] = field(default_factory=list[Path])

    def enqueue(self, function: str, *arguments: object, **options: Any) -> None:
        """Enqueue a job for each of the arguments, as one does; if none, one without."""

        async def enqueue(redis: ArqRedis) -> None:
            each: list[tuple[object, ...]] = [(given,) for given in arguments] or [()]
            for given in each:
                await redis.enqueue_job(function, *given, **options)

        self._with_pool(enqueue)

    @contextmanager
    def worker(self, *, killed_between: bool = False, **options: Any) -> Iterator[Rung]:
        """Run a worker for as long as the block lasts."""
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
            with anyio.fail_after(PATIENCE_SECONDS):
                await worker.main()

        self._with_pool(burst)

    def notes(self) -> list[str]:
        """Return what the jobs did."""
        return list(self._ask("LRANGE", NOTES, 0, -1))

    def wait_for(self, *notes: str) -> None:
        """Return as soon as the jobs have done exactly this."""
        eventually(lambda: sorted(notes) == sorted(self.notes()))

    def waiting(self) -> list[str]:
        """Return the ids of all jobs in the queue."""
        return list(self._ask("ZRANGE", default_queue_name, 0, -1))

    def leases(self) -> list[int]:
        """Return for how long, in milliseconds, nobody else may run what is begun."""
        return [self._ask("PTTL", name) for name in self._in_progress()]

    def end_leases(self) -> None:
        """Let the leases be over, in place of waiting for them."""
        self._ask("DEL", *self._in_progress())

    def life_of(self, job: str) -> int:
        """Return for how long, in milliseconds, arq keeps what a job is to do."""
        return int(self._ask("PTTL", job_key_prefix + job))

    def end_life_of(self, job: str) -> None:
        """Let that time be over, in place of waiting for it."""
        self._ask("DEL", job_key_prefix + job)

    def let_end(self) -> None:
        """Let the jobs that hold on come to their end."""
        self._ask("SET", MAY_END, "yes")

    def _in_progress(self) -> list[str]:
        return list(self._ask("KEYS", f"{in_progress_key_prefix}*"))

    def _ask(self, *command: object) -> Any:
        return self.client.execute_command(*command)  # type: ignore[no-untyped-call]

    def _with_pool(self, do: Callable[[ArqRedis], Awaitable[None]]) -> None:
        async def run() -> None:
            redis = await create_pool(RedisSettings.from_dsn(self.server.url))
            try:
                await do(redis)
            finally:
                await redis.aclose()

        anyio.run(run)


def main(options: Sequence[str]) -> None:
    """Run a worker until it ends."""
    logging.basicConfig(level=logging.DEBUG, format="%(name)s %(message)s")
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    given = {"poll_delay": LOOK_AGAIN_SECONDS} | json.loads(options[0])
    if "queue_name" in given:  # that of rung, which writes its jobs as JSON
        given |= {"job_serializer": orjson.dumps, "job_deserializer": orjson.loads}
    worker = Worker(
        functions=[escalate, hold],
        redis_settings=RedisSettings.from_dsn(os.environ["REDIS_URL"]),
        **given,
    )
    worker.run()


if __name__ == "__main__":
    main(sys.argv[1:])
