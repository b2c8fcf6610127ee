"""The outbox of a memory store."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from engine.adapters.memory.clock import ManualClock
from engine.adapters.memory.store import MemoryStore
from engine.core.events import DeliveryReported, Outcome
from engine.core.incident import Incident
from engine.ports import Delivery, Room

LEASE = timedelta(seconds=3)


class MemoryOutbox:
    """Keeps what is to be sent until a channel has taken it."""

    def __init__(self, store: MemoryStore, clock: ManualClock) -> None:
        self._store = store
        self._letters = store.letters
        self._clock = clock

    async def claim(self, rooms: Sequence[Room]) -> Sequence[Delivery]:
        """Take notifications that are due, for the length of a lease."""
        now = self._clock.now()
        found: list[Delivery] = []
        for letter in [one for room in rooms for one in self._letters.due(room, now)]:
            if self._store.current(letter.incident_id) is None:
                self._letters.drop(letter)
                continue
            letter.attempt += 1
            letter.rests = False
            letter.at = now + LEASE
            found.append(
                Delivery(
                    incident_id=letter.incident_id,
                    send=letter.send,
                    attempt=letter.attempt,
                )
            )

        return found

    async def renew(self, deliveries: Sequence[Delivery]) -> None:
        """Lengthen the leases of sends that are under way."""
        for delivery in deliveries:
            letter = self._letters.of(delivery)
            if letter and letter.attempt == delivery.attempt and not letter.rests:
                letter.at = self._clock.now() + LEASE

    async def begin(self, delivery: Delivery) -> Incident | None:
        """Ask whether to send at all; from here on it is in flight."""
        letter = self._letters.of(delivery)
        if letter is None or letter.is_withdrawn or letter.rests:
            return None
        if letter.attempt != delivery.attempt:
            return None
        letter.begun = delivery.attempt

        return self._store.current(delivery.incident_id)

    async def finish(
        self,
        delivery: Delivery,
        outcome: Outcome,
        detail: str,
        retry_at: datetime | None,
    ) -> None:
        """Note the outcome in the incident's mailbox, or keep it for another try."""
        letter = self._letters.of(delivery)
        if letter is None:
            return
        only_if_latest = outcome is not Outcome.SENT or retry_at is not None
        if only_if_latest and letter.attempt != delivery.attempt:
            return
        if retry_at and not letter.is_withdrawn:
            letter.at, letter.begun, letter.rests = retry_at, 0, True
            return
        self._letters.drop(letter)
        self._store.report(
            delivery.incident_id,
            DeliveryReported(
                at=self._clock.now(),
                page=delivery.send.page,
                rule=delivery.send.rule,
                person=delivery.send.person,
                channel=delivery.send.channel,
                attempt=delivery.attempt,
                outcome=outcome,
                detail=detail,
            ),
        )
