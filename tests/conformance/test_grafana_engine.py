"""How Grafana OnCall's chains run, on policies that are built by hand."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.core.events import Acknowledged, Unacknowledged
from tests.conformance.running import MONDAY, Run, a_policy, notify

CASES = {
    case["name"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "cases" / "grafana_engine.json").read_text()
    )
}
WINDOW = re.compile(r"time window (\S+)-(\S+) at (\d\d:\d\d) UTC")
WINDOWS = [name for name in CASES if WINDOW.fullmatch(name)]
OTHERS = {
    "two repeat steps: counters are independent",
    "every step unconfigured: none blocks the chain",
    "empty chain finishes on the first tick",
    "acknowledge invalidates the scheduled step, unacknowledge restarts",
    "team deleted after the snapshot",
    "resolve step",
    "schedule step looks at the calendar when it runs",
}
# What Grafana's broker puts between two steps, and before the first (cases/README).
PACE, START = 5, 10
TODAY = datetime(2026, 3, 2, tzinfo=UTC)


def test_all() -> None:
    """Every case of the file is run."""
    assert set(CASES) == {*WINDOWS, *OTHERS}


@pytest.mark.parametrize("name", WINDOWS)
async def test_window(name: str) -> None:
    """A gate passes inside its window, and else when it opens next."""
    found = WINDOW.fullmatch(name)
    assert found is not None
    start, end, clock = found.groups()
    hours, minutes = map(int, clock.split(":"))
    opened_at = TODAY + timedelta(hours=hours, minutes=minutes)
    gate = {
        "kind": "time_gate",
        "window": {"from": start, "to": end},
        "is_instant": True,
    }
    run = Run(a_policy(gate, notify("alice")), opened_at=opened_at)
    await (await run.open()).advance(2 * 86_400)
    [[seconds, _]] = run.notified()
    at = opened_at + timedelta(seconds=seconds)

    assert CASES[name]["expect"]["next_step"] == _said(at, opened_at)


def _said(at: datetime, opened_at: datetime) -> str:
    if at == opened_at:
        return f"pass now (next step in {PACE} s)"
    day = "today" if at.date() == opened_at.date() else "tomorrow"

    return f"{day} {at:%H:%M:%S}Z"


async def test_two_repeat_steps() -> None:
    """Two repeat steps count apart: eleven rounds, ten seconds apart at least."""
    expected = CASES["two repeat steps: counters are independent"]["expect"]
    steps = [notify("alice"), {"kind": "repeat"}, {"kind": "repeat"}]
    run = await (await Run(a_policy(*steps)).open()).advance(3600)
    rounds = run.notified()
    timeline = await run.timeline()

    assert expected["passes"] == len(rounds)
    assert 10 == timeline.count("repeated")
    assert 100 == rounds[-1][0]


async def test_nothing_configured() -> None:
    """A chain that nobody has filled in goes on to its end, waiting five minutes."""
    case = CASES["every step unconfigured: none blocks the chain"]
    at = [entry["t"] for entry in case["expect"]["timeline"]]
    policy = a_policy(
        *[{"kind": "notify"}] * 4,
        {"kind": "webhook"},
        {"kind": "notify", "each": "next_each_time"},
        {"kind": "wait"},
        {"kind": "time_gate"},
        {"kind": "volume_gate"},
        {"kind": "declare_incident"},
        {"kind": "resolve"},
        {"kind": "wait"},
        when_nobody="wait",
    )
    run = await (await Run(policy).open()).advance(3600)
    history = await run.driver.store.history(run.driver.incidents["case"])
    ran = [entry for entry in history if entry.reason not in {"opened", "exhausted"}]
    times = [(entry.event.at - MONDAY).total_seconds() for entry in ran]
    # Each step that is not a wait takes Grafana's broker five seconds. Its wait shows
    # when it begins, ours when it is over.
    bare = [t - START - PACE * index for index, t in enumerate(at)]
    waited = [*bare[:6], 300.0, *[t + PACE for t in bare[7:]]]

    assert waited == times
    assert len(case["expect"]["logs"]) == len(ran)
    assert "resolved" == await run.status()


async def test_empty_chain() -> None:
    """A chain without steps is over at once; its incidents are only collected."""
    [tick] = CASES["empty chain finishes on the first tick"]["expect"]["timeline"]
    run = await (await Run(a_policy()).open()).advance(3600)
    incident = await run.driver.incident("case")

    assert tick["finished"] is (incident.next_due is None)
    assert ["collected_only"] == await run.timeline()


async def test_acknowledged_and_back() -> None:
    """A step from before an acknowledgement does nothing; giving it back restarts."""
    name = "acknowledge invalidates the scheduled step, unacknowledge restarts"
    expected = CASES[name]["expect"]["after_unacknowledge"]
    steps = [{"kind": "wait", "duration": 60}, notify("alice")]
    run = await (await Run(a_policy(*steps)).open()).advance(30)
    [before] = (await run.driver.incident("case")).walks
    await run.driver.command("case", Acknowledged, by="alice")
    await run.advance(60)
    dropped = run.notified()
    await run.driver.command("case", Unacknowledged, by="alice")
    [after] = (await run.driver.incident("case")).walks
    await run.advance(60)

    assert [] == dropped
    assert (expected["last_step_index"], 0) == (None, after.step)
    assert expected["new_fencing_id"] is (before.id != after.id)
    assert [[150, "alice"]] == run.notified()


async def test_team_deleted() -> None:
    """A team that was deleted meanwhile is missing, and the chain goes on."""
    steps = [
        notify("alice"),
        {"kind": "wait", "duration": 60},
        notify("team:ops"),
        notify("alice"),
    ]
    run = await Run(a_policy(*steps)).open()
    run.driver.change(teams={})
    await run.advance(100)
    history = await run.driver.store.history(run.driver.incidents["case"])
    missing = [getattr(entry.event, "missing", {}) for entry in history]

    assert {"team:ops": "missing"} in missing
    assert [[0, "alice"], [60, "alice"]] == run.notified()


async def test_resolve_step() -> None:
    """A resolve step ends it; what comes after never runs."""
    policy = a_policy({"kind": "resolve"}, notify("alice"))
    run = await (await Run(policy).open()).advance(3600)

    assert [] == run.notified()
    assert ["opened", "resolved_by_policy"] == await run.timeline()


async def test_schedule_step() -> None:
    """Who is on call when the step runs is notified, not who was at the alert."""
    steps: list[dict[str, Any]] = [{"kind": "wait", "duration": 600}]
    run = await (
        await Run(a_policy(*steps, notify("schedule:primary"))).open()
    ).advance(300)
    run.driver.change(on_call={"primary": ("bob",)})
    await run.advance(300)

    assert [[600, "bob"]] == run.notified()
