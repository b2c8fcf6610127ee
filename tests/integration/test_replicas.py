"""What is promised to senders and people is on the replicas first."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest
from redis.asyncio import Redis
from typing_extensions import override

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.redis.client import Argument, Client, NotReplicatedError, Reply
from engine.adapters.redis.scripts import Name
from engine.errors import StoreUnavailableError
from engine.ports import Lane
from tests.support.processes import AN_ALERT
from tests.support.servers import RunningServer, Server, found_servers, running_server
from workers.bootstrap import Installation, connect
from workers.demo import Secrets, demo_directory
from workers.serving import context_of
from workers.settings import Settings
from workers.web.app import create_app

SECRETS = Secrets(api_token="token", ingest_key="key")  # noqa: S106 - a fake one
BEARER = {"Authorization": f"Bearer {SECRETS.api_token}"}
INGEST = f"/ingest/alertmanager/{SECRETS.ingest_key}"
TRIES_MAX = 100


@dataclass
class Pair:
    """A primary and its replica."""

    primary: RunningServer
    replica: RunningServer


@pytest.fixture(name="pair", params=found_servers(), ids=str)
def _pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    server: Server = request.param
    places = [tmp_path / "primary", tmp_path / "replica"]
    for place in places:
        place.mkdir()
    at_once = ("--repl-diskless-sync-delay", "0")
    with running_server(server, places[0], *at_once) as primary:
        follow = ("--replicaof", "127.0.0.1", str(primary.port))
        with running_server(server, places[1], *follow) as replica:
            yield Pair(primary, replica)


@asynccontextmanager
async def rung(
    pair: Pair, replicas: int = 1
) -> AsyncIterator[tuple[Installation, httpx2.AsyncClient]]:
    """Return rung on a primary, and a client of its API."""
    settings = Settings(replicas=replicas)
    async with connect(settings, pair.primary.url) as installation:
        await installation.prepare()
        await seeded(installation)
        app = create_app(context_of(installation, settings, "0"))
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://rung", headers=BEARER
        ) as client:
            yield installation, client


async def seeded(installation: Installation) -> None:
    """Load the demo, as soon as the replica is there to have it too."""
    for _ in range(TRIES_MAX):
        try:
            await installation.configuration.seed(demo_directory(SECRETS))
        except StoreUnavailableError:
            await anyio.sleep(0.1)
        else:
            return
    pytest.fail("the replica never came")


async def until(
    client: httpx2.AsyncClient, status: int, path: str, **request: object
) -> httpx2.Response:
    """Repeat a request until it is answered like this."""
    for _ in range(TRIES_MAX):
        answer = await client.post(path, **request)  # type: ignore[arg-type]
        if answer.status_code == status:
            return answer
        assert 503 == answer.status_code
        await anyio.sleep(0.1)
    pytest.fail(f"never answered {status}")


async def test_alerts(pair: Pair) -> None:
    """Without its replica an alert is not accepted; once it is back, it is."""
    async with rung(pair) as (_, client):
        await until(client, 202, INGEST, json=AN_ALERT)
        pair.replica.stop()
        refused = await client.post(INGEST, json=AN_ALERT)
        pair.replica.start()
        accepted = await until(client, 202, INGEST, json=AN_ALERT)

    assert 503 == refused.status_code
    assert 1 == len(accepted.json()["incidents"])


async def test_commands(pair: Pair) -> None:
    """A command is repeated until the replica has it: then it is as the first time."""
    async with rung(pair) as (installation, client):
        [shown] = (await until(client, 202, INGEST, json=AN_ALERT)).json()["incidents"]
        await installation.engine.drain(Lane.MAIL)
        path = f"/v1/incidents/{shown['id']}/acknowledge"
        headers = {"Idempotency-Key": "once"}
        pair.replica.stop()
        first = await client.post(path, headers=headers)
        second = await client.post(path, headers=headers)
        shown_meanwhile = await client.get(f"/v1/incidents/{shown['id']}")
        pair.replica.start()
        last = await until(client, 200, path, headers=headers)

    assert [503, 503] == [first.status_code, second.status_code]
    assert "acknowledged" == shown_meanwhile.json()["status"]
    assert "acknowledged" == last.json()["status"]


async def test_configuration(pair: Pair) -> None:
    """A change of the configuration is not promised without its replica either."""
    path, team = "/v1/teams/ops", {"name": "Ops"}
    async with rung(pair) as (_, client):
        made = await client.put(path, json=team)
        pair.replica.stop()
        refused = await client.put(path, json=team | {"name": "Operations"})

    assert "Ops" == made.json()["name"]
    assert 504 == refused.status_code


async def test_drains(pair: Pair) -> None:
    """A drain goes on without replicas: paging somebody twice is better than not."""
    async with rung(pair) as (installation, client):
        await until(client, 202, INGEST, json=AN_ALERT)
        pair.replica.stop()
        await installation.engine.drain(Lane.MAIL)
        listed = await client.get("/v1/incidents")

    assert ["triggered"] == [one["status"] for one in listed.json()["incidents"]]


class Unlucky(Client):
    """A client whose replica stops while it tells the server its scripts."""

    def __init__(self, redis: Redis, pair: Pair) -> None:
        super().__init__(redis, wake_jobs(), observe=lambda _: None, replicas=1)
        self._pair = pair

    @override
    async def ask(self, *command: Argument) -> Reply:
        reply = await super().ask(*command)
        self._pair.replica.stop()

        return reply


async def test_forgotten_scripts(pair: Pair) -> None:
    """What is sent again to a server that forgot its scripts waits for replicas too."""
    async with rung(pair) as (_, client):
        await until(client, 202, INGEST, json=AN_ALERT)
    async with Redis.from_url(pair.primary.url) as redis:
        await redis.script_flush()
        append = ("{rung:0}:", "key", "", 1, "1{}", 9, 9, 9, "0" * 11)
        with pytest.raises(NotReplicatedError, match="0 of 1 replicas have it"):
            await Unlucky(redis, pair).run(Name.APPEND, *append)


async def test_lagging(pair: Pair) -> None:
    """A replica that is connected and lags does not have what was written before."""
    async with rung(pair) as (installation, client):
        await until(client, 202, INGEST, json=AN_ALERT)
        os.kill(pair.replica.pid, signal.SIGSTOP)
        refused = await client.post(INGEST, json=AN_ALERT)
        with pytest.raises(NotReplicatedError):
            await installation.desk.store.commit([])
        os.kill(pair.replica.pid, signal.SIGCONT)
        await until(client, 202, INGEST, json=AN_ALERT)
        await installation.desk.store.commit([])

    assert 503 == refused.status_code


async def test_none_wanted(pair: Pair) -> None:
    """Without the setting nobody waits for a replica."""
    pair.replica.stop()
    async with rung(pair, replicas=0) as (_, client):
        answer = await client.post(INGEST, json=AN_ALERT)

    assert 202 == answer.status_code
