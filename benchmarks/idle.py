"""
Idle: what a `rung worker` and its Redis take of a core while nothing is due.

1,000 incidents are open, whose timers are a day away; the worker polls, sweeps and
audits as it always does. Measured is the time on a core of both processes, threads
included, over some seconds after they have settled.
"""

import time
from datetime import timedelta

from benchmarks.lateness import PAGE_STEP, WAIT, WAIT_STEP
from benchmarks.options import Figures, Options
from benchmarks.progress import say
from benchmarks.stage.directory import directory_with
from benchmarks.stage.filling import Filling, fill
from benchmarks.stage.stage import Stage, a_stage
from benchmarks.stage.usage import cpu_seconds, resident_mebibytes
from benchmarks.targets import at_most

SECONDS, SETTLE_SECONDS = 20.0, 5.0
OPEN, PERCENT_MAX = 1_000, 3
POLICY = (WAIT_STEP, PAGE_STEP, WAIT_STEP)


def measure(options: Options) -> Figures:
    """
    Measure for so many seconds.

    Args:
        options: How many.

    Returns:
        Per cent of a core, of each and of both together.
    """
    with a_stage(directory_with({"default": POLICY})) as stage:
        figures = measure_on(stage, OPEN, options.seconds_or(SECONDS))
        figures["redis"] = stage.told()
    both = figures["together_percent"]

    return figures | {
        "targets": {"together": at_most(PERCENT_MAX, both, "% of a core")}
    }


def measure_on(
    stage: Stage,
    open_count: int,
    seconds: float,
    settle_seconds: float = SETTLE_SECONDS,
) -> Figures:
    """Measure with so many incidents open."""
    far = time.time() + timedelta(days=1).total_seconds()
    dues = {f"open-{number}": far for number in range(open_count)}
    fill(stage, Filling(dues=dues, wait=WAIT))
    worker = stage.worker()
    pids = {"worker": worker.process.pid, "redis": stage.server.pid}
    time.sleep(settle_seconds)
    say(f"idle: {seconds:g} s")
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    began = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}

    return {
        "open": open_count,
        "seconds": round(took, 1),
        "worker_percent": round(used["worker"] / took * 100, 2),
        "redis_percent": round(used["redis"] / took * 100, 2),
        "together_percent": round(sum(used.values()) / took * 100, 2),
        "worker_mib": resident_mebibytes(worker.process.pid),
    }
