"""The worker: woken by timers and kicks, it drains and delivers until it is told."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias

import anyio
import structlog

from engine.ports import Clock, Timers
from engine.service import Couriers, Engine
from workers.jobs import Chores

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# A drain ends within two seconds by itself.
CHORES_SECONDS_MAX = 4.0
# Together 22 s: who sends SIGTERM waits 30 s before he kills, as a rule.
SENDS_SECONDS_MAX = 18.0
UPKEEP_PAUSE_SECONDS = 2.0
LIVING_EVERY_SECONDS = 5.0
# Is told when this worker last lived; None: it has ended in order.
Living: TypeAlias = Callable[[datetime | None], None]


def _tell_nobody(_at: datetime | None) -> None:
    """Tell nobody."""


class Works(Protocol):
    """Something that goes on until it is cancelled."""

    async def run(self) -> None:
        """Go on until cancelled."""
        ...


class Escalator:
    """Escalates until it is told to stop."""

    def __init__(
        self,
        *,
        engine: Engine,
        couriers: Couriers,
        timers: Timers,
        clock: Clock,
        caretaker: Works | None = None,
        living: Living = _tell_nobody,
    ) -> None:
        """
        Wire it up; without a caretaker nobody looks after what is stored.

        Args:
            engine: Decides.
            couriers: Deliver.
            timers: Wake it.
            clock: The time.
            caretaker: Looks after what is stored.
            living: Is told again and again that this one lives, and when it ends.
        """
        self._caretaker = caretaker
        self._engine = engine
        self._couriers = couriers
        self._timers = timers
        self._clock = clock
        self._living = living

    async def run(self, stopping: anyio.Event) -> None:
        """
        Work until `stopping` is set, then end in order.

        First no more wake-ups are taken, so that other workers get them; then what is
        claimed is decided; then look-ups are answered, and the sends under way come to
        their end. What is left after that comes back by its lease.
        """
        with anyio.CancelScope() as sends:
            async with self._couriers, anyio.create_task_group() as process:
                chores = Chores(
                    engine=self._engine,
                    couriers=self._couriers,
                    timers=self._timers,
                    clock=self._clock,
                    process=process,
                )
                await self._work(chores, stopping)
                with anyio.move_on_after(CHORES_SECONDS_MAX):
                    await chores.stop()
                with anyio.move_on_after(SENDS_SECONDS_MAX):
                    await self._engine.look_ups.idle()
                    await self._couriers.stop()
                sends.cancel()
        log.info("worker.stopped")

    async def _work(self, chores: Chores, stopping: anyio.Event) -> None:
        async with anyio.create_task_group() as waking:
            waking.start_soon(self._timers.run, chores.wake)
            if self._caretaker is not None:
                waking.start_soon(_keep_up, self._caretaker)
            waking.start_soon(self._live)
            log.info("worker.started")
            await stopping.wait()
            log.info("worker.stopping")
            waking.cancel_scope.cancel()
        # Whoever leaves in order is not missed.
        self._living(None)

    async def _live(self) -> None:
        """Say that it lives, for as long as it takes wake-ups."""
        while True:
            self._living(self._clock.now())
            await anyio.sleep(LIVING_EVERY_SECONDS)


async def _keep_up(caretaker: Works) -> None:
    """Let it go on whatever it raises: paging does not depend on it."""
    while True:
        try:
            await caretaker.run()
        except Exception as error:  # noqa: BLE001 - one bad round must not end the process
            problem = f"{type(error).__name__}: {error}"
            log.warning(
                "upkeep.failed", error=problem, pause_seconds=UPKEEP_PAUSE_SECONDS
            )
        await anyio.sleep(UPKEEP_PAUSE_SECONDS)
