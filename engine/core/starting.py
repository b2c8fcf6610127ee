"""
Starting again: at step 1, on the policies as they are now, all counters zero.

One behaviour for all that leads to it (SEMANTICS 2). The fresh snapshot has to be asked
for; if no answer comes, or the policy is gone, the old one goes on.
"""

from datetime import datetime, timedelta

from engine.core.changing import changed
from engine.core.effects import Effect, TakeSnapshot
from engine.core.events import SnapshotTaken
from engine.core.incident import Decision, Incident, Restart, Status
from engine.core.page import stop_pages
from engine.core.reasons import Reason
from engine.core.walk import start_main_walk
from policies.policy import Snapshot
from policies.steps import NO_TIME

SNAPSHOT_PATIENCE = timedelta(seconds=4)


def halt(incident: Incident) -> tuple[Incident, tuple[Effect, ...]]:
    """Stop every walk, page and call: whatever they had asked for is stale."""
    stopped, effects = stop_pages(incident)
    halted = changed(
        stopped,
        main=None,
        walks=(),
        calls=(),
        last_rounds=(),
        restart=None,
        returns_at=None,
        has_reached=False,
        has_run_out=False,
        exhausts_at=None,
    )

    return halted, effects


def wanted_again(incident: Incident) -> Incident:
    """
    Return the incident as one that nobody has taken: somebody wants another page.

    If nobody answers that page either, it has run out of people to tell.
    """
    if incident.status is Status.TRIGGERED:
        return changed(incident, has_run_out=True)

    return changed(
        incident,
        status=Status.TRIGGERED,
        acknowledged_at=None,
        acknowledged_by=None,
        snoozed_by=None,
        returns_at=None,
        has_run_out=True,
    )


def begin_again(
    incident: Incident, reason: Reason, at: datetime, late_by: timedelta = NO_TIME
) -> Decision:
    """
    Begin to start again: ask for the policies as they are now.

    Args:
        incident: What starts again.
        reason: Why.
        at: When whatever caused that happened.
        late_by: How much earlier it should have.
    """
    halted, effects = halt(incident)
    order = halted.last_order + 1
    restart = Restart(
        generation=order,
        due=at + SNAPSHOT_PATIENCE,
        order=order,
        at=at,
        late_by=late_by,
    )
    beginning = changed(_cleared(halted), restart=restart, last_order=order)
    question = TakeSnapshot(
        generation=order, policy=incident.snapshot.root, at=at, deadline=restart.due
    )

    return Decision(incident=beginning, effects=(*effects, question), reason=reason)


def _cleared(incident: Incident) -> Incident:
    """Return an incident that nobody has taken, closed or run out of."""
    return changed(
        incident,
        status=Status.TRIGGERED,
        acknowledged_at=None,
        acknowledged_by=None,
        snoozed_by=None,
        resolved_at=None,
        resolved_by=None,
        exhausted_at=None,
        last_sent_at=None,
    )


def go_on(
    incident: Incident, event: SnapshotTaken, snapshot: Snapshot | None
) -> Decision:
    """Start at step 1, now that the policies are known."""
    restart = incident.restart
    if restart is None or restart.generation != event.generation:
        return Decision(incident=incident, reason=Reason.STALE)
    is_fresh = snapshot is not None and snapshot.hash == event.snapshot
    # What somebody has started meanwhile walks on policies that it may not have.
    if snapshot is None or not is_fresh or incident.walks:
        return _start(incident, restart, Reason.RESTARTED_UNCHANGED, restart.at)
    known = changed(incident, snapshot=snapshot)

    return _start(known, restart, Reason.RESTARTED, restart.at)


def go_on_without(incident: Incident, at: datetime) -> Decision:
    """Start at step 1 on the old policies: no answer came."""
    restart = incident.restart
    assert restart is not None

    return _start(incident, restart, Reason.RESTARTED_UNCHANGED, at)


def _start(
    incident: Incident, restart: Restart, reason: Reason, at: datetime
) -> Decision:
    """Start at step 1; it should have been when it was asked for, or before that."""
    fresh = changed(incident, restart=None, start=incident.start + 1)
    late_by = restart.late_by + (at - restart.at)

    return Decision(incident=start_main_walk(fresh, at, late_by), reason=reason)
