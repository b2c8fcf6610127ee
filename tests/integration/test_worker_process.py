"""Rung as a process: how it starts, what it survives, in which order it ends."""

import re
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx2
import pytest
import redis

from tests.support.processes import AN_ALERT, Rung, eventually, running_rung
from tests.support.servers import (
    RunningServer,
    Server,
    found_servers,
    running_server,
)

PAGED = r"PAGE  (\w+)  DiskFull  \((inc_\w+) · page \w+ · attempt [^)]+\)"

Start = Callable[..., AbstractContextManager[Rung]]


@pytest.fixture(name="start")
def _start(tmp_path: Path) -> Start:
    """Return a way to start rung with its data in one directory, again and again."""
    count = 0

    @contextmanager
    def start(*arguments: str, **environment: str) -> Iterator[Rung]:
        nonlocal count
        count += 1
        data = {"RUNG_DATA_DIR": str(tmp_path / "data")}
        output = tmp_path / f"output-{count}"
        with running_rung(output, *arguments, **(data | environment)) as rung:
            yield rung

    return start


@pytest.fixture(name="server", params=found_servers()[-1:], ids=str)
def _server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningServer]:
    server: Server = request.param
    with running_server(server, tmp_path, "--appendonly", "yes") as running:
        yield running


def secret(tmp_path: Path, name: str) -> str:
    """Return a secret from its file."""
    return (tmp_path / "data" / name).read_text().strip()


def fire(rung: Rung, tmp_path: Path) -> str:
    """Send an alert as the curl line does; return the incident's id."""
    key = secret(tmp_path, "ingest_key")
    answer = httpx2.post(
        f"{rung.address()}/ingest/alertmanager/{key}", json=AN_ALERT
    ).raise_for_status()
    incident: str = answer.json()["incidents"][0]["id"]

    return incident


def test_one_alert(start: Start, tmp_path: Path) -> None:
    """One alert pages one person on the console, and SIGTERM ends all in order."""
    with start("up") as rung:
        rung.wait_until_ready()
        incident = fire(rung, tmp_path)
        [paged] = rung.wait_for(PAGED)
        rung.wait_for("notification.tried")
        code = rung.end()
    order = [
        rung.text().index(event)
        for event in ("process.stopping", "web.stopped", "worker.stopped")
    ]

    assert ("alice", incident) == paged
    assert 0 == code
    assert sorted(order) == order
    assert not (tmp_path / "data" / "redis" / "redis.sock").exists()


def test_interrupted(start: Start) -> None:
    """Ctrl-C ends it like SIGTERM does, with nothing left to read on the screen."""
    with start("up") as rung:
        rung.wait_until_ready()
        code = rung.end(signal.SIGINT)

    assert 0 == code
    assert "Traceback" not in rung.text()


def test_secrets(start: Start, tmp_path: Path) -> None:
    """It says where the secrets lie; only their owner can read them; made once."""
    with start("up") as rung:
        rung.wait_until_ready()
        before = [secret(tmp_path, name) for name in ("api_token", "ingest_key")]
    with start("up") as again:
        again.wait_until_ready()
        after = [secret(tmp_path, name) for name in ("api_token", "ingest_key")]
    paths = [tmp_path / "data" / name for name in ("api_token", "ingest_key")]

    assert before == after
    assert [0o600, 0o600] == [stat.S_IMODE(path.stat().st_mode) for path in paths]
    assert all(str(path) in again.text() for path in paths)
    assert not any(each in rung.text() for each in before)


def test_killed(start: Start, tmp_path: Path) -> None:
    """An alert that was accepted pages once, though rung was killed right after it."""
    with start("up") as rung:
        rung.wait_until_ready()
        incident = fire(rung, tmp_path)
        rung.end(signal.SIGKILL)
    with start("up") as again:
        again.wait_until_ready()
        again.wait_for("worker.started")
        eventually(lambda: "PAGE" in rung.text() + again.text())
        again.end()
    paged = set(re.findall(PAGED, rung.text() + again.text()))

    assert {("alice", incident)} == paged


def test_second_beside(start: Start, tmp_path: Path) -> None:
    """A second one beside a running one uses its Redis; the last one stops it."""
    with start("up") as one:
        one.wait_until_ready()
        with start("up") as two:
            two.wait_until_ready()
            two.wait_for("uses the Redis that runs already")
            incident = fire(one, tmp_path)
            token = {"Authorization": f"Bearer {secret(tmp_path, 'api_token')}"}
            path = f"/v1/incidents/{incident}"

            address = two.address()
            eventually(lambda: httpx2.get(address + path, headers=token).is_success)
            code = one.end()
            still = httpx2.get(f"{address}/readyz")

    assert 0 == code
    assert still.is_success


def test_redis_comes_later(start: Start, server: RunningServer) -> None:
    """Web and worker start before Redis does; web is ready once something is in it."""
    server.stop()
    with (
        start("web", REDIS_URL=server.url) as web,
        start("worker", REDIS_URL=server.url) as worker,
    ):
        web.wait_for("store.unavailable")
        worker.wait_for("store.unavailable")
        readyz = f"{web.address()}/readyz"
        answer = httpx2.get(readyz)
        alive = httpx2.get(f"{web.address()}/healthz")
        server.start()
        eventually(lambda: "the store is empty" in httpx2.get(readyz).text)
        with start("up", REDIS_URL=server.url) as rung:
            rung.wait_until_ready()
        web.wait_until_ready()
        worker.wait_for("worker.started")
        codes = [web.end(), worker.end()]

    assert 503 == answer.status_code
    assert 200 == alive.status_code
    assert [0, 0] == codes


def test_stopped_while_it_waits(start: Start, server: RunningServer) -> None:
    """Told to stop while Redis is away, it stops."""
    server.stop()
    with start("up", REDIS_URL=server.url) as rung:
        rung.wait_for("store.unavailable", 2)
        code = rung.end()

    assert 0 == code


def test_web_and_worker(start: Start, server: RunningServer, tmp_path: Path) -> None:
    """A web and two workers of one store page once for each alert."""
    with start("up", REDIS_URL=server.url) as rung:
        rung.wait_until_ready()
    with (
        start("web", REDIS_URL=server.url) as web,
        start("worker", REDIS_URL=server.url) as one,
        start("worker", REDIS_URL=server.url) as two,
    ):
        web.wait_until_ready()
        one.wait_for("worker.started")
        two.wait_for("worker.started")
        incident = fire(web, tmp_path)
        eventually(lambda: "PAGE" in one.text() + two.text())
        codes = [each.end() for each in (web, one, two)]

    assert 1 == (one.text() + two.text()).count(f"({incident} · page")
    assert [0, 0, 0] == codes


def test_outage(start: Start, server: RunningServer, tmp_path: Path) -> None:
    """After an outage of Redis the same processes go on; ingest says 503 meanwhile."""
    with start("up", REDIS_URL=server.url) as rung:
        rung.wait_until_ready()
        server.kill()
        key = secret(tmp_path, "ingest_key")
        refused = httpx2.post(
            f"{rung.address()}/ingest/alertmanager/{key}", json=AN_ALERT
        )
        server.start()
        rung.wait_until_ready()
        incident = fire(rung, tmp_path)
        [paged] = rung.wait_for(PAGED)

    assert 503 == refused.status_code
    assert "Retry-After" in refused.headers
    assert ("alice", incident) == paged


@pytest.mark.parametrize("command", ["up", "web", "worker"])
def test_other_shards(start: Start, server: RunningServer, command: str) -> None:
    """A store that was made with another number of shards ends it with one line."""
    with redis.Redis.from_url(server.url) as client:
        client.set("rung:shards", 4)
    with start(command, REDIS_URL=server.url) as rung:
        code = rung.process.wait(timeout=20)
    [line] = [line for line in rung.text().splitlines() if not line.startswith("{")]

    assert 3 == code
    assert line.startswith("the store has 4 shards, RUNG_SHARDS says 16: set ")
