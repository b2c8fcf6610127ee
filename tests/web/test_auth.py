"""Who may do what."""

import httpx2
import pytest
from structlog.typing import EventDict

from engine.directory import Scope
from engine.errors import StoreUnavailableError
from tests.web.fakes import (
    ALICE_SECRET,
    GONE_SECRET,
    READ_SECRET,
    SHOWN_ID,
    WRITE_SECRET,
    World,
    a_directory,
    a_token,
)
from workers.web.auth import may

PROTECTED = [
    ("GET", "/v1/incidents"),
    ("GET", f"/v1/incidents/{SHOWN_ID}"),
    ("GET", f"/v1/incidents/{SHOWN_ID}/timeline"),
    ("POST", f"/v1/incidents/{SHOWN_ID}/acknowledge"),
    ("POST", f"/v1/incidents/{SHOWN_ID}/resolve"),
]
COMMANDS = [(method, path) for method, path in PROTECTED if method == "POST"]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {GONE_SECRET}",
        f"Basic {ALICE_SECRET}",
        ALICE_SECRET,
        "Bearer \xff",
    ],
)
async def test_no_valid_token(
    client: httpx2.AsyncClient, world: World, method: str, path: str, header: str | None
) -> None:
    """Without a valid token of an active user, nothing is shown or done."""
    headers = [] if header is None else [(b"Authorization", header.encode("latin-1"))]

    answer = await client.request(method, path, headers=headers)

    assert (401, "unauthorized") == (answer.status_code, answer.json()["code"])
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert [] == world.engine.commands


@pytest.mark.parametrize(("method", "path"), COMMANDS)
async def test_low_scope(
    client: httpx2.AsyncClient, world: World, method: str, path: str
) -> None:
    """A token that may only read gives no commands, and is told why."""
    headers = {"Authorization": f"Bearer {READ_SECRET}"}

    answer = await client.request(method, path, headers=headers)

    assert (403, "low_scope") == (answer.status_code, answer.json()["code"])
    assert 'scope="write"' in answer.headers["www-authenticate"]
    assert "write" in answer.json()["detail"]
    assert [] == world.engine.commands


@pytest.mark.parametrize("secret", [WRITE_SECRET, ALICE_SECRET])
@pytest.mark.parametrize(("method", "path"), COMMANDS)
async def test_enough_scope(
    client: httpx2.AsyncClient, method: str, path: str, secret: str
) -> None:
    """A token that may write, or more, gives commands."""
    headers = {"Authorization": f"bearer {secret}"}

    answer = await client.request(method, path, headers=headers)

    assert 200 == answer.status_code


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ((), set()),
        ((Scope.READ,), {Scope.READ}),
        ((Scope.WRITE,), {Scope.READ, Scope.WRITE}),
        ((Scope.ADMIN,), {Scope.READ, Scope.WRITE, Scope.ADMIN}),
        ((Scope.INGEST,), {Scope.INGEST}),
        ((Scope.INGEST, Scope.READ), {Scope.INGEST, Scope.READ}),
    ],
)
def test_scopes(scopes: tuple[Scope, ...], allowed: set[Scope]) -> None:
    """Each scope but ingest includes those before it."""
    token = a_token("-", "token", *scopes)

    assert allowed == {scope for scope in Scope if may(token, scope)}


async def test_token_that_only_ingests(
    client: httpx2.AsyncClient, world: World
) -> None:
    """A token for taking alerts in opens nothing of the API."""
    token = a_token("canary-ingest-token", "sensor", Scope.INGEST)
    world.configuration.directory = a_directory(tokens={token.hash: token})
    headers = {"Authorization": "Bearer canary-ingest-token"}

    answer = await client.get("/v1/incidents", headers=headers)

    assert 403 == answer.status_code


async def test_no_configuration(client: httpx2.AsyncClient, world: World) -> None:
    """While it cannot be told whose token it is, the caller is asked to try again."""
    world.configuration.failure = StoreUnavailableError("down")
    headers = {"Authorization": f"Bearer {READ_SECRET}"}

    answer = await client.get("/v1/incidents", headers=headers)

    assert (503, "5") == (answer.status_code, answer.headers["retry-after"])


async def test_token_is_never_logged(
    client: httpx2.AsyncClient, world: World, logged: list[EventDict]
) -> None:
    """No line of the log shows a token, whatever goes wrong."""
    for secret in (READ_SECRET, ALICE_SECRET, GONE_SECRET, "canary-unknown"):
        for failure in (None, RuntimeError("a bug")):
            world.engine.failure = failure
            for method, path in PROTECTED:
                headers = {"Authorization": f"Bearer {secret}"}
                await client.request(method, path, headers=headers)

    assert logged
    assert not [line for line in logged if "canary" in repr(line)]
