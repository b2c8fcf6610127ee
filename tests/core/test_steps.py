"""What steps do when they run late, and what their pages carry."""

from tests.core.making import HOUR, MINUTE, START, World, a_policy, notify, wait


def test_gate_does_not_look_twice() -> None:
    """A gate whose window was missed, since no worker ran, passes nevertheless."""
    gate = {"kind": "time_gate", "window": {"from": "12:00", "to": "12:01"}}
    world = World.opened(a_policy(gate, notify("user:alice"))).run()
    world.now = START + 4 * HOUR
    world.run()

    assert [(4 * 3600, "alice")] == world.sent()


def test_late_timer() -> None:
    """A timer that is late by more than two seconds counts as of when it ran."""
    world = World.opened(
        a_policy(wait("1m"), notify("user:alice"), wait("1m"), notify("user:bob"))
    )
    world.now = START + 5 * MINUTE
    world.run().advance(MINUTE)

    assert [(300, "alice"), (360, "bob")] == world.sent()


def test_cause() -> None:
    """A page of the opening is told from one that a timer caused."""
    world = World.opened(a_policy(notify("user:alice"), wait("1m"), notify("user:bob")))
    world.run().advance(MINUTE)

    assert [False, True] == [send.caused_by_timer for send in world.sends()]


def test_retries_end() -> None:
    """Trying again ends after a minute, or when the next step is due."""
    world = World.opened(
        a_policy(notify("user:alice"), wait("30s"), notify("user:bob"))
    )
    world.run().advance(MINUTE)
    lasting = [int((s.give_up_at - s.due).total_seconds()) for s in world.sends()]

    assert [30, 60] == lasting
