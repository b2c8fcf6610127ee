"""Everything is struck under load: nothing lost, nothing stuck; and how that is told."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from benchmarks.chaos.ledger import Ledger
from benchmarks.chaos.load import Answered, Story
from benchmarks.chaos.outputs import Outputs
from benchmarks.chaos.plan import (
    POLICY,
    Answer,
    Kind,
    Told,
    Victim,
    answer_planned,
    requests_planned,
    strikes_planned,
    told_planned,
)
from benchmarks.chaos.provider import Provider, Receipt
from benchmarks.chaos.report import Report
from benchmarks.chaos.run import PER_SECOND, run_chaos
from benchmarks.chaos.strikes import Strike

# The same each time; another one by this variable. Every run prints its own.
SEED = int(os.environ.get("CHAOS_SEED", "1"))
SHORT_SECONDS, FULL_SECONDS = 6, 30
SHORT_POLICY = (("alice", 0.0), ("bob", 1.0))
PRINT_CLOCK = """
from tests.support import fast_worker
fast_worker.set_clock()
print(fast_worker.arq_is_fast_seconds())
"""
INCIDENT = "inc_1"
ALICE, BOB = (INCIDENT, "alice"), (INCIDENT, "bob")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "seconds",
    [SHORT_SECONDS, pytest.param(FULL_SECONDS, marks=pytest.mark.long)],
)
def test_struck_under_load(tmp_path: Path, seconds: int) -> None:
    """Whatever is struck and whatever the provider does, each page comes in the end."""
    report = run_chaos(tmp_path, SEED, seconds)
    figures = report.figures()
    print(json.dumps(figures))  # noqa: T201 - the seed of a run that fails
    struck = [strike.victim for strike in report.ledger.strikes]
    answered = [
        one for story in report.ledger.stories.values() for one in story.answers
    ]

    assert [] == report.broken
    assert len(report.plan) == len(answered)
    assert len(report.ledger.owed) > seconds * PER_SECOND
    assert set(Victim) == set(struck)
    assert len(strikes_planned(SEED, seconds)) == len(struck)
    assert set(Answer) == {one.answer for one in report.ledger.receipts}
    assert struck.count(Victim.WORKER) == sum(report.clocks.values())
    assert figures["duplicates"]["total"] > 0
    assert figures["fenced_commits"] > 0


@pytest.mark.parametrize("seed", range(3))
def test_plan(seed: int) -> None:
    """The same seed sends and strikes the same; nothing ends before it began."""
    plan, strikes = requests_planned(seed, 36, PER_SECOND), strikes_planned(seed, 36)
    notices = [one for one in plan if one.kind is not Kind.ACKNOWLEDGE]
    first = {one.alert: one for one in reversed(plan)}

    assert plan == requests_planned(seed, 36, PER_SECOND)
    assert strikes == strikes_planned(seed, 36)
    assert plan != requests_planned(seed + 1, 36, PER_SECOND)
    assert strikes != strikes_planned(seed + 1, 36)
    assert 36 * PER_SECOND == len(notices)
    assert {Kind.FIRING} == {one.kind for one in first.values()}
    assert {4} == {[one.victim for one in strikes].count(each) for each in Victim}
    assert strikes[-1].at < 36


def test_aimed() -> None:
    """Many acknowledgements come just when a step is due, at any of the steps."""
    plan = requests_planned(SEED, 36, PER_SECOND)
    fired = {one.alert: one.at for one in reversed(plan)}
    after = [one.at - fired[one.alert] for one in plan if one.kind is Kind.ACKNOWLEDGE]
    aimed = Counter(
        person
        for seconds in after
        for person, due in POLICY
        if abs(seconds - due) <= 0.02
    )

    assert {"alice", "bob", "carol"} == set(aimed)
    assert len(after) / 3 < sum(aimed.values()) < len(after)


def test_answers_planned() -> None:
    """The same seed answers the same, whoever asks first; one look-up in ten fails."""
    answers = [answer_planned(SEED, f"a-{n}", "bob", 1) for n in range(2_000)]
    last = [answer_planned(SEED, f"a-{n}", "carol", 1) for n in range(2_000)]
    told = [told_planned(SEED, "primary", time) for time in range(1, 2_001)]
    again = [answer_planned(SEED, f"a-{n}", "bob", 1) for n in reversed(range(2_000))]
    failed = told.count(Told.FAILED) + told.count(Told.SILENT)

    assert answers == again[::-1]
    assert answers != [answer_planned(9, f"a-{n}", "bob", 1) for n in range(2_000)]
    assert set(Answer) == set(answers)
    assert set(Answer) - {Answer.REFUSED} == set(last)
    assert told == [told_planned(SEED, "primary", time) for time in range(1, 2_001)]
    assert Told.TOLD == told[0]
    assert 160 < failed < 240


@pytest.mark.parametrize("seconds", [300, -300])
def test_wrong_clock(seconds: int) -> None:
    """A worker that is started like those of a run has arq's own clock off by that."""
    said = subprocess.run(  # noqa: S603 - ourselves
        [
            sys.executable,
            "-c",
            PRINT_CLOCK,
        ],
        env={**os.environ, "FAST_SECONDS": str(seconds)},
        check=True,
        capture_output=True,
    )

    assert seconds == pytest.approx(float(said.stdout), abs=1)


def ask_provider(answer: Answer) -> tuple[Receipt, int | None]:
    """Send a page to a provider that does so; return its receipt, and what it said."""
    provider = Provider(answer=lambda *_: answer, tell=lambda *_: Told.TOLD)
    whole = {"key": "k", "incident": "1", "person": "bob", "alert": "a", "process": "7"}
    said = None
    with provider.running():
        page = {**whole, "begun_at": time.monotonic()}
        with suppress(httpx2.TransportError):
            said = httpx2.post(
                f"{provider.address}/pages", json=page, timeout=0.8
            ).status_code
    [receipt] = provider.receipts

    return receipt, said


@pytest.mark.parametrize(
    ("answer", "code", "is_taken"),
    [
        (Answer.TAKEN, 200, True),
        (Answer.LATE, 200, True),
        (Answer.REFUSED, 503, False),
        (Answer.HUNG, None, True),
        (Answer.CUT, None, True),
    ],
)
def test_provider(answer: Answer, code: int | None, *, is_taken: bool) -> None:
    """The provider keeps what it received, whether or not the sender hears of it."""
    receipt, said = ask_provider(answer)

    assert code == said
    assert (INCIDENT, "bob", "k", 7) == (
        receipt.incident,
        receipt.person,
        receipt.key,
        receipt.process,
    )
    assert is_taken == receipt.is_taken
    assert receipt.begun_at < receipt.received_at < receipt.finished_at


def an_answer(kind: Kind, at: float, incident: str = INCIDENT) -> Answered:
    """Return an answer that came half a second after it was asked for."""
    return Answered(kind=kind, asked_at=at - 0.5, answered_at=at, incident=incident)


def a_page(
    at: float,
    person: str,
    key: str = "",
    process: int = 1,
    answer: Answer = Answer.TAKEN,
) -> Receipt:
    """Return a page that was received at some time, and begun just before."""
    return Receipt(
        key=key or f"page of {person}",
        incident=INCIDENT,
        person=person,
        process=process,
        answer=answer,
        begun_at=at - 0.01,
        received_at=at,
        finished_at=at + 0.01,
    )


def a_strike(victim: Victim, at: float, process: int | None = 1) -> Strike:
    """Return a strike of four seconds."""
    return Strike(victim=victim, at=at, until=at + 4, process=process)


FIRED = an_answer(Kind.FIRING, 10)
BOTH = (a_page(10, "alice"), a_page(11, "bob"))


def a_ledger(
    *receipts: Receipt,
    answers: tuple[Answered, ...] = (FIRED,),
    strikes: tuple[Strike, ...] = (),
    status: str = "triggered",
    failed: tuple[tuple[str, str], ...] = (),
) -> Ledger:
    """Return the ledger of one alert."""
    return Ledger(
        policy=SHORT_POLICY,
        stories={"alert": Story(list(answers))},
        receipts=receipts,
        strikes=strikes,
        statuses={INCIDENT: status},
        failed=frozenset(failed),
    )


def faults(ledger: Ledger) -> Mapping[str, list[str]]:
    """Return what a ledger finds fault with, by name."""
    found = {
        name: getattr(ledger, name)
        for name in (
            "lost",
            "misplaced",
            "wrongly_repeated",
            "after_acknowledge",
            "early",
        )
    }

    return {name: each for name, each in found.items() if each}


def test_nothing_wrong() -> None:
    """A ledger finds no fault with an alert that was paged for by its policy."""
    assert {} == faults(a_ledger(*BOTH))


def test_lost() -> None:
    """A page that had to be and was not is lost."""
    assert {"lost": ["bob for inc_1"]} == faults(a_ledger(BOTH[0]))


def test_unclear() -> None:
    """Nothing is owed of an alert of which somebody was never answered."""
    ledger = a_ledger(status="resolved")
    [story] = ledger.stories.values()
    before = set(faults(ledger))
    story.is_clear = False

    assert {"lost", "misplaced"} == before
    assert {} == faults(replace(ledger))


def test_refused() -> None:
    """What the provider refused each time is lost, unless rung noted that it failed."""
    refused = (
        a_page(10, "alice", answer=Answer.REFUSED),
        a_page(10.6, "alice", answer=Answer.REFUSED),
        BOTH[1],
    )
    noted = a_ledger(*refused, failed=(ALICE,))

    assert {"lost": ["alice for inc_1, refused and left"]} == faults(a_ledger(*refused))
    assert {"lost"} == set(faults(a_ledger(*refused, failed=(BOB,))))
    assert {} == faults(noted)
    assert [ALICE] == noted.refused
    assert {"lost": ["bob for inc_1"]} == faults(
        a_ledger(*refused[:2], failed=(ALICE, BOB))
    )


def test_taken() -> None:
    """What an acknowledgement stops is not lost; what was long due before it is."""
    soon, late = (an_answer(Kind.ACKNOWLEDGE, at) for at in (11, 20))
    status = "acknowledged"

    assert {} == faults(a_ledger(BOTH[0], answers=(FIRED, soon), status=status))
    assert {"lost": ["bob for inc_1, stopped 8.5 s after it was due"]} == faults(
        a_ledger(BOTH[0], answers=(FIRED, late), status=status)
    )


def test_after_an_acknowledge() -> None:
    """After an acknowledgement only he who slept meanwhile may end what he began."""
    taken = an_answer(Kind.ACKNOWLEDGE, 11)
    asleep = a_strike(Victim.STOPPED, 10.9)
    pages = (a_page(10, "alice"), a_page(15, "bob"))
    status = "acknowledged"
    awake = a_ledger(*pages, answers=(FIRED, taken), status=status)
    slept = a_ledger(*pages, answers=(FIRED, taken), status=status, strikes=(asleep,))

    assert {"after_acknowledge": ["bob for inc_1, 3.99 s"]} == faults(awake)
    assert 0 == awake.in_flight
    assert {} == faults(slept)
    assert 1 == slept.in_flight


@pytest.mark.parametrize(
    ("again", "strikes", "is_right"),
    [
        pytest.param("page of bob", [(Victim.WORKER, 11, 1)], True, id="its-worker"),
        pytest.param("page of bob", [(Victim.REDIS, 11, None)], True, id="Redis"),
        pytest.param("page of bob", [(Victim.RESTARTED, 11, None)], True, id="restart"),
        pytest.param("page of bob", [(Victim.STOPPED, 11, 1)], True, id="asleep"),
        pytest.param("page of bob", [(Victim.STOPPED, 10.4, 2)], True, id="was-asleep"),
        pytest.param("page of bob", [(Victim.WORKER, 11, 7)], False, id="another"),
        pytest.param("page of bob", [(Victim.WORKER, 12, 1)], False, id="later"),
        pytest.param("page of bob", [(Victim.REDIS, 6, None)], False, id="before"),
        pytest.param("page of bob", [(Victim.WEB, 11, None)], False, id="web"),
        pytest.param("page of bob", [(Victim.FLUSHED, 11, None)], False, id="flushed"),
        pytest.param("page of bob", [], False, id="nothing-was-struck"),
        pytest.param("another page", [(Victim.WORKER, 11, 1)], False, id="anew"),
    ],
)
def test_struck(
    again: str, strikes: list[tuple[Victim, float, int | None]], *, is_right: bool
) -> None:
    """A page may come twice if it was in flight when its worker or Redis was struck."""
    ledger = a_ledger(
        *BOTH,
        a_page(14, "bob", again, process=2),
        strikes=tuple(a_strike(*each) for each in strikes),
    )

    assert is_right == (faults(ledger) == {})
    assert (1 if is_right else 0) == len(ledger.struck_repeats)


@pytest.mark.parametrize(
    ("reported_at", "is_right"),
    [
        pytest.param(14.5, True, id="after-it-began-again"),
        pytest.param(11.1, False, id="before-the-strike"),
        pytest.param(None, False, id="never"),
    ],
)
def test_written_late(reported_at: float | None, *, is_right: bool) -> None:
    """A page is in flight until its outcome is written; its history says when."""
    ledger = a_ledger(
        *BOTH,
        a_page(14, "bob", process=2),
        strikes=(a_strike(Victim.REDIS, 12, None),),
    )
    known = {BOB: reported_at} if reported_at is not None else {}

    assert is_right == (faults(replace(ledger, reported=known)) == {})


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        (Answer.TAKEN, False),
        (Answer.LATE, False),
        (Answer.REFUSED, True),
        (Answer.HUNG, False),
        (Answer.CUT, True),
    ],
)
def test_tried_again(answer: Answer, *, is_right: bool) -> None:
    """A page is tried again after a refusal, and where its channel says that it may."""
    first = a_page(11, "bob", answer=answer)
    ledger = a_ledger(BOTH[0], first, a_page(12, "bob"))

    assert is_right == (faults(ledger) == {})
    assert 1 == len(ledger.repeats)
    assert (1 if is_right else 0) == len(ledger.asked_repeats)


def test_early() -> None:
    """A page before its time is early, unless the step before it reached nobody."""
    early = a_page(10.4, "bob")
    refused = a_page(10, "alice", answer=Answer.REFUSED)

    assert {"early": ["bob for inc_1"]} == faults(a_ledger(BOTH[0], early))
    assert {} == faults(a_ledger(refused, early, failed=(ALICE,)))


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


def test_report() -> None:
    """A report names every broken promise, and counts what it is about."""
    strike = Strike(victim=Victim.REDIS, at=10.8, until=11.2)
    report = Report(
        seed=1,
        seconds=5,
        plan=(),
        ledger=a_ledger(a_page(12, "alice"), strikes=(strike,)),
        told={Told.FAILED: 2},
        clocks={300: 1},
        fenced=3,
        stuck=["inc_1 in due"],
        refused=(),
        errors=(),
    )
    figures = report.figures()

    assert [
        "lost: 1, such as bob for inc_1",
        "stuck: 1, such as inc_1 in due",
    ] == figures["broken"]
    assert (1, 1, 3) == (figures["lost"], figures["stuck"], figures["fenced_commits"])
    assert {"owed": 2, "received": 1, "refused_for_good": 0} == figures["pages"]
    assert {
        "Redis killed": 1,
        "worker's clock fast": 1,
        "page taken": 1,
        "look-up failed": 2,
    } == figures["faults"]
    assert {"p50": 2, "p99": 2, "max": 2} == figures["lateness_s"]


def test_recovery() -> None:
    """A strike is over when all that was due during it has come to the provider."""
    strike = Strike(victim=Victim.REDIS, at=9.8, until=10.9)
    idle = Strike(victim=Victim.RESTARTED, at=50, until=51)
    report = Report(
        seed=1,
        seconds=5,
        plan=(),
        ledger=a_ledger(a_page(12, "alice"), a_page(30, "bob"), strikes=(strike, idle)),
        told={},
        clocks={},
        fenced=0,
        stuck=(),
        refused=(),
        errors=(),
    )

    assert {"p50": 2.2, "p99": 2.2, "max": 2.2} == report.figures()["recovery_s"]


def test_outputs(tmp_path: Path) -> None:
    """Errors and fenced commits are found in what processes write, as it is written."""
    output = tmp_path / "output"
    lines = [
        '{"event":"commit.fenced","level":"info"}',
        '{"event":"chore.failed","level":"error"}',
        '{"event":"commit.fenced","level":"info"}',
    ]
    output.write_text("\n".join(lines) + '\n{"event":"commit.fen', encoding="utf-8")
    outputs = Outputs()
    outputs.follow(output)
    with outputs.reading():
        pass

    assert [lines[1]] == outputs.errors
    assert 2 == outputs.fenced
