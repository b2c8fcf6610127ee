"""
Nobody reached: what a step that reaches nobody means for what follows.

Waits are waived until a step reaches somebody, where a notify step or a branch that
escalates follows. When the last round of a walk reached nobody at all, its notify steps
are looked up again every five minutes, until somebody is reached (SEMANTICS 3).
"""

from datetime import datetime, timedelta

from engine.core.changing import changed
from engine.core.effects import Effect, Notice, Publish
from engine.core.incident import Awaited, Call, Incident, LastRound, StepRef, Walk
from engine.core.walk import keep_walk, policy_of, wait_ends
from policies.policy import WhenNobody
from policies.steps import NotifyStep

LOOK_AGAIN_EVERY = timedelta(minutes=5)
PUBLISHED: tuple[Effect, ...] = (Publish(notice=Notice.NOBODY_REACHED),)


def await_pages(walk: Walk, step: StepRef, number: int, pages: tuple[str, ...]) -> Walk:
    """Return a walk that knows which pages of a step of a round may reach somebody."""
    awaited = Awaited(step=step, round=number, pages=pages)

    return changed(walk, awaited=(*walk.awaited, awaited))


def missed(incident: Incident, walk: Walk, step: StepRef) -> Walk:
    """Return a walk one of whose steps reached nobody."""
    return changed(
        walk,
        is_waiving=walk.is_waiving or _waives(incident, walk),
        unreached=(*walk.unreached, step),
    )


def note_reached(incident: Incident, page_id: str) -> Incident:
    """Note that a page has reached somebody: its walk waits as it should again."""
    for walk in incident.walks:
        known = [one for one in walk.awaited if page_id in one.pages]
        if known:
            left = tuple(one for one in walk.awaited if page_id not in one.pages)
            reached = changed(walk, is_waiving=False, awaited=left)
            if any(one.round == walk.round for one in known):
                reached = changed(reached, unreached=(), has_reached=True)
            incident = keep_walk(incident, walk, reached)
    rounds = tuple(
        last for last in incident.last_rounds if not _awaits(last.awaited, page_id)
    )
    # Nobody needs to be looked for any more, whoever it was that was reached.
    calls = tuple(call for call in incident.calls if call.step is None)

    return changed(incident, last_rounds=rounds, calls=calls, has_reached=True)


def hand_over(incident: Incident, older: str, newer: str) -> Incident:
    """Note that a page took over what was left of an older one."""
    for walk in incident.walks:
        if _awaits(walk.awaited, older):
            awaited = _handed_over(walk.awaited, older, newer)
            incident = keep_walk(incident, walk, changed(walk, awaited=awaited))
    rounds = tuple(
        changed(last, awaited=_handed_over(last.awaited, older, newer))
        for last in incident.last_rounds
    )

    return changed(incident, last_rounds=rounds)


def note_page_failed(
    incident: Incident, page_id: str, at: datetime
) -> tuple[Incident, tuple[Effect, ...]]:
    """Note that every method of a page has failed: it can reach nobody any more."""
    effects: tuple[Effect, ...] = ()
    for walk in incident.walks:
        if _awaits(walk.awaited, page_id):
            incident, published = _failed_under_way(incident, walk, page_id, at)
            effects += published
    for last in incident.last_rounds:
        if _awaits(last.awaited, page_id):
            incident, published = _failed_at_last(incident, last, page_id)
            effects += published

    return incident, effects[:1]


def look_again(incident: Incident, at: datetime) -> Incident:
    """Begin to look up again what reached nobody in rounds of which all is known."""
    known = [last for last in incident.last_rounds if not last.awaited]
    if not known:
        return incident
    looked_for = {call.step for call in incident.calls}
    for step in dict.fromkeys(step for last in known for step in last.unreached):
        if step not in looked_for:
            incident = _look_again_later(incident, step, at)
    open_rounds = tuple(last for last in incident.last_rounds if last.awaited)

    return changed(incident, last_rounds=open_rounds)


def _look_again_later(incident: Incident, ref: StepRef, at: datetime) -> Incident:
    policy = incident.snapshot.policies.get(ref.policy)
    step = policy.steps[ref.step] if policy else None
    if not isinstance(step, NotifyStep) or not step.targets:
        return incident
    order = incident.last_order + 1
    call = Call(
        id=order,
        due=at + LOOK_AGAIN_EVERY,
        order=order,
        targets=step.targets,
        urgency=step.urgency,
        channels=step.channels,
        step=ref,
    )

    return changed(incident, calls=(*incident.calls, call), last_order=order)


def _failed_under_way(
    incident: Incident, walk: Walk, page_id: str, at: datetime
) -> tuple[Incident, tuple[Effect, ...]]:
    awaited, failed = _take(walk.awaited, page_id)
    left = changed(walk, awaited=awaited)
    if failed is None:
        return keep_walk(incident, walk, left), ()
    of_round = (failed.step,) if failed.round == walk.round else ()
    noted = changed(left, unreached=(*left.unreached, *of_round))
    # A later step may reach somebody yet: then the waits after that one stay.
    if walk.awaited[-1] is not failed or not _waives(incident, walk):
        return keep_walk(incident, walk, noted), PUBLISHED
    waiving = changed(noted, is_waiving=True)

    return wait_ends(keep_walk(incident, walk, waiving), waiving, at), PUBLISHED


def _failed_at_last(
    incident: Incident, last: LastRound, page_id: str
) -> tuple[Incident, tuple[Effect, ...]]:
    awaited, failed = _take(last.awaited, page_id)
    unreached = (*last.unreached, failed.step) if failed else last.unreached
    noted = changed(last, awaited=awaited, unreached=unreached)
    rounds = tuple(noted if one is last else one for one in incident.last_rounds)

    return changed(incident, last_rounds=rounds), PUBLISHED if failed else ()


def _waives(incident: Incident, walk: Walk) -> bool:
    """Tell whether a walk's policy waives waits when nobody is reached."""
    return policy_of(incident, walk).when_nobody is WhenNobody.NEXT_STEP


def _awaits(awaited: tuple[Awaited, ...], page_id: str) -> bool:
    return any(page_id in one.pages for one in awaited)


def _handed_over(
    awaited: tuple[Awaited, ...], older: str, newer: str
) -> tuple[Awaited, ...]:
    return tuple(
        changed(one, pages=(*one.pages, newer))
        if older in one.pages and newer not in one.pages
        else one
        for one in awaited
    )


def _take(
    awaited: tuple[Awaited, ...], page_id: str
) -> tuple[tuple[Awaited, ...], Awaited | None]:
    """Take a page out; return the entry too if that was the last one it had."""
    left: list[Awaited] = []
    failed = None
    for one in awaited:
        pages = tuple(page for page in one.pages if page != page_id)
        if pages:
            left.append(changed(one, pages=pages))
        elif page_id in one.pages:
            failed = one
        else:
            left.append(one)

    return tuple(left), failed
