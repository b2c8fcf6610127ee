"""Benchmarks in small, on real processes: all that was sent is counted."""

import pytest

from benchmarks import burst, idle, ingest, lateness, memory, recovery, steps, stock_arq
from benchmarks.burst import Burst
from benchmarks.lateness import PAGING, Part
from benchmarks.stage.directory import directory_with
from benchmarks.stage.stage import a_stage

OTHERS, FEW = 20, 16


def test_lateness() -> None:
    """Each timer that was due ran, none early, and was paged for once."""
    part = Part(policy=PAGING, rate=40, seconds=0.5)
    with a_stage(directory_with(lateness.POLICIES)) as stage:
        figures = lateness.measure_on(stage, [part], OTHERS)
    found = figures[PAGING]["40"]

    assert "always" == figures["redis"]["appendfsync"]
    assert (20, 0, 0) == (found["due"], found["missing"], found["early"])
    assert (20, 20) == (found["stored_ms"]["count"], found["paged_ms"]["count"])
    assert 0 == found["pages_missing"] + found["pages_doubled"]
    assert 0 < found["decided_ms"]["p50"] < found["paged_ms"]["p50"]


@pytest.mark.parametrize(
    "name", ["one_worker", pytest.param("two_workers", marks=pytest.mark.long)]
)
def test_steps(name: str) -> None:
    """Each incident wakes up once; what it runs until it waits again is counted."""
    part = steps.PARTS[name]
    with a_stage(directory_with(steps.POLICIES), part.fsync) as stage:
        found = steps.measure_on(stage, part, FEW - 1)
        pages = stage.pages.look()
    waits_and_steps = (1 + 1) + (1 + 3) + (1 + 1)

    assert FEW - 1 == found["wake_ups"]
    assert (FEW - 1) // 3 * waits_and_steps == found["steps"]
    assert 0 == found["missing"]
    assert 0 < found["wake_ups_per_second"] < found["steps_per_second"]
    assert [] == pages


@pytest.mark.long
def test_delivering() -> None:
    """A worker that delivers sends a page for each incident whose step pages."""
    with a_stage(directory_with(steps.POLICIES)) as stage:
        part = steps.PARTS["one_worker_delivering"]
        found = steps.measure_on(stage, part, FEW - 1)

    assert 2 * (FEW - 1) // 3 == found["deliveries"]
    assert 0 == found["deliveries_missing"]


@pytest.mark.long
def test_stock_arq() -> None:
    """Stock arq runs its empty jobs, nearly all of them while they are counted."""
    found = stock_arq.measure("everysec")

    assert stock_arq.JOBS >= found["jobs"] > stock_arq.JOBS * 0.9
    assert 0 < found["jobs_per_second"]


def test_ingest() -> None:
    """Each alert that was sent is taken in and paged for once, after it was sent."""
    with a_stage(directory_with({"default": ingest.POLICY})) as stage:
        figures = ingest.measure_on(stage, [40], 0.5)
    found = figures["40"]
    full = figures["saturation"]

    assert (20, 20) == (found["sent"], found["from_sent_ms"]["count"])
    assert 0 == found["refused"] + found["missing"] + found["doubled"]
    assert 0 < found["answered_ms"]["p50"]
    assert 0 < found["from_sent_ms"]["p50"]
    assert full["sent"] == full["from_sent_ms"]["count"]
    assert 0 == full["refused"] + full["missing"]


def test_memory() -> None:
    """Incidents walk all four steps, and what is kept of them is what has grown."""
    with a_stage(memory.typical_directory()) as stage:
        found = memory.measure_on(stage, FEW, worker_seconds=0)
    kinds = found["bytes_by_kind"]

    assert 0 == found["pages_missing"]
    assert 10 < found["history_entries"] < 20
    assert FEW == found["histories_packed"]
    assert "{rung:<s>}:h:*" not in kinds
    assert found["bytes_per_incident"] < found["bytes_unpacked"]
    assert kinds["{rung:<s>}:i:*"] > 1_000
    assert found["bytes_per_incident"] > kinds["{rung:<s>}:i:*"]
    assert "another" not in kinds
    assert not {name for name in kinds if ":out:" in name or ":m:" in name}
    assert 20 < found["worker_mib"] < 500


@pytest.mark.long
def test_burst() -> None:
    """Each alert of a burst is paged for, and so are those that were open before."""
    small = Burst(alerts=120, seconds_max=30, open_for=0.5, open=10)
    with a_stage(directory_with(burst.POLICIES)) as stage:
        found = burst.measure_on(stage, small)

    assert (120, 0, 0) == (found["alerts"], found["refused"], found["missing"])
    assert (10, 0) == (found["open_due"], found["open_missing"])
    assert 10 == found["open_stored_ms"]["count"]
    assert 0 < found["every_first_page_s"]


@pytest.mark.long
def test_recovery() -> None:
    """After a kill all runs, later than it should: by the start of another, at least."""
    with a_stage(directory_with({"default": recovery.POLICY})) as stage:
        found = recovery.measure_on(stage, 40, 0.5, 2.0)

    assert (100, 0, 0) == (found["due"], found["missing"], found["pages_missing"])
    assert found["overdue_steps"] > 10
    assert 0.1 < found["started_s"]
    assert 0.1 < found["recovered_s"]


@pytest.mark.long
def test_idle() -> None:
    """An idle worker takes something of a core, and not all of it."""
    with a_stage(directory_with({"default": idle.POLICY})) as stage:
        found = idle.measure_on(stage, OTHERS, seconds=2, settle_seconds=1)

    assert 0 < found["together_percent"] < 50
    assert found["worker_mib"] > 20
