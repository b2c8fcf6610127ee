"""Nobody works for 26 hours: whatever was due is paged once, and says how late it is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.chaos.late_pages import Ledger, Sent, problems
from benchmarks.chaos.outage import DOWN_FOR, run_outage
from benchmarks.chaos.states import HOUR, STATES, State
from engine.core.incident import Status

EACH = 2
BACK_AT = datetime(2026, 3, 3, tzinfo=UTC)
BY_NAME = {state.name: state for state in STATES}


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
async def test_outage(tmp_path: Path) -> None:
    """Two incidents in each state: all is paged that was due, and nothing else is."""
    outage, ledger = await run_outage(tmp_path, EACH)
    found = {name: each for name, each in problems(ledger).items() if each}
    owed = sum(len(state.owed) for state in STATES)

    assert {} == found
    assert dict.fromkeys(BY_NAME, EACH) == Counter(
        state.name for state in ledger.states.values()
    )
    assert EACH * owed == len(ledger.sent)
    # Those that were in flight have the key they had.
    assert EACH == len(ledger.came_again)
    # Of arq: which of its keys, is chance.
    assert any(key.startswith(("arq:", "rung:arq")) for key in outage.expired)
    assert any(key.startswith("rung:on-call:") for key in outage.expired)


def a_page(
    person: str,
    after: timedelta = timedelta(0),
    late: timedelta = timedelta(0),
    key: str = "",
) -> Sent:
    """Return a page of the incident, so long after somebody works again."""
    return Sent(
        at=BACK_AT + after,
        incident="inc_1",
        person=person,
        key=key or f"page of {person}",
        late=late,
    )


BOB, CAROL = a_page("bob", late=25 * HOUR), a_page("carol", 2 * HOUR)


def faults(
    *sent: Sent,
    before: Sequence[Sent] = (),
    state: State = BY_NAME["waiting"],
    status: Status = Status.TRIGGERED,
) -> set[str]:
    """Return what a ledger finds fault with, of one incident."""
    ledger = Ledger(
        down_for=DOWN_FOR,
        back_at=BACK_AT,
        states={"inc_1": state},
        before=tuple(before),
        sent=sent,
        statuses={"inc_1": status},
    )

    return {name for name, each in problems(ledger).items() if each}


def test_nothing_wrong() -> None:
    """A ledger finds no fault with an incident that was paged for as it is owed."""
    assert set() == faults(BOB, CAROL)


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        pytest.param([BOB], "lost", id="lost"),
        pytest.param([BOB, BOB, CAROL], "doubled", id="twice"),
        pytest.param([BOB, CAROL, a_page("alice")], "surprising", id="not-owed"),
        pytest.param([BOB, a_page("carol", HOUR)], "untimely", id="waited-less"),
        pytest.param([a_page("bob"), CAROL], "misstated", id="does-not-say-so"),
        pytest.param(
            [a_page("bob", late=27 * HOUR), CAROL], "misstated", id="says-too-much"
        ),
        pytest.param(
            [BOB, a_page("carol", 2 * HOUR, HOUR)], "misstated", id="is-not-late"
        ),
    ],
)
def test_wrong(sent: Sequence[Sent], fault: str) -> None:
    """Each thing that is not as owed is found, and nothing else is."""
    assert {fault} == faults(*sent)


def test_sent_before() -> None:
    """Only what was in flight may come again."""
    before = [replace(BOB, at=BACK_AT - 26 * HOUR)]
    in_flight = BY_NAME["in_flight"]
    alice = a_page("alice", late=26 * HOUR)

    assert {"doubled"} == faults(BOB, CAROL, before=before)
    assert set() == faults(alice, BOB, CAROL, before=[alice], state=in_flight)


def test_misplaced() -> None:
    """An incident is where its state leads to."""
    state = BY_NAME["acknowledged-48-h"]

    assert {"misplaced"} == faults(state=state)
    assert set() == faults(state=state, status=Status.ACKNOWLEDGED)
