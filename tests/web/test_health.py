"""Health: alive means that the process turns, ready that it can do its work."""

import importlib.metadata

import anyio
import httpx2
import pytest

from engine.errors import StoreUnavailableError
from tests.web.fakes import VERSION, FakeCheck, World
from workers.web import health


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
async def test_alive(client: httpx2.AsyncClient, world: World, path: str) -> None:
    """A process that turns is alive, whatever becomes of Redis."""
    world.configuration.failure = StoreUnavailableError("down")
    world.checks_failure = AssertionError("must not be asked")

    answer = await client.get(path)

    assert 200 == answer.status_code
    assert {"status": "ok", "version": VERSION} == answer.json()


@pytest.mark.parametrize("path", ["/readyz", "/readyz/"])
async def test_ready(client: httpx2.AsyncClient, path: str) -> None:
    """A process is ready when all checks are well; it names the versions it runs."""
    answer = await client.get(path)

    expected = {
        "status": "ready",
        "version": VERSION,
        "tzdata": importlib.metadata.version("tzdata"),
        "checks": [
            {"name": "redis", "ok": True, "is_fatal": True, "detail": "writable"}
        ],
    }

    assert 200 == answer.status_code
    assert expected == answer.json()


@pytest.mark.parametrize(
    ("check", "status"),
    [
        (FakeCheck(name="memory", ok=False, detail="set noeviction"), 503),
        (
            FakeCheck(name="memory", ok=False, is_fatal=False, detail="set noeviction"),
            200,
        ),
    ],
)
async def test_failed_check(
    client: httpx2.AsyncClient, world: World, check: FakeCheck, status: int
) -> None:
    """Only a fatal check keeps requests away; the others are shown."""
    world.checks.append(check)

    answer = await client.get("/readyz")

    assert status == answer.status_code
    assert "set noeviction" == answer.json()["checks"][1]["detail"]


async def test_checks_that_cannot_run(client: httpx2.AsyncClient, world: World) -> None:
    """When the checks cannot be run, the process is not ready and says so."""
    world.checks_failure = StoreUnavailableError("redis://:secret@host")

    answer = await client.get("/readyz")

    assert (503, "not_ready") == (answer.status_code, answer.json()["status"])
    assert "secret" not in answer.text


async def test_checks_that_hang(world: World) -> None:
    """Checks that hang do not hang the answer."""
    never = anyio.Event()

    async def look() -> list[FakeCheck]:
        await never.wait()
        return []

    context = world.context(checks=look, checks_timeout_seconds=0.01)
    answer = await health.look(context)

    assert [False] == [check.ok for check in answer]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_head(client: httpx2.AsyncClient, path: str) -> None:
    """Load balancers may ask without wanting to read."""
    answer = await client.head(path)

    assert 200 == answer.status_code
