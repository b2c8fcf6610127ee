"""Look-ups for tests that have everybody who is on call at hand."""

from collections.abc import Sequence
from datetime import datetime

import anyio
from anyio.lowlevel import checkpoint

from engine.adapters.memory import MemoryLastKnown
from engine.errors import LookUpFailedError
from engine.ports import (
    Answer,
    Clock,
    Mailbox,
    OnCall,
    OnCallLookup,
    Receipt,
    Routed,
)
from engine.service import LookUps
from policies.targets import Target


def local_look_ups(lookup: OnCallLookup, mailbox: Mailbox, clock: Clock) -> LookUps:
    """Return look-ups that nobody has to wait for."""
    return LookUps(
        lookup, mailbox=mailbox, last_known=MemoryLastKnown(clock), clock=clock
    )


class Rota:
    """
    A table of who is on call, here or elsewhere.

    Attributes:
        is_here: Whether this process knows it, so that nobody has to be asked.
        is_silent: Whether it never answers, and whoever asks dies of that.
        is_failing: Whether it answers that it cannot tell.
        asked: How often it was asked.
    """

    def __init__(self, table: OnCallLookup) -> None:
        self._table = table
        self.is_here = True
        self.is_silent = False
        self.is_failing = False
        self.asked = 0

    async def who(self, target: Target, at: datetime) -> OnCall:
        """Return who is behind the target, unless it is silent."""
        self.asked += 1
        if self.is_silent:
            await anyio.sleep_forever()
        if not self.is_here:
            await checkpoint()
        if self.is_failing:
            message = "no such schedule"
            raise LookUpFailedError(message)

        return await self._table.who(target, at)


class NoMail:
    """A mailbox that nobody should write to."""

    async def append(self, notices: Sequence[Routed]) -> Sequence[Receipt]:
        """Fail."""
        raise AssertionError(notices)

    async def post(self, answers: Sequence[Answer]) -> None:
        """Fail."""
        raise AssertionError(answers)
