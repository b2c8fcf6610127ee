"""
A worker whose host is five minutes fast: the real `rung worker`, and nothing told it.

Run as `python -m tests.support.fast_worker`. `FAST_SECONDS` in its environment makes it
as fast as that; slow, if it is below zero.
"""

# ruff: noqa: PLC0415 - the clock comes first: others keep the function, not the module

import os
import sys
import time
from datetime import datetime, timedelta, tzinfo

from typing_extensions import override

FAST_SECONDS = 300
SECOND_NS = 1_000_000_000
offset_seconds = int(os.environ.get("FAST_SECONDS", FAST_SECONDS))
right, right_ns = time.time, time.time_ns


def fast() -> float:
    """Return what such a host takes for the time of day."""
    return right() + offset_seconds


def fast_ns() -> int:
    """Return the same in nanoseconds."""
    return right_ns() + offset_seconds * SECOND_NS


class FastDatetime(datetime):
    """The same, for whoever asks in this way, as arq's cron does."""

    @override
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "FastDatetime":
        return super().now(tz) + timedelta(seconds=offset_seconds)


def set_clock() -> None:
    """Set the clock of this process, before anybody has kept the function."""
    time.time, time.time_ns = fast, fast_ns
    import arq.worker

    arq.worker.datetime = FastDatetime  # type: ignore[attr-defined]


def arq_is_fast_seconds() -> float:
    """Return how fast arq's own clock is here."""
    import arq.utils

    return arq.utils.timestamp_ms() / 1_000 - right()


def run() -> None:
    """Run the worker in a process that was told nothing else."""
    set_clock()
    assert abs(arq_is_fast_seconds() - offset_seconds) < 1
    from workers.cli import main

    sys.argv[1:] = ["worker"]
    main()


if __name__ == "__main__":
    run()
