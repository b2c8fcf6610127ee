"""How long the command line takes to answer `--help`."""

import statistics
import subprocess
import sys
import time
from typing import Any

RUNS_MIN = 5


def measure(seconds: float) -> dict[str, Any]:
    """
    Measure, and return milliseconds: the median and the worst of at least five runs.

    Args:
        seconds: How long to go on.
    """
    took: list[float] = []
    until = time.monotonic() + seconds
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
