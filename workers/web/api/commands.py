"""
What people do to incidents: every command of the lifecycle.

A command that does not apply is answered 200, with its reason: `late`, `is_attached`,
`not_applicable` and the like changed nothing. A command that names what does not exist
is refused (422), and nothing is done.
"""

# ruff: noqa: FAST003 - `Ordered` takes the id

from typing import Annotated

from fastapi import APIRouter, Path

from engine.core.events import (
    Acknowledged,
    Attached,
    Detached,
    Escalated,
    MetadataSet,
    Reassigned,
    Removed,
    Reopened,
    Resolved,
    Snoozed,
    Unacknowledged,
    Unsnoozed,
)
from engine.core.incident import Incident
from engine.directory.checks import Problem
from engine.errors import KeyTakenError, UnknownIncidentError
from engine.ids import MalformedIdError, read_incident_id, show_incident_id
from policies.targets import UserTarget
from workers.orders import snoozed_until, step_index
from workers.web.api.command_bodies import (
    AttachBody,
    CommandBody,
    EscalateBody,
    MetadataBody,
    ReassignBody,
    SnoozeBody,
    described,
)
from workers.web.api.obeying import Order, Ordered, held_against, refused
from workers.web.api.shapes import CommandAnswer
from workers.web.idempotency import IdempotentRoute
from workers.web.problems import KEY_TAKEN, ProblemError
from workers.web.text import one_line

KEY_MAX, KEYS_MAX = 200, 500
HIGH = "high"

router = APIRouter(
    prefix="/v1/incidents", tags=["commands"], route_class=IdempotentRoute
)


@router.post(
    "/{incident_id}/acknowledge",
    **described(CommandBody, by_the_token={}, by_somebody={"by": "alice"}),
)
async def acknowledge_incident(order: Ordered) -> CommandAnswer:
    """
    Take an incident: its walks and pages stop.

    One that somebody has already stays theirs; the answer says whose.
    """
    body = await order.read(CommandBody)

    return await order.obey(order.command(Acknowledged, body))


@router.post(
    "/{incident_id}/unacknowledge",
    **described(CommandBody, by_somebody={"by": "alice"}),
)
async def unacknowledge_incident(order: Ordered) -> CommandAnswer:
    """Give an incident back: it starts again at step 1."""
    body = await order.read(CommandBody)

    return await order.obey(order.command(Unacknowledged, body))


@router.post(
    "/{incident_id}/resolve", **described(CommandBody, by_somebody={"by": "alice"})
)
async def resolve_incident(order: Ordered) -> CommandAnswer:
    """Close an incident. One that is closed stays as it is."""
    body = await order.read(CommandBody)

    return await order.obey(order.command(Resolved, body))


@router.post(
    "/{incident_id}/reopen", **described(CommandBody, by_somebody={"by": "alice"})
)
async def reopen_incident(order: Ordered) -> CommandAnswer:
    """
    Say that an incident is not over: it starts again at step 1.

    If another open incident has its dedup key by now, that is 409 with the other one's
    id.
    """
    body = await order.read(CommandBody)
    try:
        return await order.obey(order.command(Reopened, body))
    except KeyTakenError:
        raise await _key_taken(order) from None


@router.post(
    "/{incident_id}/snooze",
    **described(
        SnoozeBody,
        for_a_while={"duration": "2h"},
        until_a_time={"until": "2027-01-04T08:00:00Z"},
        for_ever={},
    ),
)
async def snooze_incident(order: Ordered) -> CommandAnswer:
    """
    Page nobody for a while, or until somebody ends the snooze.

    A later snooze replaces it; acknowledge and resolve end it. Afterwards it starts
    again at step 1.
    """
    body = await order.read(SnoozeBody)
    with held_against():
        until = snoozed_until(order.context.clock.now(), body.until, body.duration)

    return await order.obey(order.command(Snoozed, body, until=until))


@router.post(
    "/{incident_id}/unsnooze", **described(CommandBody, by_somebody={"by": "alice"})
)
async def unsnooze_incident(order: Ordered) -> CommandAnswer:
    """End a snooze: the incident starts again at step 1."""
    body = await order.read(CommandBody)

    return await order.obey(order.command(Unsnoozed, body))


@router.post(
    "/{incident_id}/escalate",
    **described(
        EscalateBody,
        now={},
        to_a_step={"step": 2},
        to_a_person={"user": "bob", "urgency": "high"},
        to_several={"targets": ["user:bob", "team:ops"], "channels": ["console"]},
        to_a_policy={"policy": "night"},
        to_everybody={"everybody": True},
    ),
)
async def escalate_incident(order: Ordered) -> CommandAnswer:
    """
    Do not wait: the next step runs now, or a step, people or a policy of your choice.

    With nobody named, the main walk's wait, gate or pause ends; past the end comes the
    next round, else the fallback, else `nothing_left`. Whoever is named is paged beside
    the main walk; of an acknowledged or snoozed incident too, which is triggered again.
    """
    body = await order.read(EscalateBody)
    named = body.named()
    with held_against():
        orders = await order.orders()
        orders.check_page(named, body.urgency, body.channels)
        step = await _step(order, body.step)
    command = order.command(
        Escalated,
        body,
        step=step,
        targets=tuple(named.values()),
        urgency=body.urgency or HIGH,
        channels=body.channels,
    )

    return await order.obey(command)


@router.post(
    "/{incident_id}/reassign",
    **described(ReassignBody, is_required=True, to_bob={"to": "bob"}),
)
async def reassign_incident(order: Ordered) -> CommandAnswer:
    """Hand it to somebody: pages stop, they are paged, the wait starts again."""
    body = await order.read(ReassignBody)
    with held_against():
        orders = await order.orders()
        orders.check_page({"to": UserTarget(id=body.to)}, body.urgency)
    command = order.command(Reassigned, body, to=body.to, urgency=body.urgency or HIGH)

    return await order.obey(command)


@router.post(
    "/{incident_id}/attach",
    **described(AttachBody, is_required=True, to_another={"parent": "inc_00F2QK8A1ZR"}),
)
async def attach_incident(order: Ordered) -> CommandAnswer:
    """
    Make an incident a part of another one: it pages nobody and follows that one.

    One that is over, that is attached already or has parts of its own stays as it is;
    to one that is over nothing is attached (`late`).
    """
    body = await order.read(AttachBody)
    parent = await _parent(order, body.parent)

    return await order.obey(order.command(Attached, body, parent=parent))


@router.post(
    "/{incident_id}/detach", **described(CommandBody, by_somebody={"by": "alice"})
)
async def detach_incident(order: Ordered) -> CommandAnswer:
    """Let an incident stand alone again: an open one starts again at step 1."""
    body = await order.read(CommandBody)

    return await order.obey(order.command(Detached, body))


@router.delete("/{incident_id}", **described(CommandBody, by_somebody={"by": "alice"}))
async def remove_incident(order: Ordered) -> CommandAnswer:
    """
    Remove an incident for good: it is gone from lists, and its dedup key is free.

    Its history stays as long as that of others.
    """
    body = await order.read(CommandBody)

    return await order.obey(order.command(Removed, body))


@router.put(
    "/{incident_id}/metadata/{key:path}",
    **described(
        MetadataBody,
        is_required=True,
        text={"texts": ["db1", "db2"]},
        reference={"references": [{"type": "User", "id": "bob"}]},
        removed={"texts": []},
    ),
)
async def set_metadata(
    key: Annotated[str, Path(min_length=1, max_length=KEY_MAX)], order: Ordered
) -> CommandAnswer:
    """
    Set the values of a key. They win over the labels of alerts from now on.

    Without values the key is removed.
    """
    body = await order.read(MetadataBody, is_required=True)
    incident = await order.context.engine.find(order.incident_id)
    name = one_line(key, KEY_MAX)
    _refuse_key(incident, name)
    with held_against():
        orders = await order.orders()
        orders.check_references(body.references)
    command = order.command(
        MetadataSet, body, key=name, texts=body.texts, references=body.references
    )

    return await order.obey(command)


async def _key_taken(order: Order) -> ProblemError:
    """Say which open incident has the dedup key."""
    incident = await order.context.engine.find(order.incident_id)
    holder = await order.context.reader.holder(incident.integration, incident.key)
    if holder is None:
        detail = "An open incident had the same dedup key just now. Send it again."
        return ProblemError(KEY_TAKEN, detail)
    shown = show_incident_id(holder)
    detail = f"{shown} is open and has the same dedup key: resolve that one first."

    return ProblemError(KEY_TAKEN, detail, incident_id=shown)


async def _step(order: Order, step: int | str | None) -> int | None:
    if step is None:
        return None

    return step_index(await order.context.engine.find(order.incident_id), step)


async def _parent(order: Order, shown_id: str) -> str:
    """Read the id of an incident that has to exist."""
    try:
        parent = read_incident_id(shown_id)
        await order.context.engine.find(parent)
    except (MalformedIdError, UnknownIncidentError):
        problem = f"no incident has the id {shown_id[:40]!r}"
        raise refused([Problem(path="parent", problem=problem)]) from None

    return parent


def _refuse_key(incident: Incident, key: str) -> None:
    """Refuse a key that says nothing, and more keys than anybody can look through."""
    known = {*incident.metadata, *incident.references}
    if not key:
        raise refused([Problem(path="key", problem="is blank: give it a name")])
    if key not in known and len(known) >= KEYS_MAX:
        problem = f"the incident has {KEYS_MAX} keys already: remove one"
        raise refused([Problem(path="key", problem=problem)])
