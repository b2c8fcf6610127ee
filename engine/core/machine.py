"""
The escalation state machine.

Rule 1: everything that moves an incident is decided here, in walk.py or page.py.
Rule 2: nothing here does IO or asks for the time; `at` comes with the event.
Rule 3: an event that comes late, twice or out of order leaves the incident as it
is and says so in the reason. Nothing raises.
Rule 4: one event runs one timer, so that each move has its own reason.

The contract with the shell is the one of etcd's raft library: store the incident
of a `Decision` first, carry out its effects second.

                 Opened
                   |
                   v    Acknowledged
       +------> TRIGGERED ----------> ACKNOWLEDGED
       |           |  |                    |
       +-----------+  | Resolved,          | Resolved,
        WokeUp,       | AlertsReceived     | AlertsReceived
  TargetsResolved,    v                    |
  DeliveryReported  RESOLVED <-------------+
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from engine.core.alerts import Alert, AlertRecord, AlertStatus
from engine.core.events import (
    Acknowledged,
    AlertsReceived,
    Command,
    DeliveryReported,
    Event,
    Opened,
    Resolved,
    TargetsResolved,
    WokeUp,
)
from engine.core.incident import Decision, Incident, Page, Status, Walk
from engine.core.page import Call, report, run_page, start_pages, stop_pages
from engine.core.reasons import Reason
from engine.core.walk import advance_walk, find_walk, run_walk, start_walk, step_of
from engine.directory import ResolveWhen
from policies.policy import Snapshot
from policies.steps import NotifyStep

# A timer that runs this little late counts as on time: waits after it do not drift.
LATENESS_FORGIVEN = timedelta(seconds=2)
EXHAUST_AFTER = timedelta(minutes=5)
SEEN_MAX = 8
METADATA_KEYS_MAX = 64
METADATA_VALUES_MAX = 20


def open_incident(event: Opened, snapshot: Snapshot) -> Decision:
    """Open an incident and start its escalation at step 1."""
    unopened = Incident(
        id=event.incident_id,
        title=event.alert.title,
        key=event.key,
        integration=event.integration,
        team=event.team,
        resolve_when=event.resolve_when,
        snapshot=snapshot,
        opened_at=event.at,
        last_at=event.at,
    )
    joined, _ = _join(unopened, event.alert, event.at)
    opened = start_walk(joined, snapshot.root, event.at)
    reason = Reason.OPENED if opened.walks else Reason.COLLECTED_ONLY

    return Decision(incident=opened, reason=reason)


def decide(incident: Incident, event: Event) -> Decision:
    """
    Decide what an event means for an incident.

    Never raises for an event that comes late, twice or out of order: those leave
    the incident as it is and say so in the reason.
    """
    at = max(event.at, incident.last_at)
    decision = _decide(incident, event, at)
    if decision.incident is incident:
        return decision
    after = _watch_for_the_end(replace(decision.incident, last_at=at), at)

    return replace(decision, incident=after)


def runs_at(incident: Incident, now: datetime) -> datetime | None:
    """
    Tell as of when the next timer runs; None if none is due by now.

    One that is less than 2 s late runs as of its due time, a later one as of now
    (SEMANTICS 1).
    """
    due = incident.next_due
    if due is None or due > now:
        return None

    return due if now - due < LATENESS_FORGIVEN else now


def _decide(incident: Incident, event: Event, at: datetime) -> Decision:
    match event:
        case Opened():
            return Decision(incident=incident, reason=Reason.LATE)
        case Acknowledged() | Resolved():
            return _obey(incident, event, at)
        case AlertsReceived():
            return _receive(incident, event, at)
        case DeliveryReported():
            return report(incident, event, at)
        case WokeUp() | TargetsResolved() if incident.status is not Status.TRIGGERED:
            return Decision(incident=incident, reason=Reason.STALE)
        case WokeUp():
            return _run_timer(incident, at)
        case TargetsResolved():
            return _page(incident, event, at)


def _run_timer(incident: Incident, at: datetime) -> Decision:
    match _first_timer(incident, at):
        case None:
            return Decision(incident=incident, reason=Reason.STALE)
        case Walk() as walk:
            return run_walk(incident, walk, at)
        case Page() as page:
            return run_page(incident, page, at)
        case datetime():
            exhausted = replace(incident, exhausts_at=None, exhausted_at=at)
            return Decision(incident=exhausted, reason=Reason.EXHAUSTED)


def _first_timer(incident: Incident, at: datetime) -> Walk | Page | datetime | None:
    """Of what is due, the earliest; in one instant, the one created first."""
    timers: list[Walk | Page] = [*incident.walks, *incident.pages]
    due = [
        (timer.due, timer.order, timer)
        for timer in timers
        if timer.due and timer.due <= at
    ]
    if due:
        return min(due, key=lambda entry: entry[:2])[2]
    if incident.exhausts_at and incident.exhausts_at <= at:
        return incident.exhausts_at

    return None


def _page(incident: Incident, event: TargetsResolved, at: datetime) -> Decision:
    walk = find_walk(incident, event.walk, event.generation)
    if walk is None or walk.asked_at is None:
        return Decision(incident=incident, reason=Reason.STALE)
    step = step_of(incident, walk)
    assert isinstance(step, NotifyStep)
    onward = advance_walk(incident, walk, walk.asked_at)
    moved = next((w for w in onward.walks if w.id == walk.id), None)
    call = Call(
        name=f"{walk.id}.{walk.step}.{walk.round}.{incident.start}",
        urgency=step.urgency,
        step_due=walk.asked_at,
        next_step_due=moved.due if moved else None,
        caused_by_timer=walk.asked_at > incident.opened_at,
    )

    return start_pages(onward, event.responders, call, at)


def _obey(incident: Incident, command: Command, at: datetime) -> Decision:
    if command.id in incident.seen:
        return Decision(incident=incident, reason=Reason.REPEATED_COMMAND)
    match command:
        case Acknowledged(by=by):
            return _acknowledge(_see(incident, command.id), by, at)
        case Resolved(by=by) if incident.status is not Status.RESOLVED:
            return _resolve(_see(incident, command.id), Reason.RESOLVED, by, at)
        case Resolved():
            return Decision(incident=incident, reason=Reason.NOT_APPLICABLE)


def _acknowledge(incident: Incident, by: str, at: datetime) -> Decision:
    if incident.status is not Status.TRIGGERED:
        return Decision(incident=incident, reason=Reason.NOT_APPLICABLE)
    stopped = _stop(incident)
    acknowledged = replace(
        stopped.incident,
        status=Status.ACKNOWLEDGED,
        acknowledged_at=at,
        acknowledged_by=by,
    )

    return replace(stopped, incident=acknowledged, reason=Reason.ACKNOWLEDGED)


def _resolve(
    incident: Incident, reason: Reason, by: str | None, at: datetime
) -> Decision:
    stopped = _stop(incident)
    resolved = replace(
        stopped.incident, status=Status.RESOLVED, resolved_at=at, resolved_by=by
    )

    return replace(stopped, incident=resolved, reason=reason)


def _stop(incident: Incident) -> Decision:
    """Stop every walk and page: whatever they had asked for is stale."""
    stopped = stop_pages(incident)

    return replace(
        stopped, incident=replace(stopped.incident, walks=(), exhausts_at=None)
    )


def _receive(incident: Incident, event: AlertsReceived, at: datetime) -> Decision:
    if incident.status is Status.RESOLVED:
        return Decision(incident=incident, reason=Reason.LATE)
    reasons: set[Reason] = set()
    for alert in event.alerts:
        incident, reason = _join(incident, alert, at)
        reasons.add(reason)
    if Reason.ALERT_ENDED in reasons and _is_over(incident):
        return _resolve(incident, Reason.ALERTS_RESOLVED, None, at)
    for reason in (Reason.ALERT_JOINED, Reason.ALERT_ENDED):
        if reason in reasons:
            return Decision(incident=incident, reason=reason)

    return Decision(incident=incident, reason=Reason.ALERT_REPEATED)


def _join(incident: Incident, alert: Alert, at: datetime) -> tuple[Incident, Reason]:
    """Take one notice in, and tell what it was."""
    known = incident.alerts.get(alert.fingerprint)
    was_firing = known is not None and known.is_firing
    fires = alert.status is AlertStatus.FIRING
    if alert.id in incident.seen or (known and fires == was_firing):
        return incident, Reason.ALERT_REPEATED
    record = AlertRecord(
        status=alert.status, title=alert.title, starts_at=alert.starts_at, changed_at=at
    )
    joined = replace(
        _see(incident, alert.id),
        alerts={**incident.alerts, alert.fingerprint: record},
        alert_count=incident.alert_count + (known is None),
        firing_count=incident.firing_count + fires - was_firing,
        metadata=_merged(incident.metadata, alert.labels),
    )

    return joined, Reason.ALERT_JOINED if fires else Reason.ALERT_ENDED


def _is_over(incident: Incident) -> bool:
    match incident.resolve_when:
        case ResolveWhen.ALL:
            return incident.firing_count == 0
        case ResolveWhen.ANY:
            return True
        case ResolveWhen.NEVER:
            return False


def _merged(
    metadata: Mapping[str, tuple[str, ...]], labels: Mapping[str, str]
) -> Mapping[str, tuple[str, ...]]:
    """Add labels to metadata: a union, what was seen first stays first."""
    merged = dict(metadata)
    for key, value in labels.items():
        values = merged.get(key, ())
        has_room = len(values) < METADATA_VALUES_MAX and (
            values or len(merged) < METADATA_KEYS_MAX
        )
        if value not in values and has_room:
            merged[key] = (*values, value)

    return merged


def _see(incident: Incident, seen: str) -> Incident:
    return replace(incident, seen=(*incident.seen, seen)[-SEEN_MAX:])


def _watch_for_the_end(incident: Incident, at: datetime) -> Incident:
    """
    Set the time at which the incident counts as exhausted.

    That is when no walk is left and every page has sent its last rule, five
    minutes after the last notification, or at once if there never was one. A
    policy that cannot page ends quietly.
    """
    is_going_on = (
        incident.status is not Status.TRIGGERED
        or incident.walks
        or any(page.due for page in incident.pages)
    )
    if is_going_on or incident.exhausted_at:
        return replace(incident, exhausts_at=None) if incident.exhausts_at else incident
    root = incident.snapshot.policies[incident.snapshot.root]
    if incident.exhausts_at or not root.can_page:
        return incident
    last = incident.last_sent_at
    exhausts_at = max(at, last + EXHAUST_AFTER) if last else at

    return replace(incident, exhausts_at=exhausts_at)
