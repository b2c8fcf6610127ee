"""Hazard F: two releases beside each other, and the older one does not know a function."""

import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.adapters.arq_timers import QUEUE
from tests.hazards.naive import Naive
from tests.hazards.stage import Stage
from tests.hazards.test_h_outages import BOB_AFTER, ingest
from tests.integration.test_day import DIRECTORY
from tests.support.virtual import Virtual, eventually, virtual

NEWER = b'2{"of":"a newer release"}'
LEFT_ALONE_FOR = timedelta(seconds=5)


async def something_else(ctx: dict[Any, Any]) -> None:
    """Do what the other release knows."""


def test_f_unknown_function(stage: Stage, naive: Naive) -> None:
    """
    Hazard F holds: whatever another release's worker deletes, bob is paged in time.

    Its table of functions is another one, and it runs on our queue: it takes bob's wake
    job before our worker can, which is stopped until then.
    """
    with naive.worker(queue_name=QUEUE) as other, stage.worker() as worker:
        other.wait_for("Starting worker")
        incident = stage.fire_at(worker)
        stage.wait_for_reports(incident, 1)
        job = stage.job_of(incident)
        worker.process.send_signal(signal.SIGSTOP)
        other.wait_for(f"job {job}, function 'drain' not found")
        left = stage.jobs()
        worker.process.send_signal(signal.SIGCONT)
        stage.wait_for_reports(incident, 2)

    assert job not in left
    assert ["alice", "bob"] == stage.people()


@pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
async def test_f_newer_state(tmp_path: Path) -> None:
    """
    Hazard F holds: what a newer release wrote waits for a worker that can read it.

    The older one leaves it alone for 5 s at a time and does not count that as a failure;
    the newer one then pages, once.
    """
    async with virtual(tmp_path, DIRECTORY) as world:
        first = world.process()
        async with first.working():
            await ingest(first)
            await eventually(world.is_quiet)
        [name] = await world.redis.keys("*}:i:*")
        state = await world.redis.hget(name, "s")  # type: ignore[misc]
        await world.redis.hset(name, "s", NEWER)  # type: ignore[misc, arg-type]
        due = world.time.began_at + BOB_AFTER
        await world.jump_to(due)
        older = world.process()
        with capture_logs() as logs:
            async with older.working():
                await eventually(lambda: is_left_alone(world, due))
        await world.redis.hset(name, "s", state)  # type: ignore[misc]
        [incident] = {sent.incident_id for sent in first.console.sent}
        failures = (await first.store.load(incident)).failures
        await world.jump_to(due + LEFT_ALONE_FOR)
        newer = world.process()
        async with newer.working():
            await eventually(world.is_quiet)
    parked = [line for line in logs if line["event"] == "incident.parked"]

    assert [True] == [line["is_newer"] for line in parked]
    assert [] == older.console.sent
    assert 0 == failures
    assert ["bob"] == [sent.person for sent in newer.console.sent]


async def is_left_alone(world: Virtual, due: datetime) -> bool:
    """Tell whether an incident that was due then is put aside for as long as said."""
    return await world.next_due() == due + LEFT_ALONE_FOR


def test_f_naive(naive: Naive) -> None:
    """Hazard F, stock arq: a worker that does not know the function deletes the job."""
    naive.enqueue("hold", "one")
    naive.burst(something_else)

    assert [] == naive.waiting()
    assert [] == naive.notes()
