"""
Stock arq: how many empty jobs a second one worker of it runs.

Run as `python -m benchmarks.stock_arq`, with REDIS_URL, it is that worker: arq as it
comes, on the event loop that rung uses, with the settings under which it is fastest:
many jobs at once, a short poll, no results kept.
"""

import os
import tempfile
import time
from pathlib import Path

import anyio
import redis
import uvloop
from arq.connections import RedisSettings, create_pool
from arq.constants import default_queue_name
from arq.worker import run_worker

from benchmarks.options import Figures
from benchmarks.stage.usage import cpu_seconds
from tests.support.processes import running_module
from tests.support.servers import found_servers, running_server

MODULE = "benchmarks.stock_arq"
JOBS, JOBS_AT_ONCE, POLL_SECONDS = 5_000, 500, 0.02
RUN_SECONDS_MAX, LOOK_AGAIN_SECONDS = 30.0, 0.005


async def empty(_context: dict[str, object]) -> None:
    """Do nothing."""


class WorkerSettings:
    """What arq is told."""

    functions = (empty,)
    max_jobs = JOBS_AT_ONCE
    poll_delay = POLL_SECONDS
    keep_result = 0
    redis_settings = RedisSettings.from_dsn(os.environ.get("REDIS_URL", "redis://"))


def measure(fsync: str) -> Figures:
    """
    Measure one worker, from the first job that it has run to the last.

    Args:
        fsync: When Redis writes what it was told to the disk.
    """
    with (
        tempfile.TemporaryDirectory(prefix="rung-benchmark-") as place,
        running_server(
            found_servers()[-1],
            Path(place),
            *("--appendonly", "yes", "--appendfsync", fsync),
        ) as server,
        redis.Redis(port=server.port) as client,
    ):
        anyio.run(_enqueue, server.url)
        output = Path(place) / "output"
        with running_module(MODULE, output, REDIS_URL=server.url) as worker:
            first = _wait_until_below(client, JOBS)
            began, used = time.monotonic(), cpu_seconds(worker.process.pid)
            _wait_until_below(client, 1)
            took = time.monotonic() - began
            used = cpu_seconds(worker.process.pid) - used

    return {
        "jobs": first,
        "jobs_per_second": round(first / took),
        "worker_cores": round(used / took, 2),
    }


async def _enqueue(url: str) -> None:
    pool = await create_pool(RedisSettings.from_dsn(url))
    for _ in range(JOBS):
        await pool.enqueue_job(empty.__qualname__)
    await pool.aclose()


def _wait_until_below(client: redis.Redis, count: int) -> int:
    """Return how many jobs are left as soon as it is fewer than that."""
    until = time.monotonic() + RUN_SECONDS_MAX
    while time.monotonic() < until:
        left = int(str(client.zcard(default_queue_name)))
        if left < count:
            return left
        time.sleep(LOOK_AGAIN_SECONDS)
    message = f"arq did not run its jobs within {RUN_SECONDS_MAX:g} s"
    raise TimeoutError(message)


if __name__ == "__main__":
    uvloop.install()
    run_worker(WorkerSettings)  # type: ignore[arg-type]
