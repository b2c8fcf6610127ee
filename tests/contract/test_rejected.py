"""What every keeper of rejected events promises."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from engine.adapters.memory import MemoryRejectedEvents
from engine.adapters.redis import keys
from engine.adapters.redis.rejected import RedisRejectedEvents
from engine.ports import RejectedEvent, RejectedEvents
from tests.contract.making import SECOND, START
from tests.support.redis_backends import REDISES, OnRedis, Servers, on_redis
from tests.support.redis_keys import leaks

KEPT = 100


@pytest.fixture(name="opened", params=REDISES, ids=str)
async def _opened(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[OnRedis]:
    async with on_redis(request.param, servers, START) as opened:
        yield opened
        found = await leaks(opened.redis)

    assert [] == found


@pytest.fixture(params=["memory", *REDISES], ids=str)
async def kept(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[RejectedEvents]:
    """Return each keeper; whatever a test does on Redis keeps to the key table."""
    if request.param == "memory":
        yield MemoryRejectedEvents()
        return
    async with on_redis(request.param, servers, START) as opened:
        yield RedisRejectedEvents(opened.client)
        found = await leaks(opened.redis)

    assert [] == found


def an_event(
    number: int = 0, integration: str | None = "prometheus", at: datetime | None = None
) -> RejectedEvent:
    """Return what was rejected, so many seconds after the start."""
    return RejectedEvent(
        at=at or START + number * SECOND,
        source="alertmanager",
        integration=integration,
        reason="invalid_json",
        detail=f"number {number}",
        size=7,
        body='{"a":\n',
    )


async def test_newest_first(kept: RejectedEvents) -> None:
    """The newest comes first, as it was kept, and not more than were asked for."""
    for number in range(3):
        await kept.keep(an_event(number))

    assert [an_event(2), an_event(1)] == list(await kept.latest(["prometheus"], 2))


async def test_of_several(kept: RejectedEvents) -> None:
    """Those of several integrations, and of none, are one list; others are not in it."""
    for number, integration in enumerate(["prometheus", None, "grafana", "other"]):
        await kept.keep(an_event(number, integration))

    found = await kept.latest(["prometheus", "grafana", None], 10)

    assert ["grafana", None, "prometheus"] == [event.integration for event in found]


async def test_nothing(kept: RejectedEvents) -> None:
    """Where nothing was rejected there is nothing; of nobody neither."""
    assert [] == list(await kept.latest(["prometheus", None], 10))
    assert [] == list(await kept.latest([], 10))


async def test_capped(kept: RejectedEvents) -> None:
    """Of each a hundred are kept: one that sends much pushes out no other."""
    await kept.keep(an_event(0, "grafana"))
    for number in range(KEPT + 5):
        await kept.keep(an_event(number))

    found = await kept.latest(["prometheus"], 1_000)

    assert KEPT == len(found)
    assert an_event(5) == found[-1]
    assert 1 == len(await kept.latest(["grafana"], 1_000))


async def test_forgotten(opened: OnRedis) -> None:
    """What nobody adds to any more is gone after 30 days."""
    await RedisRejectedEvents(opened.client).keep(an_event())
    seconds = await opened.redis.ttl(f"{keys.REJECTED}:prometheus")

    assert 0 < seconds <= 30 * 24 * 60 * 60


async def test_unreadable(opened: OnRedis) -> None:
    """One that cannot be read hides no other."""
    kept = RedisRejectedEvents(opened.client)
    await kept.keep(an_event(1))
    await opened.redis.lpush(keys.REJECTED + ":prometheus", b"9{}")  # type: ignore[misc]
    await kept.keep(an_event(2))

    assert [an_event(2), an_event(1)] == list(await kept.latest(["prometheus"], 10))
