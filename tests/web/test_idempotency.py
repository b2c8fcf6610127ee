"""Idempotency-Key: a POST that is sent again is answered as the first time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus

import anyio
import httpx2
import pytest
from fastapi import APIRouter, Response
from structlog.typing import EventDict
from typing_extensions import override

from engine.adapters.memory import MemoryIdempotencyKeys
from engine.errors import StoreUnavailableError, UnclearError
from engine.ports import KeptAnswer, KeyClaim
from tests.web.fakes import (
    ALICE_SECRET,
    INCIDENT_ID,
    READ_SECRET,
    SHOWN_ID,
    WRITE_SECRET,
    World,
)
from workers.web.app import create_app
from workers.web.auth import WriteToken
from workers.web.idempotency import ANSWER_BYTES_MAX, IdempotentRoute

KEY = {"Idempotency-Key": "k1"}
ALICE = {"Authorization": f"Bearer {ALICE_SECRET}"}
WRITER = {"Authorization": f"Bearer {WRITE_SECRET}"}
READER = {"Authorization": f"Bearer {READ_SECRET}"}
ACKNOWLEDGE = f"/v1/incidents/{SHOWN_ID}/acknowledge"
RESOLVE = f"/v1/incidents/{SHOWN_ID}/resolve"


class Forgetful(MemoryIdempotencyKeys):
    """Lets go of no key: the store is gone, or the process, when the answer is there."""

    @override
    async def keep(self, claim: KeyClaim, answer: KeptAnswer) -> None:
        message = "redis://:hush@host is gone"
        raise StoreUnavailableError(message)

    @override
    async def release(self, claim: KeyClaim) -> None:
        await self.keep(claim, KeptAnswer(status=200))


@asynccontextmanager
async def served(
    world: World, router: APIRouter | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of an app with routes of its own."""
    app = create_app(world.context())
    if router is not None:
        app.include_router(router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://rung"
    ) as client:
        yield client


async def post(client: httpx2.AsyncClient, path: str) -> httpx2.Response:
    """Post nothing with alice's token and the key."""
    return await client.post(path, headers={**ALICE, **KEY})


async def test_replayed(client: httpx2.AsyncClient, world: World) -> None:
    """Sent again it is not carried out again, and answered as the first time."""
    first = await client.post(ACKNOWLEDGE, headers={**ALICE, **KEY})
    again = await client.post(ACKNOWLEDGE, headers={**ALICE, **KEY})

    assert 1 == len(world.engine.commands)
    assert (200, first.content) == (again.status_code, again.content)
    assert first.headers["content-type"] == again.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert "true" == again.headers["idempotency-replayed"]
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


async def test_refusal_replayed(client: httpx2.AsyncClient, world: World) -> None:
    """A refusal is an answer too, with its own kind."""
    unknown = "/v1/incidents/inc_00000000000/acknowledge"
    first = await client.post(unknown, headers={**ALICE, **KEY})
    again = await client.post(unknown, headers={**ALICE, **KEY})

    assert (404, first.content) == (again.status_code, again.content)
    assert "application/problem+json" == again.headers["content-type"]
    assert [] == world.engine.commands


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ACKNOWLEDGE, b'{"by": "bob"}'),
        (RESOLVE, b""),
        (f"{ACKNOWLEDGE}?for=ever", b""),
    ],
)
async def test_reused(
    client: httpx2.AsyncClient, world: World, path: str, body: bytes
) -> None:
    """A key that another path, query or body had is refused, and nothing is done."""
    await client.post(ACKNOWLEDGE, headers={**ALICE, **KEY})
    answer = await client.post(path, headers={**ALICE, **KEY}, content=body)

    assert (422, "idempotency_key_reused") == (
        answer.status_code,
        answer.json()["code"],
    )
    assert 1 == len(world.engine.commands)


async def test_own(client: httpx2.AsyncClient) -> None:
    """A key is the caller's own: nobody gets another one's answer."""
    await client.post(ACKNOWLEDGE, headers={**ALICE, **KEY})
    answer = await client.post(RESOLVE, headers={**WRITER, **KEY})

    assert ("resolved", "writer") == (
        answer.json()["reason"],
        answer.json()["resolved_by"],
    )


async def test_under_way(world: World) -> None:
    """While the first is under way, the second is told to come later."""
    held_up = anyio.Event()
    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/v1/slow")
    async def slow(_token: WriteToken) -> str:
        await held_up.wait()
        return "done"

    async with served(world, router) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(post, client, "/v1/slow")
        await anyio.wait_all_tasks_blocked()
        meanwhile = await post(client, "/v1/slow")
        held_up.set()

    assert (409, "idempotency_key_in_use") == (
        meanwhile.status_code,
        meanwhile.json()["code"],
    )
    assert 0 < int(meanwhile.headers["retry-after"])


async def test_died(world: World, logged: list[EventDict]) -> None:
    """What a process that died had begun may be sent again a minute later."""
    world.idempotency = Forgetful(world.clock)
    world.reader.histories[INCIDENT_ID] = ()
    async with served(world) as client:
        first = await post(client, ACKNOWLEDGE)
        meanwhile = await post(client, ACKNOWLEDGE)
        world.clock.advance(timedelta(minutes=1))
        later = await post(client, ACKNOWLEDGE)

    assert [200, 409, 200] == [one.status_code for one in (first, meanwhile, later)]
    assert 1 == len({command.id for command in world.engine.commands})
    assert "idempotency_key.not_settled" in {line["event"] for line in logged}


@pytest.mark.parametrize(
    "failure", [StoreUnavailableError("down"), UnclearError("x"), RuntimeError("bug")]
)
async def test_failed(
    client: httpx2.AsyncClient, world: World, failure: Exception
) -> None:
    """What failed on our side may be sent again at once."""
    world.engine.failure = failure
    failed = await client.post(ACKNOWLEDGE, headers={**ALICE, **KEY})
    world.engine.failure = None
    again = await client.post(ACKNOWLEDGE, headers={**ALICE, **KEY})

    assert failed.status_code >= 500
    assert (200, "acknowledged") == (again.status_code, again.json()["reason"])


async def test_forbidden(client: httpx2.AsyncClient) -> None:
    """That a token may not do it is found out anew each time."""
    for _ in range(2):
        answer = await client.post(ACKNOWLEDGE, headers={**READER, **KEY})

        assert 403 == answer.status_code
        assert "idempotency-replayed" not in answer.headers


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic x"}]
)
async def test_stranger(client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    """Whoever has no valid token is told so each time; nothing is kept for them."""
    first = await client.post(ACKNOWLEDGE, headers={**headers, **KEY})
    other = await client.post(RESOLVE, headers={**headers, **KEY})

    assert [401, 401] == [first.status_code, other.status_code]


async def test_without_key(client: httpx2.AsyncClient, world: World) -> None:
    """Without a key each request is one of its own."""
    await client.post(ACKNOWLEDGE, headers=ALICE)
    await client.post(ACKNOWLEDGE, headers=ALICE)

    assert 2 == len({command.id for command in world.engine.commands})


async def test_secret(world: World) -> None:
    """An answer that nobody may store is not kept either; sent again, it is told of."""
    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/v1/secrets")
    async def make(_token: WriteToken) -> Response:
        return Response("hush", 201, {"Cache-Control": "no-store"})

    async with served(world, router) as client:
        first = await post(client, "/v1/secrets")
        again = await post(client, "/v1/secrets")

    assert (201, "hush") == (first.status_code, first.text)
    assert (409, "answer_not_kept") == (again.status_code, again.json()["code"])
    assert "hush" not in again.text


async def test_large_answer(world: World) -> None:
    """An answer that is too large to be kept is made again."""
    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/v1/books")
    async def write(_token: WriteToken) -> str:
        return "x" * ANSWER_BYTES_MAX

    async with served(world, router) as client:
        await post(client, "/v1/books")
        again = await post(client, "/v1/books")

    assert 200 == again.status_code
    assert "idempotency-replayed" not in again.headers


async def test_body_is_read(world: World) -> None:
    """A route reads its body also behind a key, and answers with status and headers."""
    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/v1/echo", status_code=HTTPStatus.CREATED)
    async def echo(said: dict[str, str], response: Response) -> dict[str, str]:
        response.headers["Location"] = "/v1/echo/1"
        return said

    async with served(world, router) as client:
        answers = [
            await client.post("/v1/echo", headers={**ALICE, **KEY}, json={"a": "ř"})
            for _ in range(2)
        ]

    assert [(201, {"a": "ř"}, "/v1/echo/1")] * 2 == [
        (one.status_code, one.json(), one.headers["location"]) for one in answers
    ]
    assert "true" == answers[1].headers["idempotency-replayed"]


async def test_unavailable(world: World) -> None:
    """Where it cannot be told what a key was used for, nothing is done."""

    class Unavailable(Forgetful):
        @override
        async def begin(self, claim: KeyClaim) -> KeptAnswer:
            message = "redis://:hush@host is gone"
            raise StoreUnavailableError(message)

    world.idempotency = Unavailable(world.clock)
    async with served(world) as elsewhere:
        answer = await post(elsewhere, ACKNOWLEDGE)

    assert (503, "store_unavailable") == (answer.status_code, answer.json()["code"])
    assert "hush" not in answer.text
    assert [] == world.engine.commands


async def test_described(client: httpx2.AsyncClient) -> None:
    """The description of the API names the header and its refusals at every POST."""
    described = (await client.get("/openapi.json")).json()["paths"]
    posts = {
        path: methods["post"]
        for path, methods in described.items()
        if path.startswith("/v1/") and "post" in methods
    }

    assert posts
    for post_ in posts.values():
        names = [parameter["name"] for parameter in post_["parameters"]]

        assert 1 == names.count("idempotency-key")
        assert {"409", "422"} <= set(post_["responses"])
