"""Hazard L: a worker is stopped past its lease, and then goes on as if nothing had been."""

import signal

import pytest

from tests.hazards.naive import Naive
from tests.hazards.stage import Stage
from tests.support.faulty_worker import AT_THE_POINT


@pytest.mark.parametrize(
    ("moment", "paged_before"), [("timer", ["alice"]), ("begin", [])]
)
def test_l_zombies(stage: Stage, moment: str, paged_before: list[str]) -> None:
    """
    Hazard L holds: what comes too late changes nothing and pages nobody.

    The worker is stopped with bob's page decided and not stored, or with alice's claimed
    and not begun. Another one does it meanwhile. Then the first goes on, alone: that it
    pages for the next alert shows that it is past what it was in.
    """
    with stage.worker("before", moment, "stop") as zombie:
        incident = stage.fire_at(zombie)
        zombie.wait_for(AT_THE_POINT)
        before = stage.people()
        with stage.worker():
            stage.wait_for_reports(incident, 2)
        zombie.process.send_signal(signal.SIGCONT)
        [next_one] = stage.fire("next")
        stage.wait_for_reports(next_one, 1)
    told = stage.told()

    assert paged_before == before
    assert 1 == told["alice", incident] == told["bob", incident]
    assert 1 == told["alice", next_one]


def test_l_naive(naive: Naive) -> None:
    """
    Hazard L, stock arq: both copies of a job run to the end.

    The lease lasts 310 s, and at least 11; here it is ended by hand.
    """
    naive.enqueue("hold", "one")
    with naive.worker() as zombie:
        naive.wait_for("began one")
        zombie.process.send_signal(signal.SIGSTOP)
        naive.end_leases()
        with naive.worker():
            naive.wait_for("began one", "began one")
            naive.let_end()
            naive.wait_for("began one", "began one", "ended one")
            zombie.process.send_signal(signal.SIGCONT)
            naive.wait_for("began one", "began one", "ended one", "ended one")
