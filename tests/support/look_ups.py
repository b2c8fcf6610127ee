"""Look-ups for tests that have everybody who is on call at hand."""

from collections.abc import Sequence

from engine.adapters.memory import MemoryLastKnown
from engine.ports import (
    Answer,
    Clock,
    Mailbox,
    OnCallLookup,
    Receipt,
    RoutedAlert,
)
from engine.service import LookUps


def local_look_ups(lookup: OnCallLookup, mailbox: Mailbox, clock: Clock) -> LookUps:
    """Return look-ups that nobody has to wait for."""
    return LookUps(
        lookup, mailbox=mailbox, last_known=MemoryLastKnown(clock), clock=clock
    )


class NoMail:
    """A mailbox that nobody should write to."""

    async def append(self, alerts: Sequence[RoutedAlert]) -> Sequence[Receipt]:
        """Fail."""
        raise AssertionError(alerts)

    async def post(self, answers: Sequence[Answer]) -> None:
        """Fail."""
        raise AssertionError(answers)
