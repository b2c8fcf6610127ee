"""Who wakes workers."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Wake(StrEnum):
    """Why a worker is woken: a timer is about to be due, or something is due now."""

    DUE = "due"
    KICK = "kick"


class Timers(Protocol):
    """Wakes workers when something is due."""

    async def arm(self, dues: Sequence[datetime]) -> None:
        """
        Have some worker woken shortly before each of these times.

        At most 250 ms before and at most 100 ms after it, if a worker runs. Arming
        the same time again changes nothing. One that is past is a kick.
        """
        ...

    async def run(self, wake: Callable[[Wake], Awaitable[None]]) -> None:
        """Call `wake` whenever it is time, never beside itself, until cancelled."""
        ...
