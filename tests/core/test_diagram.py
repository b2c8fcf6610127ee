"""The transitions that machine.py opens with are the ones there are."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from engine.core import machine
from engine.core.effects import Following
from engine.core.events import (
    Acknowledged,
    AlertsReceived,
    Attached,
    ChildAttached,
    ChildDetached,
    Commented,
    CommentEdited,
    Detached,
    Escalated,
    Event,
    MetadataSet,
    ParentMoved,
    Reassigned,
    Removed,
    Reopened,
    Resolved,
    Snoozed,
    Unacknowledged,
    Unsnoozed,
    WokeUp,
)
from engine.core.incident import Incident, Status
from engine.core.machine import decide
from policies.targets import UserTarget
from tests.core.making import (
    HOUR,
    START,
    World,
    a_firing,
    a_policy,
    a_resolved,
    notify,
    wait,
)

Transition = tuple[str, str, str]
LATER = START + HOUR
# By policy: one that only waits, one that ends it, one that removes it.
POLICIES = [
    a_policy(wait("2h"), notify("user:alice")),
    a_policy({"kind": "resolve", "wait_before": "30m"}),
    a_policy({"kind": "remove", "wait_before": "30m"}),
]
WAYS: dict[Status, Callable[[World], Any]] = {
    Status.TRIGGERED: lambda world: world,
    Status.ACKNOWLEDGED: lambda world: world.command(Acknowledged),
    Status.SNOOZED: lambda world: world.command(Snoozed, until=START + HOUR / 2),
    Status.RESOLVED: lambda world: world.command(Resolved),
    Status.REMOVED: lambda world: world.command(Removed),
}
ATTACH: list[Callable[[World], Any]] = [
    lambda world: world,
    lambda world: world.command(Attached, parent="00000000002"),
]


def drawn() -> set[Transition]:
    """Read the transitions in the docstring of the machine."""
    found = set()
    for line in (machine.__doc__ or "").splitlines():
        before, arrow, rest = line.strip().partition(" -> ")
        if arrow:
            after, *events = rest.replace(",", "").split()
            found |= {(before, after, event) for event in events}

    return found


def incidents() -> Iterator[Incident]:
    """Yield incidents in every status, attached and alone, on every policy."""
    for policy in POLICIES:
        for first in ATTACH:
            for way in WAYS.values():
                world = World.opened(policy, acknowledged_for=timedelta(minutes=30))
                way(world)
                first(world)
                yield world.incident


def events() -> Iterator[Event]:
    """Yield an event of every kind that can move an incident."""
    by: dict[str, Any] = {"at": LATER, "id": "later", "by": "bob"}
    yield WokeUp(at=LATER)
    yield AlertsReceived(at=LATER, alerts=(a_resolved(),))
    yield AlertsReceived(at=LATER, alerts=(a_firing("b"),))
    for kind in (
        Acknowledged,
        Unacknowledged,
        Resolved,
        Reopened,
        Snoozed,
        Unsnoozed,
        Escalated,
        Detached,
        Removed,
    ):
        yield kind(**by)
    yield Escalated(**by, targets=(UserTarget(id="bob"),))
    yield Escalated(**by, step=1)
    yield Reassigned(**by, to="bob")
    yield Attached(**by, parent="00000000003")
    yield ChildAttached(at=LATER, id="later", child="00000000004")
    yield ChildDetached(at=LATER, id="later", child="00000000004")
    yield MetadataSet(**by, key="k", texts=("v",))
    yield Commented(**by, text="hm")
    yield CommentEdited(**by, comment="c", text="hm")
    for what in Following:
        yield ParentMoved(at=LATER, id="later", what=what, by="bob")


def found() -> set[Transition]:
    """Return every transition that any event makes."""
    moves = set()
    for incident in incidents():
        for event in events():
            after = decide(incident, event).incident
            moves.add((incident.status, after.status, type(event).__name__))

    return {move for move in moves if move[0] != move[1]}


def test_transitions() -> None:
    """The machine moves an incident as its first page says, and in no other way."""
    assert drawn() == found()


@pytest.mark.parametrize("status", Status)
def test_statuses(status: Status) -> None:
    """Every status stands in the diagram."""
    assert any(status in move for move in drawn())
