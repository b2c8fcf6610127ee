"""Sentinels say who the primary is, and what was promised outlives it."""

import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.to_thread
import httpx2
import pytest
from redis.asyncio import Redis
from typing_extensions import override

from benchmarks.chaos.sentinel import measure
from benchmarks.options import Options
from engine.adapters.arq_timers import wake_jobs
from engine.adapters.redis.client import AnswerLostError, Client, NotReplicatedError
from engine.adapters.redis.pools import SOCKET_SECONDS_MAX, Pools
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.sentinels import (
    BlockingFollowingPool,
    FollowingConnection,
    Sentinels,
)
from engine.errors import StoreUnavailableError
from tests.support.journeys import seed_store, until_accepted, with_quick_policy
from tests.support.processes import AN_ALERT, Rung, eventually, running_rung
from tests.support.sentinels import NAME, RunningSentinel, ask, watched
from tests.support.servers import (
    RunningServer,
    found_servers,
    running_server,
)
from tests.unit.test_cli import run
from workers.demo import Secrets, demo_directory

SECRETS = Secrets(api_token="t" * 16, ingest_key="k" * 16)
BEARER = {"Authorization": f"Bearer {SECRETS.api_token}"}
PASSWORD = "pass:w/rd"  # noqa: S105 - a fake one
NEWEST = found_servers()[-1]
AN_APPEND = ("{rung:0}:", "key", "", 1, "1{}", 9, 9, 9, "0" * 11)
# Bob is paged by whoever is the primary then.
WAITS = (timedelta(seconds=4), timedelta(minutes=1), timedelta(minutes=1))
Host = tuple[str, int]


class Told(Sentinels):
    """Names the primary as it is told to, like Sentinels of which we hear nothing."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__([], {})
        self.server = server

    @override
    async def discover_master(self, service_name: str) -> Host:
        """Name it."""
        return "127.0.0.1", self.server.port


@dataclass
class Two:
    """Two servers, and a client that goes to the one that is told of."""

    first: RunningServer
    second: RunningServer
    told: Told
    pool: BlockingFollowingPool
    observed: list[int] = field(default_factory=list[int])

    def client(self, replicas: int = 0) -> Client:
        """Return a client that follows."""
        redis: Redis = Redis(connection_pool=self.pool)

        return Client(redis, wake_jobs(), self.observed.append, replicas=replicas)

    async def port(self) -> int:
        """Return which server a new command goes to."""
        answer = await self.client().ask("CONFIG GET", "port")
        told = {_text(name): _text(value) for name, value in answer.items()}

        return int(told["port"])


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.fixture(name="two")
async def _two(tmp_path: Path) -> AsyncIterator[Two]:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with (
        running_server(NEWEST, tmp_path / "first") as first,
        running_server(NEWEST, tmp_path / "second") as second,
    ):
        told = Told(first)
        pool = BlockingFollowingPool(
            service_name=NAME,
            sentinel_manager=told,
            connection_class=FollowingConnection,
            max_connections=4,
        )
        yield Two(first, second, told, pool)
        await pool.disconnect()


def set_on(server: RunningServer, name: str, value: str) -> None:
    """Set something of a server."""
    ask(server, "CONFIG", "SET", name, value)


async def test_left_alone(two: Two) -> None:
    """A primary that its replicas have left may be the primary no longer: it is asked anew."""
    set_on(two.first, "min-replicas-to-write", "1")
    assert two.first.port == await two.port()
    two.told.server = two.second
    with pytest.raises(StoreUnavailableError, match="NOREPLICAS"):
        await two.client().ask("SET", "key", "value")

    assert two.second.port == await two.port()


async def test_left_alone_quietly(two: Two) -> None:
    """So may one that still writes, where replicas have to have it."""
    assert two.first.port == await two.port()
    two.told.server = two.second
    with pytest.raises(NotReplicatedError):
        await two.client(replicas=1).run(Name.APPEND, *AN_APPEND)

    assert two.second.port == await two.port()


async def test_given_back(two: Two) -> None:
    """A connection that was in use while the primary changed is not used again."""
    old = await two.pool.get_connection()
    two.told.server = two.second
    new = await two.pool.get_connection()
    await two.pool.release(old)
    await two.pool.release(new)

    assert not old.is_connected
    assert new.is_connected
    assert two.second.port == await two.port()


async def test_no_primary_yet(two: Two) -> None:
    """A server that is a replica is left, whoever names it; as a primary it is taken."""
    ask(two.first, "REPLICAOF", "127.0.0.1", str(two.second.port))
    with pytest.raises(StoreUnavailableError, match=r"is no primary, though Sentinels"):
        await two.client().time()
    ask(two.first, "REPLICAOF", "NO", "ONE")
    await two.client().time()

    assert 1 == len(two.observed)


@pytest.fixture(name="divided")
def _divided(two: Two, tmp_path: Path) -> Iterator[list[RunningSentinel]]:
    """One Sentinel that was cut off with the first server, and two that know better."""
    places = [tmp_path / f"sentinel-{number}" for number in range(3)]
    sentinels = []
    for place, epoch in zip(places, (1, 7, 7), strict=True):
        place.mkdir()
        sentinel = RunningSentinel(
            NEWEST,
            place,
            (),
            watches=(two.second if epoch > 1 else two.first).port,
            lines=(f"sentinel config-epoch {NAME} {epoch}",),
        )
        sentinel.start()
        sentinels.append(sentinel)
    yield sentinels
    for sentinel in sentinels:
        sentinel.kill()


async def test_latest_counts(two: Two, divided: list[RunningSentinel]) -> None:
    """Of two primaries the one of the latest configuration counts, whoever answers first."""
    hosts = [("127.0.0.1", one.port) for one in divided]
    both = [Sentinels(order, {}) for order in (hosts, hosts[::-1])]
    found = {await each.discover_master(NAME) for each in both}
    for sentinel in divided[1:]:
        sentinel.kill()
    alone = await both[0].discover_master(NAME)

    assert {("127.0.0.1", two.second.port)} == found
    assert ("127.0.0.1", two.first.port) == alone


async def test_one_hangs(two: Two, divided: list[RunningSentinel]) -> None:
    """A Sentinel that does not answer holds up nobody while most do."""
    hosts = [("127.0.0.1", one.port) for one in divided]
    os.kill(divided[0].pid, signal.SIGSTOP)
    found = await Sentinels(hosts, {}).discover_master(NAME)
    os.kill(divided[0].pid, signal.SIGCONT)

    assert ("127.0.0.1", two.second.port) == found


async def problem_of(url: str) -> str:
    """Return what is said of an address at which nothing works; nothing, if it does."""
    pools = Pools(url)
    client = Client(Redis(connection_pool=pools.command), wake_jobs(), lambda _: None)
    try:
        await client.time()
    except StoreUnavailableError as error:
        return str(error)
    finally:
        await pools.disconnect()

    return ""


def test_command(two: Two) -> None:
    """A command whose password is refused says so, not that Redis does not answer."""
    set_on(two.first, "requirepass", PASSWORD)
    code, _, told = run("token", "list", REDIS_URL=two.first.url)

    assert 3 == code
    assert told.endswith("correct them in REDIS_URL, percent-encoded\n")


async def test_what_is_wrong(two: Two, divided: list[RunningSentinel]) -> None:
    """An unknown name, Sentinels that are not there or refuse: each names the setting."""
    known, other = divided[1], divided[2]
    asks = f"redis+sentinel://127.0.0.1:{other.port}/{NAME}"
    unknown = await problem_of(f"redis+sentinel://127.0.0.1:{known.port}/other")
    set_on(two.first, "requirepass", PASSWORD)
    # To a password Sentinels answer as servers do.
    other_server = f"redis+sentinel://127.0.0.1:{two.first.port}/{NAME}"
    refused = [
        await problem_of(other_server + word) for word in ("", "?sentinel_password=x")
    ]
    set_on(two.second, "requirepass", PASSWORD)
    passwords = [
        await problem_of(two.second.url),
        await problem_of(two.second.url.replace("//", "//:wrong@")),
        await problem_of(asks),
        await problem_of(asks.replace("//", "//:wrong@")),
    ]
    nobody = await problem_of(f"redis+sentinel://127.0.0.1:1,127.0.0.1:2/{NAME}")

    assert "the Sentinels of REDIS_URL know no primary 'other'" in unknown
    assert all("correct its sentinel_password" in told for told in refused)
    assert "no Sentinel of REDIS_URL answers (Error 111" in nobody
    assert all("correct them in REDIS_URL" in told for told in passwords)
    assert await problem_of(asks.replace("//", f"//:{quote(PASSWORD, safe='')}@")) == ""


async def test_hangs(tmp_path: Path) -> None:
    """Who waits for a primary that hangs is freed when anybody hears of another one."""
    waited: list[float] = []

    async def ask_in_vain(client: Client) -> None:
        began = time.monotonic()
        with pytest.raises(AnswerLostError):
            await client.ask("GET", "key")
        waited.append(time.monotonic() - began)

    with watched(NEWEST, tmp_path) as stage:
        pools, old = Pools(stage.url), stage.primary
        one, other = (
            Client(Redis(connection_pool=pool), wake_jobs(), lambda _: None)
            for pool in (pools.paging, pools.command)
        )
        await one.time()
        os.kill(old.pid, signal.SIGSTOP)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_in_vain, one)
            await anyio.to_thread.run_sync(stage.wait_for_another, old)
            await other.time()
        await one.time()
        os.kill(old.pid, signal.SIGCONT)
        await pools.disconnect()

    assert 1 == len(waited)
    assert waited[0] < SOCKET_SECONDS_MAX


def rung(url: str, directory: Path, command: str) -> AbstractContextManager[Rung]:
    """Run a process that follows, and promises what one replica has."""
    environment = {"REDIS_URL": url, "RUNG_REPLICAS": "1"}

    return running_rung(directory / f"output-{command}", command, **environment)


def test_failover(tmp_path: Path) -> None:
    """
    What was answered before the primary died is paged on to the end by the next one.

    Meanwhile a command is answered 503, and repeating it works; and the old primary,
    which comes back and takes itself for one, is written nothing.
    """
    with (
        watched(NEWEST, tmp_path, "--appendonly", "yes", replicas=2) as stage,
        rung(stage.url, tmp_path, "web") as web,
        rung(stage.url, tmp_path, "worker") as worker,
    ):
        seed_store(stage.url, with_quick_policy(demo_directory(SECRETS), WAITS))
        web.wait_until_ready()
        worker.wait_for("worker.started")
        ingest = f"{web.address()}/ingest/alertmanager/{SECRETS.ingest_key}"
        post = partial(httpx2.post, ingest, json=AN_ALERT)
        [shown] = until_accepted(post).json()["incidents"]
        worker.wait_for(f"PAGE  alice .*{shown['id']}")
        old = stage.primary
        old.kill()
        path = f"{web.address()}/v1/incidents/{shown['id']}/acknowledge"
        command = partial(httpx2.post, path, headers=BEARER)
        refused = command()
        worker.wait_for(f"PAGE  bob .*{shown['id']}")
        old.start()
        until_accepted(post)
        taken = until_accepted(command)
        stats = ask(old, "INFO", "commandstats")

    assert 503 == refused.status_code
    assert "cmdstat_ping" in stats
    assert "cmdstat_evalsha" not in stats
    assert "acknowledged" == taken.json()["status"]


def doctor(url: str, replicas: int) -> dict[str, tuple[str, str]]:
    """Return what the doctor says of replicas and Sentinels, by what it is about."""
    _, told, _ = run("doctor", "--json", REDIS_URL=url, RUNG_REPLICAS=str(replicas))
    found = {one["check"]: (one["verdict"], one["found"]) for one in json.loads(told)}

    return {
        name: found
        for name, found in found.items()
        if name.startswith(("replica ", "least ", "sentinel"))
    }


def test_doctor(tmp_path: Path) -> None:
    """The doctor says whether a failover could succeed, and what it would lose."""
    with watched(NEWEST, tmp_path, replicas=2) as stage:
        primary, [first, second] = stage.primary, stage.replicas
        set_on(primary, "min-replicas-to-write", "1")
        well = doctor(stage.url, 1)
        set_on(primary, "min-replicas-to-write", "0")
        os.kill(first.pid, signal.SIGSTOP)
        second.kill()
        for sentinel in stage.sentinels[1:]:
            sentinel.kill()
        eventually(lambda: doctor(stage.url, 0)["replica links"][0] == "finding")
        ill = doctor(stage.url, 0)
        os.kill(first.pid, signal.SIGCONT)
        primary.kill()
        down = doctor(stage.url, 0)

    assert {"ok"} == {verdict for verdict, _ in well.values()}
    assert len(well) == len(ill)
    assert {"sentinel count": "ok", "sentinel agreement": "ok"} == {
        name: verdict for name, (verdict, _) in ill.items() if verdict != "finding"
    }
    assert f"127.0.0.1:{first.port} was silent for " in ill["replica links"][1]
    assert ill["sentinels"][1].startswith("1 of 3 answer (")
    assert "NOQUORUM" in ill["sentinel quorum"][1]
    assert "0 could take over" == ill["sentinel replicas"][1]
    # What cannot be asked of the primary is not guessed; the Sentinels still are.
    assert {name for name in ill if name.startswith("sentinel")} == set(down)


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_under_load(seed: int) -> None:
    """After WAIT 1 nothing is lost when the primary dies; without it, it is counted."""
    figures = measure(Options(seconds=8, seed=seed))

    assert [] == figures["broken"]
    assert 0 == figures["with_wait"]["pages_lost"]
    assert 0 < figures["without_wait"]["incidents_gone"]
