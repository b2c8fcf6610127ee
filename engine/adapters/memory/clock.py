"""Time that moves only when told to, and ids that are counted."""

from datetime import datetime, timedelta

import anyio

from engine.ids import mint


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._moved = anyio.Event()

    def now(self) -> datetime:
        """Return the current time."""
        return self._at

    async def sleep_until(self, at: datetime) -> None:
        """Return when somebody has moved the clock there."""
        while self._at < at:
            await self._moved.wait()

    def advance(self, by: timedelta) -> None:
        """
        Move forward.

        Raises:
            ValueError: If that would be back.
        """
        if by < timedelta(0):
            message = "time cannot go backwards"
            raise ValueError(message)
        self._at += by
        self._moved.set()
        self._moved = anyio.Event()


class CountingIds:
    """Makes ids by counting, so that every run makes the same."""

    def __init__(self) -> None:
        self._count = 0

    def incident_id(self, at: datetime, shard: int) -> str:
        """Return the next id."""
        self._count += 1

        return mint(at, shard, self._count)

    def command_id(self) -> str:
        """Return the next id."""
        self._count += 1

        return f"c{self._count}"
