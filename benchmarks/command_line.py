"""How long the command line takes to answer `--help`."""

import statistics
import subprocess
import sys
import time

from benchmarks.options import Figures, Options

RUNS_MIN, GOES_ON_SECONDS = 5, 1.0


def measure(options: Options) -> Figures:
    """
    Measure, and return milliseconds: the median and the worst of at least five runs.

    Args:
        options: How long to go on.
    """
    took: list[float] = []
    until = time.monotonic() + options.seconds_or(GOES_ON_SECONDS)
    while len(took) < RUNS_MIN or time.monotonic() < until:
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "rung", "--help"], check=True, capture_output=True
        )
        took.append((time.monotonic() - began) * 1_000)

    return {
        "runs": len(took),
        "help_ms_median": round(statistics.median(took), 1),
        "help_ms_max": round(max(took), 1),
    }
