"""What answers mean, also those that come late, twice or not at all."""

from engine.core.effects import LookUp
from engine.core.events import (
    Acknowledged,
    Escalated,
    PolicyNamed,
    Responder,
    SnapshotTaken,
    TargetsResolved,
    TurnTaken,
    Unacknowledged,
    WokeUp,
)
from engine.core.reasons import Reason
from policies.policy import Snapshot
from policies.targets import UserTarget
from tests.core.making import (
    CONSOLE,
    MINUTE,
    SECOND,
    START,
    World,
    a_policy,
    notify,
    wait,
)

ALICE = Responder(person="alice", target="user:alice", rules=CONSOLE)
TO_METADATA = {
    "kind": "metadata_branch",
    "key": "env",
    "values": ["prod"],
    "outcome": {"verb": "escalate_to", "policy_metadata_key": "owner"},
}


def asking(*steps: object, **fields: object) -> World:
    """Return an incident whose first step has asked, and got no answer."""
    world = World.opened(a_policy(*steps), **fields)  # type: ignore[arg-type]
    world.is_silent = True

    return world.run()


def resolved(generation: int, walk: int = 1) -> TargetsResolved:
    """Return an answer that finds alice."""
    return TargetsResolved(
        at=START, walk=walk, generation=generation, responders=(ALICE,)
    )


def test_in_time() -> None:
    """An answer to the question that was asked pages."""
    world = asking(notify("user:alice"))
    [walk] = world.incident.walks

    assert Reason.PAGED is world.happen(resolved(walk.generation)).reason
    assert [(0, "alice")] == world.sent()


def test_to_an_earlier_question() -> None:
    """An answer to an earlier question changes nothing."""
    world = asking(notify("user:alice"))
    [walk] = world.incident.walks
    decision = world.happen(resolved(walk.generation - 1))

    assert Reason.STALE is decision.reason
    assert world.incident is decision.incident
    assert [] == world.sent()


def test_twice() -> None:
    """The same answer again changes nothing."""
    world = asking(notify("user:alice"), wait("1m"))
    [walk] = world.incident.walks
    world.happen(resolved(walk.generation))

    assert Reason.STALE is world.happen(resolved(walk.generation)).reason
    assert [(0, "alice")] == world.sent()


def test_after_an_acknowledgement() -> None:
    """An acknowledgement that arrives while targets are being looked up wins."""
    world = asking(notify("user:alice"))
    [walk] = world.incident.walks
    world.command(Acknowledged)

    assert Reason.STALE is world.happen(resolved(walk.generation)).reason
    assert [] == world.sent()


def test_for_nobody_who_asked() -> None:
    """Answers to questions that were never asked change nothing."""
    world = asking(notify("user:alice"))
    turn = TurnTaken(at=START, walk=1, generation=2, target="user:alice")
    named = PolicyNamed(at=START, walk=7, generation=2, policy="root")
    taken = SnapshotTaken(at=START, generation=5, snapshot=None)

    assert [Reason.STALE] * 3 == [
        world.happen(event).reason for event in (turn, named, taken)
    ]


def test_no_answer() -> None:
    """No answer by the deadline counts as nobody; waits count from when it asked."""
    world = asking(notify("user:alice"), wait("1m"), {"kind": "resolve"})
    world.advance(4 * SECOND)
    timed_out = world.reasons[-1]
    world.advance(MINUTE - 4 * SECOND)

    assert Reason.LOOK_UP_TIMED_OUT is timed_out
    assert Reason.RESOLVED_BY_POLICY is world.reasons[-1]


def test_what_was_known_last() -> None:
    """At the deadline what was known last is asked for; waits count from the step."""
    world = asking(notify("user:alice"), wait("1m"), {"kind": "resolve"})
    first = world.of(LookUp)[-1]
    world.advance(4 * SECOND)
    second = world.of(LookUp)[-1]
    world.happen(resolved(second.generation))
    world.advance(MINUTE - 4 * SECOND)

    assert (False, True) == (first.is_recall, second.is_recall)
    assert first.generation < second.generation
    assert first.targets == second.targets
    assert [(4, "alice")] == world.sent()
    assert Reason.RESOLVED_BY_POLICY is world.reasons[-1]


def test_too_late() -> None:
    """The answer to the first question changes nothing once the last known is asked for."""
    world = asking(notify("user:alice"))
    first = world.of(LookUp)[-1]
    world.advance(4 * SECOND)

    assert Reason.STALE is world.happen(resolved(first.generation)).reason


def test_asked_afresh() -> None:
    """A later step asks anew, and waits its whole time again."""
    world = asking(notify("user:alice"), notify("user:bob"))
    world.advance(12 * SECOND)
    third = world.of(LookUp)[-1]

    assert not third.is_recall
    assert [4 * SECOND] == [third.deadline - third.at]


def test_call_and_what_was_known_last() -> None:
    """Who is named by hand is found by what was known last too."""
    world = asking(wait("1h"))
    world.command(Escalated, targets=(UserTarget(id="alice"),))
    world.advance(4 * SECOND)
    second = world.of(LookUp)[-1]
    world.happen(resolved(second.generation, second.walk))

    assert second.is_recall
    assert [(4, "alice")] == world.sent()


def test_no_turn() -> None:
    """Without an answer it is the first one's turn."""
    world = asking(notify("user:bob", "user:alice", each="next_each_time"))
    [walk] = world.incident.walks
    bob = Responder(person="bob", target="user:bob", rules=CONSOLE)
    answer = TargetsResolved(
        at=START,
        walk=1,
        generation=walk.generation,
        responders=(bob, ALICE),
        order=("user:alice", "user:bob"),
    )
    world.happen(answer)
    world.advance(SECOND)

    assert Reason.TURN_TIMED_OUT is world.reasons[-1]
    assert ["alice"] == [person for _, person in world.sent()]


def test_nobody_in_turn() -> None:
    """Where nobody can be reached there are no turns, and nobody is reached."""
    world = World.opened(a_policy(notify("user:dora", each="next_each_time")))

    assert Reason.NOBODY_REACHED in world.run().reasons


def test_no_policy_named() -> None:
    """If nobody says which policy metadata names, the next step runs."""
    world = asking(TO_METADATA, notify("user:alice"), metadata={"env": ("prod",)})
    world.advance(4 * SECOND)

    assert Reason.LOOK_UP_TIMED_OUT in world.reasons
    assert Reason.LOOKING_UP is world.reasons[-1]


def test_policy_named() -> None:
    """The policy that metadata names comes along in a snapshot, and takes over."""
    night = a_policy(notify("user:bob"), name="night")
    metadata = {"env": ("prod",), "owner": ("night",)}
    world = World.opened(a_policy(TO_METADATA, notify("user:alice")), metadata=metadata)
    world.policies["night"] = night
    world.run()

    assert [(0, "bob")] == world.sent()
    assert {"root", "night"} == set(world.incident.snapshot.policies)


def test_policies_among_targets() -> None:
    """Policies that metadata names as targets walk beside the one that named them."""
    night = a_policy(notify("user:bob"), name="night")
    world = asking(notify("metadata:owner"), metadata={"owner": ("night",)})
    snapshot = world.incident.snapshot.extended("night", {"night": night})
    [walk] = world.incident.walks
    answer = TargetsResolved(
        at=START,
        walk=walk.id,
        generation=walk.generation,
        responders=(),
        policies=("night",),
        snapshot=snapshot.hash,
    )
    world.happen(answer, snapshot)
    world.is_silent = False
    world.run()

    assert Reason.POLICY_STARTED in world.reasons
    assert [(0, "bob")] == world.sent()


def test_other_snapshot() -> None:
    """A snapshot that is not the one an answer names is not taken over."""
    other = Snapshot.of(a_policy(name="other"))
    world = asking(notify("user:alice"))
    [walk] = world.incident.walks
    world.happen(resolved(walk.generation), other)

    assert "root" == world.incident.snapshot.root


def test_call_without_answer() -> None:
    """Somebody who is named by hand and cannot be looked up was not reached."""
    world = asking(wait("1h"))
    world.command(Escalated, targets=(UserTarget(id="bob"),))
    world.advance(12 * SECOND)

    assert Reason.LOOK_UP_TIMED_OUT is world.reasons[-1]
    assert () == world.incident.calls


def test_no_fresh_snapshot() -> None:
    """Without an answer it starts again on the policies it had."""
    world = World.opened(a_policy(notify("user:alice")))
    world.run()
    world.command(Acknowledged)
    world.is_silent = True
    world.command(Unacknowledged)
    world.advance(4 * SECOND)

    assert Reason.RESTARTED_UNCHANGED in world.reasons


def test_late_wake_up() -> None:
    """A wake-up when nothing is due leaves the very same incident."""
    world = World.opened(a_policy(wait("1m")))
    decision = world.happen(WokeUp(at=START + SECOND))

    assert Reason.STALE is decision.reason
    assert world.incident is decision.incident
