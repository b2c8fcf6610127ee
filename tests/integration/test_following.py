"""Connections go to whom the Sentinels name, and what is wrong with that is told."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import anyio
import pytest
from redis.asyncio import Redis
from typing_extensions import override

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.redis.client import Client, NotReplicatedError
from engine.adapters.redis.pools import Pools
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.sentinels import (
    SENTINEL_SECONDS_MAX,
    BlockingFollowingPool,
    FollowingConnection,
    Sentinels,
)
from engine.errors import StoreUnavailableError
from tests.support.sentinels import NAME, RunningSentinel, ask
from tests.support.servers import (
    RunningServer,
    found_servers,
    running_server,
)
from tests.unit.test_cli import run

PASSWORD = "pass:w/rd"  # noqa: S105 - a fake one
NEWEST = found_servers()[-1]
AN_APPEND = ("{rung:0}:", "key", "", 1, "1{}", 9, 9, 9, "0" * 11)
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


async def test_most_are_heard(two: Two, divided: list[RunningSentinel]) -> None:
    """The quickest answer is not taken for the truth: most Sentinels are heard."""
    hosts = [("127.0.0.1", one.port) for one in divided]
    found: list[tuple[str, int]] = []

    async def ask_for_it() -> None:
        found.append(await Sentinels(hosts, {}).discover_master(NAME))

    for slow in divided[1:]:
        os.kill(slow.pid, signal.SIGSTOP)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_for_it)
        await anyio.sleep(SENTINEL_SECONDS_MAX / 4)
        for slow in divided[1:]:
            os.kill(slow.pid, signal.SIGCONT)

    assert [("127.0.0.1", two.second.port)] == found


async def test_one_hangs(two: Two, divided: list[RunningSentinel]) -> None:
    """A Sentinel that does not answer holds up nobody while most do."""
    hosts = [("127.0.0.1", one.port) for one in divided]
    os.kill(divided[0].pid, signal.SIGSTOP)
    began = time.monotonic()
    found = await Sentinels(hosts, {}).discover_master(NAME)
    took = time.monotonic() - began
    os.kill(divided[0].pid, signal.SIGCONT)

    assert took < SENTINEL_SECONDS_MAX
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
