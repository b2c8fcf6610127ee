"""How Better Stack's policies run, on policies that are built by hand."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.core.events import Acknowledged, CommentEdited, Resolved
from policies.policy import improvised
from tests.conformance.running import (
    MONDAY,
    Run,
    a_policy,
    notified_per_incident,
    notify,
)
from tests.support.driver import a_user

CASES = {
    case["name"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "cases" / "betterstack.json").read_text()
    )
    if case["name"].startswith("run/")
}
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
Runner = Callable[[], Awaitable[dict[str, Any]]]
RUNS: dict[str, Runner] = {}
WENDY = a_policy(notify("wendy"), name="w")


def run_of(name: str) -> Callable[[Runner], Runner]:
    """Register how a case is run."""

    def register(function: Runner) -> Runner:
        RUNS[f"run/{name}"] = function
        return function

    return register


def branch(outcome: dict[str, Any] | None = None, **window: Any) -> dict[str, Any]:
    """Return a branch on time, to policy W unless it says otherwise."""
    to_wendy = {"verb": "escalate_to", "policy": "w"}

    return {
        "kind": "time_branch",
        "window": window,
        "outcome": to_wendy if outcome is None else outcome,
    }


@pytest.mark.parametrize("name", CASES)
async def test_run(name: str) -> None:
    """The engine does at its time what the vendor documents."""
    expected = {k: v for k, v in CASES[name]["expect"].items() if k != "note"}

    assert expected == await RUNS[name]()


def test_all() -> None:
    """Every case of the file is run."""
    assert set(CASES) == set(RUNS)


@run_of("wait is counted from the previous step")
async def _waits() -> dict[str, Any]:
    steps = [notify("alice"), notify("bob", wait_before=600)]
    steps.append(notify("carol", wait_before=300))
    run = await (await Run(a_policy(*steps)).open()).advance(1000)

    return {"notified": run.notified()}


def _team_policy(**settings: Any) -> Run:
    """Return the policy of several cases: on call, then the team."""
    steps = [notify("schedule:primary"), notify("team:everyone", wait_before=600)]
    run = Run(a_policy(*steps, **settings))
    teams = dict(run.driver.directory.teams)
    ops = teams["ops"]
    everyone = ops.model_copy(update={"id": "everyone", "members": ("entire_team",)})
    users = {**run.driver.directory.users, "entire_team": a_user("entire_team")}
    run.driver.change(teams={**teams, "everyone": everyone}, users=users)

    return run


@run_of("resolve stops everything that is left")
async def _resolve() -> dict[str, Any]:
    run = await (await _team_policy().open()).advance(599)
    await run.driver.command("case", Resolved, by="alice")
    await run.advance(5000)

    return {"notified": run.notified()}


@run_of("acknowledge during a repeat delay")
async def _acknowledge() -> dict[str, Any]:
    run = _team_policy(repeat={"count": 2, "delay": 60})
    await (await run.open()).advance(610)
    await run.driver.command("case", Acknowledged, by="alice")
    await run.advance(5000)

    return {"notified": run.notified()}


@run_of("no fallback: escalation ends and the incident stays open")
async def _no_fallback() -> dict[str, Any]:
    run = await (await Run(a_policy(notify("alice"))).open()).advance(100_000)
    # What Better Stack calls an incident that nobody took.
    words = {"triggered": "Started"}

    return {
        "notified": run.notified(),
        "incident_status": words[await run.status()],
    }


@run_of("branch window is read in the step's zone")
async def _zone() -> dict[str, Any]:
    week = ["mon", "tue", "wed", "thu", "fri"]
    hours: dict[str, Any] = {"from": "09:00", "to": "17:00", "zone": "America/New_York"}
    policies = [a_policy(branch(days=week, **hours), notify("alice")), WENDY]
    july = datetime(2026, 7, 6, 13, 30, tzinfo=UTC)
    january = datetime(2027, 1, 4, 13, 30, tzinfo=UTC)

    return {
        "notified_per_incident": await notified_per_incident(
            policies, [(july, {}), (january, {})]
        )
    }


@run_of("window over midnight")
async def _midnight() -> dict[str, Any]:
    hours: dict[str, Any] = {"from": "22:00", "to": "06:00"}
    night = branch(days=["fri"], **hours)
    policies = [a_policy(night, notify("alice")), WENDY]
    friday = MONDAY + 4 * DAY
    openings = [friday + 23 * HOUR, friday + 29 * HOUR, friday + 5 * HOUR]

    return {
        "notified_per_incident": await notified_per_incident(
            policies, [(at, {}) for at in openings]
        )
    }


@run_of("branch without policy stops")
async def _stop() -> dict[str, Any]:
    weekend = branch({"verb": "stop"}, days=["sat", "sun"])
    run = Run(a_policy(weekend, notify("alice")), opened_at=MONDAY + 5 * DAY)
    await (await run.open()).advance(1000)

    return {"notified": run.notified()}


@run_of("metadata branch: no_value matches absent or blank")
async def _no_value() -> dict[str, Any]:
    step = {
        "kind": "metadata_branch",
        "key": "env",
        "values": [{"type": "no_value"}],
        "outcome": {"verb": "escalate_to", "policy": "w"},
    }
    labels: list[dict[str, str]] = [{}, {"env": ""}, {"env": "prod"}]

    return {
        "notified_per_incident": await notified_per_incident(
            [a_policy(step, notify("alice")), WENDY],
            [(MONDAY, each) for each in labels],
        )
    }


@run_of("branch target out of the incident's metadata")
async def _named() -> dict[str, Any]:
    step = {
        "kind": "metadata_branch",
        "key": "env",
        "values": [{"type": "no_value"}],
        "outcome": {
            "verb": "escalate_to",
            "policy_metadata_key": "Assigned Policy",
        },
    }
    run = await Run(a_policy(step), WENDY).open(**{"Assigned Policy": "w"})

    return {"notified": run.notified()}


@run_of("acknowledge also stops chained policies")
async def _chained() -> dict[str, Any]:
    chained = a_policy(notify("alice"), notify("carol", wait_before=60), name="one")
    other = a_policy(notify("bob"), notify("wendy", wait_before=60), name="two")
    root = a_policy(notify("policy:one", "policy:two"))
    run = await (await Run(root, chained, other).open()).advance(10)
    await run.driver.command("case", Acknowledged, by="alice")
    await run.advance(100)

    return {"notified": run.notified()}


@run_of("on-call is looked up when the step runs")
async def _hand_over() -> dict[str, Any]:
    root = a_policy(notify("schedule:primary", wait_before=600))
    run = await (await Run(root).open()).advance(300)
    run.driver.change(on_call={"primary": ("bob",)})
    await run.advance(400)

    return {"notified": run.notified()}


def _clock(run: Run, day: datetime) -> list[list[str]]:
    """Return who was notified, at which time of the day; on later days, which."""
    shown = []
    for seconds, person in run.notified():
        at = run.opened_at + timedelta(seconds=seconds)
        days = (at - day).days
        shown.append([f"{f'+{days}d ' if days else ''}{at:%H:%M}", person])

    return shown


@run_of("wait_until_time")
async def _until() -> dict[str, Any]:
    later = notify("bob", wait_until={"time": "07:45"})
    run = Run(a_policy(notify("alice"), later), opened_at=MONDAY + 3 * HOUR)
    await (await run.open()).advance(6 * 3600)

    return {"notified": _clock(run, MONDAY)}


@run_of("wait_until_time already past means tomorrow")
async def _tomorrow() -> dict[str, Any]:
    later = notify("bob", wait_until={"time": "07:45"})
    run = Run(a_policy(later), opened_at=MONDAY + 9 * HOUR)
    await (await run.open()).advance(24 * 3600)

    return {"notified": _clock(run, MONDAY)}


@run_of("instructions post a comment and wake nobody")
async def _instructions() -> dict[str, Any]:
    step = {"kind": "instructions", "text": "Look at the dashboard."}
    run = await Run(a_policy(step, notify("alice"))).open()
    comments = await run.driver.comments("case")

    return {"notified": run.notified(), "timeline_comments": len(comments)}


@run_of("instructions fill in metadata")
async def _filled_in() -> dict[str, Any]:
    step = {"kind": "instructions", "text": "Region {server_region}"}
    run = await Run(a_policy(step)).open(server_region="eu")
    [comment] = await run.driver.comments("case")

    return {"timeline_comment": comment}


@run_of("instructions reminder repeats until every box is ticked")
async def _reminders() -> dict[str, Any]:
    text = "- [ ] one\n- [ ] two"
    step = {"kind": "instructions", "text": text, "remind_every": "2h"}
    run = await (await Run(a_policy(step)).open()).advance(5 * 3600)
    [checklist] = (await run.driver.incident("case")).checklists
    await run.driver.command(
        "case",
        CommentEdited,
        by="alice",
        comment=checklist.id,
        text=text.replace("[ ]", "[x]"),
    )
    await run.advance(5 * 3600)
    history = await run.driver.store.history(run.driver.incidents["case"])
    reminded = [e.event.at for e in history if e.reason == "reminded"]

    return {"reminders_at": [f"{(at - MONDAY) // HOUR}h" for at in reminded]}


def _closing(verb: str, wait_before: int) -> Run:
    closing = {"kind": verb, "wait_before": wait_before}

    return Run(a_policy(notify("alice"), closing))


@run_of("resolve_remove resolves an incident nobody took")
async def _resolves() -> dict[str, Any]:
    run = await (await _closing("resolve", 3600).open()).advance(3601)

    return {
        "notified": run.notified(),
        "incident_status": (await run.status()).capitalize(),
    }


@run_of("resolve_remove is not reached once acknowledged")
async def _not_reached() -> dict[str, Any]:
    run = await (await _closing("resolve", 3600).open()).advance(10)
    await run.driver.command("case", Acknowledged, by="alice")
    await run.advance(4000)

    return {"incident_status": (await run.status()).capitalize()}


@run_of("remove_incident deletes it")
async def _removes() -> dict[str, Any]:
    run = await Run(a_policy({"kind": "remove"})).open()
    # Removed is what the surfaces answer 404 for.
    statuses = {"removed": 404}

    return {"GET incident": statuses[await run.status()]}


@run_of("severity decides the channels")
async def _severity() -> dict[str, Any]:
    run = Run(a_policy(notify("alice", urgency="severe")))
    urgency = run.driver.directory.urgencies["high"]
    severe = urgency.model_copy(update={"id": "severe", "channels": ("call", "push")})
    every = ["call", "push", "sms", "email"]
    alice = a_user("alice", [(channel, timedelta()) for channel in every])
    run.driver.change(
        urgencies={"severe": severe},
        users={"alice": alice.model_copy(update={"rules": {}})},
    )
    await run.open()
    used = [name for name, channel in run.driver.channels.items() if channel.sent]

    return {"channels_used": sorted(used)}


@run_of("without policy and team_wait nobody else is told")
async def _without_policy() -> dict[str, Any]:
    run = await (await Run(improvised()).open()).advance(9999)
    # Alice is who is on call in the default team's schedule.
    words = {"alice": "current on-call of the default calendar"}

    return {"notified": [[at, words[person]] for at, person in run.notified()]}
