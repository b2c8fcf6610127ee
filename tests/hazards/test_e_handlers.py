"""Hazard E: a handler raises, or takes longer than arq gives a job."""

from typing import Any

import anyio
import pytest

from tests.hazards.naive import Naive, note
from tests.hazards.stage import Stage
from tests.support.faulty_worker import AT_THE_POINT
from tests.support.processes import eventually


def test_e_raises(stage: Stage) -> None:
    """Hazard E holds: what raises in the middle of a drain is done again by its lease."""
    with stage.worker("before", "timer", "fail") as worker:
        incident = stage.fire_at(worker)
        worker.wait_for("chore.failed")
        stage.wait_for_reports(incident, 2)

    assert {"alice": 1, "bob": 1} == stage.counted()


def test_e_outlasts(stage: Stage) -> None:
    """
    Hazard E holds: arq gives a job up, and what it began is not lost with it.

    Here a job has a second, and bob's commit takes longer than that.
    """
    with stage.worker("before", "timer", "outlast") as worker:
        incident = stage.fire_at(worker)
        worker.wait_for(AT_THE_POINT)
        eventually(lambda: bool(stage.jobs_under_way()))
        jobs = stage.jobs_under_way()
        eventually(lambda: not jobs & stage.jobs_under_way())
        dropped = jobs - stage.jobs()
        before = stage.people()
        stage.enough.touch()
        stage.wait_for_reports(incident, 2)

    assert jobs == dropped
    assert ["alice"] == before
    assert {"alice": 1, "bob": 1} == stage.counted()


async def fails(ctx: dict[Any, Any]) -> None:
    """Meet a provider that is down."""
    await note(ctx, "failed")
    raise ConnectionError


async def outlasts(ctx: dict[Any, Any]) -> None:
    """Meet a provider that hangs."""
    await note(ctx, "hung")
    await anyio.sleep_forever()


@pytest.mark.parametrize(("job", "did"), [(fails, "failed"), (outlasts, "hung")])
def test_e_naive(naive: Naive, job: Any, did: str) -> None:
    """Hazard E, stock arq: it runs once, and the job is deleted as if it had been done."""
    naive.enqueue(job.__name__)
    naive.burst(job, job_timeout=0.1)

    assert [did] == naive.notes()
    assert [] == naive.waiting()
