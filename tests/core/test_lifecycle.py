"""What people and sources may do to an incident, row by row."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.core.effects import (
    Following,
    Notice,
    Publish,
    Send,
    TakeSnapshot,
    Tell,
    Withdraw,
)
from engine.core.events import (
    Acknowledged,
    AlertsReceived,
    Attached,
    ChildAttached,
    ChildDetached,
    Commented,
    CommentEdited,
    DeliveryReported,
    Detached,
    Escalated,
    Kind,
    MetadataSet,
    Opened,
    Outcome,
    ParentMoved,
    Reassigned,
    Removed,
    Reopened,
    Resolved,
    SnapshotTaken,
    Snoozed,
    Unacknowledged,
    Unsnoozed,
)
from engine.core.incident import Status
from engine.core.reasons import Reason
from engine.directory import ResolveWhen
from policies.metadata import Reference
from policies.policy import Snapshot
from policies.targets import PolicyTarget, UserTarget
from tests.core.making import (
    CONSOLE,
    HOUR,
    MINUTE,
    START,
    World,
    a_firing,
    a_policy,
    a_resolved,
    notify,
    wait,
)

POLICY = a_policy(notify("user:alice"), wait("10m"), notify("user:bob"))
PARENT = "00000000002"
Way = Callable[[World], Any]
COMMANDS: dict[type[Any], dict[str, Any]] = {
    Acknowledged: {},
    Unacknowledged: {},
    Resolved: {},
    Reopened: {},
    Snoozed: {},
    Unsnoozed: {},
    Escalated: {},
    Reassigned: {"to": "bob"},
    Attached: {"parent": PARENT},
    Detached: {},
    Removed: {},
    MetadataSet: {"key": "k", "texts": ("v",)},
    Commented: {"text": "hm"},
    CommentEdited: {"comment": "c", "text": "hm"},
}


def opened(**fields: Any) -> World:
    """Return an incident that has paged alice."""
    return World.opened(POLICY, **fields).run()


@pytest.mark.parametrize("command", COMMANDS)
def test_removed(command: type[Any]) -> None:
    """Removed is final: whatever is said leaves the very same incident."""
    world = opened()
    world.command(Removed)
    before = world.incident

    assert Reason.LATE is world.command(command, **COMMANDS[command])
    assert before is world.incident


@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c not in {Reopened, Removed, Commented, MetadataSet}],
)
def test_resolved(command: type[Any]) -> None:
    """Resolved is left only by reopening; alerts and reports come too late."""
    world = opened()
    world.command(Resolved)
    before = world.incident
    reason = world.command(command, **COMMANDS[command])
    late = world.alert(a_firing("b"))

    assert reason in {Reason.LATE, Reason.NOT_APPLICABLE}
    assert Reason.LATE is late
    assert before is world.incident


@pytest.mark.parametrize(
    "command",
    [
        Acknowledged,
        Unacknowledged,
        Resolved,
        Reopened,
        Snoozed,
        Unsnoozed,
        Escalated,
        Reassigned,
        Attached,
    ],
)
def test_attached(command: type[Any]) -> None:
    """An attached incident refuses actions of its own, and says so."""
    world = opened()
    world.command(Attached, parent=PARENT)
    before = world.incident

    assert Reason.IS_ATTACHED is world.command(command, **COMMANDS[command])
    assert before is world.incident


@pytest.mark.parametrize("command", [Acknowledged, Unacknowledged])
def test_maintenance(command: type[Any]) -> None:
    """Maintenance is not acknowledged, nor opened again once it was ended."""
    world = opened(kind=Kind.MAINTENANCE, alert=None, title="Upgrade")
    refused = world.command(command)
    world.command(Resolved)

    assert Reason.IS_MAINTENANCE is refused
    assert [Publish(notice=Notice.MAINTENANCE_ENDED)] == world.of(Publish)
    assert Reason.IS_MAINTENANCE is world.command(Reopened)


def test_opened_by_hand() -> None:
    """An incident that was opened by hand has a title, and metadata that was set."""
    metadata = {"env": ("prod",)}
    world = opened(alert=None, title="Smoke", metadata=metadata)
    world.alert(a_firing("b", labels={"env": "test"}))

    assert "Smoke" == world.incident.title
    assert metadata == world.incident.metadata


def test_opened_again() -> None:
    """An opening for an incident that is open comes too late."""
    world = opened()
    again = Opened(
        at=START, incident_id="0", key="k", integration="i", snapshot="s", title="x"
    )

    assert Reason.LATE is world.happen(again).reason


def test_repeated_command() -> None:
    """A command that comes twice counts once, whatever happened between."""
    world = opened()
    world.command(Acknowledged, id="same")
    world.command(Unacknowledged)
    before = world.incident

    assert Reason.REPEATED_COMMAND is world.command(Acknowledged, id="same")
    assert before is world.incident


@pytest.mark.parametrize("command", [Acknowledged, Resolved, Snoozed, Reassigned])
def test_takes_back(command: type[Any]) -> None:
    """Whoever takes it stops the pages: what has not left is taken back."""
    world = opened()
    [send] = world.sends()
    world.command(command, **COMMANDS[command])

    assert Withdraw(page=send.page, rule=send.rule) in world.effects


def test_acknowledged_twice() -> None:
    """One that somebody has already stays theirs."""
    world = opened()
    world.command(Acknowledged, by="alice")

    assert Reason.NOT_APPLICABLE is world.command(Acknowledged, by="bob")
    assert "alice" == world.incident.acknowledged_by


def test_acknowledged_for_longer() -> None:
    """With a time-out each acknowledgement lasts as long again."""
    world = opened(acknowledged_for=timedelta(minutes=30))
    world.command(Acknowledged)
    world.advance(20 * MINUTE)
    world.command(Acknowledged)
    world.advance(29 * MINUTE)
    before = world.incident.status
    world.advance(MINUTE)

    assert Status.ACKNOWLEDGED is before
    assert Status.TRIGGERED is world.incident.status
    assert Reason.ACKNOWLEDGEMENT_TIMED_OUT in world.reasons


@pytest.mark.parametrize(
    ("first", "command"),
    [
        (Acknowledged, Unacknowledged),
        (Resolved, Reopened),
        (Snoozed, Unsnoozed),
    ],
)
def test_starts_again(first: type[Any], command: type[Any]) -> None:
    """Each way back is the same: at step 1, nobody's, all counters zero."""
    world = opened()
    world.command(first)
    world.command(command)
    world.run()
    incident = world.incident

    assert Status.TRIGGERED is incident.status
    assert 2 == incident.start
    assert ["alice", "alice"] == [person for _, person in world.sent()]
    assert (None, None, None, None) == (
        incident.acknowledged_by,
        incident.snoozed_by,
        incident.resolved_by,
        incident.returns_at,
    )


@pytest.mark.parametrize("command", [Unacknowledged, Reopened, Unsnoozed])
def test_way_back_of_another(command: type[Any]) -> None:
    """A way back that is not for its status leaves it as it is."""
    world = opened()
    before = world.incident

    assert Reason.NOT_APPLICABLE is world.command(command)
    assert before is world.incident


def test_snoozed_for_ever() -> None:
    """A snooze without an end goes on until somebody ends it; a later one replaces it."""
    world = opened()
    world.command(Snoozed, until=START + MINUTE)
    world.command(Snoozed)
    world.advance(30 * 24 * HOUR)

    assert Status.SNOOZED is world.incident.status
    assert Reason.ACKNOWLEDGED is world.command(Acknowledged)
    assert None is world.incident.snoozed_by


def test_children_follow() -> None:
    """What is attached is told; by whom it was done is told too."""
    world = opened()
    world.happen(ChildAttached(at=START, id="1", child="child"))
    twice = world.happen(ChildAttached(at=START, id="2", child="child"))
    world.command(Acknowledged, by="bob")
    world.command(Resolved, by="bob")
    tells = world.of(Tell)

    assert Reason.NOT_APPLICABLE is twice.reason
    assert [("child", Following.ACKNOWLEDGE), ("child", Following.RESOLVE)] == [
        (tell.child, tell.what) for tell in tells
    ]
    assert {"bob"} == {tell.by for tell in tells}
    assert 2 == len({tell.id for tell in tells})


def test_child_leaves() -> None:
    """One that was detached is told nothing more."""
    world = opened()
    world.happen(ChildAttached(at=START, id="1", child="child"))
    world.happen(ChildDetached(at=START, id="2", child="child"))
    world.command(Resolved)

    assert [] == world.of(Tell)


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (Following.ACKNOWLEDGE, Status.ACKNOWLEDGED),
        (Following.RESOLVE, Status.RESOLVED),
    ],
)
def test_follows(what: Following, status: Status) -> None:
    """An attached incident does as its parent did; one that is not does nothing."""
    moved = {"at": START, "what": what, "by": "bob"}
    alone, world = opened(), opened()
    world.command(Attached, parent=PARENT)
    not_attached = alone.happen(ParentMoved(id="1", **moved))  # type: ignore[arg-type]
    first = world.happen(ParentMoved(id="1", **moved))  # type: ignore[arg-type]
    again = world.happen(ParentMoved(id="2", **moved))  # type: ignore[arg-type]

    assert Reason.NOT_APPLICABLE is not_attached.reason
    assert Reason.FOLLOWED is first.reason
    assert again.reason in {Reason.NOT_APPLICABLE, Reason.LATE}
    assert status is world.incident.status


def test_attached_to_itself() -> None:
    """An incident is no part of itself, and one that has parts is no part of others."""
    world = opened()
    itself = world.command(Attached, parent=world.incident.id)
    world.happen(ChildAttached(at=START, id="1", child="child"))

    assert Reason.NOT_APPLICABLE is itself
    assert Reason.NOT_APPLICABLE is world.command(Attached, parent=PARENT)


def test_detached() -> None:
    """Detached it starts again; one that is over meanwhile only stands alone."""
    world, over = opened(), opened()
    for each in (world, over):
        each.command(Attached, parent=PARENT)
    over.happen(ParentMoved(at=START, id="1", what=Following.RESOLVE, by="bob"))
    over.command(Detached)
    world.command(Detached)

    assert Reason.NOT_APPLICABLE is world.command(Detached)
    assert 2 == world.incident.start
    assert (Status.RESOLVED, None) == (over.incident.status, over.incident.parent)


@pytest.mark.parametrize("first", [Acknowledged, Snoozed])
@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (Escalated, {"targets": (UserTarget(id="carol"),)}),
        (Reassigned, {"to": "carol"}),
    ],
)
def test_wanted_after_all(
    first: type[Any], command: type[Any], fields: dict[str, Any]
) -> None:
    """Paging somebody from one that was taken triggers it; its walk does not restart."""
    world = opened()
    world.command(first)
    world.command(command, **fields)
    world.advance(HOUR)

    assert Status.TRIGGERED is world.incident.status
    assert ["alice", "carol"] == [person for _, person in world.sent()]


def test_flags() -> None:
    """The channels that are named are looked up for this page, and no others."""
    world = opened()
    world.is_silent = True
    world.command(Escalated, targets=(UserTarget(id="bob"),), channels=("sms",))

    assert ("sms",) == world.effects[-1].channels  # type: ignore[union-attr]


def test_escalate_to_missing_policy() -> None:
    """A policy that is not there is not started."""
    world = opened()

    assert Reason.MISSING is world.command(
        Escalated, targets=(PolicyTarget(id="gone"),)
    )


def test_escalate_while_asking() -> None:
    """While a look-up is under way there is no wait to end."""
    world = World.opened(POLICY)
    world.is_silent = True
    world.run()

    assert Reason.NOTHING_LEFT is world.command(Escalated)


@pytest.mark.parametrize(
    "gate",
    [
        {"kind": "time_gate", "window": {"from": "20:00", "to": "21:00"}},
        {"kind": "volume_gate", "notices": 5, "within": "1m"},
        wait("1h"),
    ],
)
def test_escalate_past(gate: dict[str, Any]) -> None:
    """Whatever holds the walk is passed."""
    world = World.opened(a_policy(gate, wait("1h"), notify("user:alice"))).run()
    world.command(Escalated)
    world.run()

    assert [(0, "alice")] == world.sent()


def test_escalate_to_fallback() -> None:
    """Past the end comes the fallback policy, without its delay."""
    second = a_policy(notify("user:bob"), name="second")
    first = a_policy(notify("user:alice"), repeat={"delay": "1h"}, fallback="second")
    world = World.opened(first, second).run()
    world.command(Escalated)
    world.run()

    assert [(0, "alice"), (0, "bob")] == world.sent()


def test_escalate_to_step() -> None:
    """The main walk goes on at the step that is named."""
    world = World.opened(a_policy(wait("1h"), wait("1h"), notify("user:alice"))).run()
    reasons = [world.command(Escalated, step=step) for step in (3, -1, 2)]
    world.run()

    assert [Reason.NOT_APPLICABLE, Reason.NOT_APPLICABLE, Reason.ESCALATED] == reasons
    assert [(0, "alice")] == world.sent()


def test_reassigned_wait() -> None:
    """Handing it over lets the wait start again in full."""
    world = opened()
    world.advance(9 * MINUTE)
    world.command(Reassigned, to="carol")
    world.advance(9 * MINUTE)
    before = [person for _, person in world.sent()]
    world.advance(MINUTE)

    assert ["alice", "carol"] == before
    assert (19 * 60, "bob") == world.sent()[-1]


def test_metadata() -> None:
    """What was set is of both kinds; setting nothing removes the key."""
    world = opened()
    owner = Reference(type="User", id="u1")
    world.command(MetadataSet, key="owner", texts=("x",), references=(owner,))
    both = (world.incident.metadata["owner"], world.incident.references["owner"])
    world.command(MetadataSet, key="owner")

    assert (("x",), (owner,)) == both
    assert {} == world.incident.metadata
    assert {} == world.incident.references


@pytest.mark.parametrize(
    ("when", "first", "second"),
    [
        (ResolveWhen.ALL, Status.TRIGGERED, Status.RESOLVED),
        (ResolveWhen.ANY, Status.RESOLVED, Status.RESOLVED),
        (ResolveWhen.NEVER, Status.TRIGGERED, Status.TRIGGERED),
    ],
)
def test_alerts_end(when: ResolveWhen, first: Status, second: Status) -> None:
    """An integration says which resolved alerts close an incident."""
    world = opened(resolve_when=when)
    world.alert(a_firing("b"))
    world.alert(a_resolved("b"))
    after_one = world.incident.status
    world.alert(a_resolved("a"))

    assert (first, second) == (after_one, world.incident.status)


def test_unknown_alert_ends() -> None:
    """That an alert is over which never joined closes nothing."""
    world = opened()
    world.alert(a_resolved("z"))

    assert Status.TRIGGERED is world.incident.status
    assert 1 == world.incident.firing_count


def test_redelivered() -> None:
    """The same delivery again changes nothing, also after the alert ended."""
    world = opened()
    world.alert(a_firing("b"))
    world.alert(a_resolved("b"))

    assert Reason.ALERT_REPEATED is world.alert(a_firing("b"))
    assert 1 == world.incident.firing_count


def test_next_occurrence() -> None:
    """A later start of a firing alert is news; an older end of it is late."""
    world = opened(alert=a_firing(starts_at=START))
    later = a_firing(number=2, starts_at=START + HOUR)
    joined = world.alert(later)
    stale = world.alert(a_resolved(number=3, starts_at=START))

    assert Reason.ALERT_JOINED is joined
    assert Reason.LATE is stale
    assert Status.TRIGGERED is world.incident.status


def test_counted() -> None:
    """Where a volume gate may ask, repeats are kept in the history; else not."""
    gate = {"kind": "volume_gate", "notices": 1, "within": "1h"}
    counted = World.opened(a_policy(gate)).run()
    bare = opened()
    repeat = AlertsReceived(at=START, alerts=(a_firing(number=2),))

    assert Reason.ALERT_COUNTED is counted.happen(repeat).reason
    assert Reason.ALERT_REPEATED is bare.happen(repeat).reason
    assert 2 == len(counted.incident.notices)


def test_labels_are_bounded() -> None:
    """At most 64 keys with 20 values each come from labels."""
    world = opened()
    world.alert(a_firing("b", labels={f"k{n}": "v" for n in range(70)}))
    for number in range(30):
        labels = {"k0": f"v{number}"}
        world.alert(a_firing(f"c{number}", labels=labels))

    assert 64 == len(world.incident.metadata)
    assert 20 == len(world.incident.metadata["k0"])


def test_report_on_nothing() -> None:
    """A report of a page that is over comes too late; one of a webhook is recorded."""
    world = opened()
    fields: dict[str, Any] = {"at": START, "rule": 0, "attempt": 1}
    failed, sent = Outcome.FAILED, Outcome.SENT
    reasons = [
        world.happen(DeliveryReported(page=page, outcome=outcome, **fields)).reason
        for page, outcome in [
            ("9.9.9.9.x", sent),
            ("webhook.1.0.1.1", sent),
            ("webhook.1.0.1.1", failed),
            ("webhook.1.0.1.1", Outcome.UNKNOWN),
            ("tell.x", sent),
        ]
    ]

    assert [
        Reason.LATE,
        Reason.WEBHOOK_ANSWERED,
        Reason.WEBHOOK_FAILED,
        Reason.DELIVERY_UNKNOWN,
        Reason.STALE,
    ] == reasons


def test_time_does_not_run_back() -> None:
    """An event from the past is decided as of the last one there was."""
    world = opened()
    world.advance(MINUTE)
    world.alert(a_firing("b"))
    world.happen(Acknowledged(at=START - HOUR, id="x", by="bob"))

    assert START + MINUTE == world.incident.last_at == world.incident.acknowledged_at


def test_sends_only_while_triggered() -> None:
    """No timer of one that was taken sends anything."""
    world = opened()
    world.command(Acknowledged)
    count = len(world.of(Send))
    world.advance(24 * HOUR)

    assert count == len(world.of(Send))


def test_reported_twice() -> None:
    """A notification is reported on once; what comes again is late."""
    world = opened()
    rule = CONSOLE[0]
    world.people["bob"] = (rule, replace(rule, delay=HOUR, method="n"))
    world.command(Escalated, targets=(UserTarget(id="bob"),))
    world.report()

    assert Reason.LATE is world.report(Outcome.FAILED)


def test_ten_thousand_alerts() -> None:
    """However many alerts join, each is counted, and nothing is paged for them."""
    world = opened()
    alerts = tuple(a_firing(f"f{number}") for number in range(10_000))
    reason = world.alert(*alerts)

    assert Reason.ALERT_JOINED is reason
    assert (10_001, 10_001) == (world.incident.alert_count, world.incident.firing_count)
    assert [(0, "alice")] == world.sent()


def test_from_the_future() -> None:
    """An event from the future is taken; what comes after is not before it."""
    world = opened()
    world.happen(Commented(at=START + 24 * HOUR, id="x", by="bob", text="hm"))
    world.command(Acknowledged)

    assert START + 24 * HOUR == world.incident.acknowledged_at


def test_quiet_fallback() -> None:
    """A policy that paged is exhausted, also when its fallback pages nobody."""
    second = a_policy({"kind": "instructions", "text": "look"}, name="second")
    world = World.opened(a_policy(notify("user:alice"), fallback="second"), second)
    world.run().advance(10 * MINUTE)

    assert Reason.EXHAUSTED in world.reasons


def test_policies_that_start_each_other() -> None:
    """Two policies that start each other come to an end, in one instant too."""
    first = a_policy(notify("policy:second"))
    second = a_policy(notify("policy:root"), name="second")
    world = World.opened(first, second).run()

    assert () == world.incident.walks
    assert Reason.TOO_MANY_POLICIES in world.reasons


def test_names_of_pages() -> None:
    """No two runs of a step share a name, whatever sent the walk back to it."""
    second = a_policy(notify("user:alice"), wait("1h"), name="second")
    first = a_policy(notify("user:alice"), repeat={"delay": "1m"}, fallback="second")
    world = World.opened(first, second).run().advance(MINUTE)
    world.command(Escalated, step=0)
    world.run()
    names = [(send.page, send.rule) for send in world.sends()]

    assert 3 == len(names) == len(set(names))


def test_repeat_steps_count_apart() -> None:
    """Repeat steps use up none of the policy's further rounds."""
    steps = [notify("user:alice"), {"kind": "repeat", "times": 2}]
    world = World.opened(a_policy(*steps, repeat={"count": 2})).run().advance(HOUR)

    assert 5 == len(world.sent())


@pytest.mark.parametrize(
    "targets", [(UserTarget(id="gone"),), (UserTarget(id="dora"),)]
)
def test_wanted_in_vain(targets: tuple[UserTarget, ...]) -> None:
    """Who asks for somebody who cannot be reached hears that it is exhausted."""
    world = opened()
    world.command(Acknowledged)
    world.command(Escalated, targets=targets)
    world.advance(6 * MINUTE)

    assert world.incident.exhausted_at is not None


def test_gate_is_not_opened_by_handing_over() -> None:
    """Handing an incident over opens no gate before its time."""
    gate = {"kind": "time_gate", "window": {"from": "12:00", "to": "13:00"}}
    world = World.opened(a_policy(gate, notify("user:alice"))).run()
    world.command(Reassigned, to="bob")
    world.advance(HOUR)

    assert [(0, "bob")] == world.sent()


def test_snapshot_that_comes_late() -> None:
    """A fresh snapshot is not taken over by one whose walks it may not know."""
    second = a_policy(wait("1h"), name="second")
    world = World.opened(a_policy(notify("policy:second")), second)
    world.command(Acknowledged)
    world.is_silent = True
    world.command(Unacknowledged)
    world.command(Escalated, targets=(PolicyTarget(id="second"),))
    fresh = Snapshot.of(a_policy(notify("user:bob")))
    [question] = world.of(TakeSnapshot)
    taken = SnapshotTaken(at=START, generation=question.generation, snapshot=fresh.hash)

    assert Reason.RESTARTED_UNCHANGED is world.happen(taken, fresh).reason
    world.advance(2 * HOUR)


def test_two_observers() -> None:
    """An end that another observer tells of ends it, though its start differs a bit."""
    world = opened(alert=a_firing(starts_at=START))
    world.alert(a_resolved(starts_at=START - MINUTE))

    assert Status.RESOLVED is world.incident.status


def test_labels_do_not_change_what_was_set() -> None:
    """What somebody set under a key stays exactly that, whatever labels come."""
    world = opened()
    world.command(MetadataSet, key="env", texts=("test",))
    world.alert(a_firing("b", labels={"env": "prod"}))

    assert ("test",) == world.incident.metadata["env"]


def test_no_reminders_after_the_end() -> None:
    """Instructions are not posted again once the incident is over."""
    steps = {"kind": "instructions", "text": "- [ ] look", "remind_every": "1h"}
    world = World.opened(a_policy(steps)).run()
    world.command(Resolved)
    world.advance(24 * HOUR)

    assert Reason.REMINDED not in world.reasons
    assert None is world.incident.next_due


def test_stale_snapshot() -> None:
    """Of two starts only the later one's snapshot counts."""
    world = opened()
    world.is_silent = True
    for command in (Acknowledged, Unacknowledged, Acknowledged, Unacknowledged):
        world.command(command)
    first, second = world.of(TakeSnapshot)
    fresh = Snapshot.of(a_policy(notify("user:bob")))
    reasons = [
        world.happen(
            SnapshotTaken(
                at=START, generation=question.generation, snapshot=fresh.hash
            ),
            fresh,
        ).reason
        for question in (first, second)
    ]

    assert [Reason.STALE, Reason.RESTARTED] == reasons


def test_reassigned_between_rounds() -> None:
    """Handing it over during the pause between rounds lets the pause start again."""
    world = World.opened(
        a_policy(notify("user:alice"), repeat={"count": 1, "delay": "1h"})
    )
    world.run().advance(10 * MINUTE)
    world.command(Reassigned, to="bob")
    world.advance(2 * HOUR)

    assert [(0, "alice"), (600, "bob"), (4200, "alice")] == world.sent()


def test_word_of_another_parent() -> None:
    """Word of an incident that it is no part of changes nothing."""
    world = opened()
    world.command(Attached, parent=PARENT)
    word = ParentMoved(
        at=START, id="1", what=Following.RESOLVE, by="bob", parent="00000000009"
    )

    assert Reason.NOT_APPLICABLE is world.happen(word).reason
    assert Status.TRIGGERED is world.incident.status


def test_redelivered_while_exhausted() -> None:
    """The same delivery again does not start an exhausted incident again."""
    world = opened()
    world.advance(20 * MINUTE)

    assert world.incident.exhausted_at is not None
    assert Reason.ALERT_REPEATED is world.alert(a_firing())
    assert Reason.FIRED_WHILE_EXHAUSTED is world.alert(a_firing(number=2))


def test_told_again_of_what_is_over() -> None:
    """That an occurrence fires whose end is known is late; a later one joins."""
    world = opened(alert=a_firing(starts_at=START))
    world.alert(a_firing("b"))
    world.alert(a_resolved(starts_at=START))
    late = world.alert(a_firing(number=3, starts_at=START))
    joined = world.alert(a_firing(number=4, starts_at=START + MINUTE))

    assert (Reason.LATE, Reason.ALERT_JOINED) == (late, joined)
