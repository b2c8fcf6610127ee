"""What everybody promises who remembers the answers to requests with a key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from engine.adapters.memory import ManualClock, MemoryIdempotencyKeys
from engine.adapters.redis import keys
from engine.adapters.redis.idempotency import RedisIdempotencyKeys
from engine.ports import IdempotencyKeys, KeptAnswer, KeyClaim, KeyUse
from tests.contract.conftest import MEMORY
from tests.contract.making import START
from tests.support.redis_backends import REDISES, OnRedis, Servers, on_redis
from tests.support.redis_fixtures import on_fixture
from tests.support.redis_keys import leaks

__all__ = ["on_fixture"]
CLAIM = KeyClaim(key="token\0k1", request="acknowledge", owner="run-1")
AGAIN = replace(CLAIM, owner="run-2")
ANSWER = KeptAnswer(status=200, headers={"content-type": "text/plain"}, body="ř" * 300)


@dataclass(frozen=True)
class Keys:
    """The memory of answers, on time that moves only when told to."""

    another: Callable[[], IdempotencyKeys]
    forget: Callable[[], Awaitable[None]]


@pytest.fixture(name="known", params=[MEMORY, *REDISES], ids=str)
async def _known(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[Keys]:
    """Return each memory of answers, and how a minute passes there."""
    if request.param == MEMORY:
        clock = ManualClock(START)
        only = MemoryIdempotencyKeys(clock)

        async def pass_by() -> None:
            clock.advance(timedelta(minutes=1))

        yield Keys(lambda: only, pass_by)
        return
    async with on_redis(request.param, servers, START) as on:

        async def expire() -> None:
            [name] = await on.redis.keys(f"{keys.IDEMPOTENCY}*")
            await on.redis.delete(name)

        yield Keys(lambda: RedisIdempotencyKeys(on.another().client), expire)
        found = await leaks(on.redis)

    assert [] == found


async def test_begun(known: Keys) -> None:
    """A key that nobody has used is the run's; it may ask twice."""
    assert KeyUse.BEGUN == await known.another().begin(CLAIM)
    assert KeyUse.BEGUN == await known.another().begin(CLAIM)


async def test_in_use(known: Keys) -> None:
    """While one run of a request is under way, no other one begins."""
    await known.another().begin(CLAIM)

    assert KeyUse.IN_USE == await known.another().begin(AGAIN)


async def test_kept(known: Keys) -> None:
    """Whoever sends it again gets the whole answer, from every process."""
    await known.another().begin(CLAIM)
    await known.another().keep(CLAIM, ANSWER)

    assert ANSWER == await known.another().begin(AGAIN)


@pytest.mark.parametrize("is_answered", [False, True])
async def test_reused(known: Keys, *, is_answered: bool) -> None:
    """Another request is told that the key is not its own."""
    await known.another().begin(CLAIM)
    if is_answered:
        await known.another().keep(CLAIM, ANSWER)

    other = replace(AGAIN, request="resolve")

    assert KeyUse.REUSED == await known.another().begin(other)


async def test_keys_stand_alone(known: Keys) -> None:
    """Each key is a matter of its own."""
    await known.another().begin(CLAIM)

    other = replace(AGAIN, key="token\0k2")

    assert KeyUse.BEGUN == await known.another().begin(other)


async def test_released(known: Keys) -> None:
    """A key that was given back may be taken."""
    await known.another().begin(CLAIM)
    await known.another().release(CLAIM)

    assert KeyUse.BEGUN == await known.another().begin(AGAIN)


async def test_died(known: Keys) -> None:
    """What a process that died has begun, another one may begin a minute later."""
    await known.another().begin(CLAIM)
    await known.forget()

    assert KeyUse.BEGUN == await known.another().begin(AGAIN)


async def test_too_late(known: Keys) -> None:
    """A run that lost its key neither answers for the one that has it, nor ends it."""
    await known.another().begin(CLAIM)
    await known.forget()
    await known.another().begin(AGAIN)
    await known.another().keep(CLAIM, ANSWER)
    await known.another().release(CLAIM)

    assert KeyUse.IN_USE == await known.another().begin(replace(CLAIM, owner="run-3"))


async def test_answered_for_good(known: Keys) -> None:
    """What was answered is neither answered otherwise nor given back."""
    await known.another().begin(CLAIM)
    await known.another().keep(CLAIM, ANSWER)
    await known.another().keep(CLAIM, replace(ANSWER, status=500))
    await known.another().release(CLAIM)

    assert ANSWER == await known.another().begin(AGAIN)


async def test_how_long(on: OnRedis) -> None:
    """Redis keeps a run for a minute, and an answer for a day."""
    answers = RedisIdempotencyKeys(on.client)
    await answers.begin(CLAIM)
    [name] = await on.redis.keys(f"{keys.IDEMPOTENCY}*")
    of_run = await on.redis.ttl(name)
    await answers.keep(CLAIM, ANSWER)

    assert 50 < of_run <= 60
    assert 86_390 < await on.redis.ttl(name) <= 86_400


async def test_how_long_in_memory() -> None:
    """Memory keeps an answer for a day too."""
    clock = ManualClock(START)
    answers = MemoryIdempotencyKeys(clock)
    await answers.begin(CLAIM)
    await answers.keep(CLAIM, ANSWER)
    clock.advance(timedelta(days=1) - timedelta(milliseconds=1))
    nearly = await answers.begin(AGAIN)
    clock.advance(timedelta(milliseconds=1))

    assert ANSWER == nearly
    assert KeyUse.BEGUN == await answers.begin(AGAIN)
