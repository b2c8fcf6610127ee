"""
How many steps a second workers run: each decided, stored, and woken for.

A few thousand incidents walk real policies whose waits are a tenth of a second, so that
more is due than can be done. One step is one timer of a walk: its wait is over, what
comes next in the policy is decided (targets are looked up, branches taken, instructions
posted), and one commit stores the state, its lines of history, its pages in the outbox
and when to wake next. However many steps of the policy that were, it counts as one;
`policy_steps` counts them one by one.

Deliveries are no steps. The worker that is measured leaves them in the outbox; beside
it stands what one does that sends them too, and how many it sends a second.

In the same run, on the same Redis settings, stock arq runs empty jobs: arq as it comes,
on the same event loop, with the settings under which it is fastest.
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
# So many incidents for each second that a part is to last: more than it takes.
SECONDS, INCIDENTS_PER_SECOND = 5.0, 400
ROUNDS = 4
FIRST_WAIT = timedelta(days=1)
SHORT_WAIT, LONG_WAIT = "100ms", "1d"
RATIO_MIN, GAIN_MIN = 3.0, 1.5
# Or else both cores are busy, and it is this fast.
BUSY_MIN, FAST_MIN = 0.9, 10_000
CORES = 2
START_SECONDS, STORED_PER_SECOND = 4.0, 400
SETTLED_SECONDS_MAX, LOOK_AGAIN_SECONDS = 120.0, 0.05


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
# One round of each, a short wait after each step.
POLICIES: Mapping[str, Sequence[Step]] = {
    "escalation": [_notify("primary"), _notify("secondary"), _notify("manager")],
    "branches": [BY_SEVERITY, BY_NIGHT, _notify("primary")],
    "instructions": [INSTRUCTIONS, _notify("primary"), _notify("secondary")],
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
        with a_stage(directory_with(_policies()), part.fsync) as stage:
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
    figures["gain_of_second_worker"] = round(
        two["steps_per_second"] / one["steps_per_second"], 2
    )

    return figures | {"targets": _targets(figures)}


def _policies() -> dict[str, Steps]:
    return {
        name: [
            {"kind": "wait", "duration": LONG_WAIT},
            *[
                step
                for one in [*moments] * ROUNDS
                for step in (one, {"kind": "wait", "duration": SHORT_WAIT})
            ][:-1],
            {"kind": "wait", "duration": LONG_WAIT},
        ]
        for name, moments in POLICIES.items()
    }


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
        fill(stage, Filling(dues=dues, wait=FIRST_WAIT, policy=name))
    workers = [
        stage.watched_worker(is_delivering=part.is_delivering)
        for _ in range(part.workers)
    ]
    for worker in workers:
        worker.wait_for("worker.started")
    pids = [worker.process.pid for worker in workers]
    wait_until(start)
    before = _used(stage, pids)
    wanted = each * sum(map(len, POLICIES.values())) * ROUNDS
    steps = _all_of(stage, wanted)
    used = _used(stage, pids)
    last = max((step.stored for step in steps), default=start)
    took = last - start
    pages = sum(page.clock_at <= last for page in stage.pages.look())

    return {
        "steps": len(steps),
        "missing": wanted - len(steps),
        "steps_per_second": round(len(steps) / took),
        "policy_steps_per_second": round(2 * len(steps) / took),
        "deliveries_per_second": round(pages / took),
        "worker_cores": round((used[0] - before[0]) / took, 2),
        "redis_cores": round((used[1] - before[1]) / took, 2),
        "worker_us_per_step": round((used[0] - before[0]) / len(steps) * 1e6),
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


def _ratio(part: Figures, arq: Figures) -> float:
    ratio: float = part["steps_per_second"] / arq["jobs_per_second"]

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
