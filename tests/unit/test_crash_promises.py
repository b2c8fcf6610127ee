"""What is found wrong with an alert's way on which a process died."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from signal import SIGCONT

import pytest

from benchmarks.chaos.crashes import Point, Tried, points_of, problems
from benchmarks.chaos.promises import broken_promises, came_again
from benchmarks.chaos.way import WEB, WORKER, Line, Walked
from benchmarks.chaos.way_configured import PEOPLE
from engine.core.effects import Send
from engine.core.events import Outcome
from engine.ports import Delivery
from tests.support.dying_process import Fate, Moment, moments_in
from tests.support.journeys import ConsolePage

AT = datetime(2026, 3, 2, tzinfo=UTC)
PAGES = tuple(ConsolePage(person, "inc_1", f"{person}0000") for person in PEOPLE)
LINES = (
    Line(what="opened", reason="opened"),
    Line(what="delivery_reported", reason="delivered"),
    Line(what="woke_up", reason="wait_over"),
    Line(what="delivery_reported", reason="delivered"),
    Line(what="acknowledged", reason="acknowledged"),
)
ASKED_AGAIN = Line(what="woke_up", reason="look_up_timed_out")
PLAIN = Walked(
    pages=PAGES,
    before=len(PAGES),
    lines=LINES,
    status="acknowledged",
    acknowledged_by="bob",
    outputs={"1-worker": "worker.started"},
    moments={},
    left=(),
    codes=(0,),
    seconds=1.0,
)
BOB_AGAIN = replace(PLAIN, pages=(*PAGES, PAGES[1]), before=len(PAGES) + 1)


def lines(*numbers: int) -> Sequence[Line]:
    """Return lines of the history, by number."""
    return tuple(LINES[number] for number in numbers)


def test_nothing_wrong() -> None:
    """A way that went as the one without a crash breaks no promise."""
    assert [] == broken_promises(PLAIN, PLAIN)


def test_lost() -> None:
    """Whoever was not paged is named."""
    walked = replace(PLAIN, pages=PAGES[:-1], before=len(PAGES) - 1)

    assert ["dora was not paged"] == broken_promises(PLAIN, walked)


@pytest.mark.parametrize(
    ("said", "is_right"),
    [
        pytest.param("IN FLIGHT bob0000abcdef", True, id="in-flight"),
        pytest.param("IN FLIGHT carol0000abc", False, id="another-was"),
        pytest.param("", False, id="not-in-flight"),
    ],
)
def test_doubled(said: str, *, is_right: bool) -> None:
    """A page may come again if it was in flight when its process died, and not else."""
    walked = replace(BOB_AGAIN, outputs={"1-worker": f"{said}\nSIGKILL x\n"})

    assert 1 == came_again(walked)
    assert is_right == (broken_promises(PLAIN, walked) == [])


def test_paged_anew() -> None:
    """A second page of one person is another page, whatever was in flight."""
    other = ConsolePage("bob", "inc_1", "bob1111")
    walked = replace(PLAIN, pages=(*PAGES, other), before=len(PAGES) + 1)

    assert ["bob had 2 pages"] == broken_promises(PLAIN, walked)


def test_after_the_end() -> None:
    """What is paged after the acknowledgement is named, in flight or not."""
    walked = replace(
        BOB_AGAIN, before=len(PAGES), outputs={"1-worker": "IN FLIGHT bob0000\n"}
    )

    assert ["bob was paged after the acknowledgement"] == broken_promises(PLAIN, walked)


@pytest.mark.parametrize(
    ("told", "is_right"),
    [
        pytest.param(lines(0, 2, 1, 3, 4), True, id="reported-later"),
        pytest.param((*LINES[:2], ASKED_AGAIN, *LINES[2:]), True, id="asked-again"),
        pytest.param(lines(0, 1, 3, 4), False, id="a-move-is-missing"),
        pytest.param(lines(0, 1, 2, 4), False, id="a-report-is-missing"),
        pytest.param(lines(0, 1, 2, 2, 3, 4), False, id="moved-twice"),
    ],
)
def test_history(told: tuple[Line, ...], *, is_right: bool) -> None:
    """The history has the same moves in the same order, and as many reports."""
    walked = replace(PLAIN, lines=told)

    assert is_right == (broken_promises(PLAIN, walked) == [])


@pytest.mark.parametrize(
    "walked",
    [
        pytest.param(replace(PLAIN, status="triggered"), id="status"),
        pytest.param(replace(PLAIN, acknowledged_by="alice"), id="who"),
        pytest.param(replace(PLAIN, left=("inc_1 in {rung:1}:due",)), id="left"),
        pytest.param(replace(PLAIN, codes=(1,)), id="exit-code"),
        pytest.param(replace(PLAIN, seconds=60), id="late"),
        pytest.param(
            replace(PLAIN, outputs={"2-web": '{"event":"x","level":"error"}\n'}),
            id="error",
        ),
        pytest.param(
            replace(PLAIN, outputs={"2-web": "Traceback (most recent call last):\n"}),
            id="traceback",
        ),
    ],
)
def test_ended_elsewhere(walked: Walked) -> None:
    """One thing that is not as it should be at the end is one broken promise."""
    assert 1 == len(broken_promises(PLAIN, walked))


def test_points() -> None:
    """Points are numbered the same each time, and what is chance comes last."""
    moments = {
        WEB: [
            Moment("before mailbox.append", 1),
            Moment("before configuration.read", 1),
        ],
        WORKER: [
            Moment("after store.claim of nothing", 1),
            Moment("after store.commit", 1),
        ],
    }
    points = points_of(moments)

    assert points == points_of({role: moments[role][::-1] for role in moments})
    assert [1, 2, 3, 4] == [point.number for point in points]
    assert ["mailbox.append", "store.commit"] == [
        point.moment.name.split()[1] for point in points if not point.is_poll
    ]
    assert "point 1, before mailbox.append 1 of web" == str(points[0])


def test_never_met() -> None:
    """A point that no process came to is a broken promise, unless it is chance."""
    commit = Point(number=7, role=WORKER, moment=Moment("after store.commit", 2))
    poll = Point(number=8, role=WORKER, moment=Moment("before store.claim", 30))
    tried = [Tried(point=each, is_met=False, broken=()) for each in (commit, poll)]

    [problem] = problems(tried)

    assert problem.startswith("point 7, after store.commit 2 of worker (--point 7): ")
    assert problem.endswith("no process came there in 3 tries")


def test_fate(capfd: pytest.CaptureFixture[str]) -> None:
    """A fate counts from the first work, by name, and knows what is in flight."""
    fate = Fate(signal=SIGCONT, at=Moment("before outbox.finish", 1))
    send = Send(
        page="p",
        rule=0,
        person="bob",
        method="m",
        channel="console",
        key="abc",
        due=AT,
        give_up_at=AT,
        caused_by_timer=False,
    )
    delivery = Delivery(incident_id="i", send=send, attempt=1)
    for name, arguments, answer in (
        ("configuration.read", (), "directory"),
        ("store.claim", (), []),
        ("store.claim", (), ["work"]),
        ("store.claim", (), []),
        ("outbox.begin", (delivery,), "incident"),
        ("outbox.finish", (delivery, Outcome.SENT), None),
    ):
        fate.before(name, arguments)
        fate.after(name, arguments, answer)
    said = capfd.readouterr().out

    assert [
        "after store.claim",
        "before store.claim",
        "after store.claim of nothing",
        "before outbox.begin",
        "after outbox.begin",
        "before outbox.finish",
        "after outbox.finish",
    ] == [moment.name for moment in moments_in(said)]
    assert "IN FLIGHT abc\nSIGCONT before outbox.finish\n" in said
    assert set() == fate.in_flight
