"""`rung incident` on a real Redis: straight on the store, whatever else is running."""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.core.alerts import Alert, AlertStatus
from engine.directory import ContactMethod, Directory, Integration, Route, Urgency, User
from engine.ids import show_incident_id
from engine.ports import Lane, RoutedAlert
from policies.durations import parse_duration
from policies.policy import Policy
from policies.steps import NotifyStep, WaitStep
from policies.targets import UserTarget
from tests.support.processes import NOT_PASSED_ON
from tests.support.servers import RunningServer, found_servers, running_server
from workers.bootstrap import Installation, connect
from workers.settings import Settings

PATIENCE_SECONDS = 30
UNKNOWN = "inc_00000000000"
# In this process a command would leave its log behind, for all tests that follow.
EACH = """
import json, sys
from typer.testing import CliRunner
from workers.cli import app
runs = [CliRunner().invoke(app, ["incident", *one]) for one in json.loads(sys.argv[1])]
print(json.dumps([[run.exit_code, run.stdout, run.stderr] for run in runs]))
"""
TITLES = ("disk full", "\x1b[31mload\x1b[0m high")


def a_user(name: str) -> User:
    """Make a person with a console."""
    method = ContactMethod(id=f"{name}-console", channel="console")

    return User(id=name, name=name.title(), contact_methods=(method,))


def a_directory() -> Directory:
    """Make a directory whose policy pages alice, waits, and pages bob."""
    steps = (
        NotifyStep(targets=(UserTarget(id="alice"),)),
        WaitStep(duration=parse_duration("1h")),
        NotifyStep(id="last", targets=(UserTarget(id="bob"),)),
    )
    integration = Integration(
        id="prometheus",
        name="Prometheus",
        source="alertmanager",
        key_hash="x",
        routes=(Route(policy="default"),),
    )

    return Directory(
        users={name: a_user(name) for name in ("alice", "bob")},
        policies={"default": Policy(id="default", steps=steps)},
        urgencies={"high": Urgency(id="high", name="High", channels=("console",))},
        integrations={"prometheus": integration},
    )


def an_alert(number: int) -> RoutedAlert:
    """Make a firing alert of its own incident."""
    severity = ("critical", "warning")[number]
    alert = Alert(
        id=f"alert-{number}",
        fingerprint=f"f{number}",
        status=AlertStatus.FIRING,
        title=TITLES[number],
        labels={"severity": severity},
    )

    return RoutedAlert(alert=alert, integration="prometheus", key=f"f{number}")


def _run(command: Sequence[str], url: str) -> tuple[int, str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON
    }
    result = subprocess.run(  # noqa: S603 - ourselves
        command,
        env={**inherited, "REDIS_URL": url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    return result.returncode, result.stdout, result.stderr


@dataclass(frozen=True)
class Stage:
    """A store with two open incidents, and commands on it."""

    url: str
    disk: str
    load: str

    def rung(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; return its exit code and what it wrote."""
        return _run([sys.executable, "-m", "rung", "incident", *arguments], self.url)

    def each(self, *commands: Sequence[str]) -> list[tuple[int, str, str]]:
        """Run commands one after the other in one process: that takes less long."""
        code, told, problem = _run(
            [sys.executable, "-c", EACH, json.dumps(commands)], self.url
        )
        assert 0 == code, problem

        return [(one[0], one[1], one[2]) for one in json.loads(told)]

    def told(self, *arguments: str) -> Any:
        """Run a command that prints JSON; return what it told."""
        _, told, _ = self.rung(*arguments, "--json")

        return json.loads(told)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one Redis for all tests here."""
    with running_server(found_servers()[0], tmp_path_factory.mktemp("redis")) as one:
        yield one


@pytest.fixture
def stage(redis: RunningServer, tmp_path: Path) -> Stage:
    """Open two incidents in an empty store."""
    settings = Settings.from_environment({"RUNG_DATA_DIR": str(tmp_path)})

    return anyio.run(_opened, settings, redis.url)


async def _opened(settings: Settings, url: str) -> Stage:
    async with connect(settings, url) as installation, installation.look_ups:
        await installation._client.redis.flushall()  # noqa: SLF001 - a test's own
        await installation.prepare()
        await installation.configuration.seed(a_directory())
        disk, load = [await _open(installation, number) for number in (0, 1)]

        return Stage(url, disk, load)


async def _open(installation: Installation, number: int) -> str:
    [receipt] = await installation.engine.ingest([an_alert(number)])
    await installation.engine.drain(Lane.MAIL)
    await installation.engine.drain(Lane.DUE)
    assert receipt.incident_id

    return show_incident_id(receipt.incident_id)


def test_list(stage: Stage) -> None:
    """Incidents are listed newest first; what a sender made up moves no cursor."""
    code, told, problem = stage.rung("list")
    heading, *lines = told.splitlines()

    assert (0, "") == (code, problem)
    assert heading.startswith("ID")
    assert [stage.load, stage.disk] == [line.split()[0] for line in lines]
    assert "[31mload[0m high" in lines[0]
    assert "\x1b" not in told


def test_list_filtered(stage: Stage) -> None:
    """A list is filtered like that of the API."""
    expected = {
        "--severity critical": [stage.disk],
        "--severity Critical --severity warning": [stage.load, stage.disk],
        "--policy night": [],
        "--policy default --limit 1": [stage.load],
        "--status resolved": [],
        "--status all": [stage.load, stage.disk],
    }
    runs = stage.each(*[["list", "--json", *options.split()] for options in expected])
    told = [json.loads(told) for _, told, _ in runs]

    assert list(expected.values()) == [
        [one["id"] for one in each["incidents"]] for each in told
    ]
    assert [None, None, None, stage.load, None, None] == [one["next"] for one in told]
    assert "there are more: raise --limit\n" == stage.rung("list", "--limit", "1")[2]


def test_show(stage: Stage) -> None:
    """An incident is shown with what is due next and what happened."""
    written = stage.disk.removeprefix("inc_").lower()
    people, program = stage.each(["show", written], ["show", stage.disk, "--json"])
    fields, due, happened = people[1].split("\n\n")
    shown = json.loads(program[1])

    assert (0, 0) == (people[0], program[0])
    assert {
        ("id", stage.disk),
        ("title", "disk full"),
        ("metadata", "severity=critical"),
    } <= {tuple(line.split(maxsplit=1)) for line in fields.splitlines()}
    assert due.startswith("next:\n")
    assert due.endswith("  step 2 of policy default (wait) ends")
    assert "  Opened by prometheus: disk full\n" in happened
    assert "  Paged alice: named by the policy\n" in happened
    assert stage.disk == shown["incident"]["id"]
    assert ["step 2 of policy default (wait) ends"] == [
        one["text"] for one in shown["upcoming"]
    ]
    assert "opened" == shown["timeline"][0]["what"]


def test_take(stage: Stage) -> None:
    """An incident is acknowledged once; whoever comes second is told who has it."""
    first, second = stage.each(
        ["ack", stage.disk, "--by", "dora\x1b"], ["ack", stage.disk]
    )
    taken = f"{stage.disk} is acknowledged by dora"

    assert (0, f"{taken} (acknowledged)\n", "") == first
    assert (1, "", f"{taken} (not applicable): nothing was changed\n") == second


def test_resolve(stage: Stage) -> None:
    """Who resolves is whoever is logged in; what is over stays over."""
    first, second = stage.each(
        ["resolve", stage.disk, "--json"], ["resolve", stage.disk]
    )
    resolved = json.loads(first[1])

    assert ("resolved", getpass.getuser()) == (
        resolved["status"],
        resolved["resolved_by"],
    )
    assert 1 == second[0]
    assert second[2].endswith("(late): nothing was changed\n")


@pytest.mark.parametrize(
    "options", [[], ["--to", "user:bob"], ["--step", "3"], ["--step", "last"]]
)
def test_escalate(stage: Stage, options: list[str]) -> None:
    """Escalated, the next step runs, or that one, or that person is paged."""
    code, _, problem = stage.rung("escalate", stage.disk, *options, "--by", "dora")
    anyio.run(_drained, stage.url)
    texts = [one["text"] for one in stage.told("show", stage.disk)["timeline"]]

    assert (0, "") == (code, problem)
    assert "Escalated by dora" in texts
    assert any("Paged bob" in text for text in texts)


async def _drained(url: str) -> None:
    settings = Settings.from_environment({})
    async with connect(settings, url) as installation, installation.look_ups:
        await installation.prepare()
        await installation.engine.drain(Lane.DUE)
        await installation.engine.drain(Lane.MAIL)


def test_usage(stage: Stage) -> None:
    """What names nothing that exists is a usage error, and changes nothing."""
    expected = {
        "show yesterday": "'yesterday' is not an id",
        f"show {UNKNOWN}": "no incident has the id",
        f"ack {UNKNOWN}": "no incident has the id",
        "resolve x": "'x' is not an id",
        f"escalate {stage.disk} --to bob": "--to bob: write it like user:bob",
        f"escalate {stage.disk} --to user:bub": "did you mean 'bob'?",
        f"escalate {stage.disk} --step 9": "has 3 steps",
        f"escalate {stage.disk} --step 0": "has 3 steps",
        f"escalate {stage.disk} --step x": "no step with the id 'x'",
        f"escalate {stage.disk} --step 1 --to user:bob": "either --to or --step",
        "list --status closed": "--status: there is no 'closed'",
    }
    runs = stage.each(*[line.split() for line in expected])

    for (code, told, problem), remedy in zip(runs, expected.values(), strict=True):
        assert (2, "", 1) == (code, told, problem.count("\n"))
        assert remedy in problem
    assert "triggered" == stage.told("show", stage.disk)["incident"]["status"]


def test_redis_down() -> None:
    """Without Redis a command says so soon, in one line."""
    nowhere = Stage("redis://127.0.0.1:1/0", "", "")
    code, _, problem = nowhere.rung("ack", UNKNOWN)

    assert 3 == code
    assert "Redis does not answer" in problem.splitlines()[-1]
