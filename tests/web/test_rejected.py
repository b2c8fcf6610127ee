"""What was answered 4xx on an ingest address is kept, and shown to an admin."""

from collections.abc import AsyncIterator

import anyio
import httpx2
import orjson
import pytest
from fastapi import FastAPI
from structlog.typing import EventDict

from engine.errors import StoreUnavailableError
from tests.web.asgi import RawRequest, chunks
from tests.web.fakes import (
    ADMIN_SECRET,
    INGEST_PATH,
    INGEST_SECRET,
    NOW,
    READ_SECRET,
    ROUTING_KEY,
    World,
)
from tests.web.senders import GENERIC_PATH, with_all_senders
from workers.web.app import create_app
from workers.web.context import BODY_BYTES_MAX
from workers.web.ingest.rejections import Rejections

LIST = "/v1/rejected-events"
ADMIN = {"Authorization": f"Bearer {ADMIN_SECRET}"}


@pytest.fixture(autouse=True)
def _directory(world: World) -> None:
    world.configuration.directory = with_all_senders()


@pytest.fixture(name="app")
def _app(world: World) -> FastAPI:
    return create_app(world.context())


@pytest.fixture(name="client")
async def _client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://rung"
    ) as client:
        yield client


async def written(app: FastAPI, times: int = 30) -> None:
    """Write what waits to be kept, as the process does beside its answers."""
    rejections: Rejections = app.state.rejections
    for _ in range(times):
        await rejections.write()


async def listed(
    app: FastAPI, client: httpx2.AsyncClient, query: str = ""
) -> list[dict[str, object]]:
    """Return what an admin is shown."""
    await written(app)
    answer = await client.get(LIST + query, headers=ADMIN)
    shown: list[dict[str, object]] = answer.json()["rejected_events"]

    return shown


async def test_bad_json(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """A body that is no JSON is kept with whose it is, why, and its beginning."""
    await client.post(INGEST_PATH, content=b'{"alerts": [}')

    [event] = await listed(app, client)

    assert {
        "at": NOW.isoformat().replace("+00:00", "Z"),
        "source": "alertmanager",
        "integration": "alertmanager",
        "reason": "invalid_json",
        "detail": "Expecting value (line 1, column 13)",
        "size": 13,
        "body": '{"alerts": [}',
    } == event


async def test_too_deep(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """So is one that is nested too deep."""
    await client.post(GENERIC_PATH, content=b"[" * 70 + b"]" * 70)

    [event] = await listed(app, client)

    assert ("generic", "too_deep", 140) == (
        event["integration"],
        event["reason"],
        event["size"],
    )


@pytest.mark.parametrize(
    ("length", "size", "body"),
    [(None, BODY_BYTES_MAX + 1, "x" * 2_048), (5_000_000, 5_000_000, "")],
)
async def test_too_large(
    app: FastAPI, client: httpx2.AsyncClient, length: int | None, size: int, body: str
) -> None:
    """Of one that is too large the beginning is kept, as far as it was read."""
    headers = [(b"content-length", str(length).encode())] if length else []
    request = RawRequest(
        INGEST_PATH, chunks(b"x" * (BODY_BYTES_MAX + 1)), headers=headers
    )
    await request.to(app)

    [event] = await listed(app, client)

    assert ("body_too_large", size, body) == (
        event["reason"],
        event["size"],
        event["body"],
    )


async def test_broken_off(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """Of one that broke off what came is kept."""
    await RawRequest(INGEST_PATH, list(chunks(b'{"alerts":'))[:1]).to(app)

    [event] = await listed(app, client)

    assert ("incomplete_body", '{"alerts":') == (event["reason"], event["body"])


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/ingest/alertmanager/canary-wrong", "alertmanager"),
        # Somebody put source and key the wrong way round.
        ("/ingest/canary-generic-key/generic", ""),
    ],
)
async def test_unknown_key(
    app: FastAPI,
    client: httpx2.AsyncClient,
    logged: list[EventDict],
    path: str,
    source: str,
) -> None:
    """What has nobody's key is kept and logged, and the address is nowhere in it."""
    answer = await client.post(path, content=b'{"title": "x", "token": "canary"}')

    [event] = await listed(app, client)
    warnings = [line for line in logged if line["event"] == "ingest.unknown_key"]

    assert 404 == answer.status_code
    assert ("unknown_key", source, None) == (
        event["reason"],
        event["source"],
        event["integration"],
    )
    assert '{"title": "x", "token": "***"}' == event["body"]
    assert [(source, 1)] == [(line["source"], line["count"]) for line in warnings]
    assert "canary" not in repr([event, logged])


async def test_unknown_key_waits_for_no_body(
    app: FastAPI, client: httpx2.AsyncClient
) -> None:
    """Nobody waits for the body of what has nobody's key, nor reads much of it."""
    request = RawRequest("/ingest/generic/wrong", chunks(b"x" * 1_500, count=1_000))
    await request.to(app)

    [event] = await listed(app, client)

    assert 404 == request.status
    assert 2 == request.taken
    assert "x" * 2_048 == event["body"]


async def test_unknown_routing_key(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """A routing key that is unknown is masked in what is kept."""
    sent = {"routing_key": "canary", "event_action": "trigger"}
    await client.post("/v2/enqueue", json=sent)

    [event] = await listed(app, client)

    assert ("unknown_key", "pagerduty", None) == (
        event["reason"],
        event["source"],
        event["integration"],
    )
    assert "canary" not in repr(event)


async def test_invalid_event(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """An event that PagerDuty would call invalid is kept for its integration."""
    sent = {"routing_key": ROUTING_KEY, "event_action": "page"}
    await client.post("/v2/enqueue", json=sent)

    [event] = await listed(app, client)

    assert ("invalid_event", "pagerduty") == (event["reason"], event["integration"])
    assert "'event_action' is none of trigger, acknowledge, resolve" == event["detail"]
    assert '"event_action": "page"' in str(event["body"])
    assert ROUTING_KEY not in repr(event)


async def test_of_one_integration(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """The list is of all, newest first, or of one integration."""
    for path in (INGEST_PATH, GENERIC_PATH, "/ingest/generic/wrong"):
        await client.post(path, content=b"{")

    of_all = await listed(app, client)
    of_one = await listed(app, client, "?integration=generic")
    of_none = await listed(app, client, "?integration=gone")
    first = await listed(app, client, "?limit=1")

    assert {"alertmanager", "generic", None} == {one["integration"] for one in of_all}
    assert ["generic"] == [one["integration"] for one in of_one]
    assert [] == of_none
    assert 1 == len(first)


@pytest.mark.parametrize(
    "failure", [StoreUnavailableError("down"), RuntimeError("a bug")]
)
async def test_our_fault(
    app: FastAPI, client: httpx2.AsyncClient, world: World, failure: Exception
) -> None:
    """What was answered 5xx comes again; it is not rejected."""
    world.engine.failure = failure
    await client.post(GENERIC_PATH, json={"title": "x"})

    assert [] == await listed(app, client)


@pytest.mark.parametrize("path", [INGEST_PATH, "/v2/enqueue"])
async def test_slow_body(world: World, path: str) -> None:
    """Nor is what came too slowly: it is answered 503, and comes again."""
    app = create_app(world.context(patience_seconds=0.05))
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await app(RawRequest(path).scope, anyio.sleep_forever, send)  # type: ignore[arg-type] # it never returns
    await written(app)

    assert 503 == sent[0]["status"]
    assert [] == list(await world.rejected_events.latest([None, "alertmanager"], 10))


async def test_accepted(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """Nor is what was accepted."""
    await client.post(GENERIC_PATH, json={"title": "x"})

    assert [] == await listed(app, client)


@pytest.mark.parametrize(
    ("secret", "status"), [("", 401), (READ_SECRET, 403), (INGEST_SECRET, 403)]
)
async def test_not_for_everybody(
    client: httpx2.AsyncClient, secret: str, status: int
) -> None:
    """Bodies may hold secrets: the list is for an admin."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    answer = await client.get(LIST, headers=headers)

    assert status == answer.status_code


async def test_flood(app: FastAPI, client: httpx2.AsyncClient) -> None:
    """In a flood some are left out; every answer is the same."""
    answers = [await client.post(INGEST_PATH, content=b"{") for _ in range(40)]

    kept = await listed(app, client)

    assert {400} == {answer.status_code for answer in answers}
    assert 20 == len(kept)


async def test_answers_do_not_wait(
    app: FastAPI, client: httpx2.AsyncClient, world: World
) -> None:
    """An answer is there before anything is written."""
    answer = await client.post(GENERIC_PATH, content=orjson.dumps({})[:-1])
    before = await world.rejected_events.latest(["generic"], 10)

    assert 400 == answer.status_code
    assert [] == list(before)
    assert 1 == len(await listed(app, client))
