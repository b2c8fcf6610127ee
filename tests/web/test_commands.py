"""The commands of the native API, decided by the real core."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from engine.core.events import (
    Attached,
    Command,
    Detached,
    Escalated,
    Kind,
    MetadataSet,
    Reassigned,
    Removed,
    Snoozed,
)
from engine.core.machine import open_incident
from engine.directory import Team, Urgency, User
from engine.errors import KeyTakenError
from engine.ids import mint, show_incident_id
from policies.metadata import Reference
from policies.policy import Policy, Snapshot
from policies.steps import NotifyStep, WaitStep
from policies.targets import EverybodyTarget, PolicyTarget, TeamTarget, UserTarget
from tests.web.fakes import (
    ALICE_SECRET,
    INCIDENT_ID,
    NOW,
    READ_SECRET,
    SHOWN_ID,
    World,
    a_directory,
    an_opening,
)
from workers.web.api.commands import KEYS_MAX
from workers.web.app import create_app

ALICE = {"Authorization": f"Bearer {ALICE_SECRET}"}
READER = {"Authorization": f"Bearer {READ_SECRET}"}
ONE = f"/v1/incidents/{SHOWN_ID}"
OTHER_ID = mint(NOW, 3, 6)
OTHER = f"/v1/incidents/{show_incident_id(OTHER_ID)}"
UNKNOWN_ID = "inc_00000000000"
WALKED = Policy(
    id="default",
    steps=(
        NotifyStep(id="first", targets=(UserTarget(id="alice"),)),
        WaitStep(id="pause", duration=timedelta(minutes=5)),
        NotifyStep(id="last", targets=(UserTarget(id="carol"),)),
    ),
)
USERS = {
    "alice": User(id="alice", name="Alice"),
    "bob": User(id="bob", name="Bob", is_active=False),
    "carol": User(id="carol", name="Carol"),
}


@pytest.fixture
def world() -> World:
    """Return a world of two incidents and a directory that has something of each kind."""
    world = World()
    world.configuration.directory = a_directory(
        users=USERS,
        teams={"ops": Team(id="ops", name="Ops")},
        urgencies={"high": Urgency(id="high", name="High"), "low": Urgency(id="low", name="Low")},
        policies={"default": WALKED, "night": Policy(id="night")},
        on_call={"primary": ("alice",)},
    )  # fmt: skip
    opening = an_opening()
    snapshot = Snapshot.of(WALKED)
    for name in (INCIDENT_ID, OTHER_ID):
        opened = replace(opening, incident_id=name, key=name)
        world.engine.incidents[name] = open_incident(opened, snapshot).incident

    return world


async def post(
    client: httpx2.AsyncClient, command: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Give a command that is carried out; return the answer."""
    answer = await client.post(f"{ONE}/{command}", headers=ALICE, json=body or {})
    shown: dict[str, Any] = answer.json()

    assert 200 == answer.status_code, shown

    return shown


def last(world: World) -> Command:
    """Return the last command that the engine was given."""
    return world.engine.commands[-1]


@pytest.mark.parametrize(
    ("commands", "status", "reasons"),
    [
        (["acknowledge", "unacknowledge"], "triggered", ["acknowledged", "unacknowledged"]),
        (["unacknowledge"], "triggered", ["not_applicable"]),
        (["resolve", "reopen"], "triggered", ["resolved", "reopened"]),
        (["reopen"], "triggered", ["not_applicable"]),
        (["snooze", "unsnooze"], "triggered", ["snoozed", "unsnoozed"]),
        (["snooze", "acknowledge"], "acknowledged", ["snoozed", "acknowledged"]),
        (["resolve", "snooze"], "resolved", ["resolved", "late"]),
        (["resolve", "escalate"], "resolved", ["resolved", "late"]),
        (["detach"], "triggered", ["not_applicable"]),
    ],
)  # fmt: skip
async def test_lifecycle(
    client: httpx2.AsyncClient, commands: Sequence[str], status: str, reasons: list[str]
) -> None:
    """Each command means what it means to the incident as it is, and says so."""
    answers = [await post(client, command, {"by": "dora"}) for command in commands]

    assert status == answers[-1]["status"]
    assert reasons == [answer["reason"] for answer in answers]


async def test_acknowledged_again(client: httpx2.AsyncClient) -> None:
    """What is shown of an incident tells who has it, and until when."""
    answer = await post(client, "acknowledge", {"by": "dora"})

    assert ("dora", None, None) == (
        answer["acknowledged_by"],
        answer["snoozed_until"],
        answer["returns_at"],
    )


@pytest.mark.parametrize(
    ("body", "until", "shown"),
    [
        ({}, None, None),
        ({"duration": "2h"}, NOW + timedelta(hours=2), "2026-11-22T02:41:10.500000Z"),
        ({"duration": 90}, NOW + timedelta(seconds=90), "2026-11-22T00:42:40.500000Z"),
        (
            {"until": "2026-11-22T09:00:00.0009+01:00"},
            NOW.replace(hour=8, minute=0, second=0, microsecond=0),
            "2026-11-22T08:00:00Z",
        ),
    ],
)
async def test_snooze(
    client: httpx2.AsyncClient,
    world: World,
    body: Mapping[str, Any],
    until: Any,
    shown: str | None,
) -> None:
    """A snooze lasts until a time, for a while, or for ever."""
    answer = await post(client, "snooze", body)

    assert Snoozed(at=NOW, id="id2", by="alice", until=until) == last(world)
    assert ("snoozed", "alice") == (answer["status"], answer["snoozed_by"])
    assert (shown, shown) == (answer["snoozed_until"], answer["returns_at"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {}),
        ({"step": 3}, {"step": 2}),
        ({"step": "last"}, {"step": 2}),
        ({"user": "carol"}, {"targets": (UserTarget(id="carol"),)}),
        ({"team": "ops"}, {"targets": (TeamTarget(id="ops"),)}),
        ({"policy": "night"}, {"targets": (PolicyTarget(id="night"),)}),
        ({"everybody": True}, {"targets": (EverybodyTarget(),)}),
        (
            {"targets": ["user:carol", "everybody"], "urgency": "low", "channels": ["console"]},
            {
                "targets": (UserTarget(id="carol"), EverybodyTarget()),
                "urgency": "low",
                "channels": ("console",),
            },
        ),
    ],
)  # fmt: skip
async def test_escalate(
    client: httpx2.AsyncClient,
    world: World,
    body: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> None:
    """Escalating is asked for by a step, a person, a policy, or as the next thing."""
    await post(client, "escalate", body)
    fields = {"urgency": "high", **expected}

    assert Escalated(at=NOW, id="id2", by="alice", **fields) == last(world)


async def test_escalate_schedule(client: httpx2.AsyncClient, world: World) -> None:
    """Where others know the schedules, whatever schedule is named may exist."""
    refused = await client.post(
        f"{ONE}/escalate", headers=ALICE, json={"schedule": "night"}
    )
    app = create_app(world.context(has_schedules=False))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://rung") as other:
        taken = await post(other, "escalate", {"schedule": "night"})

    assert 422 == refused.status_code
    assert "escalated" == taken["reason"]


async def test_escalate_wakes(client: httpx2.AsyncClient) -> None:
    """Escalating to a person takes an incident from who had acknowledged it."""
    await post(client, "acknowledge")
    answer = await post(client, "escalate", {"user": "carol"})

    assert "triggered" == answer["status"]


async def test_nothing_left(client: httpx2.AsyncClient, world: World) -> None:
    """Past the end of a policy there is nothing to hurry: it says so."""
    empty = Snapshot.of(Policy(id="default"))
    world.engine.incidents[INCIDENT_ID] = open_incident(an_opening(), empty).incident
    answer = await post(client, "escalate")

    assert "nothing_left" == answer["reason"]


async def test_reassign(client: httpx2.AsyncClient, world: World) -> None:
    """An incident is handed over to a person, as urgently as is asked for."""
    await post(client, "reassign", {"to": "carol", "urgency": "low"})
    expected = Reassigned(at=NOW, id="id2", by="alice", to="carol", urgency="low")

    assert expected == last(world)


async def test_attach(client: httpx2.AsyncClient, world: World) -> None:
    """An incident that is attached names its parent, and refuses actions of its own."""
    attached = await post(client, "attach", {"parent": OTHER_ID.lower()})
    given = last(world)
    refused = await post(client, "acknowledge")
    detached = await post(client, "detach")

    assert Attached(at=NOW, id="id2", by="alice", parent=OTHER_ID) == given
    assert show_incident_id(OTHER_ID) == attached["parent"]
    assert ("attached", "is_attached") == (attached["reason"], refused["reason"])
    assert ("detached", None) == (detached["reason"], detached["parent"])
    assert isinstance(last(world), Detached)


async def test_children(client: httpx2.AsyncClient, world: World) -> None:
    """An incident shows what is attached to it."""
    incident = world.engine.incidents[INCIDENT_ID]
    world.engine.incidents[INCIDENT_ID] = replace(incident, children=(OTHER_ID,))
    answer = await client.get(ONE, headers=READER)

    assert [show_incident_id(OTHER_ID)] == answer.json()["children"]


async def test_maintenance(client: httpx2.AsyncClient, world: World) -> None:
    """A maintenance is not acknowledged; it says that it is one."""
    opened = replace(an_opening(), kind=Kind.MAINTENANCE)
    snapshot = Snapshot.of(WALKED)
    world.engine.incidents[INCIDENT_ID] = open_incident(opened, snapshot).incident
    answer = await post(client, "acknowledge")

    assert ("maintenance", "is_maintenance", "triggered") == (
        answer["kind"],
        answer["reason"],
        answer["status"],
    )


async def test_remove(client: httpx2.AsyncClient, world: World) -> None:
    """What is removed stays removed, whatever is done with it."""
    answer = await client.delete(ONE, headers=ALICE)
    again = await post(client, "reopen")

    assert (200, "removed", "removed") == (
        answer.status_code,
        answer.json()["status"],
        answer.json()["reason"],
    )
    assert ("removed", "late") == (again["status"], again["reason"])
    assert Removed(at=NOW, id="id2", by="alice") == world.engine.commands[0]


@pytest.mark.parametrize(
    ("key", "shown"),
    [("owner", "owner"), ("team/lead", "team/lead"), ("a%2Fb%20c", "a/b c")],
)
async def test_metadata(
    client: httpx2.AsyncClient, world: World, key: str, shown: str
) -> None:
    """The values of a key are texts and objects; without any it is gone."""
    body = {
        "texts": ["the night shift", ""],
        "references": [{"type": "User", "id": "carol"}, {"type": "Robot", "id": "r2"}],
    }
    answer = await client.put(f"{ONE}/metadata/{key}", headers=ALICE, json=body)
    set_ = last(world)
    gone = await client.put(f"{ONE}/metadata/{key}", headers=ALICE, json={})

    assert isinstance(set_, MetadataSet)
    assert (shown, ("the night shift", "")) == (set_.key, set_.texts)
    assert (
        Reference(type="User", id="carol"),
        Reference(type="Robot", id="r2"),
    ) == set_.references
    assert body["texts"] == answer.json()["metadata"][shown]
    assert body["references"] == answer.json()["references"][shown]
    assert shown not in gone.json()["metadata"] | gone.json()["references"]


@pytest.mark.parametrize(("body", "status"), [("", 400), (" ", 400), ("null", 422)])
async def test_metadata_without_body(
    client: httpx2.AsyncClient, world: World, body: str, status: int
) -> None:
    """To say nothing of a key does not remove it."""
    answer = await client.put(f"{ONE}/metadata/owner", headers=ALICE, content=body)

    assert status == answer.status_code
    assert [] == world.engine.commands


async def test_metadata_bounds(client: httpx2.AsyncClient, world: World) -> None:
    """An incident has so many keys and no more; those it has can still be set."""
    incident = world.engine.incidents[INCIDENT_ID]
    full = {f"key-{number}": ("x",) for number in range(KEYS_MAX)}
    world.engine.incidents[INCIDENT_ID] = replace(incident, metadata=full)
    answers = [
        await client.put(f"{ONE}/metadata/{key}", headers=ALICE, json={"texts": ["y"]})
        for key in ("key-0", "key-new")
    ]

    assert [200, 422] == [answer.status_code for answer in answers]
    assert ["key"] == [error["field"] for error in answers[1].json()["errors"]]


@pytest.mark.parametrize(
    ("command", "body", "field"),
    [
        ("snooze", {"until": "2026-11-22T00:41:10.5Z"}, "until"),
        ("snooze", {"until": "2020-01-01T00:00:00Z"}, "until"),
        ("snooze", {"until": "9999-12-31T23:59:59Z"}, "until"),
        ("snooze", {"until": "2026-11-23T09:00:00"}, "until"),
        ("snooze", {"until": "tomorrow"}, "until"),
        ("snooze", {"until": 1_800_000_000}, "until"),
        ("snooze", {"until": "1800000000"}, "until"),
        ("snooze", {"until": "2027-01-01"}, "until"),
        ("snooze", {"until": "2027-13-01T00:00:00Z"}, "until"),
        ("snooze", {"duration": "0s"}, "duration"),
        ("snooze", {"duration": -1}, "duration"),
        ("snooze", {"duration": "9999999d"}, "duration"),
        ("snooze", {"duration": "1e999"}, "duration"),
        ("snooze", {"duration": "an hour"}, "duration"),
        ("snooze", {"until": "2027-01-01T00:00:00Z", "duration": "2h"}, "body"),
        ("snooze", {"for": "2h"}, "for"),
        ("escalate", {"step": 0}, "step"),
        ("escalate", {"step": -1}, "step"),
        ("escalate", {"step": True}, "step"),
        ("escalate", {"step": 1.5}, "step"),
        ("escalate", {"step": ""}, "step"),
        ("escalate", {"step": 4}, "step"),
        ("escalate", {"step": "nowhere"}, "step"),
        ("escalate", {"user": "carla"}, "user"),
        ("escalate", {"user": "bob"}, "user"),
        ("escalate", {"team": "dev"}, "team"),
        ("escalate", {"policy": "day"}, "policy"),
        ("escalate", {"schedule": "second"}, "schedule"),
        ("escalate", {"everybody": False}, "everybody"),
        ("escalate", {"targets": []}, "targets"),
        ("escalate", {"targets": ["carol"]}, "targets[0]"),
        ("escalate", {"targets": ["user:carol", "user:x"]}, "targets[1]"),
        ("escalate", {"targets": ["user:bob"]}, "targets[0]"),
        ("escalate", {"targets": ["channel:war-room"]}, "targets[0]"),
        ("escalate", {"user": "carol", "urgency": "hihg"}, "urgency"),
        ("escalate", {"user": "carol", "channels": ["pigeon"]}, "channels[0]"),
        ("escalate", {"user": "carol", "step": 1}, "body"),
        ("escalate", {"urgency": "high"}, "body"),
        ("escalate", {"step": 1, "channels": ["console"]}, "body"),
        ("reassign", {}, "to"),
        ("reassign", {"to": "nobody"}, "to"),
        ("reassign", {"to": "bob"}, "to"),
        ("reassign", {"to": "carol", "urgency": "x"}, "urgency"),
        ("attach", {}, "parent"),
        ("attach", {"parent": "yesterday"}, "parent"),
        ("attach", {"parent": UNKNOWN_ID}, "parent"),
    ],
)
async def test_refused(
    client: httpx2.AsyncClient,
    world: World,
    command: str,
    body: Mapping[str, Any],
    field: str,
) -> None:
    """What cannot be meant is refused by the name of its field, and nothing is done."""
    answer = await client.post(f"{ONE}/{command}", headers=ALICE, json=body)
    problem = answer.json()

    assert (422, "invalid_request") == (answer.status_code, problem["code"])
    assert [field] == list(dict.fromkeys(e["field"] for e in problem["errors"]))
    assert [] == world.engine.commands


@pytest.mark.parametrize(
    ("key", "body", "field"),
    [
        ("owner", {"texts": ["x" * 1_001]}, "texts[0]"),
        ("owner", {"texts": ["x"] * 51}, "texts"),
        ("owner", {"texts": "x"}, "texts"),
        ("owner", {"references": [{"type": "User", "id": "nobody"}]}, "references[0].id"),
        ("owner", {"references": [{"type": "Team", "id": "x"}]}, "references[0].id"),
        ("owner", {"references": [{"type": "Schedule", "id": "x"}]}, "references[0].id"),
        ("owner", {"references": [{"id": "x"}]}, "references[0].type"),
        ("k" * 201, {"texts": ["x"]}, "key"),
        ("%20", {"texts": ["x"]}, "key"),
    ],
)  # fmt: skip
async def test_refused_metadata(
    client: httpx2.AsyncClient,
    world: World,
    key: str,
    body: Mapping[str, Any],
    field: str,
) -> None:
    """Metadata that is too large or names nobody is refused by the name of its field."""
    answer = await client.put(f"{ONE}/metadata/{key}", headers=ALICE, json=body)

    assert 422 == answer.status_code
    assert [field] == [error["field"] for error in answer.json()["errors"]]
    assert [] == world.engine.commands


async def test_meant(client: httpx2.AsyncClient) -> None:
    """Whoever misspells a name is told which one may be meant."""
    answer = await client.post(f"{ONE}/reassign", headers=ALICE, json={"to": "carrol"})

    assert "did you mean 'carol'?" in answer.json()["detail"]


async def test_reopen_taken(client: httpx2.AsyncClient, world: World) -> None:
    """If another open incident has the key, that one is named."""
    world.engine.failure_of_commands = KeyTakenError(INCIDENT_ID, INCIDENT_ID)
    world.reader.holders["prometheus", INCIDENT_ID] = OTHER_ID
    answer = await client.post(f"{ONE}/reopen", headers=ALICE)
    shown = show_incident_id(OTHER_ID)

    assert (409, "key_taken") == (answer.status_code, answer.json()["code"])
    assert shown == answer.json()["incident_id"]
    assert shown in answer.json()["detail"]


async def test_reopen_taken_just_now(client: httpx2.AsyncClient, world: World) -> None:
    """If that one ended meanwhile, it can be tried again."""
    world.engine.failure_of_commands = KeyTakenError(INCIDENT_ID, INCIDENT_ID)
    answer = await client.post(f"{ONE}/reopen", headers=ALICE)

    assert (409, "key_taken") == (answer.status_code, answer.json()["code"])
    assert "incident_id" not in answer.json()


@pytest.mark.parametrize("shown_id", [UNKNOWN_ID, "x"])
@pytest.mark.parametrize(
    ("method", "ending"),
    [
        *(
            ("POST", f"/{command}")
            for command in (
                "acknowledge", "unacknowledge", "resolve", "reopen", "snooze",
                "unsnooze", "escalate", "reassign", "attach", "detach", "comments",
            )
        ),
        ("DELETE", ""),
        ("PUT", "/metadata/owner"),
        ("PATCH", "/comments/1.0.1.1"),
        ("GET", ""),
        ("GET", "/timeline"),
        ("GET", "/history"),
        ("GET", "/comments"),
    ],
)  # fmt: skip
async def test_unknown(
    client: httpx2.AsyncClient, method: str, ending: str, shown_id: str
) -> None:
    """Of an incident that does not exist, nothing is shown and nothing can be done."""
    bodies: Mapping[str, Mapping[str, Any]] = {
        "/reassign": {"to": "carol"},
        "/attach": {"parent": OTHER_ID},
        "/comments": {"text": "hm"},
        "/comments/1.0.1.1": {"tick": 1},
    }
    content = bodies.get(ending, {}) if method != "GET" else None
    answer = await client.request(
        method, f"/v1/incidents/{shown_id}{ending}", headers=ALICE, json=content
    )

    assert (404, "unknown_incident") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{ONE}/snooze"),
        ("POST", f"{ONE}/comments"),
        ("DELETE", ONE),
        ("PUT", f"{ONE}/metadata/owner"),
        ("PATCH", f"{ONE}/comments/c"),
    ],
)
async def test_reader_may_not(
    client: httpx2.AsyncClient, world: World, method: str, path: str
) -> None:
    """A token that may only read changes nothing."""
    answer = await client.request(method, path, headers=READER, json={})

    assert (403, "low_scope") == (answer.status_code, answer.json()["code"])
    assert [] == world.engine.commands


async def test_public_url(world: World) -> None:
    """Links are absolute where the installation knows its address."""
    app = create_app(world.context(public_url="https://rung.example.com/"))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://rung"
    ) as client:
        links = (await client.get(ONE, headers=READER)).json()["links"]

    assert f"https://rung.example.com{ONE}/timeline" == links["timeline"]


async def test_examples(client: httpx2.AsyncClient) -> None:
    """Every command is described with its body, examples of it and its refusals."""
    described = (await client.get("/openapi.json")).json()["paths"]
    commands = [
        (path, operation)
        for path, methods in described.items()
        if path.startswith("/v1/incidents")
        for method, operation in methods.items()
        if method != "get"
    ]

    assert 14 == len(commands)
    for path, operation in commands:
        content = operation["requestBody"]["content"]["application/json"]

        assert content["examples"], path
        assert "by" in content["schema"]["properties"], path
        assert {"400", "401", "403", "404", "413", "415", "422", "503", "504"} <= set(
            operation["responses"]
        ), path


async def test_examples_are_right(client: httpx2.AsyncClient, world: World) -> None:
    """An example of the description is taken as it stands, but for what it names."""
    described = (await client.get("/openapi.json")).json()["paths"]
    world.clock.advance(timedelta(days=1))
    for path, methods in described.items():
        if not path.startswith("/v1/incidents/{incident_id}/") or "post" not in methods:
            continue
        content = methods["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            answer = await client.post(
                path.format(incident_id=SHOWN_ID), headers=ALICE, json=example["value"]
            )
            problems = [e["problem"] for e in answer.json().get("errors", ())]

            assert answer.status_code in {200, 201, 422}, path
            assert all(
                "there is no" in p or "no incident" in p or "deactivated" in p
                for p in problems
            ), problems


async def test_key_on_put(client: httpx2.AsyncClient) -> None:
    """An Idempotency-Key is for POST: on another method it hides no other request."""
    headers = ALICE | {"Idempotency-Key": "k1"}
    body = {"texts": ["x"]}
    await client.put(f"{ONE}/metadata/first", headers=headers, json=body)
    answer = await client.put(f"{ONE}/metadata/second", headers=headers, json=body)

    assert ["x"] == answer.json()["metadata"]["second"]
