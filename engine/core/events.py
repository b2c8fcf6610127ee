"""
What can happen to an incident.

Every event carries the time it happened, in whole milliseconds, so the core
never asks for the time, and replaying the same events always gives the same
incident. What the outside world answered is in the event too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from engine.core.alerts import Alert
from engine.directory import ResolveWhen, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """
    The first firing alert of a dedup key came in.

    Attributes:
        team: The team it belongs to; None is the default team.
        snapshot: Hash of the policy snapshot it walks.
    """

    at: datetime
    incident_id: str
    key: str
    integration: str
    team: str | None = None
    snapshot: str
    resolve_when: ResolveWhen = ResolveWhen.ALL
    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsReceived:
    """
    Alerts of the incident's key came in, in this order.

    All that one claim found is one event. Beyond the first twenty only what
    decides is kept of an alert, its text is not.
    """

    at: datetime
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WokeUp:
    """
    Time has passed: the first timer due by `at` runs.

    It carries nothing else, so a late or doubled one does no harm.
    """

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """
    A person a target stands for, with the rules that a page of them will walk.

    Without rules the person cannot be reached. `why` says what put them there.
    """

    person: str
    why: str
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsResolved:
    """
    The on-call lookup told who is behind the targets of a notify step.

    Attributes:
        generation: That of the walk when it asked; an answer to an earlier
            question is stale.
        missing: The targets that stand for nobody, each with its cause.
        until: Up to when the same question gets this answer; None is unknown.
    """

    at: datetime
    walk: int
    generation: int
    responders: tuple[Responder, ...]
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    until: datetime | None = None


class Outcome(StrEnum):
    """What became of an attempt. A send that timed out is unknown, not failed."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReported:
    """A channel told what became of one notification of a page."""

    at: datetime
    page: str
    rule: int
    attempt: int
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Somebody took the incident. The id makes a repeated command harmless."""

    at: datetime
    id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Somebody closed the incident. The id makes a repeated command harmless."""

    at: datetime
    id: str
    by: str


Command = Acknowledged | Resolved
Event = (
    Opened
    | AlertsReceived
    | WokeUp
    | TargetsResolved
    | DeliveryReported
    | Acknowledged
    | Resolved
)
