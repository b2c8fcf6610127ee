"""
The state of one incident.

It holds everything that must outlive a process: what has been asked and not yet
answered, what is due and when. Queues only cache it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from engine.core.alerts import AlertRecord
from engine.core.effects import Effect
from engine.core.reasons import Reason
from engine.directory import ResolveWhen, Rule
from policies.policy import Snapshot


class Status(StrEnum):
    """Where the incident is in its life."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """
    A cursor moving through one policy.

    Attributes:
        step: Index of the step that runs next, or is waiting for its answer.
        generation: Rises with every move, so that an answer to an earlier
            question is recognised as stale.
        due: When it moves next. While it asks, the deadline of the answer.
        order: Of several timers due in one instant the lower order runs first.
        asked_at: When the step that waits for an answer ran; None if none does.
    """

    id: int
    policy: str
    step: int = 0
    round: int = 1
    round_began_at: datetime
    generation: int = 1
    due: datetime
    order: int
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """
    One person being notified for one step, by their own rules.

    Attributes:
        id: Made of walk, step, round, start and person: the same after a crash.
        step_due: When its step was due; part of every idempotency key.
        rule: Index of the rule that goes out next.
        due: When that is; None when every rule has gone out.
        under_way: Indexes of rules that went out and were not reported on.
    """

    id: str
    person: str
    urgency: str
    rules: tuple[Rule, ...]
    step_due: datetime
    started_at: datetime
    rule: int = 0
    due: datetime | None = None
    order: int
    under_way: tuple[int, ...] = ()
    reached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """
    One incident and how far its escalation has come.

    Attributes:
        start: Counts the starts at step 1; part of every page's id.
        snapshot: The policies as they were when it opened.
        metadata: Values by key; the labels of its alerts, first seen first.
        alerts: By fingerprint, those that this decision needs to know. The
            totals are in `alert_count` and `firing_count`.
        last_at: The time of the last event: time never runs backwards here.
        last_order: The last order given to a timer.
        last_sent_at: When the last notification was asked for.
        exhausts_at: When it will be declared exhausted, if nobody takes it.
        seen: Ids of the last commands and alerts; a known one changes nothing.
    """

    id: str
    title: str
    status: Status = Status.TRIGGERED
    key: str
    integration: str
    team: str | None = None
    resolve_when: ResolveWhen = ResolveWhen.ALL
    snapshot: Snapshot
    start: int = 1
    walks: tuple[Walk, ...] = ()
    pages: tuple[Page, ...] = ()
    metadata: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    alerts: Mapping[str, AlertRecord] = field(default_factory=dict[str, AlertRecord])
    alert_count: int = 0
    firing_count: int = 0
    opened_at: datetime
    last_at: datetime
    last_order: int = 0
    last_sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    exhausts_at: datetime | None = None
    exhausted_at: datetime | None = None
    seen: tuple[str, ...] = ()

    @property
    def next_due(self) -> datetime | None:
        """When the incident moves by itself next; None if only others can move it."""
        dues = [walk.due for walk in self.walks]
        dues += [page.due for page in self.pages if page.due]
        dues += [self.exhausts_at] if self.exhausts_at else []

        return min(dues, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """
    The next incident, what to do about it, and why.

    Store the incident first, carry out the effects second.

    Attributes:
        holds_until: Up to when an event like this one, coming later, would be
            decided alike; None where the clock on the wall played no part.
    """

    incident: Incident
    effects: tuple[Effect, ...] = ()
    reason: Reason
    holds_until: datetime | None = None
