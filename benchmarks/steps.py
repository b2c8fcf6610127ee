"""
How many steps a second workers run: each decided, stored, and woken for.

A step is one line of a policy: a wait that is over, a branch, instructions, a notify
step with its look-up and its pages. Each is decided by itself and has its own line of
history. What one wake-up runs, from the end of a wait to the next wait, is stored by
one commit: the state, the lines of history, the pages in the outbox, and when to wake
next. `wake_ups_per_second` counts these commits.

Thousands of incidents, on policies as people write them, all fall due at once: what a
worker meets after an outage. Each wakes up once, and the worker has not seen it before,
so nothing of it is known here yet. They are counted by the worker, around the commit,
when Redis has said that they are stored.

Deliveries are no steps. The worker that is measured leaves them in the outbox; beside
it stands what one does that sends them too, and how many it sends a second until all
of them have gone.

In the same run, on the same settings of Redis, stock arq runs empty jobs.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from benchmarks import stock_arq
from benchmarks.options import Figures, Options
from benchmarks.progress import say
from benchmarks.stage.directory import Steps, directory_with
from benchmarks.stage.filling import Filling, fill
from benchmarks.stage.stage import Stage, a_stage
from benchmarks.stage.start import wait_until
from benchmarks.stage.usage import cpu_seconds
from benchmarks.stage.watched_worker import Ran
from benchmarks.targets import at_least, none_of

Step: TypeAlias = Mapping[str, object]

EVERYSEC, ALWAYS = "everysec", "always"
# So many incidents for each second that a part is to last: about what is measured.
SECONDS, INCIDENTS_PER_SECOND = 4.0, 4_500
WAIT = timedelta(days=1)
RATIO_MIN, GAIN_MIN = 3.0, 1.5
# Or else both cores are busy, and it is this fast.
BUSY_MIN, FAST_MIN = 0.9, 10_000
CORES = 2
START_SECONDS, STORED_PER_SECOND = 8.0, 1_000
SETTLED_SECONDS_MAX, LOOK_AGAIN_SECONDS = 60.0, 0.05
# What a worker claims ahead of its time.
LEAD_SECONDS = 0.3


def _notify(schedule: str) -> Step:
    return {"kind": "notify", "targets": [f"schedule:{schedule}"]}


INSTRUCTIONS: Step = {
    "kind": "instructions",
    "text": "See https://wiki.example.com/runbooks/{service} and look at {cluster}",
}
BY_SEVERITY: Step = {
    "kind": "metadata_branch",
    "key": "severity",
    "values": ["info", "warning"],
    "outcome": {"verb": "stop"},
}
# A window inside a second of the night: it is passed.
BY_NIGHT: Step = {
    "kind": "time_branch",
    "window": {"from": "03:00", "to": "03:01", "zone": "Europe/Prague"},
    "outcome": {"verb": "stop"},
}
FIRST: Step = {"kind": "wait", "duration": "1d"}
NEXT: Step = {"kind": "wait", "duration": "5m"}
# What comes after the first wait, up to the next one. A third of them on each.
POLICIES: Mapping[str, Steps] = {
    "escalation": [FIRST, _notify("primary"), NEXT, _notify("secondary")],
    "branches": [FIRST, BY_SEVERITY, BY_NIGHT, _notify("secondary"), NEXT, BY_SEVERITY],
    "instructions": [FIRST, INSTRUCTIONS, NEXT, _notify("manager")],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One way to run them."""

    fsync: str = EVERYSEC
    workers: int = 1
    is_delivering: bool = False


PARTS: Mapping[str, Part] = {
    "one_worker": Part(),
    "two_workers": Part(workers=2),
    "one_worker_always": Part(fsync=ALWAYS),
    "one_worker_delivering": Part(is_delivering=True),
}


def measure(options: Options) -> Figures:
    """
    Measure each way to run them, and stock arq beside.

    Args:
        options: About how long each part runs.

    Returns:
        Steps a second of each part; of arq, jobs a second.
    """
    incidents = round(options.seconds_or(SECONDS) * INCIDENTS_PER_SECOND)
    figures: Figures = {}
    for name, part in PARTS.items():
        say(f"steps: {name}, {incidents:,} incidents")
        with a_stage(directory_with(POLICIES), part.fsync) as stage:
            figures[name] = measure_on(stage, part, incidents)
            figures["redis"] = stage.told()
    for fsync in (EVERYSEC, ALWAYS):
        say(f"steps: stock arq, appendfsync {fsync}")
        figures[f"stock_arq_{fsync}"] = stock_arq.measure(fsync)
    one, two = figures["one_worker"], figures["two_workers"]
    figures["ratio_to_arq"] = _ratio(one, figures["stock_arq_everysec"])
    figures["ratio_to_arq_always"] = _ratio(
        figures["one_worker_always"], figures["stock_arq_always"]
    )
    figures["wake_ups_to_arq"] = _ratio(
        one, figures["stock_arq_everysec"], "wake_ups_per_second"
    )
    figures["gain_of_second_worker"] = round(
        two["steps_per_second"] / one["steps_per_second"], 2
    )

    return figures | {"targets": _targets(figures)}


def measure_on(stage: Stage, part: Part, incidents: int) -> Figures:
    """
    Measure one part, on a stage that has our policies.

    Args:
        stage: Where.
        part: How.
        incidents: How many there are; a third of them on each policy.

    Raises:
        LateError: If this machine was too slow to begin in time.
    """
    start = time.time() + START_SECONDS + incidents / STORED_PER_SECOND
    each = incidents // len(POLICIES)
    for name in POLICIES:
        dues = {f"{name}-{number}": start for number in range(each)}
        fill(stage, Filling(dues=dues, wait=WAIT, policy=name))
    workers = [
        stage.watched_worker(is_delivering=part.is_delivering)
        for _ in range(part.workers)
    ]
    for worker in workers:
        worker.wait_for("worker.started")
    pids = [worker.process.pid for worker in workers]
    wait_until(start - LEAD_SECONDS)
    before = _used(stage, pids)
    steps = _all_of(stage, each * len(POLICIES))
    used = [
        after - former for after, former in zip(_used(stage, pids), before, strict=True)
    ]

    return figures_of(steps, each * len(POLICIES), start, used) | (
        _deliveries(stage, 2 * each, start) if part.is_delivering else {}
    )


def figures_of(
    steps: Sequence[Ran], wanted: int, start: float, used: Sequence[float]
) -> Figures:
    """
    Return what a part comes to.

    Args:
        steps: Those that ran; each incident counts once.
        wanted: How many there had to be.
        start: When all of them were due.
        used: The seconds of a core that the workers and Redis have spent on them.
    """
    ran = {step.incident: step for step in steps}
    took = max((step.stored for step in steps), default=start) - start
    if not ran or took <= 0:
        return {"missing": wanted, "steps_per_second": 0, "wake_ups_per_second": 0}
    moves = sum(step.moves for step in ran.values())

    return {
        "wake_ups": len(ran),
        "steps": moves,
        "missing": wanted - len(ran),
        "seconds": round(took, 2),
        "steps_per_second": round(moves / took),
        "wake_ups_per_second": round(len(ran) / took),
        "worker_cores": round(used[0] / took, 2),
        "redis_cores": round(used[1] / took, 2),
        "worker_us_per_step": round(used[0] / moves * 1e6),
        "redis_us_per_step": round(used[1] / moves * 1e6),
    }


def _deliveries(stage: Stage, wanted: int, start: float) -> Figures:
    """Say how many pages went out a second, from the start to the last of them."""
    until = time.monotonic() + SETTLED_SECONDS_MAX
    while len(stage.pages.look()) < wanted and time.monotonic() < until:
        time.sleep(LOOK_AGAIN_SECONDS)
    pages = stage.pages.seen
    took = max((page.clock_at for page in pages), default=start) - start

    return {
        "deliveries": len(pages),
        "deliveries_missing": wanted - len({page.title for page in pages}),
        "deliveries_per_second": round(len(pages) / took) if took else 0,
    }


def _used(stage: Stage, pids: Sequence[int]) -> tuple[float, float]:
    """Return the seconds that the workers and Redis have spent so far."""
    return sum(map(cpu_seconds, pids)), cpu_seconds(stage.server.pid)


def _all_of(stage: Stage, wanted: int) -> Sequence[Ran]:
    """Return the steps as soon as all of them have run, or it takes too long."""
    until = time.monotonic() + SETTLED_SECONDS_MAX
    while len(stage.steps.look()) < wanted and time.monotonic() < until:
        time.sleep(LOOK_AGAIN_SECONDS)

    return stage.steps.seen


def _ratio(part: Figures, arq: Figures, what: str = "steps_per_second") -> float:
    ratio: float = part[what] / arq["jobs_per_second"]

    return round(ratio, 2)


def _targets(figures: Figures) -> Figures:
    two = figures["two_workers"]
    is_full = (
        two["worker_cores"] + two["redis_cores"] >= BUSY_MIN * CORES
        and two["steps_per_second"] > FAST_MIN
    )
    gain = figures["gain_of_second_worker"]

    return {
        "one worker, to stock arq": at_least(RATIO_MIN, figures["ratio_to_arq"], "x"),
        "two workers, to one": at_least(GAIN_MIN, gain, "x")
        | ({"met": True} if is_full else {}),
        "lost": none_of(sum(figures[name]["missing"] for name in PARTS), "step lost"),
    }
