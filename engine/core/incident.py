"""
The state of one incident.

It holds everything that must outlive a process: what has been asked and not yet
answered, what is due and when. Queues only cache it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from engine.core.alerts import AlertRecord
from engine.core.effects import Effect
from engine.core.events import Kind, Responder
from engine.core.reasons import Reason
from engine.directory import ResolveWhen, Rule
from policies.metadata import Reference
from policies.policy import Snapshot
from policies.targets import AnyTarget


class Status(StrEnum):
    """Where the incident is in its life."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    REMOVED = "removed"

    @property
    def is_open(self) -> bool:
        """Whether alerts of its key still join it."""
        return self not in CLOSED


CLOSED = frozenset({Status.RESOLVED, Status.REMOVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRef:
    """A step of a policy, by its index."""

    policy: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """Pages of a notify step that may still reach somebody; none has so far."""

    step: StepRef
    round: int = 1
    pages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)  # no slots: changed often, see changing.py
class Walk:
    """
    A cursor moving through one policy.

    Attributes:
        step: Index of the step that runs next, or is waiting for its answer; behind
            the last one it waits to enter the fallback.
        generation: Rises with every move, so that an answer to an earlier
            question is recognised as stale.
        due: When it moves next; None while it is paused. While it asks, the
            deadline of the answer.
        order: Of several timers due in one instant the lower order runs first.
        left_at: When the step before ran: waits count from there.
        pause: How long it waits beside that, between two rounds or for the fallback.
        asked_at: When the step that waits for an answer ran; None if none does.
        recalls: How often its look-up met the deadline, and was asked for again.
        candidates: Whom the answer to a look-up named, while a turn is asked for.
        is_waited: Whether the step's own wait or window is what it waits for.
        entered: How many policies it has entered by branch or fallback.
        further: How many of the policy's further rounds it has begun.
        repeats: How often each repeat step sent it back, by the step's index.
        is_loud: Whether a policy that it left for its fallback could page.
        is_waiving: Whether nobody was reached, so that waits are waived.
        awaited: Notify steps of which it is not known yet whether they reach anybody.
        unreached: Notify steps of this round that reached nobody.
        has_reached: Whether any step of this round has reached somebody.
        late_by: How much later it goes than it should, for steps that ran late: keys
            are made of when a step should have run. Waits count from when it ran.
        round_late_by: What that was when the round began.
    """

    id: int
    policy: str
    step: int = 0
    round: int = 1
    round_began_at: datetime
    generation: int = 1
    due: datetime | None = None
    order: int
    left_at: datetime
    pause: timedelta = timedelta(0)
    asked_at: datetime | None = None
    recalls: int = 0
    candidates: tuple[Responder, ...] = ()
    is_waited: bool = False
    entered: int = 0
    further: int = 0
    repeats: Mapping[str, int] = field(default_factory=dict[str, int])
    is_loud: bool = False
    is_waiving: bool = False
    awaited: tuple[Awaited, ...] = ()
    unreached: tuple[StepRef, ...] = ()
    has_reached: bool = False
    late_by: timedelta = timedelta(0)
    round_late_by: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRound:
    """The last round of a walk that is over, while it may still have reached nobody."""

    walk: int
    awaited: tuple[Awaited, ...] = ()
    unreached: tuple[StepRef, ...] = ()


@dataclass(frozen=True, kw_only=True)  # no slots: changed often, see changing.py
class Page:
    """
    One responder being notified for one step, by their own rules.

    Attributes:
        id: Made of walk, step, round, start and person: the same after a crash.
        walk: The walk, or call, whose step it is.
        step_due: When its step should have run, however late it ran: it runs at another
            time if that is lost, under the same idempotency keys.
        rule: Index of the rule that goes out next.
        due: When that is; None when every rule has gone out.
        under_way: Indexes of rules that went out and were not reported on.
    """

    id: str
    walk: int
    person: str
    urgency: str
    rules: tuple[Rule, ...]
    step_due: datetime
    started_at: datetime
    rule: int = 0
    due: datetime | None = None
    order: int
    under_way: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """
    A look-up outside of any walk: somebody asked for it, or nobody was reached.

    Attributes:
        due: The deadline of its answer; or, of one that looks again, when it asks.
        asked_at: When it asked; None while it waits for its time.
        recalls: As of a walk.
        step: The step it looks up again; None for what somebody asked for.
        late_by: How much later it asked than it should have.
    """

    id: int
    generation: int = 1
    due: datetime
    order: int
    asked_at: datetime | None = None
    recalls: int = 0
    targets: tuple[AnyTarget, ...] = ()
    urgency: str
    channels: tuple[str, ...] = ()
    step: StepRef | None = None
    late_by: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """
    Instructions that were posted.

    Attributes:
        id: The comment's.
        source: What it was made of, shortened: the same is not posted again.
        text: As it is now, with its boxes.
        due: When it is posted again; None: never.
    """

    id: str
    source: str
    text: str
    every: timedelta | None = None
    due: datetime | None = None
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """
    A start at step 1 that waits for a fresh snapshot.

    Attributes:
        due: When it starts with the old one.
        at: When whatever caused it happened.
        late_by: How much later than it should have.
    """

    generation: int
    due: datetime
    order: int
    at: datetime
    late_by: timedelta = timedelta(0)


@dataclass(frozen=True, kw_only=True)  # no slots: changed often, see changing.py
class Incident:
    """
    One incident and how far its escalation has come.

    Attributes:
        start: Counts the starts at step 1; part of every page's id.
        snapshot: The policies as they were when it opened, or started again.
        main: The walk that began with the start; None if it is over.
        metadata: Texts by key; the labels of its alerts, first seen first.
        references: Objects by key.
        pinned: Keys that somebody has set: labels no longer change them.
        alerts: By fingerprint, those that this decision needs to know. The
            totals are in `alert_count` and `firing_count`.
        notices: Times of the last firing notices, if a volume gate may ask.
        last_at: The time of the last event: time never runs backwards here.
        last_order: The last order given to a timer.
        last_sent_at: When the last notification was asked for.
        paged_at: When pages were started last, and for whom in that instant.
        acknowledged_for: How long an acknowledgement lasts; None: for good.
        returns_at: When an acknowledgement or a snooze ends by itself.
        parent: The incident it is a part of; children follow it.
        has_reached: Whether anybody was reached since the last start.
        has_run_out: Whether a walk of this start has come to its end unanswered.
        exhausts_at: When it will be declared exhausted, if nobody takes it.
        started_again_at: When an alert last restarted it, exhausted as it was.
        seen: Ids of the last commands and alerts; a known one changes nothing.
    """

    id: str
    title: str
    kind: Kind = Kind.INCIDENT
    status: Status = Status.TRIGGERED
    key: str
    integration: str
    team: str | None = None
    resolve_when: ResolveWhen = ResolveWhen.ALL
    snapshot: Snapshot
    start: int = 1
    main: int | None = None
    walks: tuple[Walk, ...] = ()
    pages: tuple[Page, ...] = ()
    last_rounds: tuple[LastRound, ...] = ()
    calls: tuple[Call, ...] = ()
    checklists: tuple[Checklist, ...] = ()
    restart: Restart | None = None
    metadata: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    references: Mapping[str, tuple[Reference, ...]] = field(
        default_factory=dict[str, tuple[Reference, ...]]
    )
    pinned: tuple[str, ...] = ()
    alerts: Mapping[str, AlertRecord] = field(default_factory=dict[str, AlertRecord])
    alert_count: int = 0
    firing_count: int = 0
    notices: tuple[datetime, ...] = ()
    opened_at: datetime
    last_at: datetime
    last_order: int = 0
    last_sent_at: datetime | None = None
    paged_at: datetime | None = None
    paged: tuple[str, ...] = ()
    acknowledged_for: timedelta | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    snoozed_by: str | None = None
    returns_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    parent: str | None = None
    children: tuple[str, ...] = ()
    has_reached: bool = False
    has_run_out: bool = False
    exhausts_at: datetime | None = None
    exhausted_at: datetime | None = None
    started_again_at: datetime | None = None
    seen: tuple[str, ...] = ()

    @property
    def next_due(self) -> datetime | None:
        """When the incident moves by itself next; None if only others can move it."""
        first = self.restart.due if self.restart else None
        for due in (self.exhausts_at, self.returns_at):
            if due is not None and (first is None or due < first):
                first = due
        timers: tuple[Walk | Page | Call | Checklist, ...]
        timers = (*self.walks, *self.pages, *self.calls, *self.checklists)
        for timer in timers:
            due = timer.due
            if due is not None and (first is None or due < first):
                first = due

        return first


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

    def then(self, incident: Incident, *effects: Effect) -> "Decision":
        """Return this decision with another incident, and more to do."""
        if incident is self.incident and not effects:
            return self
        return Decision(
            incident=incident,
            effects=(*self.effects, *effects),
            reason=self.reason,
            holds_until=self.holds_until,
        )
