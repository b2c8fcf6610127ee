"""Hazard H: an outage that is longer than the life of a job's key."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.ports import RoutedAlert
from tests.hazards.naive import Naive, note
from tests.hazards.stage import an_alert
from tests.integration.test_day import BEFORE, DIRECTORY
from tests.support.driver import SOURCE
from tests.support.virtual import VirtualProcess, eventually, virtual

# What the policy of the virtual day waits for: bob's page, and after that carol's.
BOB_AFTER, CAROL_AFTER = timedelta(minutes=30), timedelta(minutes=90)
OUTAGE = timedelta(hours=26)
SECOND = timedelta(seconds=1)
DAY_MS = 24 * 60 * 60 * 1_000


async def ingest(worker: VirtualProcess) -> None:
    """Take in an alert."""
    routed = RoutedAlert(alert=an_alert("db"), integration=SOURCE, key="db")
    await worker.engine.ingest([routed])


@pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
async def test_h_outage(tmp_path: Path) -> None:
    """
    Hazard H holds: 26 h late and with nothing left of arq, bob is paged at once, once.

    The page says how late it is, and the wait after it counts from when it ran.
    """
    async with virtual(tmp_path, DIRECTORY) as world:
        began_at, before = world.time.began_at, world.process()
        async with before.working():
            await ingest(before)
            await eventually(world.is_quiet)
            await world.jump_to(began_at + BOB_AFTER - BEFORE)
            await eventually(world.is_armed)
        await world.redis.delete(*await world.redis.keys("*arq*"))
        back_at = began_at + BOB_AFTER + OUTAGE
        await world.jump_to(back_at)
        after = world.process()
        async with after.working():
            await eventually(world.is_quiet)
        next_due = await world.next_due()
    [sent], [sent_at] = after.console.sent, after.console.sent_at
    late_by = timedelta(seconds=sent.late_by_seconds)

    assert ["alice"] == [each.person for each in before.console.sent]
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
