"""Everything is killed under load: nothing lost, nothing stuck; and how that is told."""

import os
from pathlib import Path

import pytest

from benchmarks.chaos.ledger import Ledger, Strike, Victim
from benchmarks.chaos.load import Answered, Kind, Story, planned
from benchmarks.chaos.pages import Pages, Seen
from benchmarks.chaos.run import PER_SECOND, run_chaos, strikes_planned
from tests.support.journeys import ConsolePage

# The same each time; another one by this variable. Every run prints its own.
SEED = int(os.environ.get("CHAOS_SEED", "1"))
SHORT_SECONDS, FULL_SECONDS = 9, 30
POLICY = (("alice", 0.0), ("bob", 1.0))
INCIDENT = "inc_1"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "seconds",
    [SHORT_SECONDS, pytest.param(FULL_SECONDS, marks=pytest.mark.long)],
)
def test_killed_under_load(tmp_path: Path, seconds: int) -> None:
    """Worker, web and Redis killed again and again: every page comes, and only once."""
    report = run_chaos(tmp_path, SEED, seconds)
    print("\n".join(report.lines()))  # noqa: T201 - the seed of a run that fails
    struck = [strike.victim for strike in report.ledger.strikes]
    answered = [
        one for story in report.ledger.stories.values() for one in story.answers
    ]

    assert [] == report.broken
    assert len(report.plan) == len(answered)
    assert len(report.ledger.owed) > seconds * PER_SECOND
    assert set(Victim) == set(struck)
    assert len(strikes_planned(SEED, seconds)) == len(struck)


@pytest.mark.parametrize("seed", range(3))
def test_plan(seed: int) -> None:
    """The same seed sends and strikes the same; nothing ends before it began."""
    plan, strikes = planned(seed, 30, PER_SECOND), strikes_planned(seed, 30)
    notices = [one for one in plan if one.kind is not Kind.ACKNOWLEDGE]
    first = {one.alert: one for one in reversed(plan)}

    assert plan == planned(seed, 30, PER_SECOND)
    assert strikes == strikes_planned(seed, 30)
    assert plan != planned(seed + 1, 30, PER_SECOND)
    assert 30 * PER_SECOND == len(notices)
    assert {Kind.FIRING} == {one.kind for one in first.values()}
    assert {4} == {[one.victim for one in strikes].count(each) for each in Victim}
    assert strikes[-1].at < 30


def an_answer(kind: Kind, at: float, incident: str = INCIDENT) -> Answered:
    """Return an answer that came half a second after it was asked for."""
    return Answered(kind=kind, asked_at=at - 0.5, answered_at=at, incident=incident)


def a_page(at: float, person: str, key: str = "", process: int = 1) -> Seen:
    """Return a page that was seen at some time."""
    page = ConsolePage(person, INCIDENT, key or f"page of {person}")

    return Seen(at=at, page=page, process=process)


def a_strike(victim: Victim, at: float, process: int | None = 1) -> Strike:
    """Return a strike of four seconds."""
    return Strike(victim=victim, at=at, until=at + 4, process=process)


FIRED = an_answer(Kind.FIRING, 10)
BOTH = (a_page(10, "alice"), a_page(11, "bob"))


def a_ledger(
    *seen: Seen,
    answers: tuple[Answered, ...] = (FIRED,),
    strikes: tuple[Strike, ...] = (),
    status: str = "triggered",
) -> Ledger:
    """Return the ledger of one alert."""
    return Ledger(
        policy=POLICY,
        stories={"alert": Story(list(answers))},
        seen=seen,
        strikes=strikes,
        statuses={INCIDENT: status},
    )


def faults(ledger: Ledger) -> dict[str, list[str]]:
    """Return what a ledger finds fault with, by name."""
    found = {
        name: getattr(ledger, name)
        for name in ("lost", "misplaced", "wrongly_doubled", "after_the_end", "early")
    }

    return {name: each for name, each in found.items() if each}


def test_nothing_wrong() -> None:
    """A ledger finds no fault with an alert that was paged for by its policy."""
    assert {} == faults(a_ledger(*BOTH))


def test_lost() -> None:
    """A page that had to be and was not is lost."""
    assert {"lost": ["bob for inc_1"]} == faults(a_ledger(BOTH[0]))


def test_taken() -> None:
    """What an acknowledgement stops is not lost; what was long due before it is."""
    soon, late = (an_answer(Kind.ACKNOWLEDGE, at) for at in (11, 20))
    status = "acknowledged"

    assert {} == faults(a_ledger(BOTH[0], answers=(FIRED, soon), status=status))
    assert {"lost": ["bob for inc_1, stopped 8.5 s after it was due"]} == faults(
        a_ledger(BOTH[0], answers=(FIRED, late), status=status)
    )


def test_after_the_end() -> None:
    """After an acknowledgement only he who slept meanwhile may end what he began."""
    taken = an_answer(Kind.ACKNOWLEDGE, 11)
    asleep = a_strike(Victim.STOPPED, 10.9)
    seen = (a_page(10, "alice"), a_page(15, "bob"))
    status = "acknowledged"
    awake = a_ledger(*seen, answers=(FIRED, taken), status=status)
    slept = a_ledger(*seen, answers=(FIRED, taken), status=status, strikes=(asleep,))

    assert {"after_the_end": ["bob for inc_1"]} == faults(awake)
    assert {} == faults(slept)


@pytest.mark.parametrize(
    ("again", "strikes", "is_right"),
    [
        pytest.param("page of bob", [(Victim.WORKER, 11, 1)], True, id="its-worker"),
        pytest.param("page of bob", [(Victim.REDIS, 11, None)], True, id="Redis"),
        pytest.param("page of bob", [(Victim.WORKER, 11, 7)], False, id="another"),
        pytest.param("page of bob", [(Victim.WORKER, 40, 1)], False, id="later"),
        pytest.param("page of bob", [(Victim.WEB, 11, None)], False, id="web"),
        pytest.param("page of bob", [], False, id="nothing-was-struck"),
        pytest.param("another page", [(Victim.WORKER, 11, 1)], False, id="anew"),
    ],
)
def test_doubled(
    again: str, strikes: list[tuple[Victim, float, int | None]], *, is_right: bool
) -> None:
    """A page may come twice around a kill of its worker or Redis, as the same page."""
    ledger = a_ledger(
        *BOTH,
        a_page(14, "bob", again, process=2),
        strikes=tuple(a_strike(*each) for each in strikes),
    )

    assert 1 == ledger.doubled
    assert is_right == (faults(ledger) == {})


def test_early() -> None:
    """A page before its time, or for nobody's alert, is early."""
    early = a_page(10.4, "bob")

    assert {"early": ["bob for inc_1"]} == faults(a_ledger(BOTH[0], early))


@pytest.mark.parametrize(
    ("answers", "status", "is_right"),
    [
        pytest.param([("resolved", INCIDENT)], "resolved", True, id="resolved"),
        pytest.param([("resolved", "")], "resolved", True, id="resolved-before"),
        pytest.param([("resolved", INCIDENT)], "triggered", False, id="not-resolved"),
        pytest.param([("firing", "inc_2")], "triggered", False, id="two-incidents"),
        pytest.param([("firing", "")], "triggered", False, id="fires-too-late"),
        pytest.param([], "resolved", False, id="resolved-by-nobody"),
    ],
)
def test_misplaced(
    answers: list[tuple[str, str]], status: str, *, is_right: bool
) -> None:
    """An alert has one incident, which is where its answers have it."""
    more = [an_answer(Kind(kind), 12, incident) for kind, incident in answers]
    ledger = a_ledger(*BOTH, answers=(FIRED, *more), status=status)

    assert is_right == (faults(ledger) == {})


def test_torn_line(tmp_path: Path) -> None:
    """A page that was written in part has begun, and did not arrive."""
    output = tmp_path / "output"
    line = "PAGE  bob  DiskFull  (inc_1 · page 0123abcd · attempt 1)\n"
    output.write_text(line + line[:30], encoding="utf-8")
    pages = Pages()
    pages.follow(output, 1)
    with pages.reading():
        pass

    assert [ConsolePage("bob", INCIDENT, "0123abcd")] == [
        one.page for one in pages.seen
    ]
    assert 1 == pages.torn
