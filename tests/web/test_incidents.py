"""The native API: incidents are listed, shown, acknowledged and resolved."""

from datetime import timedelta

import httpx2
import pytest

from engine.core.events import Acknowledged, Commented, Resolved
from engine.core.incident import Status
from engine.core.reasons import Reason
from engine.errors import (
    ContendedError,
    EngineError,
    KeyTakenError,
    StoreUnavailableError,
    UnclearError,
    UnreadableError,
)
from engine.ports import Entry
from tests.web.asgi import RawRequest, chunks
from tests.web.fakes import (
    ALICE_SECRET,
    INCIDENT_ID,
    NOW,
    READ_SECRET,
    SHOWN_ID,
    WRITE_SECRET,
    World,
    a_summary,
)
from workers.web.app import create_app
from workers.web.context import BODY_BYTES_MAX

READER = {"Authorization": f"Bearer {READ_SECRET}"}
WRITER = {"Authorization": f"Bearer {WRITE_SECRET}"}
ALICE = {"Authorization": f"Bearer {ALICE_SECRET}"}
ACKNOWLEDGE = f"/v1/incidents/{SHOWN_ID}/acknowledge"
RESOLVE = f"/v1/incidents/{SHOWN_ID}/resolve"


@pytest.mark.parametrize("written", [SHOWN_ID, INCIDENT_ID, INCIDENT_ID.lower()])
async def test_show(client: httpx2.AsyncClient, written: str) -> None:
    """An incident is shown, whether its id is written with its prefix or without."""
    answer = await client.get(f"/v1/incidents/{written}", headers=READER)

    expected: dict[str, object] = {
        "id": SHOWN_ID,
        "title": "disk full",
        "kind": "incident",
        "status": "triggered",
        "severity": "critical",
        "integration": "prometheus",
        "dedup_key": "f1",
        "policy": "default",
        "team": None,
        "alert_count": 1,
        "firing_count": 1,
        "metadata": {"severity": ["critical"]},
        "references": {},
        "opened_at": "2026-11-22T00:41:10.500000Z",
        "next_due_at": "2026-11-22T00:41:10.500000Z",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "snoozed_by": None,
        "snoozed_until": None,
        "returns_at": None,
        "exhausted_at": None,
        "resolved_at": None,
        "resolved_by": None,
        "parent": None,
        "children": [],
        "links": {
            "self": f"/v1/incidents/{SHOWN_ID}",
            "timeline": f"/v1/incidents/{SHOWN_ID}/timeline",
            "history": f"/v1/incidents/{SHOWN_ID}/history",
            "comments": f"/v1/incidents/{SHOWN_ID}/comments",
        },
    }

    assert 200 == answer.status_code
    assert expected == answer.json()


@pytest.mark.parametrize(
    "written", ["inc_00000000000", "inc_", "x", "ILOU", f"{SHOWN_ID}0", "%00", "é" * 11]
)
@pytest.mark.parametrize("ending", ["", "/timeline"])
async def test_unknown(client: httpx2.AsyncClient, written: str, ending: str) -> None:
    """An id that is malformed is as unknown as any other."""
    answer = await client.get(f"/v1/incidents/{written}{ending}", headers=READER)

    assert (404, "unknown_incident") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("command", ["acknowledge", "resolve"])
async def test_command_on_unknown(client: httpx2.AsyncClient, command: str) -> None:
    """A command on an incident that does not exist is 404."""
    for unknown in ("inc_00000000000", "x"):
        answer = await client.post(f"/v1/incidents/{unknown}/{command}", headers=WRITER)

        assert (404, "unknown_incident") == (answer.status_code, answer.json()["code"])


async def test_list_in_parts(client: httpx2.AsyncClient, world: World) -> None:
    """The parts of a list, one after the other, are the whole list, newest first."""
    world.reader.listed = [a_summary(number) for number in range(5)]
    found: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        parameters = {"limit": "2", **({"before": cursor} if cursor else {})}
        answer = await client.get("/v1/incidents", params=parameters, headers=READER)
        found += [incident["title"] for incident in answer.json()["incidents"]]
        cursor = answer.json()["next"]

    assert [f"alert {number}" for number in (4, 3, 2, 1, 0)] == found
    assert cursor is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {Status.TRIGGERED, Status.ACKNOWLEDGED, Status.SNOOZED}),
        ({"status": "open"}, {Status.TRIGGERED, Status.ACKNOWLEDGED, Status.SNOOZED}),
        ({"status": "snoozed"}, {Status.SNOOZED}),
        ({"status": "resolved"}, {Status.RESOLVED}),
        ({"status": "acknowledged"}, {Status.ACKNOWLEDGED}),
        ({"status": "all"}, set(Status) - {Status.REMOVED}),
    ],
)
async def test_list_by_status(
    client: httpx2.AsyncClient,
    world: World,
    asked: dict[str, str],
    expected: set[Status],
) -> None:
    """A list shows open incidents, or those of the status that is asked for."""
    answer = await client.get("/v1/incidents", params=asked, headers=READER)

    assert {"incidents": [], "next": None} == answer.json()
    assert [expected] == world.reader.asked


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "closed"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "many"),
        ("before", "yesterday"),
    ],
)
async def test_wrong_parameter(
    client: httpx2.AsyncClient, name: str, value: str
) -> None:
    """A parameter that is not valid is named."""
    answer = await client.get("/v1/incidents", params={name: value}, headers=READER)
    problem = answer.json()

    assert (422, "invalid_request") == (answer.status_code, problem["code"])
    assert [name] == [error["field"] for error in problem["errors"]]
    assert name in problem["detail"]


async def test_acknowledge(client: httpx2.AsyncClient, world: World) -> None:
    """Who acknowledges is the user of the token."""
    answer = await client.post(ACKNOWLEDGE, headers=ALICE)
    shown = answer.json()

    assert 200 == answer.status_code
    assert ("acknowledged", "acknowledged") == (shown["status"], shown["reason"])
    assert "alice" == shown["acknowledged_by"]
    assert [Acknowledged(at=NOW, id="id2", by="alice")] == world.engine.commands


async def test_acknowledge_twice(client: httpx2.AsyncClient) -> None:
    """Whoever comes second is told who has it."""
    await client.post(ACKNOWLEDGE, headers=ALICE)
    answer = await client.post(ACKNOWLEDGE, headers=WRITER)
    shown = answer.json()

    assert 200 == answer.status_code
    assert ("not_applicable", "alice") == (shown["reason"], shown["acknowledged_by"])


async def test_resolve_twice(client: httpx2.AsyncClient) -> None:
    """An incident is resolved once; whoever does it again is too late."""
    first = await client.post(RESOLVE, headers=WRITER)
    second = await client.post(RESOLVE, headers=ALICE)

    assert ("resolved", "writer") == (
        first.json()["reason"],
        first.json()["resolved_by"],
    )
    assert 200 == second.status_code
    assert ("late", "writer") == (
        second.json()["reason"],
        second.json()["resolved_by"],
    )


async def test_idempotency_key(client: httpx2.AsyncClient, world: World) -> None:
    """Also when its answer is forgotten, a command with its key is the same command."""
    headers = {**ALICE, "Idempotency-Key": "k1"}
    first = await client.post(ACKNOWLEDGE, headers=headers)
    [command] = world.engine.commands
    said = Commented(at=NOW, id="c", by="bob", text="")
    world.reader.histories[INCIDENT_ID] = (
        Entry(event=said, reason=Reason.COMMENTED),
        Entry(event=command, reason=Reason.ACKNOWLEDGED),
    )
    world.clock.advance(timedelta(days=1))
    again = await client.post(ACKNOWLEDGE, headers=headers)

    assert 200 == again.status_code
    assert first.json() == again.json()


async def test_idempotency_key_of_old(client: httpx2.AsyncClient, world: World) -> None:
    """One that history does not know says that it is a repeated command."""
    headers = {**ALICE, "Idempotency-Key": "k1"}
    await client.post(ACKNOWLEDGE, headers=headers)
    world.clock.advance(timedelta(days=1))
    world.reader.histories[INCIDENT_ID] = ()
    again = await client.post(ACKNOWLEDGE, headers=headers)

    assert "repeated_command" == again.json()["reason"]


async def test_idempotency_key_names_one_command(
    client: httpx2.AsyncClient, world: World
) -> None:
    """The same key from another caller names another command."""
    key = {"Idempotency-Key": "k1"}
    await client.post(ACKNOWLEDGE, headers={**ALICE, **key})
    await client.post(ACKNOWLEDGE, headers={**WRITER, **key})

    assert 2 == len({command.id for command in world.engine.commands})


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_wrong_idempotency_key(client: httpx2.AsyncClient, key: str) -> None:
    """A key that is empty or endless is refused, and nothing is done."""
    answer = await client.post(ACKNOWLEDGE, headers={**ALICE, "Idempotency-Key": key})

    assert 422 == answer.status_code
    assert ["idempotency-key"] == [error["field"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("body", "by"),
    [
        (b"", "alice"),
        (b" ", "alice"),
        (b"null", "alice"),
        (b"{}", "alice"),
        (b'{"by": null}', "alice"),
        (b'{"by": "bob"}', "bob"),
        (b'{"by": " the\\nnight shift "}', "the night shift"),
    ],
)
async def test_by(
    client: httpx2.AsyncClient, world: World, body: bytes, by: str
) -> None:
    """A command may say who gives it; else it is whose token it is."""
    await client.post(RESOLVE, headers=ALICE, content=body)

    assert [Resolved(at=NOW, id="id2", by=by)] == world.engine.commands


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[" * 1_000, 400, "too_deep"),
        (b"[" * 65 + b"]" * 65, 400, "too_deep"),
        (b"[]", 422, "invalid_request"),
        (b'{"by": ""}', 422, "invalid_request"),
        (b'{"by": " "}', 422, "invalid_request"),
        (b'{"by": 5}', 422, "invalid_request"),
        (b'{"by": "' + b"x" * 201 + b'"}', 422, "invalid_request"),
        (b'{"user": "alice"}', 422, "invalid_request"),
        (b" " * (BODY_BYTES_MAX + 1), 413, "body_too_large"),
    ],
)
async def test_wrong_body(
    client: httpx2.AsyncClient, world: World, body: bytes, status: int, code: str
) -> None:
    """A body that is not as it should be is refused, and nothing is done."""
    answer = await client.post(ACKNOWLEDGE, headers=ALICE, content=body)

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert [] == world.engine.commands


async def test_wrong_body_names_the_field(client: httpx2.AsyncClient) -> None:
    """Of a body that is not valid, the field is named."""
    answer = await client.post(ACKNOWLEDGE, headers=ALICE, json={"user": "alice"})

    assert ["user"] == [error["field"] for error in answer.json()["errors"]]


async def test_chunked_command(world: World) -> None:
    """The body of a command is bounded like any other."""
    request = RawRequest(
        ACKNOWLEDGE,
        chunks(b" " * 100_000, count=1_000),
        headers=[(b"authorization", ALICE["Authorization"].encode())],
    )

    await request.to(create_app(world.context()))

    assert 413 == request.status
    assert 11 == request.taken


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (StoreUnavailableError("redis://:secret@host"), 503, "store_unavailable"),
        (ContendedError(INCIDENT_ID, 20), 503, "contended"),
        (KeyTakenError(INCIDENT_ID, "secret"), 409, "key_taken"),
        (UnclearError("secret"), 504, "unclear"),
        (UnreadableError("secret", "newer", is_newer=True), 503, "unreadable"),
        (EngineError("secret"), 500, "unexpected"),
        (RuntimeError("secret"), 500, "unexpected"),
    ],
)
async def test_failed_command(
    client: httpx2.AsyncClient, world: World, failure: Exception, status: int, code: str
) -> None:
    """A command that was not carried out says whether to send it again, and no more."""
    world.engine.failure = failure

    answer = await client.post(ACKNOWLEDGE, headers=ALICE)

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert (503 == status) == ("retry-after" in answer.headers)
    assert "secret" not in answer.text
