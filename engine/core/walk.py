"""
Walks: how a cursor moves through the steps of a policy.

A walk has a time at which it moves next, unless it is paused. Every move gives it a new
generation, so an answer to a question from before the move is stale.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.core.changing import changed
from engine.core.incident import Incident, LastRound, StepRef, Walk
from engine.core.reasons import Reason
from policies.localtime import next_clock_time, zone_of
from policies.policy import Policy, WhenNobody
from policies.steps import NO_TIME, AnyStep, WaitStep, can_page, duration_of

# A policy whose steps take no time must not page in a tight circle.
ROUND_LASTS_AT_LEAST = timedelta(seconds=10)
WALKS_MAX = 20
ENTERED_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What came of starting a walk, or of sending one elsewhere."""

    incident: Incident
    reason: Reason


def start_walk(
    incident: Incident,
    policy: str,
    at: datetime,
    entered: int = 0,
    late_by: timedelta = NO_TIME,
) -> Begun:
    """
    Start a walk at step 1 of a policy, beside those there are, within the bounds.

    Args:
        incident: Where it walks.
        policy: What it walks.
        at: When it starts.
        entered: How many policies led here: two that start each other come to an end.
        late_by: How much earlier it should have started.
    """
    refused = _refusal(incident, policy, entered)
    if refused is not None:
        return Begun(incident=incident, reason=refused)
    known = incident.snapshot.policies[policy]
    if not known.steps:
        return Begun(incident=incident, reason=Reason.POLICY_STARTED)
    order = incident.last_order + 1
    walk = Walk(
        id=order,
        policy=policy,
        round_began_at=at,
        due=_due(known, 0, at, is_waiving=False),
        order=order,
        left_at=at,
        entered=entered,
        late_by=_late_by(known, 0, late_by),
        round_late_by=late_by,
    )
    started = changed(incident, walks=(*incident.walks, walk), last_order=order)

    return Begun(incident=started, reason=Reason.POLICY_STARTED)


def _refusal(incident: Incident, policy: str, entered: int) -> Reason | None:
    """Tell why no walk starts in a policy, if none does."""
    if policy not in incident.snapshot.policies:
        return Reason.MISSING
    if any(walk.policy == policy for walk in incident.walks):
        return Reason.ALREADY_WALKING
    if len(incident.walks) >= WALKS_MAX:
        return Reason.TOO_MANY_WALKS

    return Reason.TOO_MANY_POLICIES if entered > ENTERED_MAX else None


def start_main_walk(
    incident: Incident, at: datetime, late_by: timedelta = NO_TIME
) -> Incident:
    """Start the walk that the incident begins with; none if the policy has no steps."""
    root = incident.snapshot.root
    started = start_walk(incident, root, at, late_by=late_by).incident
    is_new = len(started.walks) > len(incident.walks)

    return changed(started, main=started.walks[-1].id) if is_new else started


def walk_of(incident: Incident, walk_id: int | None) -> Walk | None:
    """Return a walk that is not over."""
    for walk in incident.walks:
        if walk.id == walk_id:
            return walk

    return None


def asking_walk(incident: Incident, walk_id: int, generation: int) -> Walk | None:
    """Return the walk that waits for an answer of this generation, if there is one."""
    walk = walk_of(incident, walk_id)
    is_asking = walk is not None and walk.asked_at and walk.generation == generation

    return walk if is_asking else None


def policy_of(incident: Incident, walk: Walk) -> Policy:
    """Return the policy that a walk is in."""
    return incident.snapshot.policies[walk.policy]


def step_of(incident: Incident, walk: Walk) -> AnyStep | None:
    """Return the step that a walk has come to; None behind the last one."""
    steps = policy_of(incident, walk).steps

    return steps[walk.step] if walk.step < len(steps) else None


def ref_of(walk: Walk) -> StepRef:
    """Name the step that a walk has come to."""
    return StepRef(policy=walk.policy, step=walk.step)


def advance(incident: Incident, walk: Walk, ran_at: datetime) -> Incident:
    """Leave the step that ran at this time, for whatever comes after it."""
    policy = policy_of(incident, walk)
    if walk.step + 1 < len(policy.steps):
        return go_to(incident, walk, walk.step + 1, ran_at)
    if has_more_rounds(incident, walk):
        began_at, late_by = _next_round(walk, ran_at + policy.repeat.delay)
        return next_further_round(incident, walk, began_at, late_by)
    if policy.fallback is not None:
        left = _left(ran_at) | {"pause": policy.repeat.delay}
        due = ran_at + policy.repeat.delay
        return move_walk(incident, walk, **left, step=len(policy.steps), due=due)

    return end_walk(incident, walk)


def go_to(incident: Incident, walk: Walk, step: int, ran_at: datetime) -> Incident:
    """Go to a step of the same policy, and wait as it wants."""
    policy = policy_of(incident, walk)
    due = _due(policy, step, ran_at, is_waiving=walk.is_waiving)
    late_by = _late_by(policy, step, walk.late_by)

    return move_walk(
        incident, walk, **_left(ran_at), step=step, due=due, late_by=late_by
    )


def has_more_rounds(incident: Incident, walk: Walk) -> bool:
    """Tell whether the policy wants a walk to begin again; repeat steps count apart."""
    return walk.further < policy_of(incident, walk).repeat.count


def next_further_round(
    incident: Incident, walk: Walk, began_at: datetime, late_by: timedelta
) -> Incident:
    """Begin the next of the policy's further rounds."""
    pause = policy_of(incident, walk).repeat.delay
    counted = changed(walk, further=walk.further + 1)

    return next_round(*_replaced(incident, walk, counted), began_at, late_by, pause)


def next_round(
    incident: Incident,
    walk: Walk,
    began_at: datetime,
    late_by: timedelta,
    pause: timedelta = NO_TIME,
) -> Incident:
    """Begin the policy's steps again at this time, so late, after so long a pause."""
    policy = policy_of(incident, walk)

    return move_walk(
        incident,
        walk,
        **(_left(began_at) | {"pause": pause}),
        step=0,
        round=walk.round + 1,
        round_began_at=began_at,
        due=_due(policy, 0, began_at, is_waiving=walk.is_waiving),
        unreached=(),
        has_reached=False,
        late_by=_late_by(policy, 0, late_by),
        round_late_by=late_by,
    )


def repeat(incident: Incident, walk: Walk, ran_at: datetime) -> Incident:
    """Go back to step 1 by a repeat step, no sooner than a round may begin."""
    counted = {**walk.repeats, str(walk.step): walk.repeats.get(str(walk.step), 0) + 1}
    began_at, late_by = _next_round(walk, ran_at)

    return next_round(
        *_replaced(incident, walk, changed(walk, repeats=counted)), began_at, late_by
    )


def enter_policy(
    incident: Incident, walk: Walk, policy: str, at: datetime, *, as_fallback: bool
) -> Begun:
    """Send a walk into another policy: it brings its own repeat and fallback."""
    known = incident.snapshot.policies.get(policy)
    if known is None:
        return Begun(incident=incident, reason=Reason.MISSING)
    if walk.entered >= ENTERED_MAX:
        return Begun(incident=incident, reason=Reason.TOO_MANY_POLICIES)
    is_loud = as_fallback and (walk.is_loud or policy_of(incident, walk).can_page)
    entered = _entered(walk, policy, at, is_loud=is_loud)
    sent = keep_walk(incident, walk, entered)
    if known.steps:
        due = _due(known, 0, at, is_waiving=walk.is_waiving)
        late_by = _late_by(known, 0, walk.late_by)
        moved = move_walk(sent, entered, due=due, late_by=late_by)
    else:
        moved = end_walk(sent, entered)

    return Begun(incident=moved, reason=Reason.BRANCH_TAKEN)


def _entered(walk: Walk, policy: str, at: datetime, *, is_loud: bool) -> Walk:
    """Return a walk at step 1 of another policy."""
    return changed(
        walk,
        **_left(at),
        policy=policy,
        step=0,
        round=1,
        round_began_at=at,
        due=at,
        entered=walk.entered + 1,
        further=0,
        repeats={},
        is_loud=is_loud,
        round_late_by=walk.late_by,
        # What this round has paged so far belongs to the round that goes on there.
        awaited=tuple(
            changed(one, round=int(one.round == walk.round)) for one in walk.awaited
        ),
    )


def end_walk(incident: Incident, walk: Walk, *, quietly: bool = False) -> Incident:
    """
    End a walk.

    It ends quietly if it was stopped, or if none of its policy's steps can page;
    otherwise the incident has run out of people to tell.
    """
    is_loud = not quietly and (walk.is_loud or policy_of(incident, walk).can_page)
    last = last_round_of(walk)
    is_open = is_loud and not walk.has_reached and bool(last.awaited or last.unreached)

    return changed(
        incident,
        walks=tuple(other for other in incident.walks if other is not walk),
        last_rounds=(*incident.last_rounds, last) if is_open else incident.last_rounds,
        has_run_out=incident.has_run_out or is_loud,
    )


def last_round_of(walk: Walk) -> LastRound:
    """Return what stays to be known of a walk that is over."""
    awaited = tuple(one for one in walk.awaited if one.round == walk.round)

    return LastRound(walk=walk.id, awaited=awaited, unreached=walk.unreached)


def move_walk(incident: Incident, walk: Walk, **fields: Any) -> Incident:
    """Move a walk: with its new fields it has a new generation, and a new order."""
    order = incident.last_order + 1
    moved = changed(walk, **fields, generation=walk.generation + 1, order=order)
    walks = tuple([moved if one is walk else one for one in incident.walks])

    return changed(incident, walks=walks, last_order=order)


def keep_walk(incident: Incident, before: Walk, after: Walk) -> Incident:
    """Note something about a walk that does not move."""
    walks = tuple([after if walk is before else walk for walk in incident.walks])

    return changed(incident, walks=walks)


def wait_again(incident: Incident, walk: Walk, at: datetime) -> Incident:
    """Let a walk that waits wait again, in full: whatever was late is over."""
    policy = policy_of(incident, walk)
    is_waiting = walk.due is not None and not (walk.asked_at or walk.is_waited)
    if not is_waiting:
        return incident
    left_at = at + walk.pause
    is_behind = walk.step >= len(policy.steps)
    due = left_at if is_behind else _due(policy, walk.step, left_at, is_waiving=False)

    return move_walk(incident, walk, left_at=left_at, due=due, late_by=NO_TIME)


def wait_ends(incident: Incident, walk: Walk, at: datetime) -> Incident:
    """End the wait that a walk is in, as far as it is waived when nobody is reached."""
    policy = policy_of(incident, walk)
    if walk.asked_at or walk.due is None or walk.step >= len(policy.steps):
        return incident
    due = max(at, _due(policy, walk.step, walk.left_at, is_waiving=True))
    if due >= walk.due or walk.is_waited:
        return incident

    return move_walk(incident, walk, due=due)


def next_clock_due(incident: Incident, walk: Walk) -> datetime | None:
    """Return the clock time that a walk waits for, if it waits for one."""
    step = step_of(incident, walk)

    return walk.due if step and step.wait_until and not walk.asked_at else None


def _replaced(incident: Incident, before: Walk, after: Walk) -> tuple[Incident, Walk]:
    return keep_walk(incident, before, after), after


def _left(at: datetime) -> dict[str, Any]:
    """Say what is new of a walk that leaves its step: nothing is asked any more."""
    return {
        "left_at": at,
        "pause": NO_TIME,
        "asked_at": None,
        "recalls": 0,
        "candidates": (),
        "is_waited": False,
    }


def should_have_run(walk: Walk, ran_at: datetime) -> datetime:
    """
    Return when a step that ran at this time should have, had nothing been late.

    Decided again at another time it is the same step, and this the same time. Of steps
    that come later in the walk it is later, or the same if there is no wait between.
    """
    return ran_at - walk.late_by


def note_lateness(
    incident: Incident, walk: Walk, at: datetime
) -> tuple[Incident, Walk]:
    """Note how much later than it should a walk runs its step now."""
    if walk.due is None or walk.due >= at:
        return incident, walk
    late = changed(walk, late_by=walk.late_by + (at - walk.due))

    return keep_walk(incident, walk, late), late


def _next_round(walk: Walk, earliest: datetime) -> tuple[datetime, timedelta]:
    """
    Return when a round begins, and how much later that is than it should.

    It begins no sooner than it may; and its keys are not those of the round before it,
    though that was so late that this one begins at once.
    """
    may = walk.round_began_at + ROUND_LASTS_AT_LEAST
    began_at = max(earliest, may)
    should = max(earliest - walk.late_by, may - walk.round_late_by)

    return began_at, began_at - should


def _late_by(policy: Policy, index: int, late_by: timedelta) -> timedelta:
    """Return how late a step will be that comes next: a clock time is as it is."""
    return NO_TIME if policy.steps[index].wait_until is not None else late_by


def _due(
    policy: Policy, index: int, left_at: datetime, *, is_waiving: bool
) -> datetime:
    """Return when a step is due that comes after one that was left at this time."""
    step = policy.steps[index]
    may_waive = policy.when_nobody is WhenNobody.NEXT_STEP
    is_waived = is_waiving and may_waive and _is_waivable(policy, index)
    own = NO_TIME if is_waived else duration_of(step)
    if step.wait_until is not None:
        zone = zone_of(step.wait_until.zone)
        return next_clock_time(left_at, step.wait_until.time, zone) + own

    return left_at + (NO_TIME if is_waived else step.wait_before) + own


def _is_waivable(policy: Policy, index: int) -> bool:
    """Tell whether what follows the wait at a step can page (SEMANTICS 3)."""
    for step in policy.steps[index:]:
        if not isinstance(step, WaitStep):
            return can_page(step)

    return False
