"""What is to be sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from engine.core.effects import Send
from engine.core.events import Outcome
from engine.core.incident import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """
    One notification that this process is to send.

    Attributes:
        attempt: Counts the tries; only the latest one's failure counts.
    """

    incident_id: str
    send: Send
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """How many notifications are under way, by what caused them."""

    by_timer: int = 0
    by_opening: int = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return self.by_timer + self.by_opening


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """
    What more a process can send on one channel.

    Attributes:
        slots: So many more notifications at once.
        each: So many at once with one provider, those under way included.
        under_way: What is under way, by provider; one that is missing has nothing.
    """

    channel: str
    slots: int
    each: int
    under_way: Mapping[str, UnderWay] = field(default_factory=dict[str, UnderWay])


class Outbox(Protocol):
    """
    Keeps what is to be sent until a channel has taken it.

    Every method raises StoreUnavailableError if the store cannot be reached.
    """

    async def claim(self, rooms: Sequence[Room]) -> Sequence[Delivery]:
        """
        Take notifications that are due, as far as there is room, for a lease of 3 s.

        The provider with the fewest under way comes first, and takes a slot only while
        more are free than it has: unless each slot has a provider of its own, one that
        comes later finds a slot, however many hang. Of a provider's notifications those
        caused by a timer and those caused by an opening share its slots: the cause with
        fewer under way comes first. Where two are even, who is due for longer does.
        """
        ...

    async def renew(self, deliveries: Sequence[Delivery]) -> None:
        """
        Lengthen the leases of sends that are under way, to 3 s from now.

        What is finished meanwhile, or has a later attempt, stays as it is.
        """
        ...

    async def begin(self, delivery: Delivery) -> Incident | None:
        """
        Ask, directly before the first byte, whether to send at all.

        Returns:
            The incident as it is now, for the text; None if the notification was
            withdrawn or a later attempt has begun.
        """
        ...

    async def finish(
        self,
        delivery: Delivery,
        outcome: Outcome,
        detail: str,
        retry_at: datetime | None,
    ) -> None:
        """
        Note the outcome in the incident's mailbox, or keep it for another try.

        Success of any attempt counts. A failure counts only from the latest, and so
        does an unknown outcome: a later attempt may know that it failed. With
        `retry_at`, which only the latest may ask for, the notification is due again
        then and nothing is reported; one withdrawn while it was under way is never
        tried again.
        """
        ...
