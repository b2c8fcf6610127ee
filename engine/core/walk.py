"""
Walks: how a cursor moves through the steps of a policy.

A walk always has a time at which it moves next. Every move gives it a new
generation, so an answer to a question from before the move is stale.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from engine.core.effects import Effect, LookUp
from engine.core.incident import Decision, Incident, Walk
from engine.core.reasons import Reason
from policies.policy import Policy
from policies.steps import NotifyStep, Step, WaitStep, pause_of

# An adapter's time-out plus a second; EXECUTION 4 allows at most this.
LOOK_UP_PATIENCE = timedelta(seconds=4)
# A policy whose steps take no time must not page in a tight circle.
ROUND_LASTS_AT_LEAST = timedelta(seconds=10)


def start_walk(incident: Incident, policy: str, at: datetime) -> Incident:
    """Start a walk at step 1 of a policy; nothing happens if it has no steps."""
    steps = _policy(incident, policy).steps
    if not steps:
        return incident
    order = incident.last_order + 1
    walk = Walk(
        id=order,
        policy=policy,
        round_began_at=at,
        due=at + pause_of(steps[0]),
        order=order,
    )

    return replace(incident, walks=(*incident.walks, walk), last_order=order)


def run_walk(incident: Incident, walk: Walk, at: datetime) -> Decision:
    """Move a walk whose time has come: run its step, or give up its question."""
    if walk.asked_at is not None:
        onward = advance_walk(incident, walk, walk.asked_at)
        return Decision(incident=onward, reason=Reason.LOOK_UP_TIMED_OUT)
    match step_of(incident, walk):
        case WaitStep():
            onward = advance_walk(incident, walk, at)
            return Decision(incident=onward, reason=Reason.WAIT_OVER)
        case NotifyStep() as step:
            return _ask(incident, walk, step, at)


def find_walk(incident: Incident, walk_id: int, generation: int) -> Walk | None:
    """Return the walk that waits for an answer of this generation, if there is one."""
    for walk in incident.walks:
        if walk.id == walk_id and walk.asked_at and walk.generation == generation:
            return walk

    return None


def step_of(incident: Incident, walk: Walk) -> Step:
    """Return the step that a walk has come to."""
    return _policy(incident, walk.policy).steps[walk.step]


def advance_walk(incident: Incident, walk: Walk, ran_at: datetime) -> Incident:
    """Leave the step that ran at this time, for the next one or the next round."""
    policy = _policy(incident, walk.policy)
    if walk.step + 1 < len(policy.steps):
        pause = pause_of(policy.steps[walk.step + 1])
        onward = replace(walk, step=walk.step + 1, due=ran_at + pause, asked_at=None)
        return _put(incident, walk, onward)
    if walk.round <= policy.repeat.count:
        return _put(incident, walk, _next_round(walk, policy, ran_at))

    return replace(incident, walks=tuple(w for w in incident.walks if w is not walk))


def _next_round(walk: Walk, policy: Policy, ran_at: datetime) -> Walk:
    earliest = walk.round_began_at + ROUND_LASTS_AT_LEAST
    began_at = max(ran_at + policy.repeat.delay, earliest)

    return replace(
        walk,
        step=0,
        round=walk.round + 1,
        round_began_at=began_at,
        due=began_at + pause_of(policy.steps[0]),
        asked_at=None,
    )


def _ask(incident: Incident, walk: Walk, step: NotifyStep, at: datetime) -> Decision:
    asking = replace(walk, due=at + LOOK_UP_PATIENCE, asked_at=at)
    asked = _put(incident, walk, asking)
    question: Effect = LookUp(
        walk=walk.id,
        generation=walk.generation + 1,
        targets=step.targets,
        urgency=step.urgency,
        at=at,
        deadline=asking.due,
    )

    return Decision(incident=asked, effects=(question,), reason=Reason.LOOKING_UP)


def _put(incident: Incident, before: Walk, after: Walk) -> Incident:
    """Put a moved walk in the place of the old one."""
    order = incident.last_order + 1
    moved = replace(after, generation=before.generation + 1, order=order)
    walks = tuple(moved if walk is before else walk for walk in incident.walks)

    return replace(incident, walks=walks, last_order=order)


def _policy(incident: Incident, policy: str) -> Policy:
    return incident.snapshot.policies[policy]
