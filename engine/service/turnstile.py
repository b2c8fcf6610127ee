"""A turnstile: one at a time, and never more than one in line."""

from collections.abc import Awaitable, Callable

import anyio


class Turnstile:
    """
    Lets one in at a time.

    Who comes while somebody waits already goes away again: the one waiting starts
    later than now, and so sees all there is to see now.
    """

    def __init__(self, action: Callable[[], Awaitable[object]]) -> None:
        self._action = action
        self._lock = anyio.Lock()
        self._is_waited_for = False

    async def enter(self) -> None:
        """Do the action after whoever does it now, unless somebody waits for that."""
        if self._is_waited_for:
            return
        self._is_waited_for = True
        try:
            await self._lock.acquire()
        finally:
            self._is_waited_for = False
        try:
            await self._action()
        finally:
            self._lock.release()

    async def idle(self) -> None:
        """Return when nobody is in."""
        async with self._lock:
            pass
