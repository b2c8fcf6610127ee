"""Hazard J: Redis restarts under a worker."""

from tests.hazards.naive import Naive
from tests.hazards.stage import Stage
from tests.support.processes import PATIENCE_SECONDS


def test_j_redis_restarts(stage: Stage) -> None:
    """Hazard J holds: the same worker goes on, and what was due pages once, in time."""
    with stage.worker() as worker:
        incident = stage.fire_at(worker)
        stage.wait_for_reports(incident, 1)
        stage.server.kill()
        stage.server.start()
        stage.wait_for_reports(incident, 2)
        is_alive = worker.process.poll() is None

    assert is_alive
    assert ["alice", "bob"] == stage.people()


def test_j_naive(naive: Naive) -> None:
    """Hazard J, stock arq: the worker ends, and nobody runs what is left in Redis."""
    naive.enqueue("hold", "later", _defer_by=60)
    with naive.worker() as worker:
        worker.wait_for("Starting worker")
        naive.server.kill()
        code = worker.process.wait(timeout=PATIENCE_SECONDS)
    naive.server.start()

    assert 0 != code
    assert 1 == len(naive.waiting())
