"""`rung apply` on a real Redis: twice, against the API, and killed while it writes."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import anyio
import pytest

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.redis.client import Client, RefusedError
from engine.adapters.redis.configuration import RedisConfiguration
from engine.adapters.redis.scripts import Name
from engine.directory import Directory, User
from engine.directory.files import read_files
from engine.directory.plan import plan
from tests.support.cutting import Cut, cutting, killer
from tests.support.processes import NOT_PASSED_ON, running_rung
from tests.support.redis_backends import SCRIPTS, OnRedis
from tests.support.redis_fixtures import on_fixture, servers_fixture
from tests.support.redis_torn import contents, torn
from tests.support.servers import RunningServer, found_servers, running_server
from workers.bootstrap import connect
from workers.demo import demo_texts
from workers.settings import Settings

__all__ = ["on_fixture", "servers_fixture"]
DEMO = Path("policies/library/demo").resolve()
PATIENCE_SECONDS = 30
WRITES_MAX = 60


def environment(**more: str) -> dict[str, str]:
    """Return what a command inherits."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON
    }

    return inherited | more


def rung(*arguments: str | Path, **more: str) -> tuple[int, str, str]:
    """Run a command to its end; return its exit code and what it wrote."""
    result = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "rung", *arguments],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    return result.returncode, result.stdout, result.stderr


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> Path:
    """A directory of files that a test may edit."""
    return copytree(DEMO, tmp_path / "config")


@pytest.fixture(name="redis")
def _redis(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(found_servers()[0], tmp_path) as running:
        yield running


@pytest.fixture(name="on_it")
def _on_it(redis: RunningServer, tmp_path: Path) -> dict[str, str]:
    """What has commands work with that Redis."""
    return {"REDIS_URL": redis.url, "RUNG_DATA_DIR": str(tmp_path / "data")}


def dry(directory: Path, on_it: dict[str, str]) -> dict[str, Any]:
    """Say what would change."""
    code, told, problem = rung("apply", directory, "--dry-run", "--json", **on_it)
    assert (0, "") == (code, problem)
    found: dict[str, Any] = json.loads(told)

    return found


def edit(directory: Path) -> None:
    """Change something, add something, remove something."""
    people = directory / "people.yaml"
    text = people.read_text().replace("name: Alice", "name: Alicia")
    people.write_text(text.replace("  secondary:", "  tertiary:"))
    policies = directory / "policies.yaml"
    policies.write_text(
        policies.read_text().replace("schedule:secondary", "schedule:tertiary")
    )


def test_twice(directory: Path, tmp_path: Path) -> None:
    """On the embedded Redis the demo applies once; the second time nothing changes."""
    data = {"RUNG_DATA_DIR": str(tmp_path / "data")}
    code, first, _ = rung("apply", directory, **data)
    again, second, _ = rung("apply", directory, **data)
    version = dry(directory, data)["version"]

    assert (0, 0) == (code, again)
    assert first.endswith(
        "11 added\n"
        "applied, as version 1\n"
        f"the ingest key of alertmanager is in {tmp_path}/data/keys/alertmanager\n"
    )
    assert "+ users/alice\n" in first
    assert ("nothing to change\n", 1) == (second, version)


def test_over_the_demo(directory: Path, tmp_path: Path) -> None:
    """Where `rung up` has loaded the demo, applying its files changes nothing."""
    data = {"RUNG_DATA_DIR": str(tmp_path / "data")}
    with running_rung(tmp_path / "output", "up", **data) as running:
        running.wait_until_ready()
        before = dry(directory, data)
        applied = rung("apply", directory, **data)

    assert ([], 1) == (before["changes"], before["version"])
    assert (0, "nothing to change\n", "") == applied


def test_diff(directory: Path, on_it: dict[str, str]) -> None:
    """What changes is shown before it does, object by object, field by field."""
    rung("apply", directory, **on_it)
    edit(directory)
    shown = rung("apply", directory, "--dry-run", **on_it)
    applied = rung("apply", directory, **on_it)

    expected = (
        "~ users/alice\n"
        "    name: Alice -> Alicia\n"
        "~ policies/default\n"
        "    steps[2].targets[0].id: secondary -> tertiary\n"
        "- schedules/secondary\n"
        "+ schedules/tertiary\n"
        "1 added, 2 changed, 1 removed\n"
    )
    assert (0, expected, "") == shown
    assert (0, f"{expected}applied, as version 2\n", "") == applied


def test_mistakes(directory: Path, on_it: dict[str, str]) -> None:
    """A mistake anywhere, and nothing is applied: one line each, exit code 1."""
    (directory / "x.yaml").write_text(
        "schedules: {night: [alcie]}\nusers: {eve: {name: Eve}}"
    )
    code, told, problem = rung("apply", directory, **on_it)
    (directory / "y.yaml").write_text("users: {eve: {}}")
    _, as_json, _ = rung("apply", directory, "--json", **on_it)

    assert (1, "") == (code, told)
    assert (
        "x.yaml:1: schedules.night[0]: there is no user 'alcie'; did you mean 'alice'?\n"
        "1 mistake: nothing was applied\n"
    ) == problem
    assert {
        "applied": False,
        "mistakes": [
            {
                "file": "y.yaml",
                "line": 1,
                "path": "users.eve",
                "problem": "is in x.yaml:2 too: remove one of them",
            }
        ],
    } == json.loads(as_json)
    (directory / "x.yaml").unlink()
    (directory / "y.yaml").unlink()
    assert 0 == dry(directory, on_it)["version"]


def change(url: str, **users: User) -> None:
    """Put users into a store, as the API would."""

    async def changed() -> bool:
        async with connect(Settings(), url) as installation:
            await installation.prepare()
            before = await installation.configuration.latest()
            after = before.model_copy(update={"users": {**before.users, **users}})

            return await installation.configuration.change(before, after)

    assert anyio.run(changed)


def test_conflict(directory: Path, redis: RunningServer, on_it: dict[str, str]) -> None:
    """What the API made otherwise is a conflict, until --adopt takes it over."""
    change(redis.url, bob=User(id="bob", name="Robert"), zoe=User(id="zoe", name="Zoe"))
    code, _, problem = rung("apply", directory, **on_it)
    untouched = dry_run_fails(directory, on_it)
    adopted, told, _ = rung("apply", directory, "--adopt", **on_it)
    after = dry(directory, on_it)

    assert 1 == code
    assert (
        "people.yaml:13: users.bob: was made through the API and is not the same there (name, email, contact_methods): "
        "remove it here or there, make both the same, or let --adopt take it over\n"
        "1 mistake: nothing was applied\n"
    ) == problem
    assert untouched
    assert 0 == adopted
    assert "    belongs to: the API -> people.yaml\n" in told
    assert "zoe" not in told
    assert ([], 2) == (after["changes"], after["version"])


def dry_run_fails(directory: Path, on_it: dict[str, str]) -> bool:
    """Tell whether it would still be refused."""
    return rung("apply", directory, "--dry-run", **on_it)[0] == 1


@pytest.mark.parametrize("answer", ["y", "n"])
def test_asked(answer: str, directory: Path, on_it: dict[str, str]) -> None:
    """Whoever sits at a terminal is asked, and only yes applies it."""
    leader, follower = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "rung", "apply", str(directory)],
        env=environment(**on_it),
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.write(leader, f"{answer}\n".encode())
        told, asked = process.communicate(timeout=PATIENCE_SECONDS)
    os.close(leader)
    os.close(follower)

    assert "Apply it? [y/N]" in asked
    assert ("applied, as version 1" in told) == (answer == "y")
    assert {"y": 1, "n": 0}[answer] == dry(directory, on_it)["version"]
    assert {"y": 0, "n": 1}[answer] == process.returncode


@pytest.mark.parametrize("cut", Cut)
def test_killed(
    cut: Cut, directory: Path, redis: RunningServer, on_it: dict[str, str]
) -> None:
    """Killed with -9 while it writes, all is stored or nothing; run again it completes."""
    rung("apply", directory, **on_it)
    edit(directory)
    pending = dry(directory, on_it)["changes"]
    with cutting(redis.port, b"Alicia", cut) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "rung", "apply", str(directory)],
            env=environment(**{**on_it, "REDIS_URL": url}),
            stdin=subprocess.DEVNULL,
        ) as process:
            proxy.kill = killer(process.pid)
            code = process.wait(timeout=PATIENCE_SECONDS)
    found = dry(directory, on_it)
    again, _, _ = rung("apply", directory, **on_it)
    after = dry(directory, on_it)

    assert -signal.SIGKILL == code
    assert proxy.was_cut.wait(PATIENCE_SECONDS)
    assert 4 == len(pending)
    expected = ([], 2) if cut is Cut.ALL else (pending, 1)
    assert expected == (found["changes"], found["version"])
    assert (0, [], 2) == (again, after["changes"], after["version"])


async def test_cut_off(on: OnRedis) -> None:
    """Wherever the script is cut off, nobody is told of it; run again, all is there."""
    draft = read_files(demo_texts(), lambda _name: None)
    after = plan(Directory(), draft).with_keys({"alertmanager": "hash"})
    for writes in range(WRITES_MAX):
        await on.redis.flushdb()
        script = {Name.CONFIGURE: torn(SCRIPTS[Name.CONFIGURE], writes)}
        broken = Client(on.redis, wake_jobs(), on.observed.append, SCRIPTS | script)
        try:
            await RedisConfiguration(broken, on.clock).change(Directory(), after)
        except RefusedError:
            pass
        else:
            break
        other = RedisConfiguration(on.client, on.clock)
        assert Directory() == await other.latest()
        assert await other.change(Directory(), after)
        assert after.model_copy(update={"version": 1}) == await other.latest()
    else:
        pytest.fail("it wrote more than was tried")

    assert 11 < writes
    assert await contents(on.redis)


def test_config_dir(directory: Path, tmp_path: Path) -> None:
    """`rung up` applies RUNG_CONFIG_DIR in place of the demo, and makes an API token."""
    data = {
        "RUNG_DATA_DIR": str(tmp_path / "data"),
        "RUNG_CONFIG_DIR": str(directory),
    }
    edit(directory)
    with running_rung(tmp_path / "output", "up", **data) as running:
        running.wait_until_ready()
        told = running.text()
    found = dry(directory, data)

    assert f"  API token    {tmp_path}/data/api_token\n" in told
    assert (
        f"  ingest key   {tmp_path}/data/keys/alertmanager (of alertmanager)\n" in told
    )
    assert ([], 1) == (found["changes"], found["version"])


def test_config_dir_with_mistakes(directory: Path, tmp_path: Path) -> None:
    """Mistakes end `rung up` before anything is served: exit code 1, a line each."""
    (directory / "x.yaml").write_text("schedules: {night: [alcie]}")
    code, told, problem = rung(
        "up",
        RUNG_DATA_DIR=str(tmp_path / "data"),
        RUNG_CONFIG_DIR=str(directory),
        PORT="0",
    )

    assert 1 == code
    assert "web.started" not in told + problem
    assert problem.endswith("did you mean 'alice'?\n1 mistake: nothing was applied\n")


def test_emptied(directory: Path, on_it: dict[str, str]) -> None:
    """Files that write nothing remove nothing: a checkout that broke off looks like this."""
    rung("apply", directory, "--yes", **on_it)
    for path in directory.glob("*.yaml"):
        path.write_text("users:\n")
    code, _, problem = rung("apply", directory, "--yes", **on_it)

    assert 2 == code
    assert "its files write nothing, which would remove all that came from" in problem


def test_catch_all_goes(directory: Path, on_it: dict[str, str]) -> None:
    """The policy that is the catch-all cannot be taken away and leave nobody at last."""
    rung("apply", directory, "--yes", **on_it)
    for path in directory.glob("*.yaml"):
        path.unlink()
    (directory / "people.yaml").write_text("users: {zoe: {name: Zoe}}\n")
    code, _, problem = rung("apply", directory, "--yes", **on_it)

    assert 1 == code
    assert "settings.catch_all: there is no policy 'default'" in problem


def test_exit_codes(directory: Path, tmp_path: Path) -> None:
    """No such directory is a usage error; no Redis is something missing."""
    away = {"REDIS_URL": "redis://127.0.0.1:1", "RUNG_DATA_DIR": str(tmp_path)}
    usage, _, named = rung("apply", tmp_path / "gone", **away)
    missing, _, problem = rung("apply", directory, **away)

    assert 2 == usage
    assert (
        f"{tmp_path}/gone: there is no such directory: name one that holds YAML files\n"
        == named
    )
    assert 3 == missing
    assert "Redis does not answer: check REDIS_URL, or start it\n" in problem


def test_internal_webhook(directory: Path, on_it: dict[str, str]) -> None:
    """A webhook to an internal address is refused with its line, unless it is allowed."""
    people = directory / "people.yaml"
    text = people.read_text().replace(
        "{id: alice-console, channel: console}",
        "{id: alice-hook, channel: webhook, address: 'https://10.0.0.1/hush'}",
    )
    people.write_text(text)
    code, told, problem = rung("apply", directory, "--yes", **on_it)
    allowed = {"RUNG_WEBHOOK_ALLOW": "10.0.0.0/8"}
    again, _, _ = rung("apply", directory, "--yes", **on_it, **allowed)

    assert (1, 0) == (code, again)
    assert (
        "users.alice.contact_methods[0].address: 10.0.0.1: 10.0.0.1 is an internal "
        "address; if it is yours, add its network to RUNG_WEBHOOK_ALLOW"
    ) in told + problem
    assert "hush" not in told + problem
