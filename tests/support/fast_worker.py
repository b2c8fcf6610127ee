"""
A worker whose host is five minutes fast: the real `rung worker`, and nothing told it.

Run as `python -m tests.support.fast_worker`.
"""

# ruff: noqa: PLC0415 - the clock comes first: others keep the function, not the module

import sys
import time
from datetime import datetime, timedelta, tzinfo

from typing_extensions import override

FAST_SECONDS = 300
right = time.time


def fast() -> float:
    """Return what such a host takes for the time of day."""
    return right() + FAST_SECONDS


class FastDatetime(datetime):
    """The same, for whoever asks in this way, as arq's cron does."""

    @override
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "FastDatetime":
        return super().now(tz) + timedelta(seconds=FAST_SECONDS)


def run() -> None:
    """Run the worker in a process that was told nothing else."""
    time.time = fast
    import arq.utils
    import arq.worker

    arq.worker.datetime = FastDatetime  # type: ignore[attr-defined]
    assert arq.utils.timestamp_ms() > (right() + FAST_SECONDS / 2) * 1_000
    from workers.cli import main

    sys.argv[1:] = ["worker"]
    main()


if __name__ == "__main__":
    run()
