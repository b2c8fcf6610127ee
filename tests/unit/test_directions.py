"""What the directory and the on-call look-up say when the core asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.adapters.memory import ManualClock, MemoryTurns
from engine.core.alerts import Alert, AlertStatus
from engine.core.effects import LookUp, Named, NamePolicy, TakeSnapshot, TakeTurn
from engine.core.events import (
    Acknowledged,
    Opened,
    PolicyNamed,
    SnapshotTaken,
    TargetsResolved,
    TurnTaken,
)
from engine.directory import (
    ContactMethod,
    Directory,
    Integration,
    ResolveWhen,
    Route,
    Team,
    Urgency,
    User,
)
from engine.errors import LookUpFailedError, OverloadedError, StoreUnavailableError
from engine.ports import (
    Claimed,
    OnCall,
    OnCallReason,
    RoutedAcknowledgement,
    RoutedAlert,
    Turn,
    Turns,
)
from engine.service.directions import (
    GUESSED,
    INSTALLATION,
    Directions,
    Unanswered,
)
from policies.metadata import Reference
from policies.policy import Policy, Snapshot
from policies.steps import NotifyStep
from policies.targets import Target, target_of
from tests.support.impatience import for_ever
from tests.support.look_ups import NoMail, local_look_ups

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
SOON, LATER = NOW + timedelta(minutes=5), NOW + timedelta(hours=5)
CLAIMED = Claimed(incident_id="03DDWHG0002", claimed_at=NOW, incident=None)
ALERT = Alert(
    id="n1", fingerprint="db1", status=AlertStatus.FIRING, title="full", labels={}
)
ROUTED = RoutedAlert(alert=ALERT, integration="prometheus", key="db")


@dataclass
class Rota:
    """Knows until when somebody is on call; of what it does not know it fails."""

    untils: Mapping[str, datetime | None] = field(default_factory=dict[str, Any])

    async def who(self, target: Target, at: datetime) -> OnCall:
        """Return who is behind the target."""
        schedule = str(target.id)
        if schedule not in self.untils:
            message = f"no schedule at {at}"
            raise LookUpFailedError(message)
        people = () if schedule == "empty" else ("alice", "bob")

        return OnCall(
            people=people,
            reason=OnCallReason.OVERRIDE,
            source="rota",
            until=self.untils[schedule],
        )


@dataclass
class AwayTurns:
    """Fails as told, or takes for ever."""

    failure: Exception | None = None

    async def take(self, turns: Sequence[Turn]) -> Sequence[str]:
        """Fail, or wait without an end; an hour passes for whoever is impatient."""
        if self.failure:
            raise self.failure
        await for_ever()

        return [str(turns)]


def a_user(user_id: str, channel: str = "sms", **fields: Any) -> User:
    """Make a person with one contact method."""
    method = ContactMethod(id=f"{user_id}-{channel}", channel=channel)

    return User(id=user_id, contact_methods=(method,), **{"name": user_id} | fields)


def a_policy(policy_id: str, *targets: str, **fields: Any) -> Policy:
    """Make a policy that pages these targets, if there are any."""
    steps = (NotifyStep(targets=tuple(map(target_of, targets))),) if targets else ()

    return Policy(id=policy_id, steps=steps, **fields)


def by_id(*records: Any) -> Any:
    """Keep records the way a directory does."""
    return {record.id: record for record in records}


DIRECTORY = Directory(
    users=by_id(
        a_user("alice", name="Zoe"),
        a_user("bob", name="Yan"),
        a_user("carol", username="ann"),
        a_user("fred", channel="fax"),
    ),
    teams=by_id(Team(id="db", name="Databases", members=("bob",))),
    urgencies=by_id(Urgency(id="high", name="High", channels=("sms",))),
    policies=by_id(
        a_policy("root", "user:alice", "policy:side"),
        a_policy("side", "user:bob", fallback="deep"),
        a_policy("deep", "user:carol"),
        a_policy("other", "everybody"),
        a_policy("last", "everybody"),
    ),
    integrations=by_id(
        Integration(
            id="prometheus",
            name="Prometheus",
            source="alertmanager",
            key_hash="",
            routes=(Route(policy="root"),),
            team="db",
            resolve_when=ResolveWhen.ANY,
            acknowledged_for=timedelta(hours=1),
        ),
        Integration(
            id="quiet",
            name="Quiet",
            source="alertmanager",
            key_hash="",
            routes=(Route(),),
        ),
        Integration(
            id="stale",
            name="",
            source="alertmanager",
            key_hash="",
            routes=(Route(policy="gone"),),
        ),
    ),
)
ROOT = Snapshot.of(DIRECTORY.policies["root"], DIRECTORY.policies)


def directions(
    rota: Rota | None = None, turns: Turns | None = None, **parts: Any
) -> Directions:
    """Make directions from a directory with these other parts."""
    return Directions(
        directory=DIRECTORY.model_copy(update=parts),
        look_ups=local_look_ups(rota or Rota(), NoMail(), ManualClock(NOW)),
        turns=turns or MemoryTurns(),
        channels=frozenset({"sms"}),
    )


def a_question(*targets: str | Named) -> LookUp:
    """Make a question after these targets."""
    asked = tuple(one if isinstance(one, Named) else target_of(one) for one in targets)

    return LookUp(
        walk=3, generation=7, targets=asked, urgency="high", at=NOW, deadline=SOON
    )


async def resolved(*targets: str | Named, rota: Rota | None = None) -> TargetsResolved:
    """Ask after these targets."""
    answer, _ = await resolved_by(directions(rota), *targets)

    return answer


async def resolved_by(
    asked: Directions, *targets: str | Named, known: Snapshot | None = None
) -> tuple[TargetsResolved, Snapshot]:
    """Ask after these targets; nobody has to be waited for."""
    told = await asked.resolve(a_question(*targets), known or ROOT)
    assert not isinstance(told, Unanswered)

    return told


def a_name(*texts: str, references: tuple[Reference, ...] = ()) -> Named:
    """Return what metadata names."""
    return Named(key="plan", texts=texts, references=references)


class TestResolve:
    """Who is behind the targets of a step."""

    async def test_people(self) -> None:
        """People come in the order in which they are named, each with their target."""
        rota = Rota({"night": LATER})
        answer = await resolved("team:db", "schedule:night", rota=rota)

        assert (NOW, 3, 7) == (answer.at, answer.walk, answer.generation)
        assert [
            ("bob", "team:db", ""),
            ("alice", "schedule:night", "override"),
            ("bob", "schedule:night", "override"),
        ] == [(one.person, one.target, one.why) for one in answer.responders]
        assert all(one.rules for one in answer.responders)

    async def test_missing(self) -> None:
        """Each target that reaches nobody is named with its cause, and no other."""
        rota = Rota({"empty": LATER})
        answer = await resolved(
            "user:gone",
            "user:alice",
            "user:fred",
            "schedule:empty",
            "schedule:broken",
            a_name("nobody"),
            rota=rota,
        )

        assert {
            "user:gone": "missing",
            "user:fred": "no contact method",
            "schedule:empty": "nobody on call",
            "schedule:broken": "look-up failed",
            "metadata:plan": "missing",
        } == answer.missing

    async def test_unreachable(self) -> None:
        """Whoever cannot be reached is there all the same, without a rule."""
        [fred] = (await resolved("user:fred")).responders

        assert ("fred", ()) == (fred.person, fred.rules)

    async def test_order_of_turns(self) -> None:
        """Turns go by username or name; who cannot be reached has none."""
        answer = await resolved(
            "user:alice", "user:bob", "user:carol", "user:fred", "user:gone"
        )

        assert ("user:bob", "user:alice", "user:carol") == answer.order

    async def test_order_of_a_kind(self) -> None:
        """Of one name the id decides; targets that are no people go by their text."""
        users = by_id(*[a_user(name, name="same") for name in ("c", "a", "b")])
        teams = by_id(Team(id="db", name="Databases", members=("a",)))
        asked = directions(users=users, teams=teams)
        answer, _ = await resolved_by(asked, "user:c", "team:db", "user:b", "user:a")

        assert ("user:a", "user:b", "user:c", "team:db") == answer.order

    @pytest.mark.parametrize(
        ("targets", "until"),
        [
            (["user:alice"], None),
            (["schedule:night"], LATER),
            (["schedule:night", "schedule:day", "user:alice"], SOON),
            (["schedule:empty", "schedule:night"], SOON),
            (["schedule:night", "schedule:remote"], None),
            (["schedule:night", "schedule:broken"], None),
            (["schedule:night", "user:gone"], LATER),
        ],
    )
    async def test_until(self, targets: list[str], until: datetime | None) -> None:
        """An answer holds until the first of its parts may change; if that is known."""
        rota = Rota({"night": LATER, "day": SOON, "empty": SOON, "remote": None})

        assert until == (await resolved(*targets, rota=rota)).until

    async def test_no_policies(self) -> None:
        """Without policies among the targets the snapshot stays, and is not named."""
        answer, snapshot = await resolved_by(directions(), "user:alice")

        assert ((), None) == (answer.policies, answer.snapshot)
        assert ROOT is snapshot

    async def test_policies(self) -> None:
        """A policy that metadata names is put into the snapshot that the answer names."""
        named = a_name("other")
        answer, snapshot = await resolved_by(directions(), named, "user:alice")

        assert ("other",) == answer.policies
        assert {} == answer.missing
        assert ("user:alice",) == answer.order
        assert snapshot.hash == answer.snapshot != ROOT.hash
        assert {*ROOT.policies, "other"} == set(snapshot.policies)
        assert "root" == snapshot.root


class TestNamePolicy:
    """Which policy metadata names."""

    @pytest.mark.parametrize("text", ["other", "root", "gone", ""])
    def test_named(self, text: str) -> None:
        """The one policy of the name is in the snapshot that comes with the answer."""
        question = NamePolicy(
            walk=3, generation=7, named=a_name(text), at=NOW, deadline=SOON
        )
        answer, snapshot = directions().name_policy(question, ROOT)
        policy = text if text in DIRECTORY.policies else None

        assert (
            PolicyNamed(
                at=NOW,
                walk=3,
                generation=7,
                policy=policy,
                snapshot=snapshot.hash if policy else None,
            )
            == answer
        )
        assert {*ROOT.policies, *([policy] if policy else [])} == set(snapshot.policies)

    def test_reaches_on(self) -> None:
        """What the named policy reaches comes along; what is known stays as it was."""
        only_deep = Snapshot.of(a_policy("deep"))
        question = NamePolicy(
            walk=1, generation=2, named=a_name("side"), at=NOW, deadline=SOON
        )
        _, snapshot = directions().name_policy(question, only_deep)

        assert {"side", "deep"} == set(snapshot.policies)
        assert () == snapshot.policies["deep"].steps


class TestWithPolicies:
    """Which policies come with a command."""

    def test_added(self) -> None:
        """Policies among the targets are added as they are now; others are left out."""
        targets = tuple(map(target_of, ("user:alice", "policy:other", "policy:gone")))
        snapshot = directions().with_policies(ROOT, targets)

        assert {*ROOT.policies, "other"} == set(snapshot.policies)

    def test_nothing_to_add(self) -> None:
        """Without a policy to add the snapshot is the same."""
        targets = tuple(map(target_of, ("user:alice", "policy:side")))

        assert ROOT is directions().with_policies(ROOT, targets)


QUESTION = TakeTurn(
    walk=3,
    generation=7,
    turn="root/0",
    ticket="03DDWHG0002.3.6",
    candidates=("user:carol", "user:alice"),
    at=NOW,
    deadline=NOW + timedelta(seconds=1),
)


class TestTakeTurn:
    """Whose turn it is."""

    async def test_taken(self) -> None:
        """Turns are taken in the order of the candidates, by step and ticket."""
        asked = directions()
        second = replace(QUESTION, ticket="03DDWHG0002.3.9")
        other_step = replace(second, ticket="03DDWHG0002.3.12", turn="root/1")
        found = await asked.take_turns([QUESTION, second, QUESTION, other_step])

        assert TurnTaken(at=NOW, walk=3, generation=7, target="user:carol") == found[0]
        assert ["user:carol", "user:alice", "user:carol", "user:carol"] == [
            one.target for one in found
        ]

    @pytest.mark.parametrize(
        "turns",
        [
            AwayTurns(StoreUnavailableError("Redis is away")),
            AwayTurns(OverloadedError("no room")),
            AwayTurns(TimeoutError()),
            AwayTurns(),
        ],
        ids=["away", "overloaded", "gives up", "slow"],
    )
    async def test_guessed(self, turns: AwayTurns) -> None:
        """Without an answer in time it is the first one's turn of each, and that is said."""
        other = replace(QUESTION, walk=5, candidates=("user:bob",))
        with capture_logs() as lines:
            answers = await directions(turns=turns).take_turns([QUESTION, other])

        assert [
            TurnTaken(at=NOW, walk=3, generation=7, target="user:carol", why=GUESSED),
            TurnTaken(at=NOW, walk=5, generation=7, target="user:bob", why=GUESSED),
        ] == answers
        assert ["turn.guessed"] == [line["event"] for line in lines]


class TestTakeSnapshot:
    """The policies as they are now."""

    def test_taken(self) -> None:
        """A fresh snapshot has the root and all that it reaches, and nothing else."""
        question = TakeSnapshot(generation=4, policy="root", at=NOW, deadline=SOON)
        answer, snapshot = directions().take_snapshot(question)

        assert ROOT == snapshot
        assert SnapshotTaken(at=NOW, generation=4, snapshot=ROOT.hash) == answer

    def test_gone(self) -> None:
        """Of a policy that was deleted there is none."""
        question = TakeSnapshot(generation=4, policy="gone", at=NOW, deadline=SOON)
        answer, snapshot = directions().take_snapshot(question)

        assert SnapshotTaken(at=NOW, generation=4, snapshot=None) == answer
        assert snapshot is None

    def test_catch_all(self) -> None:
        """The installation's catch-all comes along, if there is one."""
        question = TakeSnapshot(generation=4, policy="deep", at=NOW, deadline=SOON)
        _, snapshot = directions(catch_all="last").take_snapshot(question)
        _, without = directions(catch_all="gone").take_snapshot(question)
        assert snapshot
        assert without

        assert ("last", {"deep", "last"}) == (
            snapshot.catch_all,
            set(snapshot.policies),
        )
        assert (None, {"deep"}) == (without.catch_all, set(without.policies))

    def test_once(self) -> None:
        """Incidents of one policy share the snapshot of one version."""
        asked = directions()
        question = TakeSnapshot(generation=4, policy="root", at=NOW, deadline=SOON)
        _, first = asked.take_snapshot(question)
        _, opened = asked.opening(CLAIMED, ROUTED, NOW)

        assert first is opened


class TestOpening:
    """How an incident opens."""

    def test_opened(self) -> None:
        """An incident opens with its alert, on the settings of its integration."""
        opened, snapshot = directions().opening(CLAIMED, ROUTED, SOON)

        assert ROOT == snapshot
        assert (
            Opened(
                at=SOON,
                incident_id="03DDWHG0002",
                key="db",
                integration="prometheus",
                team="db",
                snapshot=ROOT.hash,
                resolve_when=ResolveWhen.ANY,
                acknowledged_for=timedelta(hours=1),
                alert=ALERT,
            )
            == opened
        )

    def test_after(self) -> None:
        """It says after which incident it fires on, if somebody resolved that one."""
        claimed = replace(CLAIMED, after="03DDWHG0001")
        opened, _ = directions().opening(claimed, ROUTED, NOW)

        assert "03DDWHG0001" == opened.after

    @pytest.mark.parametrize(
        ("integration", "logged"),
        [("quiet", []), ("stale", ["policy.missed"]), ("gone", ["policy.missed"])],
    )
    def test_without_policy(self, integration: str, logged: list[str]) -> None:
        """Without a policy alerts are collected; it is an error only if one was named."""
        routed = replace(ROUTED, integration=integration)
        with capture_logs() as lines:
            opened, snapshot = directions().opening(CLAIMED, routed, NOW)

        assert () == snapshot.policies[snapshot.root].steps
        assert (snapshot.hash, ResolveWhen.ALL) == (
            opened.snapshot,
            opened.resolve_when,
        )
        assert logged == [line["event"] for line in lines]

    @pytest.mark.parametrize("catch_all", [None, "gone"])
    def test_without_catch_all(self, catch_all: str | None) -> None:
        """Without a catch-all policy an alarm pages nobody; that is an error, with its title."""
        routed = replace(ROUTED, integration=INSTALLATION)
        with capture_logs() as lines:
            _, snapshot = directions(catch_all=catch_all).opening(CLAIMED, routed, NOW)

        assert () == snapshot.policies[snapshot.root].steps
        assert [("catch_all.missed", "error", ROUTED.alert.title)] == [
            (line["event"], line["log_level"], line["title"]) for line in lines
        ]


class TestAcknowledgement:
    """What a source acknowledges."""

    @pytest.mark.parametrize(
        ("integration", "by"), [("prometheus", "Prometheus"), ("gone", "gone")]
    )
    def test_by(self, integration: str, by: str) -> None:
        """It is the integration that acknowledges, by its name; removed, by its id."""
        routed = RoutedAcknowledgement(id="d1", integration=integration, key="db")

        assert Acknowledged(at=SOON, id="d1", by=by) == directions().acknowledgement(
            routed, SOON
        )
