"""What every keeper of totals promises, with processes that count before it."""

import math
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.memory import MemoryBacklog, MemoryTotals
from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.adapters.redis.measures import RedisBacklog, RedisTotals
from engine.adapters.redis.scripts import Name
from engine.errors import StoreUnavailableError
from engine.ports import (
    Backlog,
    Counted,
    Counter,
    Due,
    Mark,
    Series,
    Span,
    Spread,
    Totals,
)
from engine.service import Tally
from engine.service.tally import OTHER, SERIES_MAX
from tests.contract.backends import Backend, InMemory
from tests.contract.conftest import MEMORY
from tests.contract.making import SECOND, START, an_open_one
from tests.support.redis_backends import (
    REDISES,
    SCRIPTS,
    SHARDS,
    OnRedis,
    Servers,
    on_redis,
)
from tests.support.redis_fixtures import on_fixture
from tests.support.redis_keys import leaks
from tests.support.redis_torn import torn

__all__ = ["on_fixture"]
SENT = (Counter.NOTIFICATIONS, ("console", "delivered"))
ACKNOWLEDGED = (Span.ANSWER, ())
LIVES: Series = (Mark.HEARTBEAT, ("one",))
SECOND_LIVES: Series = (Mark.HEARTBEAT, ("two",))
AUDITED: Series = (Mark.AUDIT, ())
ONE = Counted(counts={SENT: 1})
Another = Callable[[], Totals]


@pytest.fixture(params=[MEMORY, *REDISES], ids=str)
async def another(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[Another]:
    """Return what makes the totals as one more process sees them."""
    if request.param == MEMORY:
        only = MemoryTotals()
        yield lambda: only
        return
    async with on_redis(request.param, servers, START) as on:
        yield lambda: RedisTotals(on.another().client)
        found = await leaks(on.redis)

    assert [] == found


class Fickle:
    """Totals whose answers get lost, or that are not reached at all."""

    def __init__(self, totals: Totals) -> None:
        self.totals = totals
        self.loses_answers = self.is_down = False

    async def add(self, process: str, number: int, counted: Counted) -> None:
        """Add it; the answer may not come."""
        if self.is_down:
            raise StoreUnavailableError("down")
        await self.totals.add(process, number, counted)
        if self.loses_answers:
            raise StoreUnavailableError("lost")

    async def read(self) -> Counted:
        """Read it."""
        return await self.totals.read()


async def test_nothing(another: Another) -> None:
    """Before anything was counted there is nothing."""
    assert Counted() == await another().read()


async def test_added_up(another: Another) -> None:
    """What processes count is added up, and each reads the same."""
    one, two = another(), another()
    for totals, name in ((one, "one"), (two, "two")):
        tally = Tally(totals, name)
        tally.add(Counter.NOTIFICATIONS, "console", "delivered")
        tally.add(Counter.NOTIFICATIONS, "console", "delivered", count=2)
        tally.add(Counter.NOTIFICATIONS, "console", "failed")
        await tally.hand_in()
    expected = {SENT: 6, (Counter.NOTIFICATIONS, ("console", "failed")): 2}

    assert expected == (await one.read()).counts
    assert expected == (await two.read()).counts


async def test_known_beforehand(another: Another) -> None:
    """A count of zero makes a series known, and changes no other count."""
    tally = Tally(another(), "one")
    tally.add(Counter.NOTIFICATIONS, "console", "delivered", count=0)
    await tally.hand_in()

    assert {SENT: 0} == (await another().read()).counts

    await another().add("two", 1, ONE)
    await another().add("three", 1, Counted(counts={SENT: 0}))

    assert {SENT: 1} == (await another().read()).counts


async def test_again(another: Another) -> None:
    """The same number of the same process counts once, whoever hands it in again."""
    await another().add("one", 1, ONE)
    await another().add("one", 1, ONE)
    await another().add("two", 1, ONE)
    await another().add("one", 2, ONE)
    await another().add("one", 1, ONE)

    assert {SENT: 3} == (await another().read()).counts


async def test_times(another: Another) -> None:
    """How long something took is in the bucket of the next bound, and in the total."""
    tally = Tally(another(), "one")
    for seconds in (5, 5.001, 15, 100_000, -3):
        tally.time(Span.ANSWER, timedelta(seconds=seconds))
    await tally.hand_in()
    tally.time(Span.ANSWER, timedelta(seconds=1, microseconds=1))
    await tally.hand_in()
    expected = Spread(
        buckets={5.0: 3, 15.0: 2, math.inf: 1},
        total=timedelta(seconds=100_026, milliseconds=1, microseconds=1),
    )
    found = await another().read()

    assert {ACKNOWLEDGED: expected} == found.spreads
    assert 6 == found.spreads[ACKNOWLEDGED].count


async def test_marks(another: Another) -> None:
    """Of a mark the last time counts; what is over is gone, and stays gone."""
    tally = Tally(another(), "one")
    tally.mark(Mark.HEARTBEAT, START, "one")
    tally.mark(Mark.AUDIT, START)
    await tally.hand_in()
    tally.mark(Mark.HEARTBEAT, START + SECOND, "one")
    await tally.hand_in()

    assert {LIVES: START + SECOND, AUDITED: START} == (await another().read()).marks

    tally.mark(Mark.HEARTBEAT, None, "one")
    await tally.hand_in()

    assert {AUDITED: START} == (await another().read()).marks


async def test_any_text(another: Another) -> None:
    """Labels are kept as they are written, in any script."""
    odd = (Counter.NOTIFICATIONS, ('a|b,"c"{}\n', "žluť"))
    await another().add("process|x", 1, Counted(counts={odd: 1}))

    assert {odd: 1} == (await another().read()).counts


async def test_lost_answer(another: Another) -> None:
    """A process that does not know whether it was added hands in the same again."""
    fickle = Fickle(another())
    tally = Tally(fickle, "one")
    tally.add(*_flat(SENT))
    fickle.loses_answers = True
    with pytest.raises(StoreUnavailableError):
        await tally.hand_in()
    tally.add(*_flat(SENT))
    fickle.loses_answers = False
    await tally.hand_in()

    assert {SENT: 2} == (await another().read()).counts


async def test_outage(another: Another) -> None:
    """What is counted during an outage is added after it."""
    fickle = Fickle(another())
    tally = Tally(fickle, "one")
    fickle.is_down = True
    for _ in range(3):
        tally.add(*_flat(SENT))
        await tally.close()
    fickle.is_down = False
    await tally.close()
    await tally.close()

    assert {SENT: 3} == (await another().read()).counts


async def test_few(another: Another) -> None:
    """Labels that nobody expected cannot make ever more series."""
    tally = Tally(another(), "one")
    for number in range(2 * SERIES_MAX):
        tally.add(Counter.NOTIFICATIONS, f"channel-{number}", "delivered")
        tally.time(Span.SENDING, SECOND, f"channel-{number}")
    await tally.hand_in()
    found = await another().read()

    assert len(found.counts) + len(found.spreads) <= SERIES_MAX + 2
    assert 2 * SERIES_MAX == sum(found.counts.values())
    assert found.counts[Counter.NOTIFICATIONS, (OTHER, OTHER)] > SERIES_MAX


async def test_nothing_new(another: Another) -> None:
    """Who has nothing to say writes nothing as it ends, not even what is known."""
    tally = Tally(another(), "one")
    tally.add(Counter.NOTIFICATIONS, "console", "delivered", count=0)
    await tally.close()

    assert Counted() == await another().read()


def _backlog(backend: Backend) -> Backlog:
    if isinstance(backend, InMemory):
        return MemoryBacklog(backend.store, backend.clock)
    assert isinstance(backend, OnRedis)

    return RedisBacklog(backend.client, shards=SHARDS)


async def test_backlog(backend: Backend) -> None:
    """What is due and not taken is counted, and what has been for longer."""
    backlog = _backlog(backend)

    assert Due(count=0, overdue=0) == await backlog.due(5 * SECOND)

    await an_open_one(backend, due=START + SECOND)

    assert Due(count=0, overdue=0) == await backlog.due(5 * SECOND)

    await backend.advance(6 * SECOND)

    assert Due(count=1, overdue=0) == await backlog.due(5 * SECOND)

    await backend.advance(timedelta(milliseconds=1))

    assert Due(count=1, overdue=1) == await backlog.due(5 * SECOND)


@pytest.mark.parametrize("after", range(3))
async def test_cut_off(on: OnRedis, after: int) -> None:
    """A script that is cut off has added nothing or all, and is right the next time."""
    marks: dict[Series, datetime | None] = {LIVES: None, SECOND_LIVES: START}
    await RedisTotals(on.client).add(
        "zero", 1, Counted(counts={SENT: 1}, marks={LIVES: START})
    )
    counted = Counted(counts={SENT: 1}, marks=marks)
    scripts = SCRIPTS | {Name.MEASURE: torn(SCRIPTS[Name.MEASURE], after)}
    broken = Client(on.redis, wake_jobs(), on.observed.append, scripts)
    try:
        await RedisTotals(broken).add("one", 1, counted)
    except Exception:  # noqa: BLE001 - cut off where the test says
        assert after < 2
    await RedisTotals(on.client).add("one", 1, counted)
    found = await RedisTotals(on.client).read()

    assert {SENT: 2} == found.counts
    assert {SECOND_LIVES: START} == found.marks


async def test_left_behind(on: OnRedis) -> None:
    """What processes leave behind goes after an hour; counts and the audit stay."""
    now, old = START, START - timedelta(hours=1, minutes=1)
    marks: dict[Series, datetime | None] = {LIVES: old, SECOND_LIVES: now, AUDITED: old}
    totals = RedisTotals(on.client)
    await totals.add("one", 2, Counted(counts={SENT: 1}, marks=marks))
    await totals.add("two", 1, ONE)
    found = await totals.read()

    assert {SENT: 2} == found.counts
    assert {SECOND_LIVES: now, AUDITED: old} == found.marks


async def test_of_another_version(on: OnRedis) -> None:
    """What another version counts besides, or in other buckets, hides nothing."""
    totals = RedisTotals(on.client)
    await totals.add("one", 1, ONE)
    await on.redis.hset(  # type: ignore[misc]
        keys.MEASURES,
        mapping={'["rung_new_total","x"]': 5, f'["{Span.ANSWER}","7.5"]': 3},
    )
    found = await totals.read()

    assert {SENT: 1} == found.counts
    assert {ACKNOWLEDGED: Spread(buckets={7.5: 3})} == found.spreads


def _flat(series: tuple[Counter, tuple[str, ...]]) -> tuple[Counter, *tuple[str, ...]]:
    name, labels = series

    return (name, *labels)
