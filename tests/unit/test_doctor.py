"""The doctor without Redis: what settings, packages and a directory tell."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from engine.directory import Directory, Integration, Route
from policies.policy import Policy
from policies.steps import NotifyStep
from policies.targets import UserTarget
from tests.unit.test_cli import run
from workers.demo import Secrets, demo_directory
from workers.doctor.environment import PINS, look_at_environment
from workers.doctor.findings import Finding, Verdict
from workers.doctor.installation import look_at_directory
from workers.settings import Settings

ROOT = Path(__file__).parent.parent.parent
SECRET = "hush-hush"  # noqa: S105 - a fake one
ALL_SET = {
    "RUNG_PUBLIC_URL": "https://rung.example.com",
    "RUNG_HEARTBEAT_URL": f"https://beats.example.com/{SECRET}",
}


def by_check(findings: Iterator[Finding]) -> dict[str, Finding]:
    """Return findings by what they are about."""
    return {one.check: one for one in findings}


def at_redis(url: str) -> dict[str, Verdict]:
    """Return what is said of an address of Redis; it is never quoted."""
    settings = Settings(redis_url=SecretStr(url))
    found = by_check(look_at_environment(settings, {}))
    assert SECRET not in str(found)

    return {
        name: one.verdict for name, one in found.items() if name.startswith("redis")
    }


def test_all_is_well() -> None:
    """With everything set nothing is found, and no secret is shown."""
    settings = Settings.from_environment(ALL_SET)
    found = by_check(look_at_environment(settings, ALL_SET))

    assert {Verdict.OK} == {one.verdict for one in found.values()}
    assert SECRET not in str(found)


def test_nothing_set(tmp_path: Path) -> None:
    """What is not set, misspelt or broken is found, each with what to do."""
    broken = tmp_path / "on-call.yaml"
    broken.write_text("schedules: [")
    environment = {"RUNG_ON_CALL_FILE": str(broken), "RUNG_SHADRS": "1"}
    settings = Settings.from_environment(environment)
    found = by_check(look_at_environment(settings, environment))
    wrong = {name: one for name, one in found.items() if one.verdict is Verdict.FINDING}

    assert {"settings", "public url", "heartbeat", "on-call file"} == set(wrong)
    assert "unknown: RUNG_SHADRS" == wrong["settings"].found
    assert all(one.remedy for one in wrong.values())


@pytest.mark.parametrize(
    ("url", "tls", "password"),
    [
        (f"redis://u:{SECRET}@redis.example.com:6379", "finding", "ok"),
        (f"rediss://u:{SECRET}@redis.example.com:6379", "ok", "ok"),
        (f"rediss://u:{SECRET}@10.0.0.1?ssl_cert_reqs=none", "finding", "ok"),
        ("rediss://redis.example.com", "ok", "finding"),
        ("redis://10.0.0.1", "finding", "finding"),
        ("redis+sentinel://localhost,10.0.0.1/rung", "finding", "finding"),
        (f"rediss+sentinel://:{SECRET}@one,two:1/rung", "ok", "ok"),
    ],
)
def test_another_machine(url: str, tls: str, password: str) -> None:
    """A Redis on another machine has to be encrypted, and to ask for a password."""
    assert {"redis tls": tls, "redis password": password} == at_redis(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379",
        "redis://127.0.0.1",
        "redis://[::1]:6379",
        "unix:///run/redis.sock",
        "redis+sentinel://127.0.0.1:1,[::1]:2/rung",
    ],
)
def test_this_machine(url: str) -> None:
    """A Redis on this machine needs neither."""
    assert {"redis address": "ok"} == at_redis(url)


def test_unreadable_address() -> None:
    """An address that cannot be read is not quoted either."""
    assert {"redis address": "cannot tell"} == at_redis(f"redis://u:{SECRET}@[")


def test_pins() -> None:
    """The versions that are looked for are those that the project asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {re.split(r"[<>=]", one)[0]: one for one in project["dependencies"]}

    assert "arq==0.28.*" == asked["arq"]
    assert ["arq>=0.28,<0.29", asked["redis"], asked["tzdata"]] == [
        str(pin) for pin in PINS
    ]


@pytest.mark.parametrize(
    ("version", "holds"),
    [("0.27.9", False), ("0.28", True), ("0.28.0", True), ("0.29.0", False)],
)
def test_pin(version: str, holds: bool) -> None:  # noqa: FBT001 - a row of a table
    """A version is one of those that rung was tried with, or it is not."""
    assert holds is PINS[0].holds(version)


def directory(**changes: object) -> dict[str, Finding]:
    """Return what is said of the demo with changes."""
    demo = demo_directory(Secrets(api_token="a" * 20, ingest_key="b" * 20))

    return by_check(
        look_at_directory(demo.model_copy(update=changes), has_schedules=True)
    )


def test_demo() -> None:
    """The demo is as it should be."""
    assert {Verdict.OK} == {one.verdict for one in directory().values()}


def test_empty() -> None:
    """Of an empty directory that is all there is to say."""
    found = by_check(look_at_directory(Directory(), has_schedules=True))

    assert {"directory": Verdict.FINDING} == {
        name: one.verdict for name, one in found.items()
    }


def test_lost_ways() -> None:
    """An integration without a way, a policy of nobody and no catch-all are found."""
    integration = Integration(
        id="prom", name="P", source="alertmanager", key_hash="x", routes=()
    )
    policy = Policy(id="lost", steps=(NotifyStep(targets=(UserTarget(id="zoe"),)),))
    found = directory(
        integrations={"prom": integration}, policies={"lost": policy}, catch_all=None
    )
    told = found["references"].found

    assert Verdict.FINDING is found["catch-all"].verdict
    assert "integrations/prom routes: the last route must have no match" in told
    assert "policies/lost steps[0].targets[0]: there is no user 'zoe'" in told


def test_no_integration() -> None:
    """Without an integration no alert can come in."""
    assert Verdict.FINDING is directory(integrations={})["integrations"].verdict


def test_route_to_nowhere() -> None:
    """A catch-all that is no policy is none."""
    integration = Integration(
        id="p",
        name="P",
        source="alertmanager",
        key_hash="x",
        routes=(Route(policy="x"),),
    )
    found = directory(integrations={"p": integration}, catch_all="gone")

    assert Verdict.FINDING is found["catch-all"].verdict
    assert "there is no policy 'x'" in found["references"].found


def test_redis_down() -> None:
    """Without Redis it says what it can, and that a dependency is down."""
    code, told, _ = run("doctor", REDIS_URL="redis://127.0.0.1:1")

    assert 3 == code
    assert re.search(r"^package arq +ok", told, re.MULTILINE)
    assert re.search(r"^redis +finding .*start Redis", told, re.MULTILINE)


def test_no_server(tmp_path: Path) -> None:
    """Nor without a Redis that could be started."""
    code, told, _ = run(
        "doctor",
        "--json",
        RUNG_REDIS_SERVER="/nowhere/redis-server",
        RUNG_DATA_DIR=str(tmp_path),
    )

    assert 3 == code
    assert '"check": "redis"' in told


def test_silent_when_piped() -> None:
    """What it is at is told on a terminal only."""
    _, _, told = run("doctor", REDIS_URL="redis://127.0.0.1:1")

    assert "looks at" not in told
