"""
From an alert over HTTP to the page: one `rung web`, one `rung worker`, one Redis.

Senders in this process post one new alert in each request, as Alertmanager would, at
100 and at 200 a second, whether those before are answered or not. Each opens an
incident whose first step pages somebody at once. `from_sent_ms` is from just before the
request's first byte until the page was handed to a channel that takes no time;
`from_accepted_ms` from when its answer 202 was read here, which may be after the page:
then it is below zero. `answered_ms` is what the request took.

At saturation 32 connections send one request after the other. Everything shares the
cores of the machine, the senders too; `sent_late_ms` tells how late they were.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count

from benchmarks.options import Figures, Options
from benchmarks.progress import say
from benchmarks.spread import spread
from benchmarks.stage.directory import directory_with
from benchmarks.stage.recorder import Page
from benchmarks.stage.senders import ACCEPTED, Answer, Body, send_all, send_at_rate
from benchmarks.stage.stage import Stage, a_stage
from benchmarks.stage.usage import cpu_seconds
from benchmarks.targets import at_most, none_of

SECONDS = 10.0
RATES = (100, 200)
JUDGED_RATE, JUDGED_MS = 100, 60
CONNECTIONS, SATURATION_SHARE = 32, 0.5
POLICY = (
    {"kind": "notify", "targets": ["schedule:primary"]},
    {"kind": "wait", "duration": "1d"},
)
WARM_UP = 20
PAGED_SECONDS_MAX, LOOK_AGAIN_SECONDS = 120.0, 0.05


def measure(options: Options) -> Figures:
    """
    Measure each rate, and then saturation.

    Args:
        options: How long alerts are sent at each rate, and half of that at saturation.

    Returns:
        Milliseconds by rate; requests a second at saturation.
    """
    with a_stage(directory_with({"default": POLICY})) as stage:
        figures = measure_on(stage, RATES, options.seconds_or(SECONDS))
    judged = figures[str(JUDGED_RATE)]["from_sent_ms"]["p99"]
    lost = sum(
        figures[part]["missing"] + figures[part]["refused"]
        for part in (*map(str, RATES), "saturation")
    )

    return figures | {
        "targets": {
            f"at {JUDGED_RATE}/s, p99": at_most(JUDGED_MS, judged, "ms"),
            "lost": none_of(lost, "alert refused or lost"),
        }
    }


def measure_on(stage: Stage, rates: Sequence[int], seconds: float) -> Figures:
    """Measure these rates, and saturation, on one web and one worker."""
    web, worker = stage.web(), stage.worker()
    port = int(web.address().rpartition(":")[2])
    pids = {
        "web": web.process.pid,
        "worker": worker.process.pid,
        "redis": stage.server.pid,
    }
    warm_up = [Body.of(f"warm-up-{number}") for number in range(WARM_UP)]
    _measured(stage, partial(send_at_rate, port, warm_up, WARM_UP), {})
    figures: Figures = {"redis": stage.told()}
    for rate in rates:
        say(f"ingest: {rate} alerts a second")
        bodies = [Body.of(f"at-{rate}-{n}") for n in range(round(rate * seconds))]
        send = partial(send_at_rate, port, bodies, rate)
        figures[str(rate)] = _measured(stage, send, pids)
    say("ingest: saturation")
    endless = (Body.of(f"full-{number}") for number in count())
    send = partial(send_all, port, endless, CONNECTIONS, seconds * SATURATION_SHARE)
    figures["saturation"] = _measured(stage, send, pids)

    return figures


def _measured(
    stage: Stage, send: Callable[[], list[Answer]], pids: dict[str, int]
) -> Figures:
    """Send, wait until all of it is paged for, and return what that comes to."""
    before = len(stage.pages.look())
    used = {name: cpu_seconds(pid) for name, pid in pids.items()}
    began = time.monotonic()
    answers = send()
    took = time.monotonic() - began
    cores = {
        name: round((cpu_seconds(pid) - used[name]) / took, 2)
        for name, pid in pids.items()
    }
    accepted = {one.names[0] for one in answers if one.status == ACCEPTED}
    pages = pages_for(stage, before, accepted)

    return {**figures_of(answers, pages), "cores": cores}


def pages_for(stage: Stage, before: int, wanted: set[str]) -> list[Page]:
    """Return the pages after so many, as soon as all that are wanted are there."""
    until = time.monotonic() + PAGED_SECONDS_MAX
    missing, looked = set(wanted), before
    while True:
        seen = stage.pages.look()
        missing.difference_update(page.title for page in seen[looked:])
        looked = len(seen)
        if not missing or time.monotonic() > until:
            return seen[before:]
        time.sleep(LOOK_AGAIN_SECONDS)


def figures_of(answers: Sequence[Answer], pages: Sequence[Page]) -> Figures:
    """Return what requests of one alert each, and their pages, come to."""
    accepted = {one.names[0]: one for one in answers if one.status == ACCEPTED}
    paged: dict[str, Page] = {}
    for page in pages:
        paged.setdefault(page.title, page)
    both = [(accepted[name], page) for name, page in paged.items() if name in accepted]
    first = min(one.sent for one in answers)
    last = max(one.answered for one in answers)

    return {
        "sent": len(answers),
        "refused": len(answers) - len(accepted),
        "missing": len(accepted.keys() - paged.keys()),
        "doubled": len(pages) - len(paged),
        "requests_per_second": round(len(accepted) / (last - first), 1),
        "from_sent_ms": _spread(page.at - one.sent for one, page in both),
        "from_accepted_ms": _spread(page.at - one.answered for one, page in both),
        "answered_ms": _spread(one.answered - one.sent for one in answers),
        "sent_late_ms": _spread(one.sent - one.due for one in answers),
        "last_page_after_s": round(max((p.at for p in pages), default=last) - last, 2),
    }


def _spread(seconds: Iterator[float]) -> Figures:
    return spread([each * 1_000 for each in seconds])
