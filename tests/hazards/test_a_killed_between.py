"""Hazard A: kill -9 between storing how far it is and enqueuing what comes next."""

import signal

import pytest

from tests.hazards.naive import Naive
from tests.hazards.stage import Stage
from tests.support.processes import PATIENCE_SECONDS


@pytest.mark.parametrize("moment", ["opening", "timer"])
def test_a_killed_between(stage: Stage, moment: str) -> None:
    """
    Hazard A holds: whoever is killed right after a commit has lost nothing with it.

    State, page and next timer are one commit. The worker dies of the opening, before it
    sent alice's page and woke anybody for bob's; or of bob's timer, before it sent his.
    """
    with stage.worker("after", moment, "kill") as worker:
        incident = stage.fire_at(worker)
        code = worker.process.wait(timeout=PATIENCE_SECONDS)
    missed = {"alice", "bob"} - {page.person for page in stage.pages()}
    with stage.worker():
        stage.wait_for_reports(incident, 2)

    assert -signal.SIGKILL == code
    assert "bob" in missed
    assert {"alice": 1, "bob": 1} == stage.counted()


def test_a_naive(naive: Naive) -> None:
    """
    Hazard A, stock arq: the timer is lost for ever.

    The job runs again when its lease is over, which takes at least 11 s and by default
    310 s; here the lease is ended by hand. The guard against running twice then finds
    the step done, and nothing is left that knows of the next one.
    """
    naive.enqueue("escalate", 0)
    with naive.worker(killed_between=True) as worker:
        worker.process.wait(timeout=PATIENCE_SECONDS)
    naive.end_leases()
    with naive.worker(burst=True) as worker:
        code = worker.process.wait(timeout=PATIENCE_SECONDS)

    assert 0 == code
    assert ["paged 0", "skipped 0"] == naive.notes()
    assert [] == naive.waiting()
