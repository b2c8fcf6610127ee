"""Hazard G: the host of a worker is five minutes fast."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import arq.utils
import pytest

from engine.core.reasons import Reason
from tests.hazards.naive import Naive, note
from tests.hazards.stage import FAST, Stage
from tests.support.fast_worker import FAST_SECONDS
from tests.support.processes import holds_for
from tests.support.servers import RunningServer

LOOKED_AT = timedelta(seconds=0.5)


def test_g_fast_host(server: RunningServer, tmp_path: Path) -> None:
    """
    Hazard G holds: bob is paged when his time has come by the clock of Redis.

    All the while before, his wake job is left alone.
    """
    stage = Stage(server, tmp_path, wait=timedelta(seconds=2.5))
    stage.seed()
    with stage.worker(module=FAST) as worker:
        incident = stage.fire_at(worker)
        stage.wait_for_reports(incident, 1)
        job = stage.job_of(incident)
        holds_for(LOOKED_AT, lambda: job in stage.jobs())
        stage.wait_for_reports(incident, 2)
    paged_at = [
        entry.event.at
        for entry in stage.history(incident)
        if entry.reason is Reason.PAGED
    ]

    assert ["alice", "bob"] == stage.people()
    assert paged_at[1] - paged_at[0] >= stage.wait


async def due_in_a_minute(ctx: dict[Any, Any]) -> None:
    """Page somebody."""
    await note(ctx, "paged")


def test_g_naive(naive: Naive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hazard G, stock arq: a job deferred for a minute runs at once."""
    naive.enqueue("due_in_a_minute", _defer_by=60)
    monkeypatch.setattr(arq.utils, "time", lambda: time.time() + FAST_SECONDS)
    naive.burst(due_in_a_minute)

    assert ["paged"] == naive.notes()
