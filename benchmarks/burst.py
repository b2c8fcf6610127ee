"""
A burst: 1,000 and 10,000 alerts at once, while 200 open incidents fall due.

Each alert is new and has its own dedup key. They come in bodies of 50, as Alertmanager
sends the alerts of a group, over eight connections as fast as they are answered, to one
`rung web` and one `rung worker`. `every_first_page_s` is from just before the first
request until the last of the first pages was handed to a channel that takes no time.

The 200 were open before, and their next step pages somebody. They are due evenly over
the first part of the burst. `open_stored_ms` is how late what was decided of them was
stored, `open_paged_ms` how late their page was handed over; that is what is judged.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.ingest import pages_for
from benchmarks.lateness import PAGE_STEP, WAIT, WAIT_STEP
from benchmarks.options import Figures, Options
from benchmarks.progress import say
from benchmarks.spread import spread
from benchmarks.stage.directory import Steps, directory_with
from benchmarks.stage.filling import Filling, fill
from benchmarks.stage.recorder import Page
from benchmarks.stage.senders import ACCEPTED, Answer, Body, send_all
from benchmarks.stage.stage import Stage, a_stage
from benchmarks.stage.start import wait_until
from benchmarks.stage.usage import resident_mebibytes
from benchmarks.stage.watched_worker import Ran
from benchmarks.targets import at_most, none_of

# The first one is of alerts that come in; whoever is open waits first.
POLICIES: Mapping[str, Steps] = {
    "new": (PAGE_STEP, WAIT_STEP),
    "open": (WAIT_STEP, PAGE_STEP, WAIT_STEP),
}
BODY_ALERTS, CONNECTIONS, OPEN = 50, 8, 200
START_SECONDS, OPEN_MS_MAX = 6.0, 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """
    So many alerts at once.

    Attributes:
        seconds_max: Until every first page has to be out.
        open_for: Over how long from its beginning open incidents fall due.
    """

    alerts: int
    seconds_max: float
    open_for: float
    open: int = OPEN


BURSTS = (
    Burst(alerts=1_000, seconds_max=4, open_for=1.0),
    Burst(alerts=10_000, seconds_max=30, open_for=6.0),
)


def measure(options: Options) -> Figures:  # noqa: ARG001 - it takes what it takes
    """
    Measure both bursts, each on an empty Redis with processes of its own.

    Args:
        options: None of them changes it.

    Returns:
        Seconds until every first page, and how late open incidents were meanwhile.
    """
    figures, targets = Figures(), Figures()
    for burst in BURSTS:
        say(f"burst: {burst.alerts:,} alerts at once")
        with a_stage(directory_with(POLICIES)) as stage:
            found = measure_on(stage, burst)
            figures["redis"] = stage.told()
        name = f"{burst.alerts:,}"
        figures[str(burst.alerts)] = found
        lost = found["missing"] + found["open_missing"] + found["refused"]
        took = None if found["missing"] else found["every_first_page_s"]
        targets |= {
            f"{name}, every first page": at_most(burst.seconds_max, took, "s"),
            f"{name}, open ones late, max": at_most(
                OPEN_MS_MAX, found["open_paged_ms"]["max"], "ms"
            ),
            f"{name}, lost": none_of(lost, "alert refused or page lost"),
        }

    return figures | {"targets": targets}


def measure_on(stage: Stage, burst: Burst) -> Figures:
    """
    Measure one burst.

    Raises:
        LateError: If this machine was too slow to begin in time.
    """
    start = time.time() + START_SECONDS
    apart = burst.open_for / burst.open
    dues = {f"open-{n}": start + n * apart for n in range(burst.open)}
    fill(stage, Filling(dues=dues, wait=WAIT, policy="open"))
    worker, web = stage.watched_worker(), stage.web()
    worker.wait_for("worker.started")
    names = [f"new-{number}" for number in range(burst.alerts)]
    bodies = [
        Body.of(*names[at : at + BODY_ALERTS])
        for at in range(0, burst.alerts, BODY_ALERTS)
    ]
    port = int(web.address().rpartition(":")[2])
    wait_until(start)
    answers = send_all(port, iter(bodies), CONNECTIONS)
    pages = pages_for(stage, 0, {*_accepted(answers), *dues})

    return {
        **figures_of(answers, pages),
        **figures_of_open(dues, stage.steps.look(), pages),
        "body_bytes": len(bodies[0].written),
        "worker_mib": resident_mebibytes(worker.process.pid),
        "web_mib": resident_mebibytes(web.process.pid),
    }


def _accepted(answers: Sequence[Answer]) -> set[str]:
    return {name for one in answers if one.status == ACCEPTED for name in one.names}


def figures_of(answers: Sequence[Answer], pages: Sequence[Page]) -> Figures:
    """Return what the alerts of a burst come to."""
    accepted = _accepted(answers)
    of_these = [page for page in pages if page.title in accepted]
    first: dict[str, float] = {}
    for page in of_these:
        first.setdefault(page.title, page.at)
    began = min(one.sent for one in answers)
    ended = max(one.answered for one in answers)

    return {
        "alerts": sum(len(one.names) for one in answers),
        "refused": sum(len(one.names) for one in answers) - len(accepted),
        "accepted_after_s": round(ended - began, 2),
        "missing": len(accepted - first.keys()),
        "doubled": len(of_these) - len(first),
        "every_first_page_s": round(max(first.values()) - began, 2) if first else None,
        "half_of_them_s": spread([at - began for at in first.values()], 2)["p50"],
    }


def figures_of_open(
    dues: dict[str, float], steps: Sequence[Ran], pages: Sequence[Page]
) -> Figures:
    """
    Return how late those were that were open already.

    A step tells the incident and not the title; which one that is a page knows.
    """
    paged: dict[str, Page] = {}
    for page in pages:
        if page.title in dues:
            paged.setdefault(page.title, page)
    late = [(page.clock_at - dues[name]) * 1_000 for name, page in paged.items()]
    open_before = {page.incident for page in paged.values()}
    stored = [
        (step.stored - step.due) * 1_000
        for step in steps
        if step.incident in open_before
    ]

    return {
        "open_due": len(dues),
        "open_missing": len(dues.keys() - paged.keys()),
        "open_stored_ms": spread(stored),
        "open_paged_ms": spread(late),
    }
