"""
What can happen to an incident.

Every event carries the time it happened, in whole milliseconds, so the core
never asks for the time, and replaying the same events always gives the same
incident. What the outside world answered is in the event too. A snapshot is named by
its hash; whoever decides hands the snapshot itself along.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from engine.core.alerts import Alert
from engine.core.effects import Following
from engine.directory import ResolveWhen, Rule
from policies.metadata import Reference
from policies.targets import AnyTarget


class Kind(StrEnum):
    """What sort of incident it is."""

    INCIDENT = "incident"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """
    The first firing alert of a dedup key came in, or somebody opened one by hand.

    Attributes:
        team: The team it belongs to; None is the default team.
        snapshot: Hash of the policy snapshot it walks.
        acknowledged_for: How long an acknowledgement lasts; None: for good.
        alert: None for one that was opened by hand; then there is a title.
        after: The incident that somebody resolved while this one's alert went on.
        route: The matchers of the route that the alert took; empty: that of the rest.
    """

    at: datetime
    incident_id: str
    kind: Kind = Kind.INCIDENT
    key: str
    integration: str
    team: str | None = None
    snapshot: str
    resolve_when: ResolveWhen = ResolveWhen.ALL
    acknowledged_for: timedelta | None = None
    alert: Alert | None = None
    title: str = ""
    metadata: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    references: Mapping[str, tuple[Reference, ...]] = field(
        default_factory=dict[str, tuple[Reference, ...]]
    )
    after: str | None = None
    route: str = ""


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
    A person, or a channel, that a target stands for, and how a page reaches them.

    Without rules they cannot be reached.

    Attributes:
        person: A user's id, or `channel:` and the id of a channel.
        target: The target that stands for them.
        why: What put them there: a rotation, an override.
    """

    person: str
    target: str
    why: str = ""
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsResolved:
    """
    The on-call look-up told who is behind the targets of a notify step.

    Attributes:
        generation: That of the walk when it asked; an answer to an earlier
            question is stale.
        missing: The targets that stand for nobody, each with its cause.
        order: The targets that can be reached, in the order of turns.
        policies: Policies that metadata named as targets.
        snapshot: Hash of the snapshot that has them, if there are any.
        until: Up to when the same question gets this answer; None is unknown.
        owed_since: Since when the step was due, if it was so late when it asked that it
            was decided as of then; the shell notes it.
    """

    at: datetime
    walk: int
    generation: int
    responders: tuple[Responder, ...]
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    order: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    snapshot: str | None = None
    until: datetime | None = None
    owed_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyNamed:
    """It was told which policy metadata names; None if that is not one."""

    at: datetime
    walk: int
    generation: int
    policy: str | None
    snapshot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaken:
    """It was told whose turn it is; `why` says so if that was a guess."""

    at: datetime
    walk: int
    generation: int
    target: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotTaken:
    """The policies as they are now; None: the root is gone, the old ones go on."""

    at: datetime
    generation: int
    snapshot: str | None


class Outcome(StrEnum):
    """What became of an attempt. A send that timed out is unknown, not failed."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReported:
    """
    A channel told what became of one notification of a page.

    Attributes:
        person: Whom it was for, and by which channel: for whoever reads the history.
    """

    at: datetime
    page: str
    rule: int
    person: str = ""
    channel: str = ""
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
class Unacknowledged:
    """Whoever had taken it gives it back."""

    at: datetime
    id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Somebody closed the incident. The id makes a repeated command harmless."""

    at: datetime
    id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened:
    """Somebody says that it is not over."""

    at: datetime
    id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snoozed:
    """Somebody wants no pages until then; None: for ever."""

    at: datetime
    id: str
    by: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsnoozed:
    """Somebody ends the snooze."""

    at: datetime
    id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalated:
    """
    Somebody does not want to wait.

    Without more, the main walk's wait, gate or pause ends and its next step runs.

    Attributes:
        step: Or the main walk goes on at this step, by its index.
        targets: Or these are paged, or these policies started, beside it.
        urgency: How they are paged.
        channels: Exactly these channels, in place of the urgency's.
        snapshot: Hash of the snapshot that has the policies, if there are any.
    """

    at: datetime
    id: str
    by: str
    step: int | None = None
    targets: tuple[AnyTarget, ...] = ()
    urgency: str = "high"
    channels: tuple[str, ...] = ()
    snapshot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassigned:
    """Somebody hands it to somebody else."""

    at: datetime
    id: str
    by: str
    to: str
    urgency: str = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Somebody made it a part of another incident."""

    at: datetime
    id: str
    by: str
    parent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached:
    """Somebody made it stand alone again."""

    at: datetime
    id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildAttached:
    """Another incident became a part of this one."""

    at: datetime
    id: str
    child: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildDetached:
    """Another incident is no longer a part of this one."""

    at: datetime
    id: str
    child: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentMoved:
    """
    The incident that this one is a part of was acknowledged or resolved.

    Attributes:
        parent: Which one that is: word of another one changes nothing.
    """

    at: datetime
    id: str
    what: Following
    by: str
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Somebody removed the incident."""

    at: datetime
    id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataSet:
    """Somebody set the values of a key; none of either kind removes the key."""

    at: datetime
    id: str
    by: str
    key: str
    texts: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commented:
    """Somebody wrote something."""

    at: datetime
    id: str
    by: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentEdited:
    """
    Somebody changed the text of a comment, or ticked boxes in it.

    Attributes:
        text: The new text; empty: as it is, but for the boxes.
        ticked: Boxes to be ticked, by their numbers from 1. Two people who tick at the
            same time each tick their own.
        unticked: Boxes to be left open.
    """

    at: datetime
    id: str
    by: str
    comment: str
    text: str = ""
    ticked: tuple[int, ...] = ()
    unticked: tuple[int, ...] = ()


Command = (
    Acknowledged
    | Unacknowledged
    | Resolved
    | Reopened
    | Snoozed
    | Unsnoozed
    | Escalated
    | Reassigned
    | Attached
    | Detached
    | ChildAttached
    | ChildDetached
    | ParentMoved
    | Removed
    | MetadataSet
    | Commented
    | CommentEdited
)
Answer = TargetsResolved | PolicyNamed | TurnTaken | SnapshotTaken
Event = Opened | AlertsReceived | WokeUp | Answer | DeliveryReported | Command
