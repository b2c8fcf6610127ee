"""What a worker does when it is woken: drain what is due, then deliver."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio
import structlog
from anyio.abc import TaskGroup

from engine.errors import TryAgainError
from engine.ports import Clock, Lane, Timers, Wake
from engine.service.turnstile import Turnstile

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.05, 2.0


class Drains(Protocol):
    """The side of the engine that a worker sees."""

    async def drain(self, lane: Lane, stored: Callable[[], None]) -> bool:
        """Decide all that is due, in pieces; tell whether there may be more."""
        ...


class Delivers(Protocol):
    """The side of the couriers that a worker sees."""

    async def deliver(self) -> None:
        """Send what is due."""
        ...


class Chore:
    """
    One kind of work, one at a time.

    An error is logged, and the next chore of its kind starts after a growing pause:
    what this one left behind comes back by its lease.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._work = work
        self._pause = PAUSE_SECONDS_MIN
        self._is_stopped = False
        self._turnstile = Turnstile(self._try)

    async def run(self) -> None:
        """Do the work, after whoever is doing it now."""
        await self._turnstile.enter()

    async def stop(self) -> None:
        """Begin nothing more, and return when what is under way is over."""
        self._is_stopped = True
        await self._turnstile.idle()

    async def _try(self) -> None:
        if self._is_stopped:
            return
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - one bad chore must not end the process
            _report(error, self._name, self._pause)
            await anyio.sleep(self._pause)
            self._pause = min(2 * self._pause, PAUSE_SECONDS_MAX)
        else:
            self._pause = PAUSE_SECONDS_MIN


class Chores:
    """
    The chores of one process: two lanes and the deliveries.

    They belong to the process, not to the arq job that starts them: what ends arq
    ends no chore.
    """

    def __init__(
        self,
        *,
        engine: Drains,
        couriers: Delivers,
        timers: Timers,
        clock: Clock,
        process: TaskGroup,
    ) -> None:
        self._engine = engine
        self._timers = timers
        self._clock = clock
        self._process = process
        self._due = Chore(Lane.DUE, lambda: self._drain(Lane.DUE))
        self._mail = Chore(Lane.MAIL, lambda: self._drain(Lane.MAIL))
        self._lanes = {Lane.DUE: self._due, Lane.MAIL: self._mail}
        self._delivery = Chore("delivery", couriers.deliver)

    async def wake(self, why: Wake) -> None:
        """
        Do what a wake-up asks for.

        A kick says that something is due now, not what: mail, a send, or a timer that
        nobody was woken for.
        """
        match why:
            case Wake.DUE:
                await self._finish(self._due)
            case Wake.KICK:
                self._process.start_soon(self._due.run)
                await self._finish(self._mail)

    async def stop(self) -> None:
        """Claim nothing more, and return when what is claimed is decided."""
        async with anyio.create_task_group() as chores:
            for one in (self._due, self._mail, self._delivery):
                chores.start_soon(one.stop)

    async def _finish(self, one: Chore) -> None:
        """Do a chore to its end, even if whoever woke it does not wait for that."""
        over = anyio.Event()

        async def run() -> None:
            try:
                await one.run()
            finally:
                over.set()

        self._process.start_soon(run)
        await over.wait()

    async def _drain(self, lane: Lane) -> None:
        may_be_more = await self._engine.drain(lane, self._deliver)
        self._deliver()
        if may_be_more:
            # It goes on here at once, and whoever is free is told to help.
            self._process.start_soon(self._lanes[lane].run)
            await self._timers.arm([self._clock.now()])

    def _deliver(self) -> None:
        """Deliver beside what goes on; a page waits for no other incident."""
        self._process.start_soon(self._delivery.run)


def _report(error: Exception, what: str, pause_seconds: float) -> None:
    if isinstance(error, TryAgainError):
        log.warning(
            "chore.failed", what=what, error=str(error), pause_seconds=pause_seconds
        )
    else:
        log.error(
            "chore.failed", what=what, exc_info=error, pause_seconds=pause_seconds
        )
