"""Hazard I: a job enqueues itself again, or has left a result, under its own id."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from arq.constants import result_key_prefix

from engine.adapters.clock import MILLISECOND
from engine.ports import Wake
from tests.contract.test_timers import a_bench, eventually
from tests.hazards.naive import Naive, note
from tests.support.servers import found_servers

LINKS = 8


@pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
@pytest.mark.parametrize("after_ms", [1, 60, 130, 260])
async def test_i_own_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_ms: int
) -> None:
    """
    Hazard I holds: a wake-up may arm the next one, however soon that is.

    Each of these is armed from inside the one before, in the same bucket of 100 ms or in
    one of the next; neither a job that still runs nor a result keeps it from coming. No
    sweep helps.
    """
    async with a_bench(found_servers()[-1], monkeypatch, tmp_path) as bench:
        bench.does_sweep = False
        links: list[Wake] = []

        async def wake(why: Wake) -> None:
            links.append(why)
            await bench.arm([bench.ahead(after_ms)])

        async def are_enough() -> bool:
            return len(links) >= LINKS

        bench.wake = wake  # type: ignore[method-assign]
        began_at = bench.clock.now()
        async with bench.running(), bench.redis() as redis:
            await eventually(are_enough)
            results = await redis.keys(f"{result_key_prefix}*")
        took = bench.clock.now() - began_at

    assert [] == results
    assert took <= LINKS * (after_ms * MILLISECOND + timedelta(milliseconds=500))


async def again(ctx: dict[Any, Any]) -> None:
    """Page, and enqueue the next page under the same name."""
    job = await ctx["redis"].enqueue_job("again", _job_id="db")
    await note(ctx, f"enqueued {job is not None}")


def test_i_naive(naive: Naive) -> None:
    """Hazard I, stock arq: inside the job, and for an hour after it, nothing happens."""
    naive.enqueue("again", _job_id="db")
    naive.burst(again)
    naive.enqueue("again", _job_id="db")
    naive.burst(again)

    assert ["enqueued False"] == naive.notes()
    assert [] == naive.waiting()
