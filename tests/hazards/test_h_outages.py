"""Hazard H: an outage that is longer than the life of a job's key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.adapters.clock import to_ms
from engine.ports import RoutedAlert
from tests.hazards.naive import Naive, note
from tests.hazards.stage import an_alert
from tests.integration.test_day import BEFORE, Virtual, eventually, virtual
from tests.support.driver import SOURCE

# What the policy of the virtual day waits for: bob's page, and after that carol's.
BOB_AFTER, CAROL_AFTER = timedelta(minutes=30), timedelta(minutes=90)
OUTAGE = timedelta(hours=26)
SECOND = timedelta(seconds=1)
DAY_MS = 24 * 60 * 60 * 1_000


@asynccontextmanager
async def working(world: Virtual, url: str) -> AsyncIterator[None]:
    """Run a worker meanwhile, on the time that it is."""
    world.clock.observe(to_ms(world.began_at + world.shift))
    stopping = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.escalator(url).run, stopping)
        yield
        stopping.set()


async def ingest(world: Virtual) -> None:
    """Take in an alert."""
    routed = RoutedAlert(alert=an_alert("db"), integration=SOURCE, key="db")
    await world.engine.ingest([routed])


@pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
async def test_h_outage(tmp_path: Path) -> None:
    """
    Hazard H holds: 26 h late and with nothing left of arq, bob is paged at once, once.

    The page says how late it is, and the wait after it counts from when it ran.
    """
    async with virtual(tmp_path) as (world, url):
        async with working(world, url):
            await ingest(world)
            await eventually(world.is_quiet)
            await world.jump_to(world.began_at + BOB_AFTER - BEFORE)
            await eventually(world.is_armed)
        await world.redis.delete(*await world.redis.keys("*arq*"))
        back_at = world.began_at + BOB_AFTER + OUTAGE
        await world.jump_to(back_at)
        after = Virtual(world.redis, world.began_at, world.shift)
        async with working(after, url):
            await eventually(after.is_quiet)
        next_due = await world.next_due()
    [sent], [sent_at] = after.channel.sent, after.channel.sent_at
    late_by = timedelta(seconds=sent.late_by_seconds)

    assert ["alice"] == [before.person for before in world.channel.sent]
    assert "bob" == sent.person
    assert sent_at - back_at < SECOND
    assert OUTAGE - SECOND <= late_by <= OUTAGE + SECOND
    assert next_due is not None
    assert abs(next_due - back_at - CAROL_AFTER) < SECOND


async def page(ctx: dict[Any, Any]) -> None:
    """Page somebody."""
    await note(ctx, "paged")


def test_h_naive(naive: Naive) -> None:
    """
    Hazard H, stock arq: the job expires a day after it was due, and is never run.

    A day is too long to wait for: the key says how long it lives, and is then deleted.
    """
    naive.enqueue("page", _defer_by=0.1)
    [job] = naive.waiting()
    lives_for = naive.life_of(job)
    naive.end_life_of(job)
    naive.burst(page)

    assert DAY_MS - 10_000 < lives_for <= DAY_MS + 100
    assert [] == naive.notes()
    assert [] == naive.waiting()
