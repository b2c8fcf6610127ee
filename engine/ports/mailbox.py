"""What comes in: alerts, and answers to what incidents asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from engine.core.alerts import Alert
from engine.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedAlert:
    """An alert whose incident is settled: the open one with this key."""

    alert: Alert
    integration: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedAcknowledgement:
    """
    A source says that somebody took what it alerts of: the open incident with this key.

    Attributes:
        id: The sender's delivery id, else minted with the request.
    """

    id: str
    integration: str
    key: str


Routed = RoutedAlert | RoutedAcknowledgement


class Posting(StrEnum):
    """What an append did with a notice."""

    JOINED = "joined"
    OPENED = "opened"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where a notice went; `incident_id` is None if it was late."""

    posting: Posting
    incident_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An event that answers what an incident asked for: a report, a look-up."""

    incident_id: str
    event: Event


class Mailbox(Protocol):
    """Takes in what happened to incidents, without deciding anything."""

    async def append(self, notices: Sequence[Routed]) -> Sequence[Receipt]:
        """
        Put each notice into the mailbox of the open incident with its key.

        When this returns, every one of them is stored and will be decided. If the
        key has no open incident, a firing alert claims it for a new one; a resolved
        alert, an acknowledgement, and a firing alert whose occurrence is known to be
        resolved, go to the list of late notices and no further. A request that failed
        halfway may be sent again: it joins what is there.

        Raises:
            StoreUnavailableError: If not all of it was written.
            OverloadedError: If a mailbox or the memory is full.
        """
        ...

    async def post(self, answers: Sequence[Answer]) -> None:
        """
        Put each answer into its incident's mailbox.

        Raises:
            StoreUnavailableError: If not all of it was written.
        """
        ...
