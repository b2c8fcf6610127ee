"""Who or what is behind the targets of a step, and how they are reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.adapters.memory import ManualClock
from engine.core.effects import LookUp, Named
from engine.directory import (
    ContactMethod,
    Directory,
    NotificationRule,
    Place,
    Rule,
    Team,
    Urgency,
    User,
    UserGroup,
)
from engine.errors import LookUpFailedError
from engine.ports import OnCall, OnCallReason
from engine.service.responders import Found, Responders
from policies.metadata import Reference
from policies.policy import Policy
from policies.steps import NO_TIME
from policies.targets import MetadataTarget, Target, target_of
from tests.support.impatience import for_ever
from tests.support.look_ups import NoMail, local_look_ups

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=5)
CONFIGURED = frozenset({"sms", "chat"})
ON_CALL = {
    "primary": ("alice",),
    "night": ("bob", "carol"),
    "primary/eu": ("carol",),
    "empty": (),
    "x": ("bob", "carol"),
}


@dataclass
class Rota:
    """Knows who is on call; or fails, or takes for ever, as told."""

    failure: Exception | None = None
    is_slow: bool = False
    until: datetime | None = UNTIL
    asked: list[tuple[str, datetime]] = field(default_factory=list[Any])

    async def who(self, target: Target, at: datetime) -> OnCall:
        """Return who is behind the target."""
        self.asked.append((str(target), at))
        if self.failure:
            raise self.failure
        if self.is_slow:
            await for_ever()
        people = ON_CALL[str(target.id)]
        reason = OnCallReason.ROTATION if people else OnCallReason.NONE

        return OnCall(people=people, reason=reason, source="rota", until=self.until)


def a_user(user_id: str, **fields: Any) -> User:
    """Make a person with a telephone."""
    method = ContactMethod(id=f"{user_id}-phone", channel="sms", address="+420")
    known: dict[str, Any] = {
        "id": user_id,
        "name": user_id.title(),
        "email": f"{user_id}@example.com",
        "contact_methods": (method,),
    }

    return User(**known | fields)


def a_place(place_id: str, **fields: Any) -> Place:
    """Make a chat room."""
    known = {
        "id": place_id,
        "name": place_id.title(),
        "kind": "slack",
        "channel": "chat",
    }

    return Place(**known | fields)


def by_id(*records: Any) -> Any:
    """Keep records the way a directory does."""
    return {record.id: record for record in records}


DIRECTORY = Directory(
    users=by_id(a_user("alice"), a_user("bob"), a_user("carol"), a_user("dora")),
    teams=by_id(
        Team(id="ops", name="Operations", schedule="primary"),
        Team(id="db", name="Databases", members=("bob", "carol"), schedule="night"),
        Team(id="idle", name="Idle", members=("carol", "carol")),
    ),
    default_team="ops",
    groups=by_id(UserGroup(id="leads", name="Leads", members=("carol", "alice"))),
    places=by_id(
        a_place("war-room"),
        a_place("lobby", kind="teams"),
        a_place("ops-room"),
        a_place("fax", kind="fax", channel="fax"),
    ),
    urgencies=by_id(
        Urgency(id="high", name="High", channels=("sms",)),
        Urgency(id="low", name="Low", channels=("pager",)),
    ),
    policies=by_id(Policy(id="plan", name="The plan"), Policy(id="other")),
    on_call={name: people for name, people in ON_CALL.items() if name != "x"},
)


def a_question(**changes: Any) -> LookUp:
    """Make a question of an incident that belongs to the default team."""
    question = LookUp(
        walk=1, generation=2, targets=(), urgency="high", at=NOW, deadline=UNTIL
    )

    return replace(question, **changes)


def a_finder(directory: Directory = DIRECTORY, rota: Rota | None = None) -> Responders:
    """Make what finds responders."""
    return Responders(
        directory=directory,
        look_ups=local_look_ups(rota or Rota(), NoMail(), ManualClock(NOW)),
        channels=CONFIGURED,
    )


async def behind(target: str, team: str | None = None, **parts: Any) -> Found:
    """Find whom a target stands for, in a directory with these other parts."""
    finder = a_finder(DIRECTORY.model_copy(update=parts))

    return await finder.behind(target_of(target), a_question(team=team))


async def named(
    *texts: str, references: tuple[Reference, ...] = (), **parts: Any
) -> Found:
    """Find whom metadata names."""
    finder = a_finder(DIRECTORY.model_copy(update=parts))
    target = Named(key="owner", texts=texts, references=references)

    return await finder.behind(target, a_question())


@pytest.mark.parametrize(
    ("target", "people"),
    [
        ("user:alice", ("alice",)),
        ("team:db", ("bob", "carol")),
        ("team:idle", ("carol",)),
        ("user_group:leads", ("carol", "alice")),
        ("everybody", ("alice", "bob", "carol", "dora")),
        ("channel:war-room", ("channel:war-room",)),
        ("channels:slack", ("channel:war-room", "channel:ops-room")),
    ],
)
async def test_target(target: str, people: tuple[str, ...]) -> None:
    """Of what the directory knows, everybody is found, each once, in its order."""
    found = await behind(target)

    assert people == found.people
    assert found.is_fixed
    assert found.until is None


@pytest.mark.parametrize(
    "target",
    [
        "user:zoe",
        "team:zoe",
        "user_group:zoe",
        "channel:zoe",
        "channels:zoe",
        "policy:zoe",
        "metadata:zoe",
    ],
)
async def test_deleted(target: str) -> None:
    """What a target names may be deleted: it is missing, and that is no error."""
    assert Found(problem="missing") == await behind(target)


@pytest.mark.parametrize("target", ["team:bare", "user_group:bare", "channels:bare"])
async def test_empty(target: str) -> None:
    """A team or group without members stands for nobody."""
    bare = {
        "teams": by_id(Team(id="bare", name="Bare")),
        "groups": by_id(UserGroup(id="bare", name="Bare")),
    }

    assert () == (await behind(target, **bare)).people


async def test_metadata_by_key() -> None:
    """A key alone stands for nobody: the core asks for what it names."""
    target = MetadataTarget(id="owner")

    assert Found() == await a_finder().behind(target, a_question())


@pytest.mark.parametrize(
    ("team", "people"),
    [(None, ("alice", "dora")), ("db", ("bob", "carol")), ("zoe", ())],
)
async def test_own_team(team: str | None, people: tuple[str, ...]) -> None:
    """A team without an id is the incident's; the default one has whoever is left."""
    assert people == (await behind("team", team)).people


async def test_default_team_with_members() -> None:
    """A default team that lists members has those, and nobody else."""
    teams = by_id(Team(id="ops", name="Operations", members=("dora",)))

    assert ("dora",) == (await behind("team", teams=teams)).people


async def test_no_default_team() -> None:
    """Without a default team, an incident that has none names nobody."""
    assert () == (await behind("team", default_team=None)).people
    assert () == (await behind("schedule", default_team=None)).people


@pytest.mark.parametrize(
    ("target", "team", "asked", "people"),
    [
        ("schedule:primary", "db", "schedule:primary", ("alice",)),
        ("layer:primary/eu", "db", "layer:primary/eu", ("carol",)),
        ("schedule", None, "schedule:primary", ("alice",)),
        ("schedule", "db", "schedule:night", ("bob", "carol")),
    ],
)
async def test_on_call(
    target: str, team: str | None, asked: str, people: tuple[str, ...]
) -> None:
    """Who is on call is asked for the moment of the question, and why is kept."""
    rota = Rota()
    found = await a_finder(rota=rota).behind(target_of(target), a_question(team=team))

    assert [(asked, NOW)] == rota.asked
    assert people == found.people
    assert ("rotation", UNTIL, False) == (found.why, found.until, found.is_fixed)


@pytest.mark.parametrize("team", ["idle", "zoe"])
async def test_no_default_schedule(team: str) -> None:
    """A team without a schedule has nobody on call; nobody is asked."""
    rota = Rota()
    found = await a_finder(rota=rota).behind(
        target_of("schedule"), a_question(team=team)
    )

    assert Found(problem="missing") == found
    assert [] == rota.asked


async def test_nobody_on_call() -> None:
    """That nobody is on call is an answer, and holds as long as any other."""
    found = await behind("schedule:empty")

    assert ((), "nobody on call", UNTIL) == (found.people, found.problem, found.until)


@pytest.mark.parametrize(
    ("rota", "error"),
    [
        (Rota(failure=LookUpFailedError("no file")), "no file"),
        (Rota(failure=RuntimeError("token=secret")), "RuntimeError"),
        (Rota(failure=TimeoutError("by itself")), "no answer in 1 s"),
        (Rota(is_slow=True), "no answer in 1 s"),
    ],
    ids=["fails", "breaks", "gives up", "slow"],
)
async def test_failed(rota: Rota, error: str) -> None:
    """A look-up that goes wrong finds nobody, for nobody knows how long; it is logged."""
    with capture_logs() as lines:
        found = await a_finder(rota=rota).behind(
            target_of("schedule:primary"), a_question()
        )

    assert Found(problem="look-up failed", is_fixed=False) == found
    assert [("look_up.failed", "schedule:primary", error)] == [
        (line["event"], line["target"], line["error"]) for line in lines
    ]


async def test_policy() -> None:
    """A policy stands for nobody: it is started."""
    assert Found(policy="plan") == await behind("policy:plan")


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("alice", ("alice",)),
        ("Alice", ("alice",)),
        ("ALICE@example.com", ("alice",)),
        ("night", ("bob", "carol")),
        ("db", ("bob", "carol")),
        ("Databases", ("bob", "carol")),
        ("war-room", ("channel:war-room",)),
        ("War-Room", ("channel:war-room",)),
        ("ALICE", ()),
        ("leads", ()),
        ("", ()),
        ("zoe", ()),
    ],
)
async def test_named(text: str, people: tuple[str, ...]) -> None:
    """A text names the one object whose id, name or e-mail address it is."""
    assert people == (await named(text)).people


@pytest.mark.parametrize("text", ["plan", "The plan"])
async def test_named_policy(text: str) -> None:
    """A text may name a policy to be started."""
    assert "plan" == (await named(text)).policy


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((), ("dora",)),
        (("users",), ("bob", "carol")),
        (("users", "on_call"), ("alice",)),
        (("users", "on_call", "teams"), None),
        (("users", "on_call", "teams", "policies"), ("channel:x",)),
    ],
)
async def test_order_of_kinds(
    removed: tuple[str, ...], expected: tuple[str, ...] | None
) -> None:
    """Of several kinds a text is a user, schedule, team, policy, channel, in this order."""
    everything: Mapping[str, Any] = {
        "users": by_id(*DIRECTORY.users.values(), a_user("dora", name="x")),
        "on_call": {"x": ()},
        "teams": by_id(Team(id="t", name="x", members=("alice",))),
        "policies": by_id(Policy(id="x")),
        "places": by_id(a_place("x")),
    }
    parts = {
        kind: getattr(DIRECTORY, kind) if kind in removed else found
        for kind, found in everything.items()
    }
    finder = a_finder(DIRECTORY.model_copy(update=parts))
    found = await finder.behind(Named(key="owner", texts=("x",)), a_question())

    assert expected == (None if found.policy else found.people)


@pytest.mark.parametrize(
    "parts",
    [
        {"users": by_id(a_user("a", name="X"), a_user("b", name="X"))},
        {"users": by_id(a_user("X"), a_user("b", name="X"))},
        {
            "users": by_id(
                a_user("a", email="x@example.com"), a_user("b", name="x@example.com")
            )
        },
        {"teams": by_id(Team(id="a", name="X"), Team(id="b", name="X"))},
        {"policies": by_id(Policy(id="a", name="X"), Policy(id="b", name="X"))},
        {"places": by_id(a_place("a", name="X"), a_place("b", name="X"))},
    ],
)
async def test_unclear(parts: dict[str, Any]) -> None:
    """What two objects of a kind are called names neither."""
    text = "x@example.com" if "x@example" in str(parts) else "X"

    assert Found(problem="missing") == await named(text, **parts)


async def test_unclear_goes_no_further() -> None:
    """A text that two people are called is not taken for the team of that name."""
    parts = {
        "users": by_id(a_user("a", name="X"), a_user("b", name="X")),
        "teams": by_id(Team(id="t", name="X", members=("a",))),
    }

    assert Found(problem="missing") == await named("X", **parts)


async def test_no_email() -> None:
    """Who has no e-mail address is not named by an empty text."""
    users = by_id(a_user("alice", email=""))

    assert () == (await named("", users=users)).people


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (Reference(type="User", id="alice"), ("alice",)),
        (Reference(type="Schedule", id="night"), ("bob", "carol")),
        (Reference(type="Team", id="db"), ("bob", "carol")),
        (Reference(type="UserGroup", id="leads"), ("carol", "alice")),
        (Reference(type="SlackChannel", id="war-room"), ("channel:war-room",)),
        (Reference(type="User", id="Alice"), ()),
        (Reference(type="Team", id="alice"), ()),
        (Reference(type="SlackChannel", id="alice"), ()),
    ],
)
async def test_reference(reference: Reference, expected: tuple[str, ...]) -> None:
    """A typed value is the object of its kind with its id, and no other."""
    assert expected == (await named(references=(reference,))).people


async def test_reference_to_a_policy() -> None:
    """A typed value may name a policy to be started."""
    reference = Reference(type="Policy", id="plan")

    assert "plan" == (await named(references=(reference,))).policy


ALICE, BOB = Reference(type="User", id="alice"), Reference(type="User", id="bob")


@pytest.mark.parametrize(
    ("texts", "references"),
    [
        ((), ()),
        (("alice", "bob"), ()),
        (("alice", "zoe"), ()),
        (("alice",), (BOB,)),
        ((), (ALICE, BOB)),
    ],
)
async def test_not_one(
    texts: tuple[str, ...], references: tuple[Reference, ...]
) -> None:
    """Metadata that names several, or nobody, is missing: it is not guessed."""
    assert Found(problem="missing") == await named(*texts, references=references)


@pytest.mark.parametrize(
    ("texts", "references", "expected"),
    [
        (("plan",), (), "plan"),
        (("The plan",), (), "plan"),
        (("zoe",), (), None),
        ((), (), None),
        (("plan", "other"), (), None),
        ((), (Reference(type="Policy", id="plan"),), "plan"),
        ((), (Reference(type="Policy", id="The plan"),), None),
        ((), (Reference(type="User", id="plan"),), None),
        (("other",), (Reference(type="Policy", id="plan"),), None),
    ],
)
def test_policy_named(
    texts: tuple[str, ...], references: tuple[Reference, ...], expected: str | None
) -> None:
    """A branch goes to the one policy that metadata names, a typed value first."""
    target = Named(key="plan", texts=texts, references=references)

    assert expected == a_finder().policy_named(target)


def test_two_policies_of_a_name() -> None:
    """A name that two policies have names neither."""
    policies = by_id(Policy(id="a", name="X"), Policy(id="b", name="X"))
    finder = a_finder(DIRECTORY.model_copy(update={"policies": policies}))

    assert finder.policy_named(Named(key="plan", texts=("X",))) is None


SMS = Rule(delay=NO_TIME, method="alice-phone", channel="sms")
CHAT = Rule(delay=NO_TIME, method="war-room", channel="chat")


@pytest.mark.parametrize(
    ("person", "urgency", "channels", "rules"),
    [
        ("alice", "high", (), (SMS,)),
        ("alice", "low", (), ()),
        ("alice", "low", ("sms",), (SMS,)),
        ("alice", "high", ("push",), ()),
        ("zoe", "high", (), ()),
        ("channel:war-room", "high", (), (CHAT,)),
        ("channel:war-room", "low", (), (CHAT,)),
        ("channel:war-room", "high", ("sms",), (CHAT,)),
        ("channel:fax", "high", (), ()),
        ("channel:zoe", "high", (), ()),
    ],
)
def test_rules(
    person: str, urgency: str, channels: tuple[str, ...], rules: tuple[Rule, ...]
) -> None:
    """People are reached by the urgency or the channels asked for, places by their own."""
    question = a_question(urgency=urgency, channels=channels)
    responder = a_finder().responder(person, "user:alice", "rotation", question)

    assert (person, "user:alice", "rotation") == (
        responder.person,
        responder.target,
        responder.why,
    )
    assert rules == responder.rules


def test_own_rules() -> None:
    """Somebody's own rules for the urgency are kept with their delays."""
    own = NotificationRule(method="alice-phone", delay=timedelta(minutes=1))
    users = by_id(a_user("alice", rules={"high": (own,)}))
    finder = a_finder(DIRECTORY.model_copy(update={"users": users}))
    responder = finder.responder("alice", "user:alice", "", a_question())

    assert (replace(SMS, delay=timedelta(minutes=1)),) == responder.rules


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("user:alice", ("Alice", "user:alice")),
        ("user:bob", ("robert", "user:bob")),
        ("user:zoe", ("user:zoe", "user:zoe")),
        ("schedule:primary", ("schedule:primary", "schedule:primary")),
    ],
)
def test_turn(target: str, expected: tuple[str, str]) -> None:
    """Turns are ordered by username, else by name; alike, by id."""
    users = by_id(a_user("alice"), a_user("bob", username="robert"))
    finder = a_finder(DIRECTORY.model_copy(update={"users": users}))

    assert expected == finder.turn_of(target_of(target))
