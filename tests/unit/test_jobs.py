"""What a worker does when it is woken, and that one bad chore ends nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import pytest
from structlog.testing import capture_logs

from engine.errors import StoreUnavailableError
from engine.ports import Lane, Wake
from workers.jobs import Chores

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class World:
    """Engine, couriers, timers and clock, all of which note what they were asked."""

    asked: list[str] = field(default_factory=list[str])
    armed: list[datetime] = field(default_factory=list[datetime])
    errors: list[Exception] = field(default_factory=list[Exception])
    more: int = 0
    pieces: int = 0

    async def drain(self, lane: Lane, stored: Callable[[], None]) -> bool:
        """Note the lane; fail, have pieces or have more, if the test says so."""
        self.asked.append(lane)
        if self.errors:
            raise self.errors.pop()
        for _ in range(self.pieces):
            stored()
            await anyio.wait_all_tasks_blocked()
            self.asked.append("stored")
        self.more -= 1

        return self.more >= 0

    async def deliver(self) -> None:
        """Note that it was asked to deliver."""
        self.asked.append("deliver")

    async def arm(self, dues: Sequence[datetime]) -> None:
        """Note what was armed."""
        self.armed.extend(dues)

    async def run(self, wake: Callable[[Wake], Awaitable[None]]) -> None:
        """Wake nobody."""

    def now(self) -> datetime:
        """Return noon."""
        return NOW

    async def sleep_until(self, at: datetime) -> None:
        """Sleep not at all."""

    @asynccontextmanager
    async def chores(self) -> AsyncIterator[Chores]:
        """Run chores in this world; at the end all that they began is over."""
        async with anyio.create_task_group() as process:
            yield Chores(
                engine=self, couriers=self, timers=self, clock=self, process=process
            )


@pytest.fixture
def world() -> World:
    """Return a world in which nothing is due."""
    return World()


async def test_due(world: World) -> None:
    """A timer's wake-up drains timers and then delivers."""
    async with world.chores() as chores:
        await chores.wake(Wake.DUE)

    assert ["due", "deliver"] == world.asked


async def test_kick(world: World) -> None:
    """A kick drains both lanes: it does not say what is due."""
    async with world.chores() as chores:
        await chores.wake(Wake.KICK)

    assert {"due", "mail", "deliver"} == set(world.asked)


async def test_in_pieces(world: World) -> None:
    """What a piece of a drain sends waits for no other piece."""
    world.pieces = 2
    async with world.chores() as chores:
        await chores.wake(Wake.DUE)

    assert ["due", *["deliver", "stored"] * 2, "deliver"] == world.asked


async def test_more(world: World) -> None:
    """A drain that ended for lack of time has its successor woken at once."""
    world.more = 1
    async with world.chores() as chores:
        await chores.wake(Wake.DUE)

    assert [NOW] == world.armed


@pytest.mark.parametrize(
    ("error", "level"),
    [(StoreUnavailableError("away"), "warning"), (ValueError("a bug"), "error")],
)
async def test_failed(world: World, error: Exception, level: str) -> None:
    """A chore that fails is logged, an outage less loudly; the next one is tried."""
    world.errors.append(error)
    with capture_logs() as logs:
        async with world.chores() as chores:
            await chores.wake(Wake.DUE)
            await chores.wake(Wake.DUE)

    assert [("chore.failed", level)] == [
        (line["event"], line["log_level"]) for line in logs
    ]
    assert ["due", "due", "deliver"] == world.asked


async def test_pause_grows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From failure to failure the pause doubles, and success ends that."""
    monkeypatch.setattr("workers.jobs.PAUSE_SECONDS_MIN", 0.001)
    world.errors.extend(ValueError("a bug") for _ in range(3))
    with capture_logs() as logs:
        async with world.chores() as chores:
            for _ in range(4):
                await chores.wake(Wake.DUE)
            world.errors.append(ValueError("a bug"))
            await chores.wake(Wake.DUE)

    assert [0.001, 0.002, 0.004, 0.001] == [line["pause_seconds"] for line in logs]


async def test_stopped(world: World) -> None:
    """After the stop no chore does anything, however it is woken."""
    async with world.chores() as chores:
        await chores.stop()
        await chores.wake(Wake.DUE)
        await chores.wake(Wake.KICK)

    assert [] == world.asked


async def test_abandoned(world: World) -> None:
    """A chore goes on to its end when whoever woke it goes away."""
    async with world.chores() as chores:
        with anyio.move_on_after(0):
            await chores.wake(Wake.DUE)
        await chores.stop()
        asked_by_the_stop = list(world.asked)

    assert "due" in world.asked or asked_by_the_stop == []
