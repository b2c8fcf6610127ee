"""What goes wrong with a server, and what is said of it then."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from anyio import lowlevel
from redis.asyncio import Connection, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs
from typing_extensions import override

from engine.adapters.memory import ManualClock
from engine.adapters.redis.client import AnswerLostError, RefusedError, meaning_of
from engine.adapters.redis.configuration import RedisConfiguration
from engine.adapters.redis.health import (
    ShardsMismatchError,
    check_server,
    check_shards,
)
from engine.adapters.redis.mailbox import RedisMailbox
from engine.codec.shapes import milliseconds
from engine.core.events import Outcome
from engine.directory import Directory
from engine.errors import OverloadedError, StoreUnavailableError
from engine.ports import Claimed, Lane, Posting, Stored
from tests.contract.making import (
    SECOND,
    START,
    a_commit,
    a_firing,
    a_room,
    a_send,
    an_incident,
    an_open_one,
    claimed_by_mail,
    with_deliveries,
)
from tests.support.redis_backends import SHARDS, OnRedis
from tests.support.redis_fixtures import on_fixture, servers_fixture
from tests.support.redis_time import set_time
from tests.support.servers import RunningServer, Server, found_servers, running_server

__all__ = ["on_fixture", "servers_fixture"]


@dataclass
class Place:
    """A server of the test's own, and adapters on it."""

    server: RunningServer
    on: OnRedis

    async def setting(self, name: str, value: object) -> None:
        """Change a setting of the server."""
        await self.on.redis.config_set(name, str(value))

    async def used(self) -> int:
        """Return how many bytes the server uses."""
        memory = await self.on.redis.info("memory")

        return int(memory["used_memory"])


@pytest.fixture(params=found_servers(), ids=str)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """Return each real server, one that the test may harm."""
    with running(request.param, tmp_path, "--appendonly", "yes") as server:
        async with adapters(server) as on:
            yield Place(server, on)


@contextmanager
def running(server: Server, directory: Path, *flags: str) -> Iterator[RunningServer]:
    """Run a server in a directory of its own."""
    place = directory / f"server{len(list(directory.iterdir()))}"
    place.mkdir()
    with running_server(server, place, *flags) as started:
        yield started


@asynccontextmanager
async def adapters(server: RunningServer) -> AsyncIterator[OnRedis]:
    """Return adapters on a server."""
    redis = Redis.from_url(server.url)
    try:
        await set_time(redis, START)
        yield OnRedis(redis, ManualClock(START))
    finally:
        await redis.aclose()


async def everything(on: OnRedis, claimed: Claimed) -> list[str]:
    """Try all that writes; return what could not be done."""
    calls: dict[str, Any] = {
        "append": lambda: on.mailbox.append([a_firing()]),
        "claim": lambda: on.store.claim(Lane.MAIL),
        "commit": lambda: on.store.commit([a_commit(claimed)] * 2),
        "outbox": lambda: on.outbox.claim([a_room("sms", 1)]),
        "sweep": on.sweep.sweep,
    }
    failed = []
    for name, call in calls.items():
        try:
            await call()
        except StoreUnavailableError:
            failed.append(name)

    return failed


async def test_down(place: Place) -> None:
    """While the server is down nothing is promised; afterwards all is as it was."""
    claimed = await an_open_one(place.on, sends=(a_send(),))
    await place.on.mailbox.append([a_firing(fingerprint="db2")])
    place.server.kill()
    failed = await everything(place.on, claimed)
    place.server.start()
    loaded = await place.on.store.load(claimed.incident_id)

    assert ["append", "claim", "commit", "outbox", "sweep"] == failed
    assert claimed.revision == loaded.revision
    assert [2] == [mail.number for mail in loaded.mail]
    assert [] == await everything(place.on, claimed)


async def test_read_only(place: Place, tmp_path: Path) -> None:
    """A server that became a replica takes nothing, and says so as an outage."""
    claimed = await an_open_one(place.on, START, sends=(a_send(),))
    await place.on.mailbox.append([a_firing(fingerprint="db2")])
    with running(place.server.server, tmp_path) as primary:
        await place.on.redis.replicaof("127.0.0.1", str(primary.port))
        failed = await everything(place.on, claimed)

    assert {"append", "claim", "commit", "outbox"} <= set(failed)


async def test_demoted(place: Place, tmp_path: Path) -> None:
    """Whoever was connected to a server that became a replica connects anew."""
    await place.on.mailbox.append([a_firing()])
    before = await place.on.client.ask("CLIENT ID")
    same = await place.on.client.ask("CLIENT ID")
    with running(place.server.server, tmp_path) as primary:
        await place.on.redis.replicaof("127.0.0.1", str(primary.port))
        with pytest.raises(StoreUnavailableError):
            await place.on.mailbox.append([a_firing()])
        after = await place.on.client.ask("CLIENT ID")

    assert before == same
    assert before != after


async def test_out_of_memory(place: Place) -> None:
    """A server without memory takes nothing; what is stored goes on afterwards."""
    claimed = await an_open_one(place.on)
    await place.setting("maxmemory", 1)
    with pytest.raises(StoreUnavailableError):
        await place.on.store.commit([a_commit(claimed)])
    with pytest.raises(StoreUnavailableError):
        await place.on.mailbox.append([a_firing()])
    place.on.clock.advance(SECOND)
    with pytest.raises(OverloadedError):
        await place.on.mailbox.append([a_firing()])
    await place.setting("maxmemory", 0)

    assert [Stored.DONE] == list(await place.on.store.commit([a_commit(claimed)]))


async def test_no_replicas(place: Place) -> None:
    """A server that misses the replicas it must have takes nothing."""
    claimed = await an_open_one(place.on)
    await place.setting("min-replicas-to-write", 1)
    with pytest.raises(StoreUnavailableError):
        await place.on.store.commit([a_commit(claimed)])
    with pytest.raises(StoreUnavailableError):
        await place.on.mailbox.append([a_firing()])


async def test_little_memory(place: Place) -> None:
    """From 85 % of the memory on, ingest is refused; open incidents go on."""
    on = place.on
    claimed = await an_open_one(on, sends=(a_send(),))
    await place.setting("maxmemory", await place.used() * 100 // 90)
    before = await on.mailbox.append([a_firing()])
    await on.advance(SECOND)
    with pytest.raises(OverloadedError):
        await on.mailbox.append([a_firing()])
    [stored] = await on.store.commit([a_commit(claimed)])
    [delivery] = await on.outbox.claim([a_room("sms", 1)])
    await on.outbox.finish(delivery, Outcome.SENT, "", None)
    await place.setting("maxmemory", await place.used() * 100 // 80)
    await on.advance(SECOND)

    assert [Posting.JOINED] == [receipt.posting for receipt in before]
    assert Stored.DONE is stored
    assert 1 == len(await on.mailbox.append([a_firing()]))


async def test_own_limit(place: Place) -> None:
    """A server without a limit of its own is full by the one that rung was given."""
    limit = await place.used() // 2
    on = place.on
    mailbox = RedisMailbox(
        on.client,
        clock=on.clock,
        ids=on.ids,
        shards=SHARDS,
        memory_limit_bytes=limit,
    )
    with pytest.raises(OverloadedError):
        await mailbox.append([a_firing()])


async def test_restarted(place: Place) -> None:
    """A restart loses nothing that was answered, and no script is missed."""
    claimed = await an_open_one(place.on, sends=(a_send(),))
    place.server.restart()
    for _ in range(2):  # until the loop has seen the end of the old connections
        await lowlevel.checkpoint()
    [stored] = await place.on.store.commit([a_commit(claimed)])
    [delivery] = await place.on.outbox.claim([a_room("sms", 1)])

    assert Stored.DONE is stored
    assert await place.on.outbox.begin(delivery)


@dataclass
class Line:
    """A connection that breaks after a request was sent, before the answer."""

    breaks: bool = False
    sent: list[bytes] = field(default_factory=list[bytes])


def on_line(server: RunningServer, line: Line) -> Redis:
    """Return a client on such a line."""

    class Breaking(Connection):
        @override
        async def read_response(self, *args: Any, **kwargs: Any) -> Any:
            answer = await super().read_response(*args, **kwargs)
            if line.breaks:
                message = "the line broke"
                raise RedisConnectionError(message)

            return answer

    redis: Redis = Redis.from_url(server.url)
    redis.connection_pool.connection_class = Breaking

    return redis


async def test_answer_lost(place: Place) -> None:
    """A commit whose answer was lost is neither done nor refused: nobody knows."""
    line = Line()
    claimed = await an_open_one(place.on)
    broken = OnRedis(on_line(place.server, line), place.on.clock)
    await broken.store.load(claimed.incident_id)
    line.breaks = True
    with capture_logs() as logs:
        stored = await broken.store.commit([a_commit(claimed)] * 2)
    with pytest.raises(AnswerLostError):
        await broken.mailbox.append([a_firing()])
    line.breaks = False
    await broken.redis.aclose()

    assert [Stored.FAILED] * 2 == list(stored)
    told = [(line["event"], line["log_level"]) for line in logs]
    assert [("commit.failed", "warning")] * 2 == told


@pytest.mark.parametrize("was_used", [False, True])
async def test_closed_meanwhile(place: Place, *, was_used: bool) -> None:
    """A connection that is closed while it is made or used is an outage like others."""
    line = Line()

    class Closed(Connection):
        @override
        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            if line.breaks:
                # In the words of uvloop.
                message = "unable to perform operation on <TCPTransport closed=True>"
                raise RuntimeError(message)
            await super().send_packed_command(*args, **kwargs)

    redis: Redis = Redis.from_url(place.server.url)
    redis.connection_pool.connection_class = Closed
    client = OnRedis(redis, place.on.clock).client
    if was_used:
        await client.time()
    line.breaks = True
    with pytest.raises(StoreUnavailableError) as raised:
        await client.time()
    await redis.aclose()

    assert was_used == isinstance(raised.value, AnswerLostError)


async def test_finished_again(place: Place) -> None:
    """An outcome is reported once, however often its answer is lost."""
    line = Line()
    claimed, [delivery] = await with_deliveries(place.on, a_send())
    broken = OnRedis(on_line(place.server, line), place.on.clock)
    await broken.outbox.finish(delivery, Outcome.FAILED, "", START + SECOND)
    [again] = await delivered_later(place.on)
    line.breaks = True
    with pytest.raises(StoreUnavailableError):
        await broken.outbox.finish(again, Outcome.SENT, "", None)
    line.breaks = False
    await broken.outbox.finish(again, Outcome.SENT, "", None)
    await broken.redis.aclose()
    loaded = await place.on.store.load(claimed.incident_id)

    assert 1 == len(loaded.mail)


async def delivered_later(on: OnRedis) -> list[Any]:
    """Claim what is due a second later."""
    await on.advance(SECOND)

    return list(await on.outbox.claim([a_room()]))


async def test_sent_again(on: OnRedis) -> None:
    """A request that failed halfway may be sent again: it joins what is there."""
    first = await on.mailbox.append([a_firing("one")])
    again = await on.mailbox.append([a_firing("one"), a_firing("two")])

    assert [Posting.JOINED, Posting.OPENED] == [one.posting for one in again]
    assert first[0].incident_id == again[0].incident_id


async def test_halfway(on: OnRedis) -> None:
    """A request of which one alert was not written has failed as a whole."""
    claimed = await an_open_one(on, key="bad")
    prefix = claimed.incident_id
    [name] = await on.redis.keys(f"*:i:{prefix}")
    state = await on.redis.hgetall(name)  # type: ignore[misc]
    await on.redis.hset(name, "q", "many")  # type: ignore[misc]
    with pytest.raises(StoreUnavailableError):
        await on.mailbox.append([a_firing("good"), a_firing("bad")])
    await on.redis.hset(name, mapping=state)  # type: ignore[misc]
    again = await on.mailbox.append([a_firing("good"), a_firing("bad")])

    assert [Posting.JOINED] * 2 == [one.posting for one in again]


class TestChecks:
    """What is looked at before requests should come."""

    async def test_shards(self, on: OnRedis) -> None:
        """The number of shards is fixed at the first start."""
        await check_shards(on.client, 16)
        await check_shards(on.client, 16)
        with pytest.raises(ShardsMismatchError, match="RUNG_SHARDS=16"):
            await check_shards(on.client, 8)

    async def test_fake(self, on: OnRedis) -> None:
        """A server that does not say how it is set is trusted."""
        await seeded(on)
        checks = await check_server(on.client)

        assert all(check.ok for check in checks if check.is_fatal)

    async def test_fine(self, place: Place) -> None:
        """A server that is set as it should be passes."""
        await seeded(place.on)
        here = milliseconds(START) + 1_999
        checks = await check_server(place.on.client, lambda: here)
        await place.on.advance(SECOND)

        assert {
            "redis",
            "directory",
            "eviction",
            "memory",
            "persistence",
            "latency",
            "skew",
        } == {check.name for check in checks}
        assert all(check.ok for check in checks)
        assert milliseconds(START) == place.on.observed[-1]

    async def test_at_fault(self, place: Place) -> None:
        """Eviction would lose incidents: not ready. The rest is a warning."""
        await seeded(place.on)
        await place.setting("maxmemory-policy", "allkeys-lru")
        await place.setting("appendonly", "no")
        here = milliseconds(START) - 2_000
        checks = await check_server(place.on.client, lambda: here)
        faults = {check.name: check.is_fatal for check in checks if not check.ok}

        assert {"eviction": True, "persistence": False, "skew": False} == faults

    async def test_not_writable(self, place: Place) -> None:
        """A server that cannot write, or is not there, is not ready."""
        await place.setting("min-replicas-to-write", 1)
        [cannot] = await check_server(place.on.client)
        place.server.kill()
        [gone] = await check_server(place.on.client)

        assert all(one.is_fatal and not one.ok for one in (cannot, gone))
        assert all(one.detail for one in (cannot, gone))


async def seeded(on: OnRedis) -> None:
    """Put a directory into the store, as the first start does."""
    assert await RedisConfiguration(on.client, on.clock).seed(Directory(version=1))


async def test_refusing(place: Place) -> None:
    """What keeps alerts from being stored is fatal, each by its name."""

    async def failing(**limits: int) -> list[str]:
        checks = await check_server(place.on.client, None, **limits)
        return [one.name for one in checks if one.is_fatal and not one.ok]

    empty = await failing()
    await seeded(place.on)
    well = await failing(memory_limit=1 << 40)
    full = await failing(memory_limit=await place.used() * 100 // 90)
    alone = await failing(replicas=1)

    assert ["directory"] == empty
    assert [] == well
    assert ["memory"] == full
    assert ["replicas"] == alone


async def test_meaning(on: OnRedis) -> None:
    """What is wrong with a request is no outage, and an outage no fault of it."""
    [wrong] = await on.client.ask_each([("HGET", "too", "many", "words")])

    assert isinstance(meaning_of(wrong), RefusedError)
    assert isinstance(meaning_of(RedisConnectionError()), StoreUnavailableError)


async def test_opened_while_away(place: Place) -> None:
    """An opening whose answer never came is decided again by whoever has it next."""
    await place.on.mailbox.append([a_firing()])
    claimed = await claimed_by_mail(place.on)
    line = Line(breaks=False)
    broken = OnRedis(on_line(place.server, line), place.on.clock)
    await broken.store.claim(Lane.DUE)
    line.breaks = True
    [stored] = await broken.store.commit([a_commit(claimed, an_incident(claimed))])
    line.breaks = False
    await broken.redis.aclose()
    await place.on.advance(2 * SECOND)
    [again] = await place.on.store.claim(Lane.MAIL)

    assert Stored.FAILED is stored
    assert claimed.incident_id == again.incident_id
    assert claimed.mail == again.mail
