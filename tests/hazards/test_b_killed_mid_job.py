"""Hazard B: kill -9 in the middle of a job, whose lease at arq is long."""

import signal

from tests.hazards.naive import Naive
from tests.hazards.stage import Stage
from tests.support.faulty_worker import AT_THE_POINT
from tests.support.processes import eventually


def test_b_killed_mid_job(stage: Stage) -> None:
    """
    Hazard B holds: the lease of 2 s counts, and nobody waits for that of arq.

    When bob is paged by another worker, arq still takes the dead one's job for one that
    runs.
    """
    with stage.worker("before", "timer", "hang") as worker:
        incident = stage.fire_at(worker)
        worker.wait_for(AT_THE_POINT)
        stage.wait_for_reports(incident, 1)
        eventually(lambda: bool(stage.jobs_under_way()))
        worker.end(signal.SIGKILL)
    orphans = stage.jobs_under_way()
    before = stage.people()
    with stage.worker():
        stage.wait_for("bob")
        still = stage.jobs_under_way()
        stage.wait_for_reports(incident, 2)

    assert ["alice"] == before
    assert ["alice", "bob"] == stage.people()
    assert orphans & still


def test_b_naive(naive: Naive) -> None:
    """
    Hazard B, stock arq: for 310 s nobody runs the job of a worker that was killed.

    That is too long to wait for; the lease says how long it takes.
    """
    naive.enqueue("hold", "one")
    with naive.worker() as worker:
        naive.wait_for("began one")
        worker.end(signal.SIGKILL)
    [lease] = naive.leases()

    assert 290_000 < lease <= 310_000
    assert 1 == len(naive.waiting())
