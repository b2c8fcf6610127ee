"""Killed at any moment of an alert's way and started again: nothing lost, nothing new."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
import redis

from tests.support.journeys import (
    WAIT,
    Installed,
    seed_quick_demo,
    until_accepted,
)
from tests.support.processes import Rung, eventually, holds_for

# Half of them are for every day.
DAILY = 5
SEEDS = [
    *range(DAILY),
    *(pytest.param(seed, marks=pytest.mark.long) for seed in range(DAILY, 10)),
]
ALERT = {"alertname": "DiskFull", "instance": "db1"}
STARTED_AT = "2026-11-24T03:00:00Z"
# From the alert to well after the second person is paged; and close to a page, where
# it is stored, sent and reported within some milliseconds.
SECONDS_MAX, CLOSE_SECONDS = 2.0, 0.05
PAGED_WITHIN_SECONDS = 5.0


def moment_of(seed: int) -> float:
    """Return how many seconds after the alert is sent rung is killed."""
    chance = random.Random(seed)  # noqa: S311 - the same again
    if seed % 2:
        return chance.uniform(0, SECONDS_MAX)

    return chance.choice([0, WAIT.total_seconds()]) + chance.uniform(0, CLOSE_SECONDS)


def post(rung: Installed, status: str) -> None:
    """Send the alert as its sender does: again and again, until it is accepted."""
    notice = {"status": status, "labels": ALERT, "startsAt": STARTED_AT}
    until_accepted(lambda: httpx2.post(rung.ingest, json={"alerts": [notice]}))


def kill(rung: Rung, directory: Path, *, with_server: bool) -> None:
    """Kill rung, and as in a loss of power the server with it."""
    rung.end(signal.SIGKILL)
    if with_server:
        with redis.Redis(unix_socket_path=str(directory / "redis.sock")) as client:
            pid = int(client.info("server")["process_id"])
        os.kill(pid, signal.SIGKILL)


@contextmanager
def sending(rung: Installed) -> Iterator[None]:
    """Send the firing alert meanwhile."""
    sender = threading.Thread(target=post, args=(rung, "firing"))
    sender.start()
    yield
    sender.join()


def seconds_until_paged(rung: Installed, person: str) -> float:
    """Return how long it takes from now until somebody has been paged."""
    began = time.monotonic()
    eventually(lambda: person in rung.people())

    return time.monotonic() - began


@pytest.mark.parametrize("seed", SEEDS)
def test_killed(tmp_path: Path, seed: int) -> None:
    """All that is due is sent within 5 s, each page is the same page, an end stays."""
    moment = moment_of(seed)
    rung = Installed(tmp_path)
    seed_quick_demo(rung.data)
    with ExitStack() as stack:
        first = stack.enter_context(rung.start())
        first.wait_until_ready()
        with sending(rung):
            time.sleep(moment)
            kill(first, rung.data / "redis", with_server=seed % 4 > 1)
            second = stack.enter_context(rung.start())
            second.wait_until_ready()
        primary = seconds_until_paged(rung, "alice")
        secondary = seconds_until_paged(rung, "bob")
        [incident] = {page.incident for page in rung.pages()}
        rung.ask("POST", f"/v1/incidents/{incident}/acknowledge")
        before = len(rung.pages())
        holds_for(2 * WAIT, lambda: len(rung.pages()) == before)
        post(rung, "resolved")
        eventually(lambda: rung.status(incident) == "resolved")
    pages = {page.key: page.person for page in rung.pages()}

    assert primary < PAGED_WITHIN_SECONDS
    assert secondary < PAGED_WITHIN_SECONDS + WAIT.total_seconds()
    assert {"alice", "bob"} <= set(pages.values())
    assert len(pages) == len(set(pages.values()))
    assert "Traceback" not in second.text()
