"""
The clock of the store, followed between its answers.

This is the only file that reads a clock. By what the host believes the time of day to
be nothing is decided: two workers agree because they follow the same Redis.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

import anyio
import arq.utils
import arq.worker
from typing_extensions import override

from engine.errors import StoreUnavailableError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
# A slow answer makes the store look behind. The best answer of so long outweighs it;
# a store that was really set back is believed after at most twice as long.
BEST_OF_NS = 10 * SECOND_NS
# Two oscillators part by up to 0.1 ms a second: an answer this old is worth nothing.
FORGOTTEN_AFTER_NS = 60 * SECOND_NS
# Nobody sleeps longer without looking again: the store may have been set forward.
NAP_SECONDS_MAX = 1.0
# Runs on while the machine is suspended, where the system has such a clock.
ELAPSING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_ns() -> int:
    """Return the time since the machine was started, in nanoseconds."""
    return time.clock_gettime_ns(ELAPSING)


def host_time_ms() -> int:
    """
    Return what this machine takes for the time, in milliseconds since 1970.

    Nothing is decided by it: it is compared with the store's, for whoever reads logs.
    """
    return time.time_ns() // MILLISECOND_NS


class StoreClock:
    """
    The store's TIME as last observed, plus what has elapsed since.

    An answer is as old as its way back, so this clock lags the store's by the
    shortest way back of the last seconds, and never leads it.
    """

    def __init__(self, elapsed: Callable[[], int] = elapsed_ns) -> None:
        self._elapsed = elapsed
        self._best: int | None = None
        self._best_before: int | None = None
        self._period_began = 0
        self._observed_last = 0

    @property
    def is_set(self) -> bool:
        """Whether the store's time has been observed at all."""
        return self._best is not None

    def observe(self, server_ms: int) -> None:
        """Take in the store's TIME, in milliseconds, from an answer that just came."""
        elapsed = self._elapsed()
        offset = server_ms * MILLISECOND_NS - elapsed
        if elapsed - self._observed_last > FORGOTTEN_AFTER_NS:
            self._best = None
        if self._best is None or elapsed - self._period_began >= BEST_OF_NS:
            self._best_before, self._best = self._best, offset
            self._period_began = elapsed
        self._best = max(self._best, offset)
        self._observed_last = elapsed

    def now(self) -> datetime:
        """
        Return the store's time.

        Raises:
            StoreUnavailableError: If the store has never been reached.
        """
        return EPOCH + self.now_ms() * MILLISECOND

    def now_ms(self) -> int:
        """
        Return the store's time in milliseconds since 1970.

        Raises:
            StoreUnavailableError: If the store has never been reached.
        """
        return self._now_ns() // MILLISECOND_NS

    async def sleep_until(self, at: datetime) -> None:
        """Return at `at` or just after it; at once if that is past. Never before."""
        at_ns = to_ms(at) * MILLISECOND_NS
        while True:
            left = (at_ns - self._now_ns()) / SECOND_NS
            if left <= 0:
                return
            await anyio.sleep(min(left, NAP_SECONDS_MAX))

    def _now_ns(self) -> int:
        if self._best is None:
            message = "the time is unknown until Redis has answered once"
            raise StoreUnavailableError(message)
        best = self._best
        if self._best_before is not None:
            best = max(best, self._best_before)

        return best + self._elapsed()


def to_ms(at: datetime) -> int:
    """Return a time in milliseconds since 1970, rounded up: never early."""
    return -((EPOCH - at) // MILLISECOND)


def install_into_arq(clock: StoreClock) -> None:
    """
    Have arq read this clock instead of the host's.

    A worker whose host is five minutes fast otherwise runs, and so deletes, every wake
    job of the next five minutes. These are all the names by which arq 0.28 asks for
    the time: `timestamp_ms` (scores, polling) goes through `utils.time`, the health
    key through `worker.time`, cron through `worker.datetime`. Its loop's pauses are
    monotonic already.
    """

    class StoreDatetime(datetime):
        """The datetime that arq's cron asks for the time."""

        @override
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "StoreDatetime":
            return cls.fromtimestamp(clock.now_ms() / 1000, tz)

    def seconds() -> float:
        return clock.now_ms() / 1000

    for module, name, reads in (
        (arq.utils, "time", seconds),
        (arq.worker, "time", seconds),
        (arq.worker, "datetime", StoreDatetime),
    ):
        assert hasattr(module, name), f"arq has changed: {module.__name__}.{name}"
        setattr(module, name, reads)
