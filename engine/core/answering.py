"""What an answer means for the walk, or the call, that had asked."""

from datetime import datetime

from engine.core.asking import (
    RECALLS_MAX,
    ask_whose_turn,
    asking_call,
    put_call,
    recall_for_call,
    recall_who,
)
from engine.core.changing import changed
from engine.core.effects import Effect
from engine.core.events import PolicyNamed, Responder, TargetsResolved, TurnTaken
from engine.core.incident import Call, Decision, Incident, Walk
from engine.core.nobody import (
    LOOK_AGAIN_EVERY,
    PUBLISHED,
    await_pages,
    hand_over,
    missed,
    note_page_failed,
)
from engine.core.page import PageRequest, Started, page_of, start_pages
from engine.core.reasons import Reason
from engine.core.running import branch_to, name_of
from engine.core.walk import (
    advance,
    asking_walk,
    keep_walk,
    last_round_of,
    ref_of,
    should_have_run,
    start_walk,
    step_of,
    walk_of,
)
from policies.policy import Snapshot
from policies.steps import NO_TIME, Each, NotifyStep


def resolve_targets(
    incident: Incident,
    event: TargetsResolved,
    snapshot: Snapshot | None,
    at: datetime,
) -> Decision:
    """Page whom a look-up found."""
    walk = asking_walk(incident, event.walk, event.generation)
    call = asking_call(incident, event.walk, event.generation)
    if walk is None and call is None:
        return Decision(incident=incident, reason=Reason.STALE)
    incident = _with_snapshot(incident, event.snapshot, snapshot)
    incident = _with_policies(incident, event.policies, walk or call, at)
    if call is not None:
        has_more = bool(event.policies)
        return _answer_call(incident, call, event.responders, at, has_more=has_more)
    assert walk is not None
    step = step_of(incident, walk)
    is_in_turn = isinstance(step, NotifyStep) and step.each is Each.NEXT_EACH_TIME
    if is_in_turn and event.order:
        asked, question = ask_whose_turn(
            incident, walk, event.responders, event.order, at
        )
        decision = Decision(
            incident=asked, effects=(question,), reason=Reason.TAKING_TURN
        )
    else:
        decision = _page(
            incident, walk, event.responders, at, has_more=bool(event.policies)
        )

    return changed(decision, holds_until=event.until) if event.until else decision


def take_turn(incident: Incident, event: TurnTaken, at: datetime) -> Decision:
    """Page those whose turn it is."""
    walk = asking_walk(incident, event.walk, event.generation)
    if walk is None or not walk.candidates:
        return Decision(incident=incident, reason=Reason.STALE)
    chosen = tuple(one for one in walk.candidates if one.target == event.target)

    return _page(incident, walk, chosen, at)


def name_policy(
    incident: Incident, event: PolicyNamed, snapshot: Snapshot | None
) -> Decision:
    """Let the policy that metadata names take over."""
    walk = asking_walk(incident, event.walk, event.generation)
    if walk is None or walk.asked_at is None:
        return Decision(incident=incident, reason=Reason.STALE)
    known = _with_snapshot(incident, event.snapshot, snapshot)

    return branch_to(known, walk, event.policy, walk.asked_at)


def give_up(incident: Incident, walk: Walk, at: datetime) -> Decision:
    """
    Go on without the answer that a walk has waited for long enough.

    A look-up is asked again, for what was known last; in the end it is nobody.
    """
    assert walk.asked_at is not None
    if walk.candidates:
        first = walk.candidates[0].target
        chosen = tuple(one for one in walk.candidates if one.target == first)
        paged = _page(incident, walk, chosen, at)
        return changed(paged, reason=Reason.TURN_TIMED_OUT)
    step = step_of(incident, walk)
    if not isinstance(step, NotifyStep):
        onward = branch_to(incident, walk, None, walk.asked_at)
        return changed(onward, reason=Reason.LOOK_UP_TIMED_OUT)
    if walk.recalls < RECALLS_MAX:
        asked, question = recall_who(incident, walk, step, at)
        return Decision(
            incident=asked, effects=(question,), reason=Reason.LOOK_UP_TIMED_OUT
        )
    paged = _page(incident, walk, (), at)

    return changed(paged, reason=Reason.LOOK_UP_TIMED_OUT)


def give_up_call(incident: Incident, call: Call, at: datetime) -> Decision:
    """Go on without the answer to a call, as a walk does."""
    if call.recalls < RECALLS_MAX:
        asked, question = recall_for_call(incident, call, at)
        return Decision(
            incident=asked, effects=(question,), reason=Reason.LOOK_UP_TIMED_OUT
        )
    answered = _answer_call(incident, call, (), at)

    return changed(answered, reason=Reason.LOOK_UP_TIMED_OUT)


def _page(
    incident: Incident,
    walk: Walk,
    responders: tuple[Responder, ...],
    at: datetime,
    *,
    has_more: bool = False,
) -> Decision:
    """Page responders of a walk's step, and move the walk on from when it ran."""
    step, ref, ran_at = step_of(incident, walk), ref_of(walk), walk.asked_at
    assert isinstance(step, NotifyStep)
    assert ran_at is not None
    reachable = any(responder.rules for responder in responders)
    if reachable:
        # They may be reached: waits count again, unless it is learned otherwise.
        if walk.is_waiving:
            incident = keep_walk(incident, walk, changed(walk, is_waiving=False))
    elif not has_more:
        incident = keep_walk(incident, walk, missed(incident, walk, ref))
    known = walk_of(incident, walk.id)
    assert known is not None
    onward = advance(incident, known, ran_at)
    moved = walk_of(onward, walk.id)
    request = PageRequest(
        walk=walk.id,
        name=name_of(incident, walk),
        urgency=step.urgency,
        step_due=should_have_run(known, ran_at),
        next_step_due=moved.due if moved else None,
        caused_by_timer=ran_at > incident.opened_at,
    )
    started = _start_pages(onward, responders, request, at)
    paged = _awaiting(started.incident, started.pages, known)
    if not reachable:
        reason = Reason.POLICY_STARTED if has_more else Reason.NOBODY_REACHED
        effects: tuple[Effect, ...] = () if has_more else PUBLISHED
        return Decision(incident=paged, effects=effects, reason=reason)

    return Decision(incident=paged, effects=started.effects, reason=Reason.PAGED)


def _start_pages(
    incident: Incident,
    responders: tuple[Responder, ...],
    request: PageRequest,
    at: datetime,
) -> Started:
    """Start pages, and let whoever awaited an older one await the newer one too."""
    started = start_pages(incident, responders, request, at)
    if not started.merged:
        return started
    known = started.incident
    for older, newer in started.merged:
        known = hand_over(known, older, newer)
        # What had nothing under way any more can report nothing any more either.
        if page_of(known, older) is None:
            known, _ = note_page_failed(known, older, at)

    return changed(started, incident=known)


def _awaiting(incident: Incident, pages: tuple[str, ...], asked: Walk) -> Incident:
    """Note which pages may reach somebody: with the walk, or its last round."""
    if not pages:
        return incident
    ref, walk = ref_of(asked), walk_of(incident, asked.id)
    if walk is not None:
        awaiting = await_pages(walk, ref, asked.round, pages)
        return keep_walk(incident, walk, awaiting)
    if asked.has_reached:
        return incident
    waiting = last_round_of(await_pages(asked, ref, asked.round, pages))
    rounds = tuple(last for last in incident.last_rounds if last.walk != asked.id)

    return changed(incident, last_rounds=(*rounds, waiting))


def _answer_call(
    incident: Incident,
    call: Call,
    responders: tuple[Responder, ...],
    at: datetime,
    *,
    has_more: bool = False,
) -> Decision:
    """Page whom a call found; one that looks again goes on until one is reached."""
    assert call.asked_at is not None
    is_again = call.step is not None
    later = changed(
        call,
        due=call.asked_at + LOOK_AGAIN_EVERY,
        asked_at=None,
        recalls=0,
        late_by=NO_TIME,
    )
    request = _request_of(incident, call, call.asked_at)
    incident = put_call(incident, call, later if is_again else None)
    started = _start_pages(incident, responders, request, at)
    if started.pages:
        return Decision(
            incident=started.incident, effects=started.effects, reason=Reason.PAGED
        )
    reason = Reason.POLICY_STARTED if has_more else Reason.NOBODY_REACHED
    effects = () if is_again or has_more else PUBLISHED

    return Decision(incident=started.incident, effects=effects, reason=reason)


def _request_of(incident: Incident, call: Call, asked_at: datetime) -> PageRequest:
    return PageRequest(
        walk=call.id,
        name=f"{call.id}.{call.generation}.1.{incident.start}",
        urgency=call.urgency,
        step_due=asked_at - call.late_by,
        next_step_due=None,
        caused_by_timer=call.step is not None,
    )


def _with_snapshot(
    incident: Incident, hashed: str | None, snapshot: Snapshot | None
) -> Incident:
    """Take over a snapshot that has more policies."""
    if snapshot is None or snapshot.hash != hashed:
        return incident

    return changed(incident, snapshot=snapshot)


def _with_policies(
    incident: Incident,
    policies: tuple[str, ...],
    asked: Walk | Call | None,
    at: datetime,
) -> Incident:
    """Start the policies that an answer names: late, as it took its time to come."""
    assert asked is not None
    assert asked.asked_at is not None
    entered = asked.entered if isinstance(asked, Walk) else 0
    late_by = asked.late_by + (at - asked.asked_at)
    for policy in policies:
        incident = start_walk(incident, policy, at, entered + 1, late_by).incident

    return incident
