"""
How late timers run: one `rung worker`, 100,000 other incidents open, due at a rate.

Each timer ends a wait of an incident of its own, spread evenly over the time. Two kinds
are measured apart: one where the next step pages somebody, and one where it decides a
branch and begins the next wait. What is measured of each, by the clock of the machine:
`stored` is from the due time until Redis had said that the decision is stored, with its
whole batch; that is when the step has run, and the targets are of this. `decided` is
until the batch was decided, `paged` until the page was handed to a channel that takes
no time. A page is a send and a report beside the step, so at the highest rates the
sends may fall behind: `last_page_after_s` is how long after the last due time.

Not measured: a network between worker and Redis, and a provider's time.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from benchmarks.options import Figures, Options
from benchmarks.progress import say
from benchmarks.spread import spread
from benchmarks.stage.directory import Steps, directory_with
from benchmarks.stage.filling import Filling, fill
from benchmarks.stage.recorder import Page
from benchmarks.stage.stage import Stage, a_stage
from benchmarks.stage.start import LateError, wait_until
from benchmarks.stage.usage import cpu_seconds, resident_mebibytes
from benchmarks.stage.watched_worker import Ran
from benchmarks.targets import at_most, none_of

SECONDS = 4.0
OTHERS = 100_000
RATES = (100, 500, 1_000, 2_000)
WAIT = timedelta(days=1)
PAGING, DECIDING = "paging", "deciding"
WAIT_STEP = {"kind": "wait", "duration": "1d"}
PAGE_STEP = {"kind": "notify", "targets": ["schedule:primary"]}
BRANCH_STEP = {
    "kind": "metadata_branch",
    "key": "severity",
    "values": ["info"],
    "outcome": {"verb": "resolve"},
}
POLICIES: Mapping[str, Steps] = {
    PAGING: [WAIT_STEP, PAGE_STEP, WAIT_STEP],
    DECIDING: [WAIT_STEP, BRANCH_STEP, WAIT_STEP],
}
# Before the first is due the worker has to be there, and before that all of them.
START_SECONDS = 3.0
MORE_TIME = (1.5, 3, 6)
# Due times are kept to a millisecond.
ROUNDED = 0.001
SETTLED_SECONDS_MAX, LOOK_AGAIN_SECONDS = 60.0, 0.1
# At 500/s the sends keep up; at 2,000/s the timers alone are judged.
JUDGED = ((DECIDING, 500, 25), (PAGING, 500, 25), (DECIDING, 2_000, 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """So many incidents a second that are due, for so long."""

    policy: str
    rate: int
    seconds: float

    @property
    def count(self) -> int:
        """How many there are."""
        return round(self.rate * self.seconds)

    def dues(self, start: float) -> dict[str, float]:
        """Return when each of them is due, by name."""
        return {
            f"{self.policy}-{start:.0f}-{number}": start + number / self.rate
            for number in range(self.count)
        }


class Watched(NamedTuple):
    """What was seen of a part, and what its worker used while they were due."""

    steps: Sequence[Ran]
    pages: Sequence[Page]
    cores: float
    mebibytes: float


def measure(options: Options) -> Figures:
    """
    Measure all rates, each with a worker of its own.

    Args:
        options: How long timers are due at each rate.

    Returns:
        Milliseconds, by kind and rate.
    """
    seconds = options.seconds_or(SECONDS)
    parts = [
        Part(policy=policy, rate=rate, seconds=seconds)
        for policy in (DECIDING, PAGING)
        for rate in RATES
    ]
    with a_stage(directory_with(POLICIES)) as stage:
        figures = measure_on(stage, parts, OTHERS)

    return figures | {"targets": _targets(figures)}


def measure_on(stage: Stage, parts: Iterable[Part], others: int) -> Figures:
    """
    Measure parts one after the other, with so many other incidents open.

    Raises:
        LateError: If this machine was too slow to begin in time.
    """
    began = time.time()
    far = began + WAIT.total_seconds()
    fill(stage, Filling(dues={f"other-{n}": far for n in range(others)}, wait=WAIT))
    took = time.time() - began
    figures: Figures = {
        "redis": stage.told(),
        "others_open": others,
        "others_stored_s": round(took, 1),
    }
    for part in parts:
        say(f"lateness: {part.rate}/s, {part.policy}")
        needed = START_SECONDS + part.count * took / others
        found = _in_time(stage, part, needed)
        figures.setdefault(part.policy, {})[str(part.rate)] = found

    return figures


def _in_time(stage: Stage, part: Part, needed: float) -> Figures:
    """Measure a part; if the time to prepare it does not do, begin again with more."""
    for more in MORE_TIME[:-1]:
        try:
            return measure_part(stage, part, time.time() + needed * more)
        except LateError as error:
            say(f"lateness: once more; {error}")

    return measure_part(stage, part, time.time() + needed * MORE_TIME[-1])


def measure_part(stage: Stage, part: Part, start: float) -> Figures:
    """
    Measure one part, and return when all of it is settled or it takes too long.

    Args:
        stage: Where.
        part: What.
        start: When the first of them is due.

    Raises:
        LateError: If this machine was too slow to begin in time.
    """
    dues = part.dues(start)
    fill(stage, Filling(dues=dues, wait=WAIT, policy=part.policy))

    return figures_of(part, dues, _watched(stage, part, start))


def _watched(stage: Stage, part: Part, start: float) -> Watched:
    """Have a worker of its own run the part, which is over when this returns."""
    before = len(stage.steps.look()), len(stage.pages.look())
    worker = stage.watched_worker()
    try:
        worker.wait_for("worker.started")
        wait_until(start)
        used = cpu_seconds(worker.process.pid)
        time.sleep(part.seconds)
        used = cpu_seconds(worker.process.pid) - used
        _wait_until_settled(stage, part, before)
        mebibytes = resident_mebibytes(worker.process.pid)
    finally:
        worker.end()

    return Watched(
        stage.steps.look()[before[0] :],
        stage.pages.look()[before[1] :],
        used / part.seconds,
        mebibytes,
    )


def _wait_until_settled(stage: Stage, part: Part, before: tuple[int, int]) -> None:
    """Return when all has run and been paged for, or that takes too long."""
    wanted = (part.count, part.count if part.policy == PAGING else 0)
    until = time.time() + SETTLED_SECONDS_MAX
    while time.time() < until:
        seen = len(stage.steps.look()), len(stage.pages.look())
        if all(
            now - then >= n for now, then, n in zip(seen, before, wanted, strict=True)
        ):
            return
        time.sleep(LOOK_AGAIN_SECONDS)


def figures_of(part: Part, dues: dict[str, float], watched: Watched) -> Figures:
    """
    Return what a part comes to.

    A page belongs to the due time of its title. Steps have no title: one belongs to an
    incident, which runs once; so they are counted by incidents. What is left of another
    part does not count.
    """
    first_due, last_due = min(dues.values()), max(dues.values())
    ran = {
        step.incident: step
        for step in watched.steps
        if first_due - ROUNDED <= step.due <= last_due + ROUNDED
    }
    pages = [page for page in watched.pages if page.title in dues]
    paged = {page.title: page for page in pages}
    figures: Figures = {
        "due": len(dues),
        "missing": len(dues) - len(ran),
        "early": sum(step.decided < step.due for step in ran.values()),
        "stored_ms": spread([_ms(step.stored - step.due) for step in ran.values()]),
        "decided_ms": spread([_ms(step.decided - step.due) for step in ran.values()]),
        "worker_cores": round(watched.cores, 2),
        "worker_mib": watched.mebibytes,
    }
    if part.policy != PAGING:
        return figures
    late = [_ms(page.clock_at - dues[title]) for title, page in paged.items()]
    last = max((page.clock_at for page in paged.values()), default=None)

    return figures | {
        "paged_ms": spread(late),
        "pages_missing": len(dues.keys() - paged.keys()),
        "pages_doubled": len(pages) - len(paged),
        "last_page_after_s": None if last is None else round(last - last_due, 2),
    }


def _ms(seconds: float) -> float:
    return seconds * 1_000


def _targets(figures: Figures) -> Figures:
    targets = {
        f"{policy} at {rate}/s, p99": at_most(
            wanted, figures[policy][str(rate)]["stored_ms"]["p99"], "ms"
        )
        for policy, rate, wanted in JUDGED
    }
    parts = [part for kind in POLICIES for part in figures[kind].values()]
    lost = sum(part["missing"] + part.get("pages_missing", 0) for part in parts)

    return targets | {"lost": none_of(lost, "step or page lost")}
