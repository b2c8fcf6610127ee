"""The clock follows the store, and arq follows the clock."""

import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import arq.connections
import arq.jobs
import arq.utils
import arq.worker
import pytest
from arq.cron import cron
from arq.worker import Worker

from engine.adapters.clock import (
    MILLISECOND_NS,
    SECOND_NS,
    StoreClock,
    install_into_arq,
    to_ms,
)
from engine.adapters.ids import SecretIds
from engine.errors import StoreUnavailableError
from engine.ids import shard_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOON_MS = to_ms(NOON)
FIVE_MINUTES = 300
CLOCK_READS = re.compile(
    r"[ (]time\(\)|monotonic\(|datetime\.(?:now|utcnow|today)\(|perf_counter"
)


def arq_now() -> datetime:
    """Return what arq's cron takes for the time."""
    now: datetime = vars(arq.worker)["datetime"].now(tz=UTC)

    return now


class Boot:
    """Time since the machine was started, moved by hand."""

    def __init__(self) -> None:
        self.ns = 77 * SECOND_NS

    def __call__(self) -> int:
        """Return the nanoseconds since the start."""
        return self.ns

    def pass_ms(self, milliseconds: float) -> None:
        """Let time pass."""
        self.ns += int(milliseconds * MILLISECOND_NS)


@pytest.fixture
def boot() -> Boot:
    """Return the time that elapses in a test."""
    return Boot()


@pytest.fixture
def clock(boot: Boot) -> StoreClock:
    """Return a clock that was set at noon."""
    clock = StoreClock(boot)
    clock.observe(NOON_MS)

    return clock


@pytest.fixture
def _arq_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give arq its own clock back after the test."""
    for module, name in (
        (arq.utils, "time"),
        (arq.worker, "time"),
        (arq.worker, "datetime"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))


def test_unset() -> None:
    """Before the store has answered once there is no time, and it is said why."""
    clock = StoreClock()

    with pytest.raises(StoreUnavailableError, match="until Redis has answered"):
        clock.now()

    assert clock.is_set is False


def test_elapses(clock: StoreClock, boot: Boot) -> None:
    """Between answers the time goes on, in UTC and whole milliseconds."""
    boot.pass_ms(1_500.7)

    assert NOON + timedelta(milliseconds=1_500) == clock.now()
    assert UTC is clock.now().tzinfo


def test_slow_answer(clock: StoreClock, boot: Boot) -> None:
    """An answer that took long to come back does not set the clock back."""
    boot.pass_ms(1_000)
    clock.observe(NOON_MS + 200)

    assert NOON + timedelta(seconds=1) == clock.now()


def test_faster_answer(clock: StoreClock, boot: Boot) -> None:
    """An answer that came back faster than those before sets the clock forward."""
    boot.pass_ms(1_000)
    clock.observe(NOON_MS + 1_040)

    assert NOON + timedelta(milliseconds=1_040) == clock.now()


@pytest.mark.parametrize("way_back_ms", [0, 1, 30, 900])
def test_never_leads(boot: Boot, way_back_ms: int) -> None:
    """However slow the answers are, the clock is behind the store, never ahead."""
    clock = StoreClock(boot)
    for second in range(60):
        boot.pass_ms(1_000)
        clock.observe(NOON_MS + second * 1_000 - (second * way_back_ms) % 1_000)

        assert clock.now() <= NOON + timedelta(seconds=second)


def test_set_back(clock: StoreClock, boot: Boot) -> None:
    """A store that was set back is believed, after twenty seconds of saying so."""
    for second in range(1, 22):
        boot.pass_ms(1_000)
        clock.observe(NOON_MS - 60_000 + second * 1_000)

    assert NOON - timedelta(seconds=60 - 21) == clock.now()


def test_slow_after_a_pause(clock: StoreClock, boot: Boot) -> None:
    """A slow answer after half a minute of silence does not set the clock back."""
    boot.pass_ms(30_000)
    clock.observe(NOON_MS + 29_000)

    assert NOON + timedelta(seconds=30) == clock.now()


def test_forgets(clock: StoreClock, boot: Boot) -> None:
    """After a long silence the next answer counts alone: oscillators drift apart."""
    boot.pass_ms(600_000)
    clock.observe(NOON_MS + 599_990)

    assert NOON + timedelta(milliseconds=599_990) == clock.now()


async def test_sleeps_until() -> None:
    """A sleep ends at its time or a moment after it, never before."""
    clock = StoreClock()
    clock.observe(NOON_MS)
    lateness = []
    for _ in range(20):
        at = clock.now() + timedelta(milliseconds=7)
        await clock.sleep_until(at)
        lateness.append(clock.now() - at)

    assert min(lateness) >= timedelta(0)
    assert sorted(lateness)[10] <= timedelta(milliseconds=5)


async def test_sleeps_to_the_millisecond(clock: StoreClock) -> None:
    """A time that is past, or is now, is not waited for."""
    await clock.sleep_until(NOON)
    await clock.sleep_until(NOON - timedelta(days=1))

    assert NOON == clock.now()


def test_rounds_up() -> None:
    """A time within a millisecond counts as its end: late is fine, early is not."""
    assert NOON_MS + 1 == to_ms(NOON + timedelta(microseconds=1))
    assert NOON_MS + 1 == to_ms(NOON + timedelta(microseconds=1_000))
    assert -1 == to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC))


@pytest.fixture
def _host_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set arq's idea of the host's time five minutes fast."""
    monkeypatch.setattr(arq.utils, "time", lambda: time.time() + FIVE_MINUTES)  # noqa: TID251


@pytest.mark.usefixtures("_host_is_fast", "_arq_restored")
def test_arq_asks_it(clock: StoreClock, boot: Boot) -> None:
    """Every name by which arq asks for the time leads to the store's clock."""
    install_into_arq(clock)
    boot.pass_ms(250)

    for module in (arq.worker, arq.connections, arq.jobs):
        assert NOON_MS + 250 == vars(module)["timestamp_ms"]()
    assert NOON + timedelta(milliseconds=250) == arq_now()
    assert NOON_MS / 1000 + 0.25 == vars(arq.worker)["time"]()


def test_arq_asks_nothing_else() -> None:
    """No part of arq reads the time by another name than those replaced."""
    package = Path(arq.worker.__file__).parent
    reads = Counter(
        (path.name, found.group())
        for path in package.glob("*.py")
        for found in CLOCK_READS.finditer(path.read_text(encoding="utf-8"))
    )

    assert {
        ("utils.py", "(time()"): 1,
        ("worker.py", " time()"): 1,
        ("worker.py", "datetime.now("): 4,
    } == reads


@pytest.mark.usefixtures("_arq_restored")
async def test_cron_asks_it(clock: StoreClock) -> None:
    """Cron counts its next run from the store's time."""
    install_into_arq(clock)

    async def nothing(ctx: dict[Any, Any], *_: Any, **__: Any) -> None:
        """Do nothing."""

    job = cron(nothing, second=set(range(60)), microsecond=0)
    worker = Worker(cron_jobs=[job], handle_signals=False, timezone=UTC)
    await worker.run_cron(arq_now(), 0.5)

    assert NOON + timedelta(seconds=1) == job.next_run


def test_ids() -> None:
    """An incident's id carries its shard; a command's id is never made twice."""
    ids = SecretIds()

    assert 11 == shard_of(ids.incident_id(NOON, 11))
    assert 100 == len({ids.command_id() for _ in range(100)})
