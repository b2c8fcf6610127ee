"""A channel that remembers."""

from datetime import datetime

from engine.core.events import Outcome
from engine.ports import Clock, DeliveryResult, Notification


class MemoryChannel:
    """
    Remembers what it was given; answers as it was told to.

    Attributes:
        sent: What was sent, in its order.
        answers: What it says of a person's notifications, in place of success.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self.sent: list[Notification] = []
        self.sent_at: list[datetime] = []
        self.answers: dict[str, DeliveryResult] = {}

    async def send(self, notification: Notification) -> DeliveryResult:
        """Remember a notification, unless its person cannot be reached."""
        answer = self.answers.get(notification.person)
        if answer is not None and answer.outcome is Outcome.FAILED:
            return answer
        self.sent.append(notification)
        if self._clock is not None:
            self.sent_at.append(self._clock.now())

        return answer or DeliveryResult(outcome=Outcome.SENT)
