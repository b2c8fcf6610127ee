"""
Stock arq: how many empty jobs a second one worker of it runs.

Run as `python -m benchmarks.stock_arq`, with REDIS_URL, it is that worker: arq as it
comes, on the event loop that rung uses, with the settings under which it is fastest
(facts of arq 0.28: many jobs at once, a short poll, no results kept).
"""

import os

import uvloop
from arq.connections import RedisSettings
from arq.worker import run_worker

JOBS_AT_ONCE, POLL_SECONDS = 500, 0.02


async def empty(_context: dict[str, object]) -> None:
    """Do nothing."""


class WorkerSettings:
    """What `arq` is told."""

    functions = (empty,)
    max_jobs = JOBS_AT_ONCE
    poll_delay = POLL_SECONDS
    keep_result = 0
    redis_settings = RedisSettings.from_dsn(os.environ.get("REDIS_URL", ""))


if __name__ == "__main__":
    uvloop.install()
    run_worker(WorkerSettings)  # type: ignore[arg-type]
