"""Each benchmark finds what is planted: something late, missing, or there twice."""

import pytest

from benchmarks import burst, ingest, lateness, recovery, steps
from benchmarks.lateness import PAGING, Part, Watched
from benchmarks.recovery import Killed, nothing_overdue_from
from benchmarks.stage.recorder import Page, read_page
from benchmarks.stage.senders import Answer
from benchmarks.stage.watched_worker import Ran, read_ran

START = 1_000.0
PART = Part(policy=PAGING, rate=10, seconds=0.5)
DUES = PART.dues(START)
NAMES = [*DUES]


def a_page(name: str, at: float, key: str = "") -> Page:
    """Return a page of an incident with that title."""
    return Page(at, at, f"incident of {name}", key or name, name)


def a_step(name: str, late: float) -> Ran:
    """Return a timer that was decided a millisecond before it was stored, so late."""
    due = DUES[name]

    return Ran(f"incident of {name}", due, due + late - 0.001, due + late)


STEPS = [a_step(name, 0.01) for name in NAMES]
PAGES = [a_page(name, due + 0.02) for name, due in DUES.items()]


def test_dues() -> None:
    """Timers are due evenly, so many a second."""
    assert [1_000.0, 1_000.1, 1_000.2, 1_000.3, 1_000.4] == list(DUES.values())


def test_lines() -> None:
    """What processes write is read as it was meant."""
    page = read_page("1500000000 1700000000500000000 05HN key of two words")
    ran = read_ran("05HN 1700000000250 1700000000300000000 1700000000500000000 3")

    assert Page(1.5, 1_700_000_000.5, "05HN", "key", "of two words") == page
    assert Ran("05HN", 1_700_000_000.25, 1_700_000_000.3, 1_700_000_000.5, 3) == ran


def test_steps() -> None:
    """An incident that woke up twice counts once, and one that never did is missing."""
    ran = [Ran(name, START, START + 1, START + 2, 3) for name in ("a", "b", "b")]
    found = steps.figures_of(ran, 3, START, (1.5, 0.5))

    assert (2, 6, 1) == (found["wake_ups"], found["steps"], found["missing"])
    assert (3, 1) == (found["steps_per_second"], found["wake_ups_per_second"])
    assert (0.75, 0.25) == (found["worker_cores"], found["redis_cores"])


def test_no_steps() -> None:
    """A worker that ran nothing has no rate."""
    found = steps.figures_of([], 3, START, (0.0, 0.0))

    assert (3, 0) == (found["missing"], found["steps_per_second"])


def test_lateness() -> None:
    """What runs on time has no fault, and is as late as it was."""
    found = lateness.figures_of(PART, DUES, Watched(STEPS, PAGES, 0.5, 60))

    assert (5, 0, 0) == (found["due"], found["missing"], found["early"])
    assert (0, 0) == (found["pages_missing"], found["pages_doubled"])
    assert (10.0, 10.0) == (found["stored_ms"]["p50"], found["stored_ms"]["max"])
    assert (9.0, 20.0) == (found["decided_ms"]["max"], found["paged_ms"]["p50"])
    assert 0.02 == found["last_page_after_s"]


def test_lateness_of_one() -> None:
    """One step that is late, and one page that is later, are the greatest."""
    steps = [a_step(NAMES[0], 1.5), *STEPS[1:]]
    pages = [a_page(NAMES[0], DUES[NAMES[0]] + 3), *PAGES[1:]]
    found = lateness.figures_of(PART, DUES, Watched(steps, pages, 0.5, 60))

    assert (10.0, 1_500.0) == (found["stored_ms"]["p50"], found["stored_ms"]["max"])
    assert (20.0, 3_000.0) == (found["paged_ms"]["p50"], found["paged_ms"]["max"])


def test_lateness_lost() -> None:
    """What did not run, ran early, came not or came twice is told."""
    steps = [a_step(NAMES[0], -0.005), *STEPS[2:]]
    pages = [*PAGES[1:], PAGES[-1]]
    found = lateness.figures_of(PART, DUES, Watched(steps, pages, 0.5, 60))

    assert (1, 1) == (found["missing"], found["early"])
    assert (1, 1) == (found["pages_missing"], found["pages_doubled"])


def test_lateness_of_others() -> None:
    """What was left of the part before is none of this one's."""
    steps = [*STEPS, Ran("older", START - 9, START + 1, START + 1)]
    pages = [*PAGES, a_page("older", START + 1)]
    found = lateness.figures_of(PART, DUES, Watched(steps, pages, 0.5, 60))

    assert (0, 0) == (found["missing"], found["pages_doubled"])
    assert (10.0, 5) == (found["stored_ms"]["max"], found["paged_ms"]["count"])


def an_answer(*names: str, status: int = 202) -> Answer:
    """Return an answer that came 20 ms after it was sent."""
    return Answer(names, due=9.99, sent=10.0, answered=10.02, status=status)


def test_ingest() -> None:
    """A page is as late as its own alert says, from its sending and from its answer."""
    answers = [an_answer("a"), an_answer("b"), an_answer("c")]
    pages = [a_page("a", 10.05), a_page("b", 10.01), a_page("c", 10.05)]
    found = ingest.figures_of(answers, pages)

    assert (0, 0, 0) == (found["refused"], found["missing"], found["doubled"])
    assert (50.0, 30.0) == (
        found["from_sent_ms"]["p50"],
        found["from_accepted_ms"]["p50"],
    )
    assert (20.0, 10.0) == (found["answered_ms"]["max"], found["sent_late_ms"]["max"])
    assert 0.03 == found["last_page_after_s"]
    assert 150 == found["requests_per_second"]


def test_ingest_lost() -> None:
    """An alert that was refused, one without a page and one with two are told."""
    answers = [an_answer("a"), an_answer("b"), an_answer("c", status=503)]
    pages = [a_page("a", 10.05), a_page("a", 12)]
    found = ingest.figures_of(answers, pages)

    assert (1, 1, 1) == (found["refused"], found["missing"], found["doubled"])
    assert (1, 50.0) == (
        found["from_sent_ms"]["count"],
        found["from_sent_ms"]["max"],
    )


def test_burst() -> None:
    """A burst is over when the last first page is out, and not when one comes again."""
    answers = [an_answer("a", "b"), an_answer("c", "d")]
    times = (("a", 11), ("b", 12), ("c", 13), ("d", 14), ("a", 20))
    pages = [a_page(name, at) for name, at in times]
    found = burst.figures_of(answers, [*pages, a_page("another", 30)])

    assert (4, 0, 0, 1) == (
        found["alerts"],
        found["refused"],
        found["missing"],
        found["doubled"],
    )
    assert (4.0, 0.02) == (found["every_first_page_s"], found["accepted_after_s"])


def test_burst_lost() -> None:
    """Alerts that were refused and pages that never came are told."""
    answers = [an_answer("a", "b"), an_answer("c", "d", status=503)]
    found = burst.figures_of(answers, [a_page("a", 11)])

    assert (2, 1) == (found["refused"], found["missing"])


def test_burst_open() -> None:
    """Those that were open are as late as their due times say; others do not count."""
    steps = [a_step(NAMES[0], 2.5), *STEPS[1:4], Ran("new", START, START, START + 9)]
    pages = [a_page(NAMES[0], DUES[NAMES[0]] + 3), *PAGES[1:4], a_page("new", 2_000)]
    found = burst.figures_of_open(DUES, steps, pages)

    assert (5, 1) == (found["open_due"], found["open_missing"])
    assert (4, 2_500.0) == (
        found["open_stored_ms"]["count"],
        found["open_stored_ms"]["max"],
    )
    assert 3_000.0 == found["open_paged_ms"]["max"]


def test_recovery() -> None:
    """It is over when the last overdue step is stored, and its page is out."""
    killed = Killed(at=START + 0.05, started_seconds=1.25)
    late = (0.01, 2.5, 1.5, 0.5, 0.02)
    steps = [a_step(name, by) for name, by in zip(NAMES, late, strict=True)]
    pages = [
        a_page(name, DUES[name] + by + 0.25)
        for name, by in zip(NAMES, late, strict=True)
    ]
    found = recovery.figures_of(DUES, steps, [*pages, pages[0]], killed)

    assert (0, 0, 1) == (found["missing"], found["pages_missing"], found["doubled"])
    assert (3, 2.55, 1.25) == (
        found["overdue_steps"],
        found["recovered_s"],
        found["started_s"],
    )
    assert 2.8 == found["paged_after_s"]


def test_recovery_at_the_kill() -> None:
    """What was stored just when the worker was killed has run, as its page shows."""
    killed = Killed(at=START, started_seconds=1)
    found = recovery.figures_of(DUES, STEPS[1:], PAGES, killed)

    assert (0, 1, 0) == (
        found["missing"],
        found["stored_at_the_kill"],
        found["overdue_steps"],
    )


def test_recovery_lost() -> None:
    """What never ran after the kill is missing, and a step that ran twice is one."""
    killed = Killed(at=START, started_seconds=1)
    steps = [STEPS[0], STEPS[0], *STEPS[2:]]
    pages = [PAGES[0], *PAGES[2:4]]
    found = recovery.figures_of(DUES, steps, pages, killed)

    assert (1, 2) == (found["missing"], found["pages_missing"])


@pytest.mark.parametrize(
    ("overdue", "end"),
    [
        pytest.param([], 100.0, id="nothing"),
        pytest.param([(100.1, 103.0), (102.0, 104.0)], 104.0, id="one-after-the-other"),
        pytest.param([(100.1, 103.0), (103.5, 105.0)], 103.0, id="again-later"),
        pytest.param([(99.0, 102.0)], 102.0, id="since-before"),
    ],
)
def test_overdue(overdue: list[tuple[float, float]], end: float) -> None:
    """Recovered is when nothing is overdue; what is late afterwards is another story."""
    assert end == nothing_overdue_from(overdue, 100.0)
