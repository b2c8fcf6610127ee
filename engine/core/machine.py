"""
The escalation state machine.

Rule 1: everything that moves an incident is decided in this package, from here.
Rule 2: nothing here does IO or asks for the time; `at` comes with the event.
Rule 3: an event that comes late, twice or out of order leaves the incident as it
is and says so in the reason. Nothing raises.
Rule 4: one event runs one timer, so that each move has its own reason.

The contract with the shell is the one of etcd's raft library: store the incident
of a `Decision` first, carry out its effects second.

    triggered -> acknowledged   Acknowledged, ParentMoved
    triggered -> snoozed        Snoozed
    triggered -> resolved       Resolved, AlertsReceived, ParentMoved, WokeUp
    triggered -> removed        Removed, WokeUp
    acknowledged -> triggered   Unacknowledged, Escalated, Reassigned, Detached, WokeUp
    acknowledged -> snoozed     Snoozed
    acknowledged -> resolved    Resolved, AlertsReceived, ParentMoved
    acknowledged -> removed     Removed
    snoozed -> triggered        Unsnoozed, Escalated, Reassigned, Detached, WokeUp
    snoozed -> acknowledged     Acknowledged, ParentMoved
    snoozed -> resolved         Resolved, AlertsReceived, ParentMoved
    snoozed -> removed          Removed
    resolved -> triggered       Reopened
    resolved -> removed         Removed
"""

from datetime import datetime, timedelta

from engine.core.answering import (
    give_up,
    give_up_call,
    name_policy,
    resolve_targets,
    take_turn,
)
from engine.core.asking import ask_for_call
from engine.core.changing import changed
from engine.core.checklists import remind
from engine.core.effects import Notice, Publish
from engine.core.events import (
    AlertsReceived,
    DeliveryReported,
    Event,
    Opened,
    Outcome,
    PolicyNamed,
    SnapshotTaken,
    TargetsResolved,
    TurnTaken,
    WokeUp,
)
from engine.core.incident import (
    Call,
    Checklist,
    Decision,
    Incident,
    Page,
    Restart,
    Status,
    Walk,
)
from engine.core.lifecycle import obey
from engine.core.nobody import look_again, note_page_failed, note_reached
from engine.core.page import is_again, note_failure, note_success, page_of, run_page
from engine.core.reasons import Reason
from engine.core.receiving import join, receive
from engine.core.running import TELL_PAGE, WEBHOOK_PAGE, run_fallback, run_step
from engine.core.starting import begin_again, go_on, go_on_without
from engine.core.walk import (
    next_clock_due,
    note_lateness,
    start_main_walk,
    start_walk,
    step_of,
    walk_of,
)
from policies.policy import Snapshot

# A timer that runs this little late counts as on time: waits after it do not drift.
LATENESS_FORGIVEN = timedelta(seconds=2)
EXHAUST_AFTER = timedelta(minutes=5)
WEBHOOK_REASONS = {
    Outcome.SENT: Reason.WEBHOOK_ANSWERED,
    Outcome.FAILED: Reason.WEBHOOK_FAILED,
    Outcome.UNKNOWN: Reason.DELIVERY_UNKNOWN,
}

Timer = Walk | Page | Call | Checklist | Restart


def open_incident(event: Opened, snapshot: Snapshot) -> Decision:
    """Open an incident and start its escalation at step 1."""
    unopened = Incident(
        id=event.incident_id,
        title=event.title or (event.alert.title if event.alert else event.key),
        kind=event.kind,
        key=event.key,
        integration=event.integration,
        team=event.team,
        resolve_when=event.resolve_when,
        snapshot=snapshot,
        metadata=event.metadata,
        references=event.references,
        pinned=tuple({**event.metadata, **event.references}),
        acknowledged_for=event.acknowledged_for,
        opened_at=event.at,
        last_at=event.at,
    )
    joined = join(unopened, event.alert, event.at)[0] if event.alert else unopened
    opened = start_main_walk(joined, event.at)
    reason = Reason.FIRED_AFTER_RESOLVE if event.after else Reason.OPENED

    return Decision(
        incident=opened, reason=reason if opened.walks else Reason.COLLECTED_ONLY
    )


def decide(
    incident: Incident, event: Event, snapshot: Snapshot | None = None
) -> Decision:
    """
    Decide what an event means for an incident.

    Never raises for an event that comes late, twice or out of order: those leave
    the incident as it is and say so in the reason.

    Args:
        incident: As it is.
        event: What happened.
        snapshot: The one whose hash the event names, if it names one.
    """
    at = max(event.at, incident.last_at)
    decision = _decide(incident, event, snapshot, at)
    if decision.incident is incident:
        return decision
    decided = decision.incident
    if decided.last_at != at:
        decided = changed(decided, last_at=at)

    return decision.then(_watch_for_the_end(decided, at))


def as_of(due: datetime | None, now: datetime) -> datetime | None:
    """
    Tell as of when a timer runs that is due at a time; None if it is not due by now.

    One that is less than 2 s late runs as of its due time, a later one as of now
    (SEMANTICS 1).
    """
    if due is None or due > now:
        return None

    return due if now - due < LATENESS_FORGIVEN else now


def _decide(  # noqa: C901 - one arm for each event
    incident: Incident, event: Event, snapshot: Snapshot | None, at: datetime
) -> Decision:
    match event:
        case Opened():
            return Decision(incident=incident, reason=Reason.LATE)
        case AlertsReceived():
            return receive(incident, event, at)
        case DeliveryReported():
            return _report(incident, event, at)
        case WokeUp():
            return _run_timer(incident, at)
        case TargetsResolved():
            return resolve_targets(incident, event, snapshot, at)
        case TurnTaken():
            return take_turn(incident, event, at)
        case PolicyNamed():
            return name_policy(incident, event, snapshot)
        case SnapshotTaken():
            return go_on(incident, event, snapshot)
        case _:
            return obey(incident, event, snapshot, at)


def _run_timer(incident: Incident, at: datetime) -> Decision:
    timer = _first_timer(incident, at)
    match timer:
        case None:
            return _run_clock(incident, at)
        case Walk():
            return _run_walk(incident, timer, at)
        case Page():
            started = run_page(incident, timer, at)
            return Decision(
                incident=started.incident,
                effects=started.effects,
                reason=Reason.RULE_DUE,
            )
        case Call(asked_at=None):
            asked, question = ask_for_call(incident, timer, at)
            return Decision(
                incident=asked, effects=(question,), reason=Reason.LOOKED_AGAIN
            )
        case Call():
            return give_up_call(incident, timer, at)
        case Checklist():
            reminded, effects = remind(incident, timer, at)
            return Decision(incident=reminded, effects=effects, reason=Reason.REMINDED)
        case Restart():
            return go_on_without(incident, at)


def _first_timer(incident: Incident, at: datetime) -> Timer | None:
    """Of what is due, the earliest; in one instant, the one created first."""
    timers: list[Timer] = [
        *incident.walks,
        *incident.pages,
        *incident.calls,
        *incident.checklists,
        *([incident.restart] if incident.restart else []),
    ]
    due = [timer for timer in timers if timer.due and timer.due <= at]

    return min(due, key=lambda timer: (timer.due, timer.order), default=None)


def _run_clock(incident: Incident, at: datetime) -> Decision:
    """Run what the incident as a whole waits for."""
    if incident.returns_at and incident.returns_at <= at:
        is_snoozed = incident.status is Status.SNOOZED
        reason = Reason.SNOOZE_OVER if is_snoozed else Reason.ACKNOWLEDGEMENT_TIMED_OUT
        return begin_again(incident, reason, at, at - incident.returns_at)
    if incident.exhausts_at and incident.exhausts_at <= at:
        return _exhaust(incident, at)

    return Decision(incident=incident, reason=Reason.STALE)


def _exhaust(incident: Incident, at: datetime) -> Decision:
    """Say that nobody took it, and start the installation's catch-all policy."""
    assert incident.exhausts_at is not None
    late_by = at - incident.exhausts_at
    exhausted = changed(incident, exhausts_at=None, exhausted_at=at)
    catch_all = incident.snapshot.catch_all
    if catch_all is not None and catch_all != incident.snapshot.root:
        exhausted = start_walk(exhausted, catch_all, at, late_by=late_by).incident

    return Decision(
        incident=exhausted,
        effects=(Publish(notice=Notice.EXHAUSTED),),
        reason=Reason.EXHAUSTED,
    )


def _run_walk(incident: Incident, walk: Walk, at: datetime) -> Decision:
    """Run the step that a walk has come to, or go on without its answer."""
    decision = _run(incident, walk, at)
    moved = walk_of(decision.incident, walk.id)
    clock = next_clock_due(decision.incident, moved) if moved else None
    holds_until = decision.holds_until
    if clock is None or (holds_until is not None and holds_until <= clock):
        return decision

    return changed(decision, holds_until=clock)


def _run(incident: Incident, walk: Walk, at: datetime) -> Decision:
    if walk.asked_at is not None:
        return give_up(incident, walk, at)
    step = step_of(incident, walk)
    incident, walk = note_lateness(incident, walk, at)

    if step is None:
        return run_fallback(incident, walk, at)
    return run_step(incident, walk, step, at)


def _report(incident: Incident, event: DeliveryReported, at: datetime) -> Decision:
    """Note what became of a notification; after a failure the next rule is due."""
    has_failed = event.outcome is Outcome.FAILED
    if event.page.startswith(WEBHOOK_PAGE):
        return Decision(incident=incident, reason=WEBHOOK_REASONS[event.outcome])
    if event.page.startswith(TELL_PAGE):
        return Decision(incident=incident, reason=Reason.STALE)
    page = page_of(incident, event.page)
    if page is None or event.rule not in page.under_way:
        return Decision(incident=incident, reason=Reason.LATE)
    if not has_failed:
        reached = note_reached(note_success(incident, page, event.rule), page.id)
        is_sure = event.outcome is Outcome.SENT
        reason = Reason.DELIVERED if is_sure else Reason.DELIVERY_UNKNOWN
        return Decision(incident=reached, reason=reason)
    failed = note_failure(incident, page, event.rule, at)
    if page_of(failed, page.id) is not None:
        return Decision(incident=failed, reason=Reason.METHOD_FAILED)
    noted, effects = note_page_failed(failed, page.id, at)

    return Decision(incident=noted, effects=effects, reason=Reason.METHOD_FAILED)


def _watch_for_the_end(incident: Incident, at: datetime) -> Incident:
    """
    Set the time at which the incident counts as exhausted.

    That is when no walk is left that could go on and every page has sent its last
    rule, five minutes after the last notification; at once if nobody was reached.
    What reached nobody is looked up again meanwhile, and afterwards.
    """
    if incident.last_rounds and incident.status is Status.TRIGGERED:
        incident = look_again(incident, at)
    is_going_on = (
        incident.status is not Status.TRIGGERED
        or not incident.has_run_out
        or incident.walks
        or incident.restart
        or any(page.due and not is_again(incident, page) for page in incident.pages)
        or any(call.step is None for call in incident.calls)
    )
    if is_going_on or incident.exhausted_at:
        return changed(incident, exhausts_at=None) if incident.exhausts_at else incident
    may_answer = incident.has_reached or incident.pages
    last = incident.last_sent_at if may_answer else None
    earliest = last + EXHAUST_AFTER if last else at
    if incident.exhausts_at and last and incident.exhausts_at >= earliest:
        return incident

    return changed(incident, exhausts_at=max(at, earliest))
