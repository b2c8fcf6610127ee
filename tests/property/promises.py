"""What holds of every decision, whatever the incident and the event."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from engine.codec import (
    decode_entry,
    decode_incident,
    encode_entry,
    encode_incident,
)
from engine.core.effects import Comment, Send
from engine.core.events import AlertsReceived, Event, WokeUp
from engine.core.incident import Decision, Incident, Page, Status, Walk
from engine.core.machine import decide
from engine.core.reasons import Reason
from engine.core.walk import ENTERED_MAX, ROUND_LASTS_AT_LEAST, WALKS_MAX
from engine.ports import Entry
from policies.localtime import next_clock_time, zone_of
from policies.policy import Snapshot
from policies.steps import TimeGateStep

EXHAUSTED_AFTER = timedelta(minutes=5)
CHANGED_NOTHING = frozenset(
    {
        Reason.REPEATED_COMMAND,
        Reason.NOT_APPLICABLE,
        Reason.NOTHING_LEFT,
        Reason.IS_ATTACHED,
        Reason.IS_MAINTENANCE,
        Reason.LATE,
        Reason.STALE,
    }
)
AFTER_RESOLVED = frozenset(
    {
        Reason.REOPENED,
        Reason.REMOVED,
        Reason.COMMENTED,
        Reason.BOX_TICKED,
        Reason.METADATA_SET,
        Reason.ATTACHED,
        Reason.DETACHED,
    }
)


def keep(
    before: Incident, event: Event, snapshot: Snapshot | None, decision: Decision
) -> None:
    """See every promise kept that one decision can break."""
    _keep_what_is_over(before, decision)
    _change_nothing_late(before, event, decision)
    _never_go_back(before, decision.incident)
    _page_only_while_triggered(decision)
    _rest_while_attached(decision.incident)
    _stay_within_bounds(before, event, decision.incident)
    _keep_order(decision.incident)
    _count_alerts(decision.incident)
    _exhaust_late_enough(before, decision)
    _record_what_changes(before, decision)
    _postpone_nothing(before, decision)
    _outlive_the_process(before, event, snapshot, decision)


def _keep_what_is_over(before: Incident, decision: Decision) -> None:
    """Resolved changes by few things, removed by none."""
    if before.status is Status.REMOVED:
        assert before is decision.incident
        assert () == decision.effects
    if before.status is Status.RESOLVED and decision.incident is not before:
        assert decision.reason in AFTER_RESOLVED


def _change_nothing_late(before: Incident, event: Event, decision: Decision) -> None:
    """What comes late, twice or out of place leaves the very same incident."""
    if decision.reason not in CHANGED_NOTHING:
        return
    if isinstance(event, AlertsReceived) and before.status.is_open:
        return

    assert before is decision.incident, decision.reason
    assert () == decision.effects


def _never_go_back(before: Incident, after: Incident) -> None:
    """Neither time nor any count runs backwards."""
    assert before.last_at <= after.last_at
    assert before.last_order <= after.last_order
    assert before.start <= after.start
    assert before.alert_count <= after.alert_count


def _page_only_while_triggered(decision: Decision) -> None:
    """Nothing but a triggered incident walks, pages or asks to send."""
    incident = decision.incident
    if incident.status is Status.TRIGGERED:
        assert incident.resolved_at is None
        return

    assert () == incident.walks
    assert () == incident.pages
    assert () == incident.calls
    assert () == incident.last_rounds
    assert incident.restart is None
    assert incident.exhausts_at is None
    assert [] == [effect for effect in decision.effects if isinstance(effect, Send)]


def _rest_while_attached(incident: Incident) -> None:
    """An incident that is a part of another one does nothing by itself."""
    if incident.parent is None:
        return

    assert () == incident.walks
    assert () == incident.pages
    assert () == incident.calls
    assert incident.restart is None


def _stay_within_bounds(before: Incident, event: Event, after: Incident) -> None:
    """There are only so many walks and policies, and rounds take their time."""
    assert len(after.walks) <= WALKS_MAX
    for walk in after.walks:
        assert walk.entered <= ENTERED_MAX
        assert walk.policy in after.snapshot.policies
        old = _walk(before, walk.id)
        is_same = old is not None and old.entered == walk.entered
        if isinstance(event, WokeUp) and is_same and old and walk.round > old.round:
            least = old.round_began_at + ROUND_LASTS_AT_LEAST
            assert least <= walk.round_began_at
            assert walk.due is None or least <= walk.due


def _keep_order(incident: Incident) -> None:
    """No two timers have one order, no two walks or calls one name."""
    orders = [walk.order for walk in incident.walks]
    orders += [page.order for page in incident.pages]
    orders += [call.order for call in incident.calls]
    orders += [checklist.order for checklist in incident.checklists]
    orders += [incident.restart.order] if incident.restart else []
    named = [walk.id for walk in incident.walks] + [call.id for call in incident.calls]

    assert len(orders) == len(set(orders))
    assert len(named) == len(set(named))
    assert max(orders, default=0) <= incident.last_order


def _count_alerts(incident: Incident) -> None:
    """The counts of alerts are those of the alerts."""
    assert len(incident.alerts) == incident.alert_count
    firing = [record for record in incident.alerts.values() if record.is_firing]
    assert len(firing) == incident.firing_count


def see_gate_open(before: Incident, event: Event, decision: Decision) -> None:
    """A time gate is passed by itself only where its window has opened."""
    if decision.reason is not Reason.GATE_PASSED or not isinstance(event, WokeUp):
        return
    for walk in before.walks:
        step = _step(before, walk)
        has_moved = _walk(decision.incident, walk.id) != walk
        if isinstance(step, TimeGateStep) and step.window and has_moved:
            at = decision.incident.last_at
            if step.is_instant and step.window.start == step.window.end:
                zone = zone_of(step.window.zone)
                last = walk.left_at - timedelta(seconds=1)
                opened = next_clock_time(last, step.window.start, zone) <= at
            else:
                opens_at = step.window.opens_after(walk.left_at)
                was_open = step.window.contains(walk.left_at)
                opened = was_open or (opens_at is not None and opens_at <= at)
            never = not opened and step.window.opens_after(at) is None
            assert opened or never


def _exhaust_late_enough(before: Incident, decision: Decision) -> None:
    """
    Exhausted is said five minutes after the last notification, not sooner.

    It is said at once where nobody was reached at all, and nobody can be any more.
    """
    if decision.reason is not Reason.EXHAUSTED or before.last_sent_at is None:
        return
    if not before.has_reached and not before.pages:
        return

    assert before.last_sent_at + EXHAUSTED_AFTER <= decision.incident.last_at


def _record_what_changes(before: Incident, decision: Decision) -> None:
    """What history does not keep has changed nothing, so that it can be replayed."""
    assert decision.reason.is_recorded or decision.incident is before, decision.reason


def _postpone_nothing(before: Incident, decision: Decision) -> None:
    """Who is paged again hears by every method when they would have, or earlier."""
    after = decision.incident
    known = {page.id for page in before.pages}
    for page in after.pages:
        if page.id in known:
            continue
        sent = {
            effect.method
            for effect in decision.effects
            if isinstance(effect, Send) and effect.page == page.id
        }
        to_come = dict(_to_come(page))
        for older in before.pages:
            if older.person != page.person or Reason.REASSIGNED is decision.reason:
                continue
            for method, at in _to_come(older):
                assert method in sent or to_come[method] <= max(at, after.last_at)


def _to_come(page: Page) -> Iterator[tuple[str, datetime]]:
    """Yield what a page has left to send, what comes first last."""
    if page.due is None:
        return
    for number in reversed(range(page.rule, len(page.rules))):
        rule = page.rules[number]
        at = page.started_at + rule.delay
        yield rule.method, page.due if number == page.rule else at


def _outlive_the_process(
    before: Incident, event: Event, snapshot: Snapshot | None, decision: Decision
) -> None:
    """What is stored comes back as it was, and the same event means the same again."""
    comments = tuple(one for one in decision.effects if isinstance(one, Comment))
    entry = Entry(event=event, reason=decision.reason, comments=comments)
    again = decide(stored(before), event, snapshot)

    assert before == stored(before)
    assert entry == decode_entry(encode_entry(entry))
    assert decision == again


def stored(incident: Incident) -> Incident:
    """Return an incident as another process reads it."""
    return decode_incident(
        encode_incident(incident), incident.snapshot, incident.alerts
    )


def _walk(incident: Incident, walk_id: int) -> Walk | None:
    return next((walk for walk in incident.walks if walk.id == walk_id), None)


def _step(incident: Incident, walk: Walk) -> object:
    steps = incident.snapshot.policies[walk.policy].steps

    return steps[walk.step] if walk.step < len(steps) else None
