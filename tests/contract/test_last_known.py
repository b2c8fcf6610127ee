"""What everybody promises who remembers who was on call last."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from engine.adapters.memory import ManualClock, MemoryLastKnown
from engine.adapters.redis import keys
from engine.adapters.redis.last_known import RedisLastKnown
from engine.ports import KnownOnCall, LastKnown, OnCall, OnCallReason
from tests.contract.conftest import MEMORY
from tests.contract.making import START
from tests.support.redis_backends import REDISES, OnRedis, Servers, on_redis
from tests.support.redis_fixtures import on_fixture
from tests.support.redis_keys import leaks

__all__ = ["on_fixture"]
ALICE = KnownOnCall(
    answer=OnCall(
        people=("alice", "bob"),
        reason=OnCallReason.OVERRIDE,
        source="rota",
        until=START + timedelta(hours=1),
    ),
    at=START,
)
NOBODY = KnownOnCall(
    answer=OnCall(people=(), reason=OnCallReason.NONE, source="rota"), at=START
)
Another = Callable[[], LastKnown]


@pytest.fixture(params=[MEMORY, *REDISES], ids=str)
async def another(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[Another]:
    """Return what makes the memory of one more process, on the same store."""
    if request.param == MEMORY:
        only = MemoryLastKnown(ManualClock(START))
        yield lambda: only
        return
    async with on_redis(request.param, servers, START) as on:
        yield lambda: RedisLastKnown(on.another().client)
        found = await leaks(on.redis)

    assert [] == found


async def test_recalled(another: Another) -> None:
    """Every process recalls the whole of what one has noted."""
    await another().note("schedule:primary", ALICE)

    assert ALICE == await another().recall("schedule:primary")


async def test_never_told(another: Another) -> None:
    """Of what nobody was ever told there is nothing to recall."""
    await another().note("schedule:primary", ALICE)

    assert await another().recall("schedule:night") is None


async def test_the_last(another: Another) -> None:
    """It is the last answer that is kept, also that nobody is on call."""
    memory = another()
    await memory.note("schedule:primary", ALICE)
    await memory.note("schedule:primary", NOBODY)

    assert NOBODY == await memory.recall("schedule:primary")


async def test_any_text(another: Another) -> None:
    """Targets may have any name."""
    await another().note("schedule:směna 1/è {x}", ALICE)

    assert ALICE == await another().recall("schedule:směna 1/è {x}")


async def test_forgotten(on: OnRedis) -> None:
    """Redis forgets it after a day, by its own clock."""
    await RedisLastKnown(on.client).note("schedule:primary", ALICE)
    [name] = await on.redis.keys(f"{keys.ON_CALL}*")

    assert 86_390 < await on.redis.ttl(name) <= 86_400


async def test_forgotten_in_memory() -> None:
    """What was known a day ago is not known any more."""
    clock = ManualClock(START)
    memory = MemoryLastKnown(clock)
    await memory.note("schedule:primary", ALICE)
    clock.advance(timedelta(days=1) - timedelta(milliseconds=1))
    nearly = await memory.recall("schedule:primary")
    clock.advance(timedelta(milliseconds=1))

    assert ALICE == nearly
    assert await memory.recall("schedule:primary") is None
