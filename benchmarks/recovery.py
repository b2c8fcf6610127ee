"""
Recovery: the only worker is killed under load, and another one starts at once.

200 timers a second are due, each of which pages somebody; after a while the worker gets
a `kill -9`, and the next one is started without waiting for anything. Overdue is a step
that is not stored 100 ms after it was due. `recovered_s` is from the kill until the
last overdue step was stored: starting Python, loading rung and its plugins, the leases
of what the dead one held (2 s), and whatever had piled up. `started_s`, from the start
of the new process until it said that it takes wake-ups, stands beside it.

A page that was begun and whose outcome was not stored goes out again, with the same
key: `doubled` counts them. `paged_after_s` is when the last late page was handed over.
"""

import signal
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.lateness import PAGE_STEP, WAIT, WAIT_STEP
from benchmarks.options import Figures, Options
from benchmarks.progress import say
from benchmarks.stage.directory import directory_with
from benchmarks.stage.filling import Filling, fill
from benchmarks.stage.recorder import Page
from benchmarks.stage.stage import Stage, a_stage
from benchmarks.stage.start import wait_until
from benchmarks.stage.watched_worker import Ran
from benchmarks.targets import at_most, none_of

RATE, BEFORE_SECONDS, AFTER_SECONDS = 200, 3.0, 7.0
RECOVERED_SECONDS_MAX, OVERDUE_SECONDS = 4.0, 0.1
START_SECONDS, STORED_PER_SECOND = 5.0, 500
SETTLED_SECONDS_MAX, LOOK_AGAIN_SECONDS = 60.0, 0.1
POLICY = (WAIT_STEP, PAGE_STEP, WAIT_STEP)


class Killed(NamedTuple):
    """When the worker was killed, by the time of day, and how the next one started."""

    at: float
    started_seconds: float


def measure(options: Options) -> Figures:
    """
    Measure one kill.

    Args:
        options: For how long timers are due after it.

    Returns:
        Seconds until all that was overdue had run.
    """
    after = options.seconds_or(AFTER_SECONDS)
    with a_stage(directory_with({"default": POLICY})) as stage:
        figures = measure_on(stage, RATE, BEFORE_SECONDS, after)
        figures["redis"] = stage.told()
    lost = figures["missing"] + figures["pages_missing"]
    recovered = None if lost else figures["recovered_s"]

    return figures | {
        "targets": {
            "recovered": at_most(RECOVERED_SECONDS_MAX, recovered, "s"),
            "lost": none_of(lost, "step or page lost"),
        }
    }


def measure_on(stage: Stage, rate: int, before: float, after: float) -> Figures:
    """
    Measure one kill, with timers due so long before it and after it.

    Raises:
        LateError: If this machine was too slow to begin in time.
    """
    say(f"recovery: a kill under {rate} timers a second")
    number = round(rate * (before + after))
    start = time.time() + START_SECONDS + number / STORED_PER_SECOND
    dues = {f"due-{n}": start + n / rate for n in range(number)}
    fill(stage, Filling(dues=dues, wait=WAIT))
    worker = stage.watched_worker()
    worker.wait_for("worker.started")
    wait_until(start)
    time.sleep(before)
    killed_at = time.time()
    worker.end(signal.SIGKILL)
    began = time.monotonic()
    stage.watched_worker().wait_for("worker.started")
    killed = Killed(killed_at, time.monotonic() - began)
    time.sleep(max(0, start + before + after - time.time()))
    until = time.monotonic() + SETTLED_SECONDS_MAX
    while time.monotonic() < until:
        paged = {page.incident for page in stage.pages.look()}
        if len(paged) >= number:
            break
        time.sleep(LOOK_AGAIN_SECONDS)

    return figures_of(dues, stage.steps.look(), stage.pages.look(), killed)


def figures_of(
    dues: Mapping[str, float],
    steps: Sequence[Ran],
    pages: Sequence[Page],
    killed: Killed,
) -> Figures:
    """
    Return what a kill came to; a step that ran twice counts as it ran first.

    What was stored in the instant of the kill the dead worker could not write down any
    more. It is known by its page, and was not overdue.
    """
    ran: dict[str, Ran] = {}
    for step in steps:
        ran.setdefault(step.incident, step)
    unwritten = {page.incident for page in pages} - ran.keys()
    paged: dict[str, float] = {}
    for page in pages:
        paged.setdefault(page.title, page.clock_at)
    overdue = [
        (step.due + OVERDUE_SECONDS, step.stored)
        for step in ran.values()
        if step.stored > max(killed.at, step.due + OVERDUE_SECONDS)
    ]
    late_pages = [
        at
        for title, at in paged.items()
        if at > killed.at and at - dues[title] > OVERDUE_SECONDS
    ]

    return {
        "due": len(dues),
        "missing": len(dues) - len(ran) - len(unwritten),
        "stored_at_the_kill": len(unwritten),
        "pages_missing": len(dues.keys() - paged.keys()),
        "doubled": len(pages) - len(paged),
        "overdue_steps": len(overdue),
        "started_s": round(killed.started_seconds, 2),
        "recovered_s": round(nothing_overdue_from(overdue, killed.at) - killed.at, 2),
        "paged_after_s": round(max(late_pages, default=killed.at) - killed.at, 2),
    }


def nothing_overdue_from(overdue: Sequence[tuple[float, float]], at: float) -> float:
    """
    Return when nothing was overdue any more, for the first time after something was.

    Args:
        overdue: Of each step that was, from when until when.
        at: What is returned if none was.
    """
    in_order = sorted(overdue)
    end = in_order[0][0] if in_order else at
    for since, until in in_order:
        if since > end:
            break
        end = max(end, until)

    return end
