"""
Idempotency keys: what a provider recognises a page by that comes again.

A commit can be lost with a primary. Then the same is decided once more, at another time,
and what has left already leaves again: it must have the same key.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from engine.core.effects import CallWebhook, LookUp, Send
from engine.core.events import Acknowledged, Escalated, Unacknowledged
from engine.core.reasons import Reason
from policies.policy import Policy
from tests.core.making import (
    HOUR,
    MINUTE,
    SECOND,
    World,
    a_policy,
    notify,
    wait,
)
from tests.property.sizes import sized

# On time, forgiven, and late by more and more.
LATENESS = [0 * SECOND, SECOND, 3 * SECOND, 8 * SECOND, 3 * MINUTE, 26 * HOUR]
BOB = notify("user:bob")
CALL = {"kind": "webhook", "webhook": "w"}
TO_BACKUP = {"verb": "escalate_to", "policy": "backup"}
BACKUP = a_policy(BOB, name="backup")
WHEN_PROD = {"key": "env", "values": ["prod"]}
POLICIES: Mapping[str, tuple[Policy, ...]] = {
    "after a wait step": (a_policy(wait("5m"), BOB),),
    "with a wait of its own": (a_policy({**BOB, "wait_before": "5m"}),),
    "after several": (a_policy(wait("2m"), CALL, wait("3m"), BOB, wait("1m"), BOB),),
    "in turns": (a_policy(wait("5m"), {**BOB, "each": "next_each_time"}),),
    "again": (a_policy(wait("5m"), BOB, {"kind": "repeat", "times": 2}),),
    "by webhook": (a_policy(CALL, repeat={"count": 3, "delay": "0s"}),),
    "in rounds": (a_policy(wait("5m"), BOB, repeat={"count": 2, "delay": "1m"}),),
    "as the fallback": (
        a_policy(wait("5m"), CALL, fallback="backup", repeat={"delay": "1m"}),
        BACKUP,
    ),
    "beside": (a_policy(wait("5m"), notify("policy:backup")), BACKUP),
    "by a branch": (
        a_policy(
            wait("5m"),
            {"kind": "metadata_branch", **WHEN_PROD, "outcome": TO_BACKUP},
        ),
        BACKUP,
    ),
}


def keys(world: World) -> list[str]:
    """Return the keys of all that was sent, first first."""
    sent = [one for one in world.effects if isinstance(one, Send | CallWebhook)]

    return [one.key for one in sent]


def opened(*policies: Policy, **fields: Any) -> World:
    """Return an incident to which `WHEN_PROD` applies."""
    return World.opened(*policies, metadata={"env": ("prod",)}, **fields)


def run_late(world: World, *late: timedelta, runs: int = 30) -> World:
    """Run what is due, so much later each time; the last lateness goes on."""
    lateness = [*late, *[late[-1]] * runs]
    while (due := world.incident.next_due) and world.incident.exhausts_at is None:
        world.now = max(world.now, due + lateness.pop(0))
        world.run()

    return world


@pytest.mark.parametrize("late", LATENESS)
@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
def test_decided_again(policies: tuple[Policy, ...], late: timedelta) -> None:
    """What is decided again at another time is sent under the same keys."""
    in_time = run_late(opened(*policies), 0 * SECOND)
    again = run_late(opened(*policies), late)

    assert keys(in_time)
    assert keys(in_time) == keys(again)
    assert len(keys(in_time)) == len(set(keys(in_time)))


@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES)
def test_late_once(policies: tuple[Policy, ...]) -> None:
    """A step that is late once changes no key of what comes after it either."""
    in_time = run_late(opened(*policies), 0 * SECOND)
    again = run_late(opened(*policies), MINUTE, 0 * SECOND)

    assert keys(in_time) == keys(again)


@given(
    st.sampled_from(list(POLICIES)),
    st.lists(st.sampled_from(LATENESS), min_size=1, max_size=12),
)
@sized(60)
def test_late_now_and_then(name: str, late: list[timedelta]) -> None:
    """Whichever steps are late, and by how much, keys are those of what is in time."""
    in_time = run_late(opened(*POLICIES[name]), 0 * SECOND)

    assert keys(in_time) == keys(run_late(opened(*POLICIES[name]), *late))


@pytest.mark.parametrize("late", LATENESS)
def test_rounds_at_once(late: timedelta) -> None:
    """A round has other keys than the one before it that was so late that both are due."""
    policy = a_policy(BOB, CALL, repeat={"count": 3, "delay": "0s"})
    in_time = run_late(opened(policy), 0 * SECOND)
    again = run_late(opened(policy), late)

    # Of two pages in one instant there is one; that is all that may be missing.
    assert set(keys(again)) <= set(keys(in_time))
    assert len(keys(again)) == len(set(keys(again)))
    assert [one.key for one in in_time.of(CallWebhook)] == [
        one.key for one in again.of(CallWebhook)
    ]


def test_asked_again() -> None:
    """A look-up that met its deadline pages under the key of the step that asked."""
    policy = a_policy(wait("5m"), BOB)
    world = opened(policy)
    world.is_silent = True
    world.now += 5 * MINUTE + 30 * SECOND
    world.run()
    world.advance(4 * SECOND)
    question = world.of(LookUp)[-1]
    world.is_silent = False
    world.happen(world.answer_to(question))

    assert question.is_recall
    assert keys(run_late(opened(policy), 0 * SECOND)) == keys(world)


def test_waits_count_on() -> None:
    """Waits count from when a late step ran, whatever its key is made of."""
    world = run_late(
        opened(a_policy(wait("5m"), BOB, wait("5m"), BOB)), MINUTE, 0 * SECOND
    )

    assert [(360, "bob"), (660, "bob")] == world.sent()


def test_caught_up() -> None:
    """A clock time makes good for what was late before it."""
    at_noon = {**BOB, "wait_until": {"time": "12:00", "zone": "UTC"}}
    policy = a_policy(wait("5m"), BOB, at_noon)
    world = run_late(opened(policy), MINUTE, 0 * SECOND)

    assert keys(run_late(opened(policy), 0 * SECOND)) == keys(world)


def test_in_time_writes_nothing() -> None:
    """A step that runs on time, or little late, leaves no trace of it."""
    world = opened(a_policy(wait("5m"), BOB, wait("5m"), BOB))
    world.now += 5 * MINUTE + SECOND
    world.run()

    assert [0 * SECOND] == [walk.late_by for walk in world.incident.walks]


@pytest.mark.parametrize("late", LATENESS)
def test_looked_for_again(late: timedelta) -> None:
    """Whom a later look-up finds is paged under the key of the time it was due."""
    found = []
    for lateness in (0 * SECOND, late):
        world = opened(a_policy(notify("user:dora")))
        world.run()
        world.people["dora"] = world.people["bob"]
        [call] = world.incident.calls
        assert call.due is not None
        world.now = call.due + lateness
        world.run()
        found.append(keys(world))

    assert len(found[0]) == 1
    assert found[0] == found[1]


@pytest.mark.parametrize("late", LATENESS)
@pytest.mark.parametrize("is_silent", [False, True])
def test_returned(late: timedelta, *, is_silent: bool) -> None:
    """What starts again after a time-out is due by that, also without an answer."""
    found = []
    for lateness in (0 * SECOND, late):
        world = opened(a_policy(BOB), acknowledged_for=30 * MINUTE)
        world.run()
        world.command(Acknowledged)
        world.is_silent = is_silent and bool(lateness)
        world.now += 30 * MINUTE + lateness
        world.run()
        if world.is_silent:
            world.now += 9 * SECOND
            world.is_silent = False
            world.run()
        found.append(keys(world))

    assert len(found[0]) == len(set(found[0])) == 2
    assert found[0] == found[1]


@pytest.mark.parametrize("late", LATENESS)
def test_exhausted(late: timedelta) -> None:
    """The catch-all policy pages under the key of when it should have begun."""
    found = []
    for lateness in (0 * SECOND, late):
        world = opened(a_policy(BOB), BACKUP, catch_all="backup")
        world.run()
        due = world.incident.next_due
        assert due is not None
        world.now = due + lateness
        world.run()
        assert Reason.EXHAUSTED in world.reasons
        found.append(keys(world))

    assert len(found[0]) == len(set(found[0])) == 2
    assert found[0] == found[1]


def test_restarted_in_one_instant() -> None:
    """A start of its own has keys of its own, also in the very same millisecond."""
    world = opened(a_policy(BOB, CALL)).run()
    for _ in range(2):
        world.command(Acknowledged)
        world.command(Unacknowledged)
        world.run()

    assert len(keys(world)) == len(set(keys(world))) == 6


def test_sent_back() -> None:
    """Who is paged by the same step again, since somebody wants it, has another key."""
    world = opened(a_policy(BOB, CALL, wait("1h"), BOB)).run()
    world.now += MINUTE
    world.command(Escalated, step=0)
    world.run()

    assert len(keys(world)) == len(set(keys(world))) == 4


def test_after_another_answer() -> None:
    """A webhook is called under the same key however often a step before it has asked."""
    policy = a_policy(notify("user:alice"), CALL)
    world = opened(policy)
    world.is_silent = True
    world.run()
    world.now += 4 * SECOND
    world.is_silent = False
    world.run()

    assert keys(opened(policy).run()) == keys(world)


def test_of_another() -> None:
    """Another incident has other keys, for the same people at the same time."""
    one, other = (
        opened(a_policy(BOB, CALL), incident_id=f"i{n}").run() for n in (1, 2)
    )

    assert not set(keys(one)) & set(keys(other))
