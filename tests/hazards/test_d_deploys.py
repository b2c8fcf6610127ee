"""Hazard D: deploys, each of which ends a worker in the middle of a job."""

import signal
from pathlib import Path

import anyio
import pytest

from engine.ports import Wake
from tests.contract.test_timers import a_bench, eventually
from tests.hazards.naive import Naive
from tests.hazards.stage import Stage
from tests.support.faulty_worker import AT_THE_POINT
from tests.support.processes import PATIENCE_SECONDS
from tests.support.servers import found_servers

DEPLOYS = range(5)


@pytest.mark.timeout(180)  # six workers start, one after the other
def test_d_deploys(stage: Stage) -> None:
    """
    Hazard D holds: five workers told to end in the middle of a drain lose no page.

    Told twice, as it is stuck: nobody waits for 20 s.
    """
    incident = ""
    for _ in DEPLOYS:
        with stage.worker("before", "drain", "hang") as worker:
            worker.wait_for(AT_THE_POINT)
            if not incident:
                incident = stage.fire_at(worker)
                stage.wait_for_reports(incident, 1)
            worker.process.send_signal(signal.SIGTERM)
            worker.wait_for("worker.stopping")
            worker.end()
    before = stage.people()
    with stage.worker():
        stage.wait_for_reports(incident, 2)

    assert ["alice"] == before
    assert ["alice", "bob"] == stage.people()


@pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
async def test_d_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Hazard D holds: one and the same wake job runs again however often it was ended.

    No sweep and no kick help: a sixth worker is woken by arq alone.
    """
    async with a_bench(found_servers()[-1], monkeypatch, tmp_path) as bench:
        ran: list[Wake] = []

        async def wake(why: Wake) -> None:
            ran.append(why)
            await anyio.sleep_forever()

        async def is_mid_job() -> bool:
            return Wake.DUE in ran

        bench.wake = wake  # type: ignore[method-assign]
        bench.does_sweep = False
        due = bench.ahead(300)
        await bench.arm([due])
        for _ in (*DEPLOYS, "the sixth"):
            ran.clear()
            async with bench.running():
                await eventually(is_mid_job)


def test_d_naive(naive: Naive) -> None:
    """Hazard D, stock arq: after five deploys in the middle of it, the job is dropped."""
    naive.enqueue("hold", "one")
    begun: list[str] = []
    for _ in DEPLOYS:
        begun.append("began one")
        with naive.worker() as worker:
            naive.wait_for(*begun)
            worker.end()
    before = naive.waiting()
    with naive.worker(burst=True) as worker:
        worker.wait_for("max retries 5 exceeded")
        worker.process.wait(timeout=PATIENCE_SECONDS)

    assert 1 == len(before)
    assert [] == naive.waiting()
    assert begun == naive.notes()
