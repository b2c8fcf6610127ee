"""A channel that remembers."""

from engine.core.events import Outcome
from engine.ports import DeliveryResult, Notification


class MemoryChannel:
    """Remembers what it was given; answers as it was told to."""

    def __init__(self) -> None:
        self.sent: list[Notification] = []
        self.answers: dict[str, DeliveryResult] = {}

    async def send(self, notification: Notification) -> DeliveryResult:
        """Remember a notification, unless its person cannot be reached."""
        answer = self.answers.get(notification.person)
        if answer is not None and answer.outcome is Outcome.FAILED:
            return answer
        self.sent.append(notification)

        return answer or DeliveryResult(outcome=Outcome.SENT)
