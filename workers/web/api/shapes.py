"""How incidents are shown. Times are UTC, RFC 3339."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, JsonValue

from engine.core.events import Kind
from engine.core.incident import Decision, Incident, Status
from engine.core.reasons import Reason
from engine.ids import show_incident_id
from engine.ports import Summary
from policies.metadata import Reference


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
    """
    What a list shows of an incident.

    Attributes:
        severity: The first one that its alerts had, as their sender spells it.
        policy: The policy that it started with.
        team: None is the default team.
    """

    id: str
    title: str
    status: Status
    severity: str
    integration: str
    policy: str
    team: str | None
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
            severity=summary.severity,
            integration=summary.integration,
            policy=summary.policy,
            team=summary.team,
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
        incidents: It may be fewer than asked for, or none, also where there are more.
        next: What to send as `before` for those that follow; None at the end.
    """

    incidents: list[IncidentSummary]
    next: str | None

    @classmethod
    def of(cls, summaries: Sequence[Summary], following: str | None) -> Self:
        """Show a part of a list."""
        return cls(
            incidents=[IncidentSummary.of(summary) for summary in summaries],
            next=show_incident_id(following) if following else None,
        )


class Links(BaseModel):
    """Where to read more; absolute if the installation knows its address."""

    self: str
    timeline: str
    history: str
    comments: str

    @classmethod
    def to(cls, shown_id: str, public_url: str | None) -> Self:
        """Return the links of an incident."""
        own = f"{(public_url or '').rstrip('/')}/v1/incidents/{shown_id}"

        return cls(
            self=own,
            timeline=f"{own}/timeline",
            history=f"{own}/history",
            comments=f"{own}/comments",
        )


class IncidentAnswer(BaseModel):
    """
    An incident.

    Attributes:
        kind: A `maintenance` is neither acknowledged nor reopened.
        severity: The first one that its alerts had, as their sender spells it.
        policy: The policy it walks, as it was when the incident opened.
        team: None is the default team.
        metadata: Texts by key: the labels of its alerts, what was seen first comes
            first, and what was set by hand.
        references: Objects that were set by hand, by key.
        next_due_at: When it moves by itself next; None if only others can move it.
        returns_at: When its acknowledgement or snooze ends by itself.
        snoozed_until: The same, of one that is snoozed; None also if it is for ever.
        parent: The incident it is a part of: it follows that one.
        children: The incidents that are parts of it.
    """

    id: str
    title: str
    kind: Kind
    status: Status
    severity: str
    integration: str
    dedup_key: str
    policy: str
    team: str | None
    alert_count: int
    firing_count: int
    metadata: dict[str, list[str]]
    references: dict[str, list[Reference]]
    opened_at: datetime
    next_due_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    snoozed_by: str | None
    snoozed_until: datetime | None
    returns_at: datetime | None
    exhausted_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    parent: str | None
    children: list[str]
    links: Links

    @classmethod
    def of(cls, incident: Incident, public_url: str | None = None) -> Self:
        """Show an incident."""
        return cls.model_validate(_shown(incident, public_url))


class CommandAnswer(IncidentAnswer):
    """
    An incident after a command.

    Attributes:
        reason: What the command meant; sent again with its Idempotency-Key, what it
            meant the first time. `not_applicable`, `nothing_left`, `late`,
            `is_attached` and `is_maintenance` changed nothing: the incident is shown
            as it is.
    """

    reason: Reason

    @classmethod
    def after(cls, decision: Decision, public_url: str | None = None) -> Self:
        """Show what was decided of a command."""
        shown = _shown(decision.incident, public_url)

        return cls.model_validate({**shown, "reason": decision.reason})


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


def _shown(incident: Incident, public_url: str | None) -> dict[str, object]:
    shown_id = show_incident_id(incident.id)
    is_snoozed = incident.status is Status.SNOOZED

    return {
        "id": shown_id,
        "title": incident.title,
        "kind": incident.kind,
        "status": incident.status,
        "severity": Summary.of(incident).severity,
        "integration": incident.integration,
        "dedup_key": incident.key,
        "policy": incident.snapshot.root,
        "team": incident.team,
        "alert_count": incident.alert_count,
        "firing_count": incident.firing_count,
        "metadata": {key: list(values) for key, values in incident.metadata.items()},
        "references": {key: list(of) for key, of in incident.references.items()},
        "opened_at": incident.opened_at,
        "next_due_at": incident.next_due,
        "acknowledged_at": incident.acknowledged_at,
        "acknowledged_by": incident.acknowledged_by,
        "snoozed_by": incident.snoozed_by,
        "snoozed_until": incident.returns_at if is_snoozed else None,
        "returns_at": incident.returns_at,
        "exhausted_at": incident.exhausted_at,
        "resolved_at": incident.resolved_at,
        "resolved_by": incident.resolved_by,
        "parent": show_incident_id(incident.parent) if incident.parent else None,
        "children": [show_incident_id(child) for child in incident.children],
        "links": Links.to(shown_id, public_url),
    }
