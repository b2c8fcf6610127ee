"""
Every story of scenarios/ again, with the process killed at every call of a port.

Whoever is outside goes on as in life (support/crashing.py). After the kill people wait,
once, until every lease is over: a command given while a page is leased to nobody would
stop that page, rightly. From then on they are later by 4 s, as one may be who waits for
an answer that the dead process asked for; or by 2 s, as a wait may be that began anew
(SEMANTICS 1); or they make up for it. In one of these ways all must be the same; what
that means is said in support/outcomes.py. No one way would do for all stories: some
tell of what is but a second before a timer is due, or in its very instant, and that
timer may be late after a kill or not.

What happened while no worker ran is decided as by a worker that looks 2 s later: a
timer that would have run before the next notice runs after it then. So the story told
undisturbed, but with a first worker that is so late, is compared with too.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engine.adapters.memory import (
    MemoryChannel,
    MemoryOutbox,
    MemoryStore,
    MemoryTurns,
)
from policies.policy import Policy
from tests.support.crashing import (
    CAUGHT,
    INCIDENT_LEASE,
    LATE_MAX,
    Course,
    Kill,
    Mortal,
)
from tests.support.driver import Driver
from tests.support.look_ups import Rota
from tests.support.outcomes import Comparison, Outcome, outcome_of
from tests.support.spoilt import (
    CatchesAll,
    CountsInItsKeys,
    FinishesFirst,
    ForgetsTickets,
    SendsFirst,
    SendsLater,
)
from tests.test_scenarios import SCENARIOS, Block, Scenario, blocks

# What these answer is compared apart, or is said before people have waited.
LOOKS = ("backlog", "sent", "timeline")
SHOWN_MAX = 10
LATER_BY = (LATE_MAX, INCIDENT_LEASE, timedelta(0))
SCENARIOS_BY_NAME = {path.stem: path for path in SCENARIOS}
# A page of a schedule, a wait, a page of a person.
PLAIN = "unanswered_page_escalates"


@dataclass(frozen=True, kw_only=True)
class Told:
    """
    A story that was told.

    Attributes:
        calls: The port and method of each call of the first process.
        cut_in: The number of the command in which it was killed.
        in_flight: The keys of what was in flight then.
    """

    outcome: Outcome
    calls: Sequence[str]
    cut_in: int | None
    in_flight: frozenset[str]


def read(path: Path) -> list[Block]:
    """Read the commands of a story."""
    return [block for block in blocks(path.read_text()) if block.lines]


async def tell(story: Sequence[Block], course: Course) -> Told:
    """Tell a story, on a course of its own."""
    drivers: list[Mortal] = []

    def make(*policies: Policy, catch_all: str | None = None) -> Driver:
        drivers.append(Mortal(*policies, course=course, catch_all=catch_all))

        return drivers[-1]

    scenario, answers, cut_in = Scenario(make), [], None
    for number, block in enumerate(story):
        said = await scenario.say(block)
        answers.append("" if block.lines[0].startswith(LOOKS) else said)
        if drivers[0].line.is_cut and cut_in is None:
            cut_in = number
            await drivers[0].wait()
    [driver] = drivers

    return Told(
        outcome=await outcome_of(driver, answers),
        calls=driver.line.calls,
        cut_in=cut_in,
        in_flight=frozenset(driver.line.in_flight),
    )


async def faults(path: Path, course: Course) -> AsyncIterator[str]:
    """Kill the process of a story at every call, and yield what comes out otherwise."""
    story = read(path)
    undisturbed = await tell(story, course)
    late = await tell(story, replace(course, comes_late=INCIDENT_LEASE))
    ways = [(undisturbed, later_by) for later_by in LATER_BY]
    ways += [(late, LATE_MAX)]
    for number, is_after in product(range(len(undisturbed.calls)), (False, True)):
        side = "after" if is_after else "before"
        where = f"killed {side} {undisturbed.calls[number]}"
        found: list[str] = []
        for expected, later_by in ways:
            kill = Kill(number, is_after)
            try:
                told = await tell(story, replace(course, kill=kill, later_by=later_by))
            except Exception as error:
                error.add_note(where)
                raise
            differences = list(_compare(expected, told).differences())
            if not differences:
                break
            found = found or differences
        else:
            yield "; ".join([where, *found])


def _compare(expected: Told, told: Told) -> Comparison:
    return Comparison(
        expected=expected.outcome,
        actual=told.outcome,
        late_max=LATE_MAX,
        cut_in=told.cut_in,
        in_flight=told.in_flight,
    )


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_killed_at_a_call(path: Path) -> None:
    """It all comes out the same, whichever call the process dies at."""
    with capture_logs():
        found = [fault async for fault in faults(path, Course())]

    assert [] == found[:SHOWN_MAX]


@pytest.mark.long
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_killed_at_a_look_at_the_clock(path: Path) -> None:
    """Nor does it matter if the process dies as it reads the clock."""
    with capture_logs():
        found = [fault async for fault in faults(path, Course(taps_clock=True))]

    assert [] == found[:SHOWN_MAX]


@pytest.mark.parametrize(
    ("port", "broken", "story", "where"),
    [
        (MemoryStore, SendsLater, PLAIN, "after MemoryStore.commit"),
        (MemoryStore, SendsFirst, PLAIN, "before MemoryStore.commit"),
        (MemoryOutbox, FinishesFirst, PLAIN, "after MemoryOutbox.finish"),
        (MemoryChannel, CountsInItsKeys, PLAIN, "after MemoryChannel.send"),
        (MemoryTurns, ForgetsTickets, "turns_go_round", "after MemoryTurns.take"),
    ],
)
async def test_what_is_broken_is_found(
    port: type, broken: Callable[[object], object], story: str, where: str
) -> None:
    """What goes wrong only when a process dies is found, where it dies of that."""
    course = Course(spoilt={port: broken})
    with capture_logs():
        found = [fault async for fault in faults(SCENARIOS_BY_NAME[story], course)]

    assert found[0].startswith(f"killed {where}; ")


async def test_who_catches_its_end_is_found() -> None:
    """Who catches that the process was killed does not go on with it."""
    story, course = (
        read(SCENARIOS_BY_NAME[PLAIN]),
        Course(spoilt={Rota: CatchesAll}),
    )
    with capture_logs():
        told = await tell(story, course)
        kill = Kill(told.calls.index("Rota.who"), is_after=False)

        with pytest.RaisesGroup(
            pytest.RaisesExc(AssertionError, match=CAUGHT), flatten_subgroups=True
        ):
            await tell(story, replace(course, kill=kill))
