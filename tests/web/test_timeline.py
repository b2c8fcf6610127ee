"""The timeline: what happened, in sentences that a person can read at night."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import httpx2
import pytest

from engine.core.alerts import AlertStatus
from engine.core.effects import Comment, Following
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
    Event,
    MetadataSet,
    Opened,
    Outcome,
    ParentMoved,
    PolicyNamed,
    Reassigned,
    Removed,
    Reopened,
    Resolved,
    Responder,
    SnapshotTaken,
    Snoozed,
    TargetsResolved,
    TurnTaken,
    Unacknowledged,
    Unsnoozed,
    WokeUp,
)
from engine.core.reasons import Reason
from engine.directory import Rule
from engine.ports import Entry
from policies.metadata import Reference
from policies.targets import UserTarget
from tests.web.fakes import (
    INCIDENT_ID,
    NOW,
    READ_SECRET,
    SHOWN_ID,
    World,
    an_alert,
    an_opening,
)
from workers.web.api.timeline import tell

ALICE = Responder(
    person="alice",
    target="schedule:night watch",
    why="fixed_shift",
    rules=(
        Rule(delay=timedelta(minutes=1), method="phone", channel="sms"),
        Rule(delay=timedelta(0), method="terminal", channel="console"),
    ),
)
UNREACHABLE = Responder(person="carol", target="user:carol")
SOLVED = TargetsResolved(at=NOW, walk=1, generation=2, responders=(ALICE,))
REPORT = DeliveryReported(
    at=NOW,
    page="1.0.1.1.alice",
    rule=0,
    person="alice",
    channel="console",
    attempt=1,
    outcome=Outcome.SENT,
)
NEWS = AlertsReceived(at=NOW, alerts=(an_alert(title="disk 2 full"),))


def told(event: Event, reason: Reason) -> str:
    """Return the sentence for an event of an incident whose walk has paged alice."""
    history = (
        Entry(event=SOLVED, reason=Reason.PAGED),
        Entry(event=event, reason=reason),
    )

    return tell(history)[-1].text


@pytest.mark.parametrize(
    ("event", "reason", "text"),
    [
        (an_opening(), Reason.OPENED, "Opened by prometheus: disk full"),
        (
            replace(an_opening(), route='severity="critical" team=~"db|infra"'),
            Reason.OPENED,
            'Opened by prometheus: disk full (route severity="critical" team=~"db|infra")',
        ),
        (
            an_opening(),
            Reason.COLLECTED_ONLY,
            "Opened by prometheus: disk full (its policy is empty: nobody is told)",
        ),
        (
            replace(an_opening(), alert=an_alert(unread=("alerts[0].startsAt",))),
            Reason.OPENED,
            "Opened by prometheus: disk full (could not be read: alerts[0].startsAt)",
        ),
        (NEWS, Reason.ALERT_JOINED, "Joined by disk 2 full"),
        (
            replace(NEWS, alerts=tuple(an_alert(title=f"a{n}") for n in range(5))),
            Reason.ALERT_JOINED,
            "Joined by a0, a1, a2 and 2 more",
        ),
        (NEWS, Reason.ALERT_ENDED, "The source says it is over: disk 2 full"),
        (NEWS, Reason.ALERTS_RESOLVED, "Resolved by its source: disk 2 full"),
        (NEWS, Reason.LATE, "Came too late to change anything: disk 2 full"),
        (WokeUp(at=NOW), Reason.WAIT_OVER, "The wait is over"),
        (WokeUp(at=NOW), Reason.LOOKING_UP, "Asked who is on call"),
        (
            WokeUp(at=NOW),
            Reason.EXHAUSTED,
            "Exhausted: every step and notification is used up, and nobody answered",
        ),
        (SOLVED, Reason.PAGED, "Paged alice: on call in night watch (fixed shift)"),
        (
            replace(
                SOLVED,
                responders=(ALICE, UNREACHABLE),
                missing={"user:c": "none"},
            ),
            Reason.PAGED,
            "Paged alice: on call in night watch (fixed shift) (missing: user:c: none)",
        ),
        (
            replace(SOLVED, responders=(replace(ALICE, target="user:alice", why=""),)),
            Reason.PAGED,
            "Paged alice: named by the policy",
        ),
        (
            replace(SOLVED, responders=(replace(ALICE, target="team:ops", why=""),)),
            Reason.PAGED,
            "Paged alice: in the team ops",
        ),
        (
            replace(SOLVED, responders=(replace(ALICE, target="layer:night/eu"),)),
            Reason.PAGED,
            "Paged alice: on call in night/eu (fixed shift)",
        ),
        (
            SOLVED,
            Reason.TAKING_TURN,
            "The on-call look-up answered: taking turn",
        ),
        (
            replace(
                SOLVED, responders=(), missing={"schedule:second": "nobody on call"}
            ),
            Reason.NOBODY_REACHED,
            "Nobody was reached: schedule:second: nobody on call",
        ),
        (REPORT, Reason.DELIVERED, "alice was notified by console"),
        (
            replace(REPORT, channel="sms", outcome=Outcome.FAILED, detail="no credit"),
            Reason.METHOD_FAILED,
            "alice could not be notified by sms: no credit",
        ),
        (
            replace(REPORT, outcome=Outcome.UNKNOWN),
            Reason.DELIVERY_UNKNOWN,
            "alice may have been notified by console, it is not known",
        ),
        (REPORT, Reason.LATE, "alice was notified by console (reported late)"),
        (
            Acknowledged(at=NOW, id="c", by="alice"),
            Reason.ACKNOWLEDGED,
            "Acknowledged by alice",
        ),
        (Resolved(at=NOW, id="c", by="alice"), Reason.RESOLVED, "Resolved by alice"),
        (
            Acknowledged(at=NOW, id="c", by="bob"),
            Reason.NOT_APPLICABLE,
            "Acknowledged by bob, which changed nothing: not applicable",
        ),
        (
            Escalated(at=NOW, id="c", by="bob"),
            Reason.NOTHING_LEFT,
            "Escalated by bob, which changed nothing: nothing left",
        ),
        (
            CommentEdited(at=NOW, id="c", by="bob", comment="m", text="- [x] one"),
            Reason.BOX_TICKED,
            "Comment edited by bob",
        ),
        (
            ChildAttached(at=NOW, id="c", child=INCIDENT_ID),
            Reason.ATTACHED,
            "Child attached",
        ),
        (
            replace(an_opening(), after=INCIDENT_ID),
            Reason.FIRED_AFTER_RESOLVE,
            f"Opened by prometheus: disk full (it fires on after {INCIDENT_ID} was resolved)",
        ),
        (
            replace(an_opening(), alert=None, title="the fridge hums"),
            Reason.OPENED,
            "Opened by prometheus: the fridge hums",
        ),
        (
            WokeUp(at=NOW),
            Reason.LOOK_UP_TIMED_OUT,
            "The on-call look-up did not answer in time",
        ),
        (WokeUp(at=NOW), Reason.GATE_PASSED, "Gate passed"),
        (
            TurnTaken(at=NOW, walk=1, generation=3, target="user:alice"),
            Reason.PAGED,
            "Paged",
        ),
    ],
)
def test_sentence(event: Event, reason: Reason, text: str) -> None:
    """Each thing that happens has a sentence of its own."""
    assert text == told(event, reason)


EVENTS: tuple[Event, ...] = (
    an_opening(),
    NEWS,
    WokeUp(at=NOW),
    SOLVED,
    PolicyNamed(at=NOW, walk=1, generation=2, policy="night", snapshot="s"),
    TurnTaken(at=NOW, walk=1, generation=2, target="user:alice", why="a guess"),
    SnapshotTaken(at=NOW, generation=2, snapshot="s"),
    REPORT,
    Acknowledged(at=NOW, id="c", by="alice"),
    Unacknowledged(at=NOW, id="c", by="alice"),
    Resolved(at=NOW, id="c", by="alice"),
    Reopened(at=NOW, id="c", by="alice"),
    Snoozed(at=NOW, id="c", by="alice", until=NOW),
    Unsnoozed(at=NOW, id="c", by="alice"),
    Escalated(at=NOW, id="c", by="alice", step=0, targets=(UserTarget(id="bob"),)),
    Reassigned(at=NOW, id="c", by="alice", to="bob"),
    Attached(at=NOW, id="c", by="alice", parent=INCIDENT_ID),
    Detached(at=NOW, id="c", by="alice"),
    ChildAttached(at=NOW, id="c", child=INCIDENT_ID),
    ChildDetached(at=NOW, id="c", child=INCIDENT_ID),
    ParentMoved(at=NOW, id="c", what=Following.RESOLVE, by="alice"),
    Removed(at=NOW, id="c", by="alice"),
    MetadataSet(
        at=NOW,
        id="c",
        by="alice",
        key="owner",
        texts=("the night shift",),
        references=(Reference(type="User", id="bob"),),
    ),
    Commented(at=NOW, id="c", by="alice", text="on it"),
    CommentEdited(at=NOW, id="c", by="alice", comment="m", text="- [x] done"),
)


@pytest.mark.parametrize("reason", Reason)
def test_every_event_can_be_told(reason: Reason) -> None:
    """Whatever event meant whatever, there is a sentence for it."""
    assert set(get_args(Event)) == {type(event) for event in EVENTS}
    for event in EVENTS:
        assert told(event, reason)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (Opened, "opened"),
        (AlertsReceived, "alerts_received"),
        (WokeUp, "woke_up"),
        (TargetsResolved, "targets_resolved"),
        (PolicyNamed, "policy_named"),
        (TurnTaken, "turn_taken"),
        (SnapshotTaken, "snapshot_taken"),
        (DeliveryReported, "delivery_reported"),
        (Acknowledged, "acknowledged"),
        (ParentMoved, "parent_moved"),
        (MetadataSet, "metadata_set"),
        (CommentEdited, "comment_edited"),
    ],
)
def test_what(kind: type[Event], what: str) -> None:
    """Programs know an event by its name in small letters."""
    [event] = [event for event in EVENTS if isinstance(event, kind)]
    [entry] = tell([Entry(event=event, reason=Reason.PAGED)])

    assert what == entry.what


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Escalated, {"id": "c", "by": "alice", "step": 0, "targets": ["user:bob"], "urgency": "high"}),
        (Snoozed, {"id": "c", "by": "alice", "until": "2026-11-22T00:41:10.500000Z"}),
        (ParentMoved, {"id": "c", "by": "alice", "what": "resolve"}),
        (
            MetadataSet,
            {
                "id": "c",
                "by": "alice",
                "key": "owner",
                "texts": ["the night shift"],
                "references": [{"type": "User", "id": "bob"}],
            },
        ),
        (PolicyNamed, {"walk": 1, "generation": 2, "policy": "night", "snapshot": "s"}),
        (TurnTaken, {"walk": 1, "generation": 2, "target": "user:alice", "why": "a guess"}),
    ],
)  # fmt: skip
def test_fields(kind: type[Event], expected: dict[str, object]) -> None:
    """What an event says is shown by its own names; what it leaves open is not."""
    [event] = [event for event in EVENTS if isinstance(event, kind)]
    [entry] = tell([Entry(event=event, reason=Reason.PAGED)])

    assert expected == entry.model_dump(mode="json")["fields"]


def test_comments() -> None:
    """What was shown with a line of history is shown with it again."""
    comment = Comment(id="1.0.1.1", text="- [ ] look at the disk")
    entry = Entry(
        event=WokeUp(at=NOW), reason=Reason.INSTRUCTIONS_POSTED, comments=(comment,)
    )
    bare = replace(entry, comments=())
    with_comment, without = [one.fields for one in tell([entry, bare])]

    assert [{"id": "1.0.1.1", "text": "- [ ] look at the disk"}] == with_comment[
        "comments"
    ]
    assert "comments" not in without


async def test_timeline(client: httpx2.AsyncClient, world: World) -> None:
    """A timeline holds every entry of the history, in order and in full."""
    over = an_alert(
        status=AlertStatus.RESOLVED, starts_at=NOW, link="http://prometheus/"
    )
    world.reader.histories[INCIDENT_ID] = (
        Entry(event=SOLVED, reason=Reason.PAGED),
        Entry(event=REPORT, reason=Reason.DELIVERED),
        Entry(
            event=AlertsReceived(at=NOW + timedelta(minutes=1), alerts=(over,)),
            reason=Reason.ALERTS_RESOLVED,
        ),
    )
    headers = {"Authorization": f"Bearer {READ_SECRET}"}

    answer = await client.get(f"/v1/incidents/{SHOWN_ID}/timeline", headers=headers)
    paged, notified, ended = answer.json()["entries"]

    assert SHOWN_ID == answer.json()["incident_id"]
    assert (1, 2, 3) == (paged["number"], notified["number"], ended["number"])
    assert ("targets_resolved", "paged") == (paged["what"], paged["reason"])
    assert "alice" == paged["fields"]["responders"][0]["person"]
    assert ("alice", "console", "sent") == tuple(
        notified["fields"][name] for name in ("person", "channel", "outcome")
    )
    assert "2026-11-22T00:42:10.500000Z" == ended["at"]
    assert "2026-11-22T00:41:10.500000Z" == ended["fields"]["alerts"][0]["starts_at"]
