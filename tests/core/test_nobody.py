"""What it means that nobody was reached, whenever that is learned."""

import pytest

from engine.core.effects import Notice, Publish
from engine.core.events import Outcome
from engine.core.reasons import Reason
from tests.core.making import CONSOLE, MINUTE, SECOND, World, a_policy, notify, wait

NOBODY = notify("schedule:nobody")
SENT, FAILED, UNKNOWN = Outcome.SENT, Outcome.FAILED, Outcome.UNKNOWN


def run(*steps: object, **settings: object) -> World:
    """Return an incident that walks these steps, as far as it goes at once."""
    return World.opened(a_policy(*steps, **settings)).run()  # type: ignore[arg-type]


def test_learned_during_a_wait() -> None:
    """When the last method fails during a wait, that wait ends then."""
    world = run(notify("user:alice"), wait("10m"), notify("user:bob"))
    world.advance(MINUTE)
    world.report(FAILED)
    world.run()

    assert [(0, "alice"), (60, "bob")] == world.sent()


@pytest.mark.parametrize("outcome", [SENT, UNKNOWN])
def test_reached(outcome: Outcome) -> None:
    """Who was notified, or may have been, counts as reached: the wait stays."""
    world = run(notify("user:alice"), wait("10m"), notify("user:bob"))
    world.report(outcome)
    world.advance(9 * MINUTE)

    assert [(0, "alice")] == world.sent()


def test_one_of_two() -> None:
    """A step has reached somebody if one of its pages has."""
    world = run(notify("user:alice", "user:bob"), wait("10m"), notify("user:carol"))
    world.report(FAILED, last=2)
    world.run()
    before = world.sent()
    world.report(SENT)
    world.advance(9 * MINUTE)

    assert [(0, "alice"), (0, "bob")] == before == world.sent()


def test_both_failed() -> None:
    """It has reached nobody when every one of them has failed; that is published."""
    world = run(notify("user:alice", "user:bob"), wait("10m"), notify("user:carol"))
    world.report(FAILED, last=2)
    world.report(FAILED)
    world.run()

    assert (0, "carol") == world.sent()[-1]
    assert [Publish(notice=Notice.NOBODY_REACHED)] == world.of(Publish)


def test_earlier_step_fails_late() -> None:
    """A failure of an earlier step does not end the wait after a later one."""
    steps = [notify("user:alice"), wait("1m"), notify("user:bob"), wait("10m")]
    world = run(*steps, notify("user:carol"))
    world.advance(2 * MINUTE)
    world.report(FAILED, last=2)
    world.run()

    assert ["alice", "bob"] == [person for _, person in world.sent()]


@pytest.mark.parametrize(
    ("step", "is_waived"),
    [
        ({"kind": "wait", "duration": "5m"}, True),
        ({"kind": "resolve"}, False),
        ({"kind": "instructions", "text": "look"}, False),
        ({"kind": "time_gate", "window": {}}, False),
        (
            {
                "kind": "time_branch",
                "window": {},
                "outcome": {"verb": "escalate_to", "policy": "gone"},
            },
            True,
        ),
        ({"kind": "time_branch", "window": {}, "outcome": {"verb": "stop"}}, False),
    ],
)
def test_what_follows(step: dict[str, object], is_waived: bool) -> None:  # noqa: FBT001
    """A wait is waived before a notify step, or a branch that escalates; else not."""
    world = run(NOBODY, wait("10m"), step, notify("user:bob"))

    assert is_waived is ((0, "bob") in world.sent())


def test_wait_before_is_waived() -> None:
    """So is the wait that a notify step has before it."""
    world = run(NOBODY, notify("user:bob", wait_before="10m"))

    assert [(0, "bob")] == world.sent()


def test_clock_time_is_not_waived() -> None:
    """A clock time is never waived, nor is the policy's repeat delay."""
    clock = run(NOBODY, notify("user:bob", wait_until={"time": "12:00"}))
    delay = run(NOBODY, repeat={"count": 1, "delay": "10m"})

    assert [] == clock.sent()
    assert 1 == delay.reasons.count(Reason.NOBODY_REACHED)


def test_until_somebody_may_be_reached() -> None:
    """Waits count again as soon as a step may reach somebody."""
    steps = [NOBODY, wait("10m"), notify("user:bob"), wait("10m")]
    world = run(*steps, notify("user:carol"))

    assert [(0, "bob")] == world.sent()


def test_next_rule_at_once() -> None:
    """A method that fails brings the person's next rule, not the next step."""
    rules = (*CONSOLE, CONSOLE[0].__class__(delay=MINUTE, method="n", channel="sms"))
    world = World.opened(a_policy(notify("user:alice"), wait("10m"), NOBODY))
    world.people["alice"] = rules
    world.run().report(FAILED)
    world.run()

    assert ["console", "sms"] == [send.channel for send in world.sends()]
    assert [(0, "alice"), (0, "alice")] == world.sent()


def test_looked_for_again() -> None:
    """What reached nobody is looked up again every five minutes, until it does."""
    world = run(NOBODY, notify("user:dora"))
    world.advance(11 * MINUTE)
    looked = world.reasons.count(Reason.LOOKED_AGAIN)
    world.people["dora"] = CONSOLE
    world.advance(5 * MINUTE)
    world.report(SENT)
    world.advance(60 * MINUTE)

    assert 4 == looked
    assert [(900, "dora")] == world.sent()
    assert () == world.incident.calls


def test_not_looked_for_again() -> None:
    """A round that reached anybody is not looked up again."""
    world = run(NOBODY, notify("user:alice"))
    world.report(SENT)
    world.advance(30 * MINUTE)

    assert Reason.LOOKED_AGAIN not in world.reasons


def test_last_page_fails() -> None:
    """When the pages of a walk that is over fail, they are looked up again."""
    world = run(notify("user:alice", "user:bob"))
    world.report(FAILED, last=2)
    once = world.incident.calls
    world.report(FAILED)

    assert () == once
    assert 1 == len(world.incident.calls)


def test_exhausted_meanwhile() -> None:
    """Looking again delays neither the end nor the catch-all policy."""
    last = a_policy(notify("user:carol"), name="last")
    world = World.opened(a_policy(NOBODY), last, catch_all="last").run()

    assert Reason.EXHAUSTED in world.reasons
    assert [(0, "carol")] == world.sent()
    assert world.incident.exhausted_at is not None


def test_older_page_is_taken_over() -> None:
    """A step whose page a newer one took over waits for the newer one."""
    rules = (*CONSOLE, CONSOLE[0].__class__(delay=MINUTE, method="n", channel="sms"))
    world = World.opened(
        a_policy(notify("user:alice"), wait("10s"), notify("user:alice"))
    )
    world.people["alice"] = rules
    world.run().advance(10 * SECOND)
    world.report(FAILED, last=2)
    world.report(FAILED)
    before = world.incident.calls
    world.run().report(FAILED)

    assert () == before
    assert {0, 2} == {call.step.step for call in world.incident.calls if call.step}


def test_each_round_stands_alone() -> None:
    """That an earlier round reached somebody says nothing of the last one."""
    world = run(notify("user:alice"), wait("1m"), repeat={"count": 1})
    world.report(SENT)
    world.people["alice"] = ()
    world.advance(10 * MINUTE)

    assert Reason.LOOKED_AGAIN in world.reasons


def test_failure_opens_no_gate() -> None:
    """A failure that is learned while a gate holds does not open it."""
    gate = {"kind": "time_gate", "window": {"from": "12:00", "to": "13:00"}}
    world = run(notify("user:alice"), gate, notify("user:bob"))
    world.advance(MINUTE)
    world.report(FAILED)
    world.run()

    assert [(0, "alice")] == world.sent()


def test_looking_again_delays_no_catch_all() -> None:
    """Who is looked for again, and paged by several rules, delays not the catch-all."""
    rules = (
        *CONSOLE,
        CONSOLE[0].__class__(delay=10 * MINUTE, method="n", channel="sms"),
    )
    last = a_policy(notify("user:carol"), name="last")
    world = World.opened(a_policy(NOBODY, notify("user:dora")), last, catch_all="last")
    world.run()
    world.people["dora"] = rules
    world.advance(6 * MINUTE)

    assert world.incident.exhausted_at is not None
    assert "carol" in [person for _, person in world.sent()]


@pytest.mark.parametrize("order", [(SENT, FAILED), (FAILED, SENT)])
def test_order_of_reports(order: tuple[Outcome, Outcome]) -> None:
    """Whether a wait is waived does not depend on which report comes first."""
    world = run(
        notify("user:alice"), notify("user:bob"), wait("10m"), notify("user:carol")
    )
    which = {SENT: 2, FAILED: 1}
    for outcome in order:
        world.report(outcome, last=which[outcome])
    world.run()

    assert (0, "carol") == world.sent()[-1]


def test_waits_of_a_policy_that_keeps_them() -> None:
    """A policy that keeps its waits keeps them also when another one led there."""
    second = a_policy(
        wait("10m"), notify("user:bob"), name="second", when_nobody="wait"
    )
    world = World.opened(a_policy(NOBODY, fallback="second"), second).run()

    assert [] == world.sent()


def test_deleted_policy() -> None:
    """A step that names only a policy that was deleted has reached nobody."""
    world = run(notify("policy:gone"), wait("10m"), notify("user:bob"))

    assert [(0, "bob")] == world.sent()


def test_all_that_is_left() -> None:
    """Every rule that is left of an older page goes out, in its time or earlier."""

    def rule(minutes: int, method: str) -> object:
        return CONSOLE[0].__class__(
            delay=minutes * MINUTE, method=method, channel=method
        )

    world = World.opened(
        a_policy(notify("user:alice"), wait("1m"), notify("user:alice"))
    )
    world.people["alice"] = (rule(0, "sms"), rule(5, "sms"), rule(10, "sms"))  # type: ignore[assignment]
    world.run()
    world.people["alice"] = (rule(0, "email"),)  # type: ignore[assignment]
    world.advance(11 * MINUTE)

    assert [(0, "sms"), (60, "email"), (300, "sms"), (600, "sms")] == [
        (seconds, send.channel)
        for (seconds, _), send in zip(world.sent(), world.sends(), strict=True)
    ]
