"""
Asking: questions of walks and calls that the outside world answers.

Each has a deadline that is a timer like any other, and a generation: an answer to an
earlier question is stale. A look-up that meets its deadline is asked for again: what
was known last does then, and somebody asks anew only if nothing was.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from engine.core.changing import changed
from engine.core.effects import LookUp, Named, TakeTurn
from engine.core.events import Responder
from engine.core.incident import Call, Incident, Walk
from engine.core.walk import move_walk, policy_of
from policies.steps import NotifyStep
from policies.targets import AnyTarget, MetadataTarget, PolicyTarget

# An adapter's time-out plus a second; EXECUTION 4 allows at most this.
LOOK_UP_PATIENCE = timedelta(seconds=4)
# A process that lives says by the deadline that a look-up failed. Without an answer it
# is gone, and another one asks again; but what kills whoever asks must not hold up an
# escalation for ever.
RECALLS_MAX = 2
TURN_PATIENCE = timedelta(seconds=1)


def looked_up(
    incident: Incident, targets: tuple[AnyTarget, ...]
) -> tuple[AnyTarget | Named, ...]:
    """Return what has to be asked of the world: not policies, and metadata by value."""
    return tuple(
        named(incident, target.id) if isinstance(target, MetadataTarget) else target
        for target in targets
        if not isinstance(target, PolicyTarget)
    )


def named(incident: Incident, key: str) -> Named:
    """Return what metadata names under a key."""
    return Named(
        key=key,
        texts=tuple(text for text in incident.metadata.get(key, ()) if text.strip()),
        references=incident.references.get(key, ()),
    )


def ask_who(
    incident: Incident, walk: Walk, step: NotifyStep, at: datetime
) -> tuple[Incident, LookUp]:
    """Have a walk ask who is behind the targets of its step."""
    question = _question_of_walk(incident, walk, step, at)

    return ask(incident, walk, at, question.deadline), question


def recall_who(
    incident: Incident, walk: Walk, step: NotifyStep, at: datetime
) -> tuple[Incident, LookUp]:
    """Have a walk whose look-up met its deadline ask what was known last."""
    question = replace(_question_of_walk(incident, walk, step, at), is_recall=True)
    asked = move_walk(incident, walk, due=question.deadline, recalls=walk.recalls + 1)

    return asked, question


def _question_of_walk(
    incident: Incident, walk: Walk, step: NotifyStep, at: datetime
) -> LookUp:
    return LookUp(
        walk=walk.id,
        generation=walk.generation + 1,
        targets=looked_up(incident, step.targets),
        urgency=step.urgency,
        channels=step.channels,
        team=incident.team,
        at=at,
        deadline=at + LOOK_UP_PATIENCE,
    )


def ask(
    incident: Incident, walk: Walk, asked_at: datetime, deadline: datetime
) -> Incident:
    """Have a walk wait for an answer to its next generation."""
    return move_walk(incident, walk, due=deadline, asked_at=asked_at)


def ask_whose_turn(
    incident: Incident,
    walk: Walk,
    responders: tuple[Responder, ...],
    order: tuple[str, ...],
    at: datetime,
) -> tuple[Incident, TakeTurn]:
    """Have a walk ask whose turn it is, of those who can be reached."""
    step = policy_of(incident, walk).steps[walk.step]
    deadline = at + TURN_PATIENCE
    in_turn = tuple(
        responder
        for target in order
        for responder in responders
        if responder.target == target
    )
    question = TakeTurn(
        walk=walk.id,
        generation=walk.generation + 1,
        turn=f"{walk.policy}/{step.id or walk.step}",
        ticket=f"{incident.id}.{walk.id}.{walk.generation}",
        candidates=order,
        at=at,
        deadline=deadline,
    )

    return move_walk(incident, walk, due=deadline, candidates=in_turn), question


def start_call(
    incident: Incident,
    targets: tuple[AnyTarget, ...],
    urgency: str,
    channels: tuple[str, ...],
    at: datetime,
) -> tuple[Incident, LookUp]:
    """Ask who is behind targets that somebody named, outside of any walk."""
    order = incident.last_order + 1
    call = Call(
        id=order,
        generation=0,
        due=at,
        order=order,
        targets=targets,
        urgency=urgency,
        channels=channels,
    )
    added = changed(incident, calls=(*incident.calls, call), last_order=order)

    return ask_for_call(added, call, at)


def ask_for_call(
    incident: Incident, call: Call, at: datetime
) -> tuple[Incident, LookUp]:
    """Have a call ask who is behind its targets."""
    asking = changed(
        call,
        generation=call.generation + 1,
        due=at + LOOK_UP_PATIENCE,
        asked_at=at,
        recalls=0,
        late_by=at - call.due,
    )

    return put_call(incident, call, asking), _question_of_call(incident, asking, at)


def recall_for_call(
    incident: Incident, call: Call, at: datetime
) -> tuple[Incident, LookUp]:
    """Have a call whose look-up met its deadline ask what was known last."""
    recalling = changed(
        call,
        generation=call.generation + 1,
        due=at + LOOK_UP_PATIENCE,
        recalls=call.recalls + 1,
    )
    question = _question_of_call(incident, recalling, at)

    return put_call(incident, call, recalling), replace(question, is_recall=True)


def _question_of_call(incident: Incident, call: Call, at: datetime) -> LookUp:
    return LookUp(
        walk=call.id,
        generation=call.generation,
        targets=looked_up(incident, call.targets),
        urgency=call.urgency,
        channels=call.channels,
        team=incident.team,
        at=at,
        deadline=call.due,
    )


def asking_call(incident: Incident, call_id: int, generation: int) -> Call | None:
    """Return the call that waits for an answer of this generation, if there is one."""
    for call in incident.calls:
        if call.id == call_id and call.asked_at and call.generation == generation:
            return call

    return None


def put_call(incident: Incident, before: Call, after: Call | None) -> Incident:
    """Put a call in the place of the old one; None ends it."""
    moved = (after,) if after else ()
    calls = tuple(
        call for old in incident.calls for call in (moved if old is before else (old,))
    )

    return changed(incident, calls=calls)
