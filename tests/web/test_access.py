"""Every request has an id and one line in the log; every error has one shape."""

import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.typing import EventDict

from tests.web.asgi import RawRequest
from tests.web.fakes import INGEST_PATH, READ_SECRET, SHOWN_ID, CountedIds, World
from workers.web.access import RequestLog

READER = {"Authorization": f"Bearer {READ_SECRET}"}


def answered(logged: list[EventDict]) -> list[EventDict]:
    """Return the lines of requests that were answered."""
    return [line for line in logged if line["event"] == "request.answered"]


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("POST", INGEST_PATH, "/ingest/{source}/{key}", 400),
        ("POST", f"{INGEST_PATH}/", "/ingest/{source}/{key}", 400),
        ("GET", INGEST_PATH, "/ingest/{source}/{key}", 405),
        ("GET", f"/v1/incidents/{SHOWN_ID}", "/v1/incidents/{incident_id}", 200),
        ("GET", "/v1/incidents", "/v1/incidents", 200),
        ("GET", "/healthz", "/healthz", 200),
        ("GET", "/nothing/here", "other", 404),
    ],
)
async def test_request_line(
    client: httpx2.AsyncClient,
    logged: list[EventDict],
    method: str,
    path: str,
    route: str,
    status: int,
) -> None:
    """A request is logged once, by the template of its route."""
    answer = await client.request(method, path, headers=READER)

    [line] = answered(logged)

    assert status == answer.status_code
    assert (method, route, status) == (line["method"], line["route"], line["status"])
    assert line["milliseconds"] >= 0
    assert answer.headers["x-request-id"] == line["request_id"]


async def test_request_id(client: httpx2.AsyncClient, logged: list[EventDict]) -> None:
    """A caller's id for its request is kept, and is in every line of it."""
    headers = {"X-Request-Id": "trace-7"}

    answer = await client.post(INGEST_PATH, content=b"{", headers=headers)

    assert "trace-7" == answer.headers["x-request-id"]
    assert {"trace-7"} == {line["request_id"] for line in logged}


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, '"\\n{'])
async def test_unacceptable_request_id(client: httpx2.AsyncClient, sent: str) -> None:
    """An id that could spoil the log is replaced."""
    answer = await client.get("/healthz", headers={"X-Request-Id": sent})

    assert "id1" == answer.headers["x-request-id"]


async def test_mistake(
    client: httpx2.AsyncClient, world: World, logged: list[EventDict]
) -> None:
    """A mistake of ours is logged with the request's id and shown without internals."""
    world.engine.failure = RuntimeError("secret")

    answer = await client.get(f"/v1/incidents/{SHOWN_ID}", headers=READER)

    assert (500, "unexpected") == (answer.status_code, answer.json()["code"])
    assert "application/problem+json" == answer.headers["content-type"]
    assert answer.headers["x-request-id"] in answer.json()["detail"]
    assert "secret" not in answer.text
    assert ["request.failed", "request.answered"] == [line["event"] for line in logged]
    assert "RuntimeError: secret" in logged[0]["traceback"]


async def test_broken_off(logged: list[EventDict]) -> None:
    """An answer that fails halfway is broken off, so that nobody takes it for whole."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    request = RawRequest("/")

    with pytest.raises(RuntimeError):
        await request.to(RequestLog(app, CountedIds()))

    assert ["http.response.start"] == [message["type"] for message in request.sent]
    assert [200] == [line["status"] for line in answered(logged)]


async def test_other_scopes() -> None:
    """What is no request passes through untouched."""
    seen: list[Message] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def nothing(*_: object) -> Message:
        raise NotImplementedError

    await RequestLog(app, CountedIds())({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type] # never called

    assert [{"type": "lifespan"}] == seen


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "unknown_path"),
        ("GET", "/v1/nothing", 404, "unknown_path"),
        ("POST", f"{INGEST_PATH}/more", 404, "unknown_path"),
        ("GET", "//", 404, "unknown_path"),
        ("GET", INGEST_PATH, 405, "method_not_allowed"),
        ("DELETE", "/v1/incidents", 405, "method_not_allowed"),
        ("GET", f"/v1/incidents/{SHOWN_ID}/resolve", 405, "method_not_allowed"),
    ],
)
async def test_every_error_is_a_problem(
    client: httpx2.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    """An error is a problem document with a code, wherever it comes from."""
    answer = await client.request(method, path)
    problem = answer.json()

    assert "application/problem+json" == answer.headers["content-type"]
    assert (status, status, code) == (
        answer.status_code,
        problem["status"],
        problem["code"],
    )
    assert {"type", "title", "detail"} < set(problem)
    assert (405 == status) == ("allow" in answer.headers)
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("PUT", "/v1/users", {"GET", "POST"}),
        ("PATCH", "/v1/users/alice", {"GET", "PUT", "DELETE"}),
        ("OPTIONS", f"/v1/incidents/{SHOWN_ID}", {"GET", "DELETE"}),
        ("GET", INGEST_PATH, {"POST", "PUT"}),
        ("GET", "/v2/enqueue", {"POST"}),
        ("DELETE", "/healthz", {"GET", "HEAD"}),
    ],
)
async def test_allowed_methods(
    client: httpx2.AsyncClient, method: str, path: str, methods: set[str]
) -> None:
    """Who uses the wrong method is told each one that the path has."""
    answer = await client.request(method, path)

    assert 405 == answer.status_code
    assert methods == set(answer.headers["allow"].split(", "))
    assert answer.headers["allow"] in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["/v1/incidents/", f"/v1/incidents/{SHOWN_ID}/", f"/v1/incidents/{SHOWN_ID}"],
)
async def test_no_redirects(client: httpx2.AsyncClient, path: str) -> None:
    """A path is served with and without a slash at its end, without a redirect."""
    answer = await client.get(path, headers=READER)

    assert 200 == answer.status_code


async def test_openapi(client: httpx2.AsyncClient) -> None:
    """The description is whole: every reference leads on, every answer has a shape."""
    document = (await client.get("/openapi.json")).json()
    references = set(_references(document))
    schemas = document["components"]["schemas"]

    assert references <= {f"#/components/schemas/{name}" for name in schemas}
    assert "#/components/schemas/Problem" in references
    for path, operations in document["paths"].items():
        for operation in operations.values():
            success = next(s for s in operation["responses"] if s.startswith("2"))
            if success == "204":
                continue
            contents = operation["responses"][success]["content"].values()

            assert contents, path
            assert all(content["schema"] for content in contents), path
            is_open = {} in operation.get("security", [{}])
            assert path.startswith("/v1") != is_open


async def test_docs(client: httpx2.AsyncClient) -> None:
    """There is a page that lists the API."""
    answer = await client.get("/docs")

    assert 200 == answer.status_code


def _references(node: object) -> list[str]:
    match node:
        case {"$ref": str() as reference}:
            return [reference]
        case dict():
            return [found for child in node.values() for found in _references(child)]
        case list():
            return [found for child in node for found in _references(child)]
        case _:
            return []
