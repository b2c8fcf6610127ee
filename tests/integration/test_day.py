"""A policy of a whole day, run through in virtual time: in memory, and by arq itself."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.core.alerts import Alert, AlertStatus
from engine.ports import RoutedAlert
from policies.policy import Policy
from tests.support.driver import SOURCE, Driver, a_directory
from tests.support.virtual import eventually, virtual

DAY = timedelta(hours=24)
# Real time that a busy machine may need for all of it.
DRIFT_MAX = timedelta(seconds=20)
# Armed by the sweep, which looks a minute ahead.
BEFORE = timedelta(seconds=30)
# Late enough for the sweep to see that a wake-up came before the server did.
LATE = timedelta(milliseconds=400)
POLICY = Policy.model_validate(
    {
        "id": "day",
        "steps": [
            {"kind": "notify", "targets": ["schedule:primary"]},
            {"kind": "wait", "duration": "30m"},
            {"kind": "notify", "targets": ["user:bob"]},
            {"kind": "notify", "targets": ["user:carol"], "wait_before": "90m"},
            {"kind": "wait", "duration": "6h"},
        ],
        "repeat": {"count": 2, "delay": "4h"},
    }
)
DIRECTORY = a_directory([POLICY], None)
# A round takes eight hours, and four go by before the next one.
ROUND = [(0, "alice"), (30, "bob"), (120, "carol")]
EXPECTED = [
    (timedelta(minutes=minutes + 12 * 60 * number), person)
    for number in range(2)
    for minutes, person in ROUND
] + [(DAY, "alice")]


async def test_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory a day goes by without anybody waiting: no timer of the loop fires."""
    fired: list[float] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def watched(
        when: float, callback: Callable[..., Any], *args: Any, **more: Any
    ) -> Any:
        def fire(*given: Any) -> None:
            fired.append(when)
            callback(*given)

        return call_at(when, fire, *args, **more)

    monkeypatch.setattr(loop, "call_at", watched)
    driver = Driver(POLICY)
    began_at = driver.clock.now()
    await driver.alert("db", "db", fires=True)
    await driver.pass_time(DAY)

    assert EXPECTED == [(at - began_at, person) for at, person in driver.sent()]
    assert [] == fired


@pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
async def test_by_arq(tmp_path: Path) -> None:
    """The real worker runs the same day: arq wakes it whenever something is due."""
    async with virtual(tmp_path, DIRECTORY) as world:
        began_at, worker = world.time.began_at, world.process()
        async with worker.working():
            alert = Alert(
                id="a",
                fingerprint="db",
                status=AlertStatus.FIRING,
                title="db",
                labels={},
            )
            routed = RoutedAlert(alert=alert, integration=SOURCE, key="db")
            await worker.engine.ingest([routed])
            await eventually(world.is_quiet)
            while (due := await world.next_due()) and due <= began_at + DAY:
                await world.jump_to(due - BEFORE)
                await eventually(world.is_armed)
                await world.jump_to(due + LATE)
                await eventually(world.is_quiet)
    times = zip(worker.console.sent_at, worker.console.sent, strict=True)
    sent = [(at - began_at, each.person) for at, each in times]

    assert [person for _, person in EXPECTED] == [person for _, person in sent]
    # arq's worker looks at the server's own clock once, which went on meanwhile.
    lates = [at - due for (due, _), (at, _) in zip(EXPECTED, sent, strict=True)]
    assert all(timedelta(0) <= late < DRIFT_MAX for late in lates), lates
