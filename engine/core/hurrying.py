"""Escalate now: what somebody who does not want to wait can have."""

from datetime import datetime

from engine.core.asking import start_call
from engine.core.changing import changed
from engine.core.events import Escalated
from engine.core.incident import Decision, Incident, Walk
from engine.core.reasons import Reason
from engine.core.starting import wanted_again
from engine.core.walk import (
    has_more_rounds,
    move_walk,
    next_further_round,
    policy_of,
    start_main_walk,
    start_walk,
    walk_of,
)
from policies.policy import Snapshot
from policies.steps import NO_TIME, TimeGateStep, VolumeGateStep, WaitStep
from policies.targets import AnyTarget, PolicyTarget

WAITING = WaitStep | TimeGateStep | VolumeGateStep


def escalate(
    incident: Incident, command: Escalated, snapshot: Snapshot | None, at: datetime
) -> Decision:
    """End the main walk's wait, or page whom the command names."""
    if command.targets:
        return _to_targets(incident, command, snapshot, at)
    main = walk_of(incident, incident.main)
    if command.step is not None:
        return _to_step(incident, main, command.step, at)
    if main is None or main.asked_at is not None:
        return Decision(incident=incident, reason=Reason.NOTHING_LEFT)

    return _hurry(incident, main, at)


def _to_targets(
    incident: Incident, command: Escalated, snapshot: Snapshot | None, at: datetime
) -> Decision:
    """Page targets and start policies beside the main walk, which goes on as it was."""
    before = incident
    if snapshot is not None and snapshot.hash == command.snapshot:
        incident = changed(incident, snapshot=snapshot)
    again, refused = _start_policies(wanted_again(incident), command.targets, at)
    people = tuple(t for t in command.targets if not isinstance(t, PolicyTarget))
    if people:
        called, question = start_call(
            again, people, command.urgency, command.channels, at
        )
        return Decision(incident=called, effects=(question,), reason=Reason.ESCALATED)
    if refused is not None and len(again.walks) == len(incident.walks):
        # Nothing came of it: whoever has taken the incident keeps it.
        return Decision(incident=before, reason=refused)

    return Decision(incident=again, reason=Reason.ESCALATED)


def _start_policies(
    incident: Incident, targets: tuple[AnyTarget, ...], at: datetime
) -> tuple[Incident, Reason | None]:
    """Start a walk for each policy; tell why the last one was not, if it was not."""
    refused = None
    for target in targets:
        if isinstance(target, PolicyTarget):
            begun = start_walk(incident, target.id, at)
            incident = begun.incident
            refused = None if begun.reason is Reason.POLICY_STARTED else begun.reason

    return incident, refused


def _to_step(
    incident: Incident, main: Walk | None, step: int, at: datetime
) -> Decision:
    """Let the main walk go on at a step, or begin there if it is over."""
    root = incident.snapshot.policies[incident.snapshot.root]
    policy = policy_of(incident, main) if main is not None else root
    if not 0 <= step < len(policy.steps):
        return Decision(incident=incident, reason=Reason.NOT_APPLICABLE)
    before = incident
    if main is None:
        incident = start_main_walk(wanted_again(incident), at)
        main = walk_of(incident, incident.main)
    if main is None:
        return Decision(incident=before, reason=Reason.NOT_APPLICABLE)

    return Decision(
        incident=_at_step(incident, main, step, at), reason=Reason.ESCALATED
    )


def _hurry(incident: Incident, main: Walk, at: datetime) -> Decision:
    """Pass over whatever only waits, to what runs next."""
    policy = policy_of(incident, main)
    step = main.step
    while step < len(policy.steps) and isinstance(policy.steps[step], WAITING):
        step += 1
    if step < len(policy.steps) or policy.fallback is not None:
        is_at_round_end = step == len(policy.steps) > main.step
        if is_at_round_end and has_more_rounds(incident, main):
            return _to_next_round(incident, main, at)
        hurried = _at_step(incident, main, step, at)
        return Decision(incident=hurried, reason=Reason.ESCALATED)
    if has_more_rounds(incident, main):
        return _to_next_round(incident, main, at)

    return Decision(incident=incident, reason=Reason.NOTHING_LEFT)


def _to_next_round(incident: Incident, main: Walk, at: datetime) -> Decision:
    again = next_further_round(incident, main, at, NO_TIME)
    walk = walk_of(again, main.id)
    assert walk is not None

    return Decision(incident=_at_step(again, walk, 0, at), reason=Reason.ESCALATED)


def _at_step(incident: Incident, main: Walk, step: int, at: datetime) -> Incident:
    """Have the main walk run a step now, without the wait before it."""
    return move_walk(
        incident,
        main,
        step=step,
        due=at,
        left_at=at,
        asked_at=None,
        recalls=0,
        candidates=(),
        is_waited=False,
        late_by=NO_TIME,
    )
