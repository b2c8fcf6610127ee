"""Admission: how many requests are taken in at once, and how long others wait."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from workers.web.problems import OVERLOADED, ProblemError


class Admission:
    """Lets so many requests in at a time; the others wait in line, for a while."""

    def __init__(self, places: int, patience_seconds: float) -> None:
        self._places = anyio.Semaphore(places, fast_acquire=True)
        self._patience_seconds = patience_seconds

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """
        Hold a place.

        Raises:
            ProblemError: 503, if none was free in time.
        """
        try:
            with anyio.fail_after(self._patience_seconds):
                await self._places.acquire()
        except TimeoutError:
            detail = "Too many requests at once. Send it again a little later."
            raise ProblemError(OVERLOADED, detail) from None
        try:
            yield
        finally:
            self._places.release()
