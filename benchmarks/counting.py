"""What it costs to count: that stands beside every decision and every send."""

from datetime import timedelta

from benchmarks.core import PART_SECONDS, microseconds
from benchmarks.options import Figures, Options
from engine.adapters.memory import MemoryTotals
from engine.ports import Counter, Span
from engine.service import Tally

LATE = timedelta(milliseconds=3)


def measure(options: Options) -> Figures:
    """
    Measure one count and one time.

    Args:
        options: How long each part runs.

    Returns:
        Microseconds of each.
    """
    seconds = options.seconds_or(PART_SECONDS)
    tally = Tally(MemoryTotals(), "measured")

    return {
        "add_us": microseconds(
            lambda: tally.add(Counter.NOTIFICATIONS, "console", "delivered"), seconds
        ),
        "time_us": microseconds(lambda: tally.time(Span.LATENESS, LATE), seconds),
    }
