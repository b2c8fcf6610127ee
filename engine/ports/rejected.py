"""What senders sent and nobody could take: kept, so that it can be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedEvent:
    """
    A request to an ingest address that was answered 4xx.

    Attributes:
        source: The kind of sender that the address is for; empty if it is for none.
        integration: Whose key it had; None: nobody's.
        reason: The code of the problem that was answered.
        detail: What was wrong, and what to do about it.
        size: Of its body in bytes, as far as that is known.
        body: The beginning of its body, without its secrets.
    """

    at: datetime
    source: str
    integration: str | None
    reason: str
    detail: str
    size: int
    body: str = ""


class RejectedEvents(Protocol):
    """Keeps the last hundred of each integration, and of those without one, 30 days."""

    async def keep(self, event: RejectedEvent) -> None:
        """
        Keep one; the oldest beyond a hundred goes.

        Raises:
            StoreUnavailableError: If it is not known to be kept. Nobody need repeat it.
        """
        ...

    async def latest(
        self, integrations: Sequence[str | None], limit: int
    ) -> Sequence[RejectedEvent]:
        """
        Return what is kept of these integrations, the newest first, at most so many.

        One that cannot be read is left out.

        Args:
            integrations: By id; None stands for what had nobody's key.
            limit: How many.

        Raises:
            StoreUnavailableError: If the store cannot be reached.
        """
        ...
