"""Timers on a manual clock."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import anyio

from engine.adapters.memory.clock import ManualClock
from engine.ports import Wake

WOKEN_AHEAD = timedelta(milliseconds=150)


class MemoryTimers:
    """Wakes on a manual clock."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._armed: set[datetime] = set()
        self._changed = anyio.Event()

    async def arm(self, dues: Sequence[datetime]) -> None:
        """Have `run` wake shortly before each of these times."""
        self._armed.update(dues)
        self._changed.set()
        self._changed = anyio.Event()

    async def run(self, wake: Callable[[Wake], Awaitable[None]]) -> None:
        """Call `wake` whenever it is time, never beside itself, until cancelled."""
        while True:
            due = min(self._armed, default=None)
            if due is None:
                await self._changed.wait()
                continue
            now = self._clock.now()
            if due - WOKEN_AHEAD > now:
                await self._wait(due - WOKEN_AHEAD)
                continue
            self._armed = {at for at in self._armed if at - WOKEN_AHEAD > now}
            await wake(Wake.KICK if due <= now else Wake.DUE)

    async def _wait(self, until: datetime) -> None:
        """Wait for the time, or for another one to be armed."""
        async with anyio.create_task_group() as tasks:

            async def changed() -> None:
                await self._changed.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(changed)
            await self._clock.sleep_until(until)
            tasks.cancel_scope.cancel()
