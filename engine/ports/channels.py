"""How people are reached."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from engine.core.events import Outcome
from engine.core.incident import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """
    What a channel needs to reach one person.

    Attributes:
        secrets: What the other side knows us by; for signatures, never sent.
        incident_url: Where the incident is shown, if others can reach us at all.
    """

    key: str
    incident_id: str
    title: str
    status: Status
    person: str
    name: str
    address: str = field(repr=False)
    attempt: int
    late_by_seconds: int = 0
    labels: dict[str, str] = field(default_factory=dict[str, str])
    secrets: tuple[str, ...] = field(default=(), repr=False)
    incident_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """
    What a channel says of one attempt.

    Attributes:
        is_final: Of a failure: it would fail again, so it is not tried again.
        is_repeatable: Of an unknown outcome: the other side knows the key, so a second
            try does no harm. Without it what may have arrived is not sent again.
        retry_after: How long the other side asks to be left alone.
    """

    outcome: Outcome
    detail: str = ""
    is_final: bool = False
    is_repeatable: bool = False
    retry_after: timedelta | None = None


class Channel(Protocol):
    """Reaches people."""

    async def send(self, notification: Notification) -> DeliveryResult:
        """
        Send one notification, with its key as the provider's idempotency key.

        Returns an outcome and does not raise for what the provider does.
        """
        ...
