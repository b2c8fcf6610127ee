"""Hazard C: a worker is killed with 100 jobs in flight, and blocks the head of the line."""

import re
import signal
from datetime import timedelta

from tests.hazards.naive import Naive
from tests.hazards.stage import Stage
from tests.support.faulty_worker import AT_THE_POINT
from tests.support.processes import eventually

# A lease and a sweep, each of 2 s; the rest is for a slow machine.
IN_TIME = timedelta(seconds=10)
IN_FLIGHT = [f"orphan {number}" for number in range(100)]
# arq says so of each job that it passes over; it reads 100 of them at a time.
PASSED_OVER = "already running elsewhere"


def test_c_orphans(stage: Stage) -> None:
    """
    Hazard C holds: what 100 orphans are leased for holds up nobody behind them.

    The fresh alert pages within seconds, and so does each of them, once.
    """
    orphans = stage.fire(*IN_FLIGHT)
    with stage.worker("before", "opening", "hang") as worker:
        worker.wait_for(AT_THE_POINT)
        worker.end(signal.SIGKILL)
    with stage.worker() as worker:
        fresh = stage.fire_at(worker)
        stage.wait_for("alice", 1 + len(orphans))
        stage.wait_for_reports(fresh, 1)
    [opened, *_] = [entry.event.at for entry in stage.history(fresh)]
    [reported, *_] = [report.at for report in stage.reports(fresh)]
    told = stage.told()

    assert reported - opened < IN_TIME
    assert [1] * 101 == [told["alice", each] for each in [*orphans, fresh]]


def test_c_naive(naive: Naive) -> None:
    """
    Hazard C, stock arq: a fresh job that is due now is not even looked at.

    It would be after 310 s, when the orphans' leases are over, and behind all of them.
    Three looks at the queue are waited for: each ends with the orphans.
    """
    naive.enqueue("hold", *IN_FLIGHT)
    with naive.worker(max_jobs=len(IN_FLIGHT)) as worker:
        naive.wait_for(*(f"began {name}" for name in IN_FLIGHT))
        worker.end(signal.SIGKILL)
    naive.enqueue("hold", "fresh", _job_id="fresh")
    with naive.worker() as worker:
        eventually(lambda: len(re.findall(PASSED_OVER, worker.text())) >= 300)
        notes = naive.notes()

    assert "began fresh" not in notes
    assert "fresh" not in worker.text()
    assert "fresh" in naive.waiting()
