"""What it costs to count: that stands beside every decision and every send."""

from datetime import timedelta
from typing import Any

from benchmarks.core import microseconds
from engine.adapters.memory import MemoryTotals
from engine.ports import Counter, Span
from engine.service import Tally

LATE = timedelta(milliseconds=3)


def measure(seconds: float) -> dict[str, Any]:
    """
    Measure one count and one time.

    Args:
        seconds: How long each part runs.

    Returns:
        Microseconds of each.
    """
    tally = Tally(MemoryTotals(), "measured")

    return {
        "add_us": microseconds(
            lambda: tally.add(Counter.NOTIFICATIONS, "console", "delivered"), seconds
        ),
        "time_us": microseconds(lambda: tally.time(Span.LATENESS, LATE), seconds),
    }
