"""In which order a worker ends, and what it waits for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from structlog.testing import capture_logs

from engine.adapters.lookups.table import TableLookup
from engine.adapters.memory import (
    CountingIds,
    ManualClock,
    MemoryConfiguration,
    MemoryOutbox,
    MemoryStore,
    MemoryTurns,
)
from engine.core.alerts import Alert, AlertStatus
from engine.core.events import Outcome
from engine.ports import DeliveryResult, Notification, RoutedAlert, Wake
from engine.service import Couriers, Engine
from tests.support.look_ups import local_look_ups
from workers.demo import INTEGRATION, Secrets, demo_directory
from workers.escalator import Escalator

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WakeUp = Callable[[Wake], Awaitable[None]]


class HandTimers:
    """Timers that wake when a test says so."""

    def __init__(self) -> None:
        self.wake: WakeUp | None = None
        self.is_over = False

    async def arm(self, dues: Sequence[datetime]) -> None:
        """Do nothing with them."""

    async def run(self, wake: WakeUp) -> None:
        """Keep the way to wake until cancelled."""
        self.wake = wake
        try:
            await anyio.sleep_forever()
        finally:
            self.is_over = True


class SlowChannel:
    """A channel whose provider answers when a test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.sent: list[str] = []
        self.answers = anyio.Event()

    async def send(self, notification: Notification) -> DeliveryResult:
        """Wait for the provider."""
        self.begun.append(notification.person)
        await self.answers.wait()
        self.sent.append(notification.person)

        return DeliveryResult(outcome=Outcome.SENT)


class BadCaretaker:
    """Fails as soon as it begins, for the first two times."""

    def __init__(self) -> None:
        self.begun = 0

    async def run(self) -> None:
        """Fail, or go on for ever."""
        self.begun += 1
        if self.begun < 3:
            message = "a bad round"
            raise ValueError(message)
        await anyio.sleep_forever()


class World:
    """A worker on memory adapters, with a slow provider."""

    def __init__(self, slots: int = 20) -> None:
        clock, ids = ManualClock(NOON), CountingIds()
        store = MemoryStore(clock, ids)
        secrets = Secrets(api_token="token", ingest_key="key")  # noqa: S106 - a fake one
        configuration = MemoryConfiguration(demo_directory(secrets))
        self.channel = SlowChannel()
        self.timers = HandTimers()
        self.caretaker = BadCaretaker()
        self.engine = Engine(
            clock=clock,
            store=store,
            mailbox=store,
            configuration=configuration,
            look_ups=local_look_ups(TableLookup(configuration), store, clock),
            turns=MemoryTurns(),
            channels=frozenset({"console"}),
            look_ahead=timedelta(0),
        )
        self.escalator = Escalator(
            engine=self.engine,
            couriers=Couriers(
                outbox=MemoryOutbox(store, clock),
                mailbox=store,
                channels={"console": self.channel},
                configuration=configuration,
                clock=clock,
                slots=slots,
            ),
            timers=self.timers,
            clock=clock,
            caretaker=self.caretaker,
        )
        self.stopping = anyio.Event()
        self.is_ended = False

    async def fire(self, fingerprint: str) -> None:
        """Take in an alert."""
        alert = Alert(
            id=fingerprint,
            fingerprint=fingerprint,
            status=AlertStatus.FIRING,
            title="DiskFull",
            labels={},
        )
        routed = RoutedAlert(alert=alert, integration=INTEGRATION, key=fingerprint)
        await self.engine.ingest([routed])

    async def kick(self) -> None:
        """Wake the worker."""
        assert self.timers.wake is not None
        await self.timers.wake(Wake.KICK)

    async def is_sending(self) -> None:
        """Return when a send is under way."""
        with anyio.fail_after(5):
            while not self.channel.begun:  # noqa: ASYNC110 - there is no event for it
                await anyio.sleep(0.001)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run the worker; at the end of the block it is told to stop."""

        async def run() -> None:
            await self.escalator.run(self.stopping)
            self.is_ended = True

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.wait_all_tasks_blocked()
            yield
            self.stopping.set()


@pytest.fixture
def world() -> World:
    """Return a worker that was not started yet."""
    return World()


async def test_idle(world: World) -> None:
    """A worker with nothing to do ends at once."""
    with anyio.fail_after(1):
        async with world.working():
            pass

    assert world.is_ended
    assert world.timers.is_over


async def test_waits_for_sends(world: World) -> None:
    """A send that is under way comes to its end before the worker does."""
    async with world.working():
        await world.fire("one")
        await world.kick()
        await world.is_sending()
        world.stopping.set()
        await anyio.wait_all_tasks_blocked()
        ended_before, took_wakes = world.is_ended, not world.timers.is_over
        world.channel.answers.set()

    assert (False, False) == (ended_before, took_wakes)
    assert ["alice"] == world.channel.sent


async def test_does_not_wait_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that never answers is given up; the lease brings the page back."""
    monkeypatch.setattr("workers.escalator.SENDS_SECONDS_MAX", 0.05)
    with anyio.fail_after(1):
        async with world.working():
            await world.fire("one")
            await world.kick()
            await world.is_sending()

    assert ["alice"] == world.channel.begun
    assert [] == world.channel.sent
    assert world.is_ended


async def test_claims_nothing_more(world: World) -> None:
    """What comes in after the stop is left to other workers."""
    async with world.working():
        await world.fire("one")
        await world.kick()
        await world.is_sending()
        world.stopping.set()
        await anyio.wait_all_tasks_blocked()
        await world.fire("two")
        await world.kick()
        world.channel.answers.set()

    assert ["alice"] == world.channel.begun


async def test_sends_nothing_more() -> None:
    """What waits for a slot when the worker is told to stop is left to other workers."""
    world = World(slots=1)
    async with world.working():
        await world.fire("one")
        await world.fire("two")
        await world.kick()
        await world.is_sending()
        world.stopping.set()
        await anyio.wait_all_tasks_blocked()
        world.channel.answers.set()

    assert ["alice"] == world.channel.begun


async def test_bad_upkeep() -> None:
    """Upkeep that fails is begun again after a pause; pages go out meanwhile."""
    world = World()
    with capture_logs() as logs:
        async with world.working():
            await world.fire("db1")
            await world.kick()
            await world.is_sending()
            world.channel.answers.set()
            with anyio.fail_after(10):
                while world.caretaker.begun < 3:  # noqa: ASYNC110 - no event for it
                    await anyio.sleep(0.01)

    failed = [one for one in logs if one["event"] == "upkeep.failed"]
    assert ["ValueError: a bad round"] * 2 == [one["error"] for one in failed]
    assert world.is_ended
    assert 3 == world.caretaker.begun
