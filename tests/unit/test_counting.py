"""What is counted is what was stored: once, and by when it was due."""

from dataclasses import replace
from datetime import timedelta

import pytest
from typing_extensions import override

from engine.adapters.memory import MemoryTotals
from engine.core.events import (
    Acknowledged,
    Command,
    Outcome,
    Reopened,
    Resolved,
    Unacknowledged,
)
from engine.errors import StoreUnavailableError
from engine.ports import (
    Audited,
    Channel,
    Counted,
    Counter,
    DeliveryResult,
    Mark,
    Notification,
    Repair,
    Span,
    Spread,
)
from engine.service import Tally
from policies.policy import Policy, Repeat
from policies.steps import NotifyStep, WaitStep
from policies.targets import UserTarget
from tests.support.driver import Driver
from tests.unit.test_caretaker import NOON, World, slices
from tests.unit.test_engine import PAGE_ALICE, Stubborn, triggered

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
PAGE_TWICE = Policy(
    id="default",
    steps=(
        NotifyStep(targets=(UserTarget(id="alice"),)),
        WaitStep(duration=MINUTE),
        NotifyStep(targets=(UserTarget(id="bob"),)),
    ),
    repeat=Repeat(count=0),
)


async def counted(driver: Driver) -> Counted:
    """Return all that a driver's process counted."""
    await driver.tally.hand_in()

    return await driver.totals.read()


async def answers(driver: Driver) -> Spread:
    """Return after how long somebody acknowledged."""
    return (await counted(driver)).spreads.get((Span.ANSWER, ()), Spread())


async def tries(driver: Driver) -> dict[tuple[str, ...], int]:
    """Return what became of tries, by channel and outcome."""
    counts = (await counted(driver)).counts

    return {
        labels: count
        for (name, labels), count in counts.items()
        if name == Counter.NOTIFICATIONS and count
    }


async def test_acknowledged() -> None:
    """It counts how long it took until somebody took it, in all its life."""
    driver = await triggered()
    await driver.pass_time(20 * SECOND)
    await driver.command("db", Acknowledged, by="bob")
    found = await answers(driver)

    assert Spread(buckets={30.0: 1}, total=20 * SECOND) == found


async def test_acknowledged_again() -> None:
    """Taken once more, or after it was given back or opened again, it does not count."""
    driver = await triggered()
    commands: list[type[Command]] = [Acknowledged, Acknowledged, Unacknowledged]
    commands += [Acknowledged, Resolved, Reopened, Acknowledged]
    for command in commands:
        await driver.command("db", command, by="bob")

    assert 1 == (await answers(driver)).count


async def test_acknowledged_late() -> None:
    """What an alert started again because nobody had answered counts from the opening."""
    driver = await triggered()
    await driver.pass_time(10 * MINUTE)
    await driver.alert("db", "another", fires=True)
    await driver.command("db", Acknowledged, by="bob")

    assert 10 * MINUTE == (await answers(driver)).total


async def test_resolved() -> None:
    """Who resolves it without taking it does not count as an answer."""
    driver = await triggered()
    await driver.command("db", Resolved, by="bob")

    assert 0 == (await answers(driver)).count


async def test_lost_comparisons() -> None:
    """A command that is decided many times, because others were first, counts once."""
    driver = await triggered()
    before = (await counted(driver)).spreads[Span.LATENESS, ()].count
    await driver.pass_time(SECOND)
    driver.engine.store = Stubborn(driver, losses=7)
    await driver.command("db", Acknowledged, by="bob")
    found = await counted(driver)

    assert 1 == found.spreads[Span.ANSWER, ()].count
    assert before == found.spreads[Span.LATENESS, ()].count


@pytest.mark.parametrize("losses", [0, 3])
async def test_lateness(losses: int) -> None:
    """A timer that runs counts once, with how long after its time that was stored."""
    driver = Driver(PAGE_TWICE)
    await driver.alert("db", "db", fires=True)
    before = (await counted(driver)).spreads[Span.LATENESS, ()]
    driver.skip(MINUTE + 3 * SECOND)
    driver.engine.store = Stubborn(driver, losses=losses)
    await driver.settle()
    after = (await counted(driver)).spreads[Span.LATENESS, ()]
    late = {
        bound: count - before.buckets.get(bound, 0)
        for bound, count in after.buckets.items()
    }

    assert ["alice", "bob"] == [who for _, who in driver.sent()]
    assert 1 == late[5.0]
    assert 3 * SECOND == after.total - before.total


async def test_exhausted() -> None:
    """An incident that nobody answered counts, once."""
    driver = await triggered()
    exhausted = (Counter.EXHAUSTED, ())
    before = (await counted(driver)).counts.get(exhausted, 0)
    await driver.pass_time(timedelta(hours=2))

    assert 0 == before
    assert 1 == (await counted(driver)).counts[exhausted]


async def test_delivered() -> None:
    """A notification that a channel took is delivered."""
    driver = await triggered()

    assert {("console", "delivered"): 1} == await tries(driver)


class Slow(Channel):
    """A channel that takes its time, and has no luck."""

    def __init__(self, driver: Driver, outcome: Outcome) -> None:
        self.driver = driver
        self.outcome = outcome

    @override
    async def send(self, notification: Notification) -> DeliveryResult:
        """Take 300 ms."""
        assert notification.person == "alice"
        self.driver.clock.advance(timedelta(milliseconds=300))

        return DeliveryResult(outcome=self.outcome, is_final=True)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN])
async def test_not_delivered(outcome: Outcome) -> None:
    """A failure is told from what nobody knows, and both take time."""
    driver = Driver(PAGE_ALICE)
    driver.use("console", Slow(driver, outcome))
    await driver.take_in("db", "db", fires=True)
    await driver.settle()
    found = await counted(driver)

    assert 1 == (await tries(driver))["console", outcome.value]
    assert 0.5 in found.spreads[Span.SENDING, ("console",)].buckets


async def test_known_beforehand() -> None:
    """Every outcome of a channel is known before it happens."""
    counts = (await counted(Driver(PAGE_ALICE))).counts
    known = {
        labels[1]
        for name, labels in counts
        if name == Counter.NOTIFICATIONS and labels[0] == "console"
    }

    assert {"delivered", "failed", "unknown", "suppressed"} == known


async def test_repairs() -> None:
    """Repairs are counted by kind, and each kind is known; so is when all was seen."""
    found = slices(2)
    found[0] = Audited(repaired={Repair.DUE: 2}, done=0.5, after="1")
    world, totals = World(slices=found), MemoryTotals()
    tally = Tally(totals, "one")
    await replace(world.caretaker(), measures=tally).go_round()
    await tally.hand_in()
    told = await totals.read()

    assert {repair.value: 2 * (repair is Repair.DUE) for repair in Repair} == {
        labels[0]: count for (_, labels), count in told.counts.items()
    }
    assert NOON < (told.marks[Mark.AUDIT, ()] or NOON) <= NOON + MINUTE


async def test_audit_that_fails() -> None:
    """An audit that did not come to its end was none."""
    world, totals = World(failure=StoreUnavailableError("down")), MemoryTotals()
    tally = Tally(totals, "one")
    with pytest.raises(StoreUnavailableError):
        await replace(world.caretaker(), measures=tally).go_round()
    await tally.hand_in()

    assert {} == (await totals.read()).marks
