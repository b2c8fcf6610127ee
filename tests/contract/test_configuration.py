"""What every keeper of the directory promises."""

import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import anyio
import pytest
from redis.asyncio import Redis
from typing_extensions import override

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.memory import MemoryConfiguration
from engine.adapters.redis.client import AnswerLostError, Argument, Client, Reply
from engine.adapters.redis.configuration import RedisConfiguration
from engine.adapters.redis.scripts import Name
from engine.directory import Directory, User
from engine.errors import ConfigurationUnclearError, StoreUnavailableError
from engine.ports import Configuration
from engine.service.look_ups import LOCAL_SECONDS_MAX
from tests.contract.conftest import MEMORY
from tests.contract.making import MILLISECOND, SECOND, START
from tests.support.redis_backends import REDISES, OnRedis, Servers, on_redis
from tests.support.redis_fixtures import on_fixture

__all__ = ["on_fixture"]
ALICE = Directory(version=1, users={"alice": User(id="alice", name="Alice")})
BOB = Directory(version=2, users={"bob": User(id="bob", name="Bob")})

Another = Callable[[], Configuration]


@pytest.fixture(params=[MEMORY, *REDISES], ids=str)
async def another(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[Another]:
    """Return what makes the configuration of one more process."""
    if request.param == MEMORY:
        only = MemoryConfiguration()
        yield lambda: only
        return
    async with on_redis(request.param, servers, START) as on:
        yield lambda: RedisConfiguration(on.client, on.clock)


async def test_empty(another: Another) -> None:
    """An empty store has an empty directory."""
    assert Directory() == await another().read()


@pytest.mark.parametrize("first", [ALICE, ALICE.model_copy(update={"version": 0})])
async def test_seeded(another: Another, first: Directory) -> None:
    """A first directory is stored once, and every process reads it."""
    one, two = another(), another()
    before = await two.read()
    stored = await one.seed(first)
    again = await two.seed(BOB)

    assert Directory() == before
    assert stored
    assert not again
    assert [first] * 3 == [
        await one.read(),
        await two.read(),
        await another().read(),
    ]


async def test_changed(another: Another) -> None:
    """What one process changes, it reads at once, and every other from the store."""
    one, two = another(), another()
    await one.seed(ALICE)
    before = await one.latest()
    changed = await one.change(before, BOB)

    assert changed
    assert [BOB, BOB] == [await one.read(), await two.latest()]


async def test_changed_since(another: Another) -> None:
    """Nothing is stored over what somebody else has changed."""
    one, two = another(), another()
    await one.seed(ALICE)
    before = await one.latest()
    await two.change(await two.latest(), BOB)
    changed = await one.change(before, Directory(catch_all="p"))

    assert not changed
    assert BOB == await one.latest()


async def test_first_change(another: Another) -> None:
    """An empty store can be changed too, by one of two who found it empty."""
    one, two = another(), another()
    empty = await one.latest()
    changed = await one.change(empty, ALICE)
    again = await two.change(empty, BOB)

    assert [True, False] == [changed, again]
    assert ALICE == await two.latest()


async def test_removed(another: Another) -> None:
    """What the next version does not have is gone; its settings and origins too."""
    one, two = another(), another()
    whole = Directory(
        version=1,
        on_call={"primary": ("alice",)},
        users=ALICE.users,
        default_team="ops",
        origins={"users/alice": "users.yaml"},
    )
    await one.seed(whole)
    seeded = await two.latest()
    await one.change(await one.latest(), Directory())

    assert whole == seeded
    assert Directory(version=2) == await two.latest()


async def test_of_one_piece(on: OnRedis) -> None:
    """A directory that a version before the first release stored is refused, not taken for empty."""
    await on.redis.hset(  # type: ignore[misc]
        "rung:directory", mapping={"version": 7, "body": "1{}"}
    )

    with pytest.raises(StoreUnavailableError, match="start with an empty store"):
        await RedisConfiguration(on.client, on.clock).read()


async def test_answer_is_lost(on: OnRedis) -> None:
    """Of a change whose answer is lost it is not known whether it was stored."""

    class Losing(Client):
        @override
        async def run(self, name: Name, *arguments: Argument) -> Reply:
            await super().run(name, *arguments)
            message = "the connection is gone"
            raise AnswerLostError(message)

    writer = Losing(on.redis, wake_jobs(), observe=lambda _: None)
    configuration = RedisConfiguration(on.client, on.clock, writer=writer)

    with pytest.raises(ConfigurationUnclearError):
        await configuration.change(Directory(), ALICE)
    assert ALICE == await configuration.latest()


async def put(on: OnRedis, directory: Directory) -> None:
    """Put a directory in the place of another, as a later process does."""
    other = RedisConfiguration(on.client, on.clock)
    assert await other.change(await other.latest(), directory)


async def test_a_second_old(on: OnRedis) -> None:
    """What was read is used for a second, and then looked at again."""
    configuration = RedisConfiguration(on.client, on.clock)
    await configuration.seed(ALICE)
    await configuration.read()
    await put(on, BOB)
    await on.advance(SECOND - MILLISECOND)
    before = await configuration.read()
    await on.advance(MILLISECOND)

    assert ALICE == before
    assert BOB == await configuration.read()


async def test_same_version(on: OnRedis) -> None:
    """While the version stays, the directory is the same object."""
    configuration = RedisConfiguration(on.client, on.clock)
    await configuration.seed(ALICE)
    first = await configuration.read()
    await on.advance(timedelta(minutes=1))

    assert first is await configuration.read()


async def test_gone(on: OnRedis) -> None:
    """A store that has lost its directory does not take it from the processes."""
    configuration = RedisConfiguration(on.client, on.clock)
    await configuration.seed(ALICE)
    await configuration.read()
    await on.redis.delete("rung:directory")
    await on.advance(timedelta(minutes=1))

    assert ALICE == await configuration.read()


async def test_newer(on: OnRedis) -> None:
    """What a newer version stored is left to it: the last one known is used."""
    configuration = RedisConfiguration(on.client, on.clock)
    await configuration.seed(ALICE)
    await configuration.read()
    await on.redis.hset("rung:directory", "version", "9")  # type: ignore[misc]
    await on.redis.hset("rung:directory:users", "eve", "9{}")  # type: ignore[misc]
    await on.advance(timedelta(minutes=1))
    known = await configuration.read()
    with pytest.raises(StoreUnavailableError):
        await RedisConfiguration(on.client, on.clock).read()

    assert ALICE == known


async def test_down(on: OnRedis) -> None:
    """While Redis is down the last one known is used; without one there is none."""
    configuration = RedisConfiguration(on.client, on.clock)
    await configuration.seed(ALICE)
    await configuration.read()
    on.client.redis = nowhere()
    await on.advance(timedelta(minutes=1))
    known = await configuration.read()
    with pytest.raises(StoreUnavailableError):
        await RedisConfiguration(on.client, on.clock).read()

    assert ALICE == known


async def test_hangs(on: OnRedis) -> None:
    """While Redis hangs the last one known is used, before a look-up gives up."""
    configuration = RedisConfiguration(on.client, on.clock)
    await configuration.seed(ALICE)
    await configuration.read()
    await on.advance(timedelta(minutes=1))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        on.client.redis = Redis.from_url(f"redis://127.0.0.1:{deaf.getsockname()[1]}")
        with anyio.fail_after(LOCAL_SECONDS_MAX):
            known = await configuration.read()

    assert ALICE == known


def nowhere() -> Redis:
    """Return a client of a server that does not exist."""
    client: Redis = Redis.from_url("redis://127.0.0.1:1/0")

    return client
