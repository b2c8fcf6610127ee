"""Time and ids."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time, the same to every process, in UTC and whole milliseconds."""

    def now(self) -> datetime:
        """
        Return the current time.

        It may lag the store's own clock by a few milliseconds, it never leads it.
        """
        ...

    async def sleep_until(self, at: datetime) -> None:
        """Return at `at` or just after it; at once if that is past. Never before."""
        ...


class Ids(Protocol):
    """Makes ids. A replay takes them from the history instead."""

    def incident_id(self, at: datetime, shard: int) -> str:
        """Return an id for an incident; the store may ask for another one."""
        ...

    def command_id(self) -> str:
        """Return an id for a command or an alert whose sender gave none."""
        ...
