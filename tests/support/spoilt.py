"""
Ports that are broken in such a way that nobody sees it until a process dies.

Each stands between a process and a port that is whole, and dies with the process.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

from engine.core.effects import Send
from engine.core.events import Outcome
from engine.core.incident import Incident
from engine.ports import (
    Claimed,
    Commit,
    Delivery,
    DeliveryResult,
    Lane,
    Notification,
    OnCall,
    OnCallReason,
    Stored,
    Turn,
)
from policies.targets import Target

NUMBERS = count(1)


class Spoilt:
    """A port that is whole, but for the methods that a class below has."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class SendsLater(Spoilt):
    """A store that stores first and hands over what is to be sent at its next call."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._sends: list[tuple[str, Send]] = []

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Store all but what is to be sent."""
        self._sends += [(one.incident.id, s) for one in commits for s in one.sends]
        bare = [replace(commit, sends=()) for commit in commits]
        stored: Sequence[Stored] = await self._port.commit(bare)

        return stored

    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """Hand over what is to be sent, and claim."""
        for incident_id, send in self._sends:
            self._port.letters.put(incident_id, send)
        self._sends = []
        claimed: Sequence[Claimed] = await self._port.claim(lane, ahead_until)

        return claimed


class SendsFirst(Spoilt):
    """A store that hands over what is to be sent, and then stores."""

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Hand over what is to be sent, and store the rest."""
        for commit in commits:
            for send in commit.sends:
                self._port.letters.put(commit.incident.id, send)
        bare = [replace(commit, sends=()) for commit in commits]
        stored: Sequence[Stored] = await self._port.commit(bare)

        return stored


class FinishesFirst(Spoilt):
    """An outbox from which a notification is gone as soon as it begins to leave."""

    async def begin(self, delivery: Delivery) -> Incident | None:
        """Begin, and say that it was sent."""
        incident: Incident | None = await self._port.begin(delivery)
        if incident is not None:
            await self._port.finish(delivery, Outcome.SENT, "", None)

        return incident

    async def finish(self, *_: object) -> None:
        """Do nothing: that was said."""


class CountsInItsKeys(Spoilt):
    """A channel whose idempotency keys count attempts."""

    async def send(self, notification: Notification) -> DeliveryResult:
        """Send under a key that is of this attempt only."""
        key = f"{notification.key}.{notification.attempt}"
        sent: DeliveryResult = await self._port.send(replace(notification, key=key))

        return sent


class ForgetsTickets(Spoilt):
    """Turns that do not remember which tickets another process gave them."""

    def __init__(self, port: Any) -> None:
        super().__init__(port)
        self._number = next(NUMBERS)

    async def take(self, turns: Sequence[Turn]) -> Sequence[str]:
        """Take turns with tickets of this process only."""
        own = [replace(one, ticket=f"{one.ticket}.{self._number}") for one in turns]
        taken: Sequence[str] = await self._port.take(own)

        return taken


class CatchesAll(Spoilt):
    """A look-up for which whatever happens means that nobody is on call."""

    async def who(self, target: Target, at: datetime) -> OnCall:
        """Ask, and make the best of it."""
        try:
            found: OnCall = await self._port.who(target, at)
        except BaseException:  # noqa: BLE001 - this is what is wrong with it
            return OnCall(people=(), reason=OnCallReason.NONE, source="")

        return found
