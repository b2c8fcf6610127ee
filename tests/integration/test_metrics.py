"""Figures and doctor of a real rung, from the alert to the acknowledgement."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from tests.support.journeys import Installed, seed_quick_demo
from tests.support.processes import AN_ALERT, eventually, running_rung
from tests.support.servers import found_servers, running_server
from tests.unit.test_cli import run

WELL = {
    "RUNG_PUBLIC_URL": "https://rung.example.com",
    "RUNG_HEARTBEAT_URL": "https://127.0.0.1:1/never-asked",
    "RUNG_MEMORY_LIMIT": "1000000000",
}
SHOWN = re.compile(r"^(rung_\w+)(\{.*?\})? (\S+)$", re.MULTILINE)


def figures(installed: Installed) -> dict[str, float]:
    """Return what is shown, by name and labels as they are written."""
    text = httpx2.get(f"{installed.address}/metrics").text

    return {name + labels: float(value) for name, labels, value in SHOWN.findall(text)}


def doctor(**environment: str) -> tuple[int, dict[str, Any]]:
    """Return the doctor's exit code and what it found, by what it is about."""
    code, told, _ = run("doctor", "--json", **environment)

    return code, {one["check"]: one for one in json.loads(told)}


def test_one_alert(tmp_path: Path) -> None:
    """An alert that came in, was paged and acknowledged shows, and so does the worker."""
    installed = Installed(tmp_path)
    seed_quick_demo(installed.data)
    with installed.start() as rung:
        rung.wait_until_ready()
        assert httpx2.post(installed.ingest, json=AN_ALERT).is_success
        eventually(lambda: bool(installed.pages()))
        incident = installed.pages()[0].incident
        open_now = 'rung_incidents_open{severity="none",state="triggered"}'
        eventually(lambda: figures(installed).get(open_now) == 1)
        installed.ask("POST", f"/v1/incidents/{incident}/acknowledge")
        eventually(lambda: figures(installed)["rung_time_to_ack_seconds_count"] == 1)
        found = figures(installed)
        code, told = doctor(RUNG_DATA_DIR=str(installed.data), **WELL)

    joined = 'rung_alerts_received_total{result="opened",source="alertmanager"}'
    sent = 'rung_notifications_total{channel="console",outcome="delivered"}'
    assert 1 == found[joined]
    assert len(installed.pages()) == found[sent]
    assert 0 < found["rung_step_lateness_seconds_count"]
    assert 0 == found["rung_escalations_exhausted_total"]
    assert 0 < found["rung_time_to_ack_seconds_sum"] < 60
    assert 1 == sum(name.startswith("rung_worker_last_heartbeat") for name in found)
    assert [] == [one for one in told.values() if one["verdict"] == "finding"]
    assert 0 == code


def test_worker_ends(tmp_path: Path) -> None:
    """A worker that ends in order is missed by nobody; one that is killed is."""
    (tmp_path / "redis").mkdir()
    with running_server(found_servers()[-1], tmp_path / "redis") as server:

        def live() -> int:
            with redis.Redis.from_url(server.url) as client:
                fields = client.hkeys("rung:measures")

            return sum(b"worker_last_heartbeat" in field for field in fields)

        for count, number in ((0, signal.SIGTERM), (1, signal.SIGKILL)):
            output = tmp_path / f"output-{count}"
            with running_rung(output, "worker", REDIS_URL=server.url) as rung:
                eventually(lambda: live() == 1)
                rung.end(number)

            assert count == live()


def test_badly_set_redis(tmp_path: Path) -> None:
    """A Redis that throws keys away and keeps nothing is told for both."""
    flags = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with running_server(found_servers()[-1], tmp_path, *flags) as server:
        code, told = doctor(REDIS_URL=server.url, **WELL)

    assert 1 == code
    assert "finding" == told["eviction"]["verdict"]
    assert "maxmemory-policy noeviction" in told["eviction"]["remedy"]
    assert "finding" == told["persistence"]["verdict"]
    assert "appendonly yes" in told["persistence"]["remedy"]
    assert "finding" == told["directory"]["verdict"]
    assert "ok" == told["memory limit"]["verdict"]


def test_changes_nothing(tmp_path: Path) -> None:
    """The doctor leaves an empty Redis empty, but for what goes by itself."""
    with running_server(found_servers()[-1], tmp_path) as server:
        code, told = doctor(REDIS_URL=server.url)
        with redis.Redis.from_url(server.url) as client:
            names = client.keys()

    assert 1 == code
    assert "finding" == told["memory limit"]["verdict"]
    assert "cannot tell" == told["audit"]["verdict"]
    assert set(names) <= {b"rung:probe"}


@pytest.mark.parametrize("heartbeat", [["--heartbeat"], []])
def test_heartbeat(tmp_path: Path, heartbeat: list[str]) -> None:
    """The heartbeat's address is asked for only if that is wanted."""
    with running_server(found_servers()[-1], tmp_path) as server:
        _, told, _ = run("doctor", "--json", *heartbeat, REDIS_URL=server.url, **WELL)
    found = {one["check"]: one["verdict"] for one in json.loads(told)}

    assert ("finding" if heartbeat else None) == found.get("heartbeat answer")
