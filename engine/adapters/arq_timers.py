"""
Timers on arq: one queue, one wake job per 100 ms, one function `drain`.

What is due is known to the store alone; an arq job only says when to look. So arq
may drop a job, run it twice or be restarted at any moment: a kick or the sweep
makes up for it. docs/adr/0005 says why the queue is our own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import anyio
import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import health_check_key_suffix, job_key_prefix
from arq.cron import cron
from arq.jobs import serialize_job
from arq.worker import Worker, func
from redis.asyncio import ConnectionPool

from engine.adapters.clock import StoreClock
from engine.adapters.redis.keys import KICK
from engine.adapters.redis.wakes import WakeJobs
from engine.ports import Wake
from engine.service.turnstile import Turnstile

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Not arq's default queue: somebody else's arq on this server would eat our jobs.
QUEUE = "rung:arq"
JOB_ID_PREFIX = "rung:wake:"
FUNCTION = "drain"
POLL_DELAY_SECONDS = 0.1
# Wake jobs under way are read again with each poll; they must not fill what is read.
QUEUE_READ_LIMIT = 2_000
JOBS_AT_ONCE_MAX = 50
# A run of the drain ends after two seconds; arq deletes a job that meets this.
JOB_TIMEOUT_SECONDS = 30
# A cancelled job counts as a try; deploys must never use them up.
TRIES_MAX = 1_000_000
HEALTH_INTERVAL_SECONDS = 10
SWEEP_EVERY_SECONDS = 2.0
SWEEP_SECONDS_MAX = 5.0
KICK_WAIT_SECONDS = 1
CLOSING_SECONDS_MAX = 5.0
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.05, 2.0

WakeUp = Callable[[Wake], Awaitable[None]]
Context = dict[Any, Any]


def wake_jobs() -> WakeJobs:
    """
    Return what the store's scripts need to write a wake job as arq itself would.

    A test compares them with arq's own. The enqueue time is zero, so that the payload
    is the same bytes for every job; arq only prints it.
    """
    return WakeJobs(
        queue=QUEUE,
        job_prefix=job_key_prefix,
        id_prefix=JOB_ID_PREFIX,
        payload=serialize_job(FUNCTION, (), {}, None, 0, serializer=orjson.dumps),
    )


class ArqTimers:
    """Wakes this process when arq says so, when somebody kicks, and after an outage."""

    def __init__(
        self,
        *,
        pool: Callable[[], ConnectionPool],
        clock: StoreClock,
        arm: Callable[[Sequence[datetime]], Awaitable[None]],
        sweep: Callable[[], Awaitable[object]],
        name: str,
    ) -> None:
        """
        Wire it up; nothing happens before `run`.

        Args:
            pool: Makes a new connection pool to the primary; each arq worker and the
                kick listener have one of their own, and close it.
            clock: Set from the store's TIME before each arq worker starts.
            arm: Writes wake jobs for due times, and a kick for those that are past.
            sweep: Repairs whatever arq dropped. It may run beside itself.
            name: Names this worker in arq's health key; no two share one.
        """
        self._pool = pool
        self._clock = clock
        self._arm = arm
        self._sweep = sweep
        self._name = name

    async def arm(self, dues: Sequence[datetime]) -> None:
        """Have some worker woken shortly before each of these times."""
        await self._arm(dues)

    async def run(self, wake: WakeUp) -> None:
        """Call `wake` whenever it is time, until cancelled; never beside itself."""
        due = Turnstile(lambda: wake(Wake.DUE))
        kick = Turnstile(lambda: wake(Wake.KICK))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(supervise, "arq", lambda: self._work(due))
            tasks.start_soon(supervise, "kicks", lambda: self._listen(kick))
            tasks.start_soon(self._sweep_on)

    async def _work(self, due: Turnstile) -> None:
        """Run one arq worker for as long as it lasts."""
        async with _client(self._pool()) as redis:
            seconds, microseconds = await redis.time()
            self._clock.observe(seconds * 1_000 + microseconds // 1_000)
            worker = self._worker(redis, due)
            try:
                await worker.main()
            finally:
                await _close(worker)

    def _worker(self, redis: ArqRedis, due: Turnstile) -> Worker:
        # arq types its functions by the names of their parameters.
        async def drain(ctx: Context, *_: Any, **__: Any) -> None:  # noqa: ARG001
            await due.enter()

        async def sweep(ctx: Context, *_: Any, **__: Any) -> None:  # noqa: ARG001
            await self._try_to_sweep()

        return Worker(
            functions=[func(drain, name=FUNCTION, max_tries=TRIES_MAX)],
            cron_jobs=[
                cron(
                    sweep,
                    name="rung:sweep",
                    second=set(range(60)),
                    timeout=JOB_TIMEOUT_SECONDS,
                )
            ],
            redis_pool=redis,
            queue_name=QUEUE,
            handle_signals=False,
            max_jobs=JOBS_AT_ONCE_MAX,
            job_timeout=JOB_TIMEOUT_SECONDS,
            keep_result=0,
            max_tries=TRIES_MAX,
            poll_delay=POLL_DELAY_SECONDS,
            queue_read_limit=QUEUE_READ_LIMIT,
            health_check_interval=HEALTH_INTERVAL_SECONDS,
            health_check_key=f"{QUEUE}{health_check_key_suffix}:{self._name}",
            job_serializer=_dump,
            job_deserializer=orjson.loads,
            timezone=UTC,
            log_results=False,
        )

    async def _listen(self, kick: Turnstile) -> None:
        """Take kicks as they come; the first one is free, for those lost meanwhile."""
        async with _client(self._pool()) as redis:
            while True:
                await kick.enter()
                while await _pop(redis) is None:
                    pass

    async def _sweep_on(self) -> None:
        """Sweep whatever becomes of arq, which does it too."""
        while True:
            await self._try_to_sweep()
            await anyio.sleep(SWEEP_EVERY_SECONDS)

    async def _try_to_sweep(self) -> None:
        try:
            with anyio.fail_after(SWEEP_SECONDS_MAX):
                await self._sweep()
        except Exception as error:  # noqa: BLE001 - the next one comes in a second
            log.warning("sweep.failed", error=f"{type(error).__name__}: {error}")


async def supervise(part: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do work that never ends; when it fails, do it again after a growing pause."""
    pause = PAUSE_SECONDS_MIN
    while True:
        began = anyio.current_time()
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - arq leaves with whatever Redis gave it
            problem = f"{type(error).__name__}: {error}"
            if anyio.current_time() - began > PAUSE_SECONDS_MAX:
                pause = PAUSE_SECONDS_MIN
            log.warning(
                "worker.restarted", part=part, error=problem, pause_seconds=pause
            )
        await anyio.sleep(pause)
        pause = min(2 * pause, PAUSE_SECONDS_MAX)


def _dump(job: Context) -> bytes:
    """
    Write a job or its result as JSON; what is none of it as text.

    arq also writes the error of a job that is gone, whether it keeps results or not.
    """
    return orjson.dumps(job, default=repr)


async def _pop(redis: ArqRedis) -> object:
    """Wait for a kick, for a moment."""
    popped = redis.blpop([KICK], timeout=KICK_WAIT_SECONDS)

    return await cast("Awaitable[object]", popped)


@contextlib.asynccontextmanager
async def _client(pool: ConnectionPool) -> AsyncIterator[ArqRedis]:
    redis = ArqRedis(pool, job_serializer=orjson.dumps, job_deserializer=orjson.loads)
    try:
        yield redis
    finally:
        with anyio.move_on_after(CLOSING_SECONDS_MAX, shield=True):
            await pool.disconnect()


async def _close(worker: Worker) -> None:
    """
    End a worker's jobs and take back its health key.

    arq's own `close` would wait for jobs without end and raise what they raised.
    """
    jobs = list(worker.tasks.values())
    with anyio.CancelScope(shield=True):
        for job in jobs:
            job.cancel()
        if jobs:
            done, _ = await asyncio.wait(jobs, timeout=CLOSING_SECONDS_MAX)
            # Looked at, or asyncio complains; it is the Redis error that ended arq.
            [job.exception() for job in done if not job.cancelled()]
        with contextlib.suppress(Exception), anyio.move_on_after(CLOSING_SECONDS_MAX):
            await worker.pool.delete(worker.health_check_key)
