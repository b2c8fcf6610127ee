"""What the native API takes and gives. Times are UTC, RFC 3339."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints

from engine.core.incident import Decision, Incident, Status
from engine.core.reasons import Reason
from engine.ids import show_incident_id
from engine.ports import Summary

BY_MAX = 200


class Listed(StrEnum):
    """Which incidents to list; open ones are all but those that are resolved."""

    OPEN = "open"
    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    ALL = "all"

    @property
    def statuses(self) -> frozenset[Status]:
        """The statuses that this stands for."""
        match self:
            case Listed.OPEN:
                return frozenset(status for status in Status if status.is_open)
            case Listed.ALL:
                # What was removed is gone from lists.
                return frozenset(Status) - {Status.REMOVED}
            case _:
                return frozenset({Status(self.value)})


class IncidentSummary(BaseModel):
    """What a list shows of an incident."""

    id: str
    title: str
    status: Status
    integration: str
    alert_count: int
    firing_count: int
    opened_at: datetime
    acknowledged_by: str | None
    exhausted_at: datetime | None
    resolved_at: datetime | None

    @classmethod
    def of(cls, summary: Summary) -> Self:
        """Show a summary."""
        return cls(
            id=show_incident_id(summary.id),
            title=summary.title,
            status=summary.status,
            integration=summary.integration,
            alert_count=summary.alert_count,
            firing_count=summary.firing_count,
            opened_at=summary.opened_at,
            acknowledged_by=summary.acknowledged_by,
            exhausted_at=summary.exhausted_at,
            resolved_at=summary.resolved_at,
        )


class IncidentList(BaseModel):
    """
    Incidents, newest first to a hundredth of a second.

    Attributes:
        next: What to send as `before` for those that follow; None at the end.
    """

    incidents: list[IncidentSummary]
    next: str | None

    @classmethod
    def of(cls, summaries: Sequence[Summary], limit: int) -> Self:
        """Show at most `limit` summaries; one more means that others follow."""
        shown = [IncidentSummary.of(summary) for summary in summaries[:limit]]
        has_more = len(summaries) > limit

        return cls(incidents=shown, next=shown[-1].id if has_more else None)


class IncidentAnswer(BaseModel):
    """
    An incident.

    Attributes:
        policy: The policy it walks, as it was when the incident opened.
        metadata: The labels of its alerts, what was seen first comes first.
        next_due_at: When it moves by itself next; None if only others can move it.
    """

    id: str
    title: str
    status: Status
    integration: str
    dedup_key: str
    policy: str
    alert_count: int
    firing_count: int
    metadata: dict[str, list[str]]
    opened_at: datetime
    next_due_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    exhausted_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None

    @classmethod
    def of(cls, incident: Incident) -> Self:
        """Show an incident."""
        return cls.model_validate(_shown(incident))


class CommandAnswer(IncidentAnswer):
    """
    An incident after a command.

    Attributes:
        reason: What the command meant; sent again with its Idempotency-Key, what it
            meant the first time. `not_applicable` changed nothing: the incident says
            who has it.
    """

    reason: Reason

    @classmethod
    def after(cls, decision: Decision) -> Self:
        """Show what was decided of a command."""
        return cls.model_validate(
            {**_shown(decision.incident), "reason": decision.reason}
        )


class CommandBody(BaseModel):
    """
    Who gives a command.

    Attributes:
        by: A user's id or any name; the token's user, else its name, if left out.
    """

    model_config = ConfigDict(extra="forbid")

    by: (
        Annotated[
            str,
            StringConstraints(strip_whitespace=True, min_length=1, max_length=BY_MAX),
        ]
        | None
    ) = None


class TimelineEntry(BaseModel):
    """
    One thing that happened to an incident, and why it meant what it did.

    Attributes:
        number: Counts from 1.
        what: The event.
        reason: The word for what was decided of it, the same as in log and metrics.
        text: One sentence for people.
        fields: What else the event says; the names depend on `what`.
    """

    number: int
    at: datetime
    what: str
    reason: Reason
    text: str
    fields: dict[str, JsonValue]


class Timeline(BaseModel):
    """All that happened to an incident, oldest first."""

    incident_id: str
    entries: list[TimelineEntry]


def _shown(incident: Incident) -> dict[str, object]:
    return {
        "id": show_incident_id(incident.id),
        "title": incident.title,
        "status": incident.status,
        "integration": incident.integration,
        "dedup_key": incident.key,
        "policy": incident.snapshot.root,
        "alert_count": incident.alert_count,
        "firing_count": incident.firing_count,
        "metadata": {key: list(values) for key, values in incident.metadata.items()},
        "opened_at": incident.opened_at,
        "next_due_at": incident.next_due,
        "acknowledged_at": incident.acknowledged_at,
        "acknowledged_by": incident.acknowledged_by,
        "exhausted_at": incident.exhausted_at,
        "resolved_at": incident.resolved_at,
        "resolved_by": incident.resolved_by,
    }
