"""The private Redis of `rung up`, with every real server found."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.processes import eventually
from tests.support.servers import Server, found_servers
from workers.embedded import (
    DataFromNewerServerError,
    ServerDidNotStartError,
    embedded_redis,
)
from workers.redis_server import NoServerFoundError, ServerVersion, find_server

CHILD = """
import os, sys
from pathlib import Path
from workers.embedded import embedded_redis
with embedded_redis(Path(sys.argv[1]), os.environ):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(name="environment", params=found_servers(), ids=str)
def _environment(request: pytest.FixtureRequest) -> dict[str, str]:
    server: Server = request.param

    return {**os.environ, "RUNG_REDIS_SERVER": str(server.binary)}


def _increment(socket: Path) -> int:
    with redis.Redis(unix_socket_path=str(socket)) as client:
        return int(client.incr("counter"))


def _process_id(socket: Path) -> int:
    with redis.Redis(unix_socket_path=str(socket)) as client:
        return int(client.info("server")["process_id"])


def _answers(socket: Path) -> bool:
    try:
        _process_id(socket)
    except (redis.ConnectionError, redis.BusyLoadingError):
        return False

    return True


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False

    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]


@pytest.fixture(name="killed_parent")
def _killed_parent(tmp_path: Path, environment: dict[str, str]) -> Iterator[Path]:
    """A data directory whose `rung up` was killed with -9."""
    with subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-c", CHILD, str(tmp_path)],
        env={**environment, "PYTHONPATH": str(Path.cwd())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
        yield tmp_path


def test_data_outlives_the_server(tmp_path: Path, environment: dict[str, str]) -> None:
    """What was written is there after a stop and a start."""
    with embedded_redis(tmp_path, environment) as first:
        _increment(first.socket)

    with embedded_redis(tmp_path, environment) as second:
        assert _increment(second.socket) == 2


def test_data_outlives_a_kill(tmp_path: Path, environment: dict[str, str]) -> None:
    """What was answered is there after kill -9 of the server."""
    with embedded_redis(tmp_path, environment) as first:
        _increment(first.socket)
        os.kill(_process_id(first.socket), signal.SIGKILL)

    with embedded_redis(tmp_path, environment) as second:
        assert _increment(second.socket) == 2


def test_started_again(tmp_path: Path, environment: dict[str, str]) -> None:
    """A server that ends while it is used is started again, with its data."""
    with embedded_redis(tmp_path, environment) as running:
        _increment(running.socket)
        before = _process_id(running.socket)
        os.kill(before, signal.SIGKILL)
        eventually(lambda: _answers(running.socket))

        assert _increment(running.socket) == 2
        assert before != _process_id(running.socket)


def test_the_server_outlives_its_parent(
    killed_parent: Path, environment: dict[str, str]
) -> None:
    """After kill -9 of its parent the next user takes the server over, and stops it."""
    with embedded_redis(killed_parent, environment) as adopted:
        pid = _process_id(adopted.socket)

        assert adopted.is_shared

    assert not _is_running(pid)


def test_the_last_one_stops_it(tmp_path: Path, environment: dict[str, str]) -> None:
    """A server in use by two stays when one leaves."""
    with embedded_redis(tmp_path, environment) as first:
        with embedded_redis(tmp_path, environment) as second:
            assert second.is_shared

        assert _increment(first.socket) == 1


def test_only_the_owner_can_enter(tmp_path: Path, environment: dict[str, str]) -> None:
    """Directory and socket are closed to everybody else."""
    with embedded_redis(tmp_path, environment) as server:
        modes = [
            stat.S_IMODE(path.stat().st_mode)
            for path in (server.directory, server.socket)
        ]

        assert [0o700, 0o700] == modes


def test_a_deep_directory(tmp_path: Path, environment: dict[str, str]) -> None:
    """A path too long for a socket is no obstacle."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)

    with embedded_redis(deep, environment) as server:
        assert _increment(server.socket) == 1


def test_older_server_is_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    """Data of a newer server is not opened, and nothing is changed."""
    directory = tmp_path / "redis"
    directory.mkdir()
    (directory / "server-version").write_text("redis 99.0.0\n")

    with (
        pytest.raises(DataFromNewerServerError, match=r"install redis 99\.0\.0"),
        embedded_redis(tmp_path, environment),
    ):
        pass

    assert (directory / "server-version").read_text() == "redis 99.0.0\n"
    assert not (directory / "redis.log").exists()


def test_damaged_data_is_told(tmp_path: Path, environment: dict[str, str]) -> None:
    """A server that cannot start is reported with its last words."""
    with embedded_redis(tmp_path, environment) as server:
        _increment(server.socket)
    files = [
        path
        for path in (tmp_path / "redis").rglob("*.aof*")
        if path.is_file() and path.suffix != ".manifest"
    ]
    for path in files:
        path.write_bytes(b"this is not an append-only file")

    with (
        pytest.raises(ServerDidNotStartError, match="did not start"),
        embedded_redis(tmp_path, environment),
    ):
        pass


def test_directory_in_the_way(tmp_path: Path, environment: dict[str, str]) -> None:
    """A data directory that cannot be made is one clear line."""
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(ServerDidNotStartError, match="set RUNG_DATA_DIR"),
        embedded_redis(tmp_path / "file", environment),
    ):
        pass


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any server the message says how to install one."""
    monkeypatch.setattr("workers.redis_server.find_spec", lambda _name: None)

    with pytest.raises(NoServerFoundError, match="apt-get install redis-server"):
        find_server({"PATH": ""})


@pytest.mark.parametrize(
    ("server", "data", "expected"),
    [
        (("redis", (7, 0, 15)), ("redis", (6, 2, 14)), True),
        (("redis", (6, 2, 14)), ("redis", (7, 0, 15)), False),
        (("valkey", (8, 0, 0)), ("redis", (7, 2, 4)), True),
        (("valkey", (8, 0, 0)), ("redis", (7, 4, 0)), False),
        (("redis", (8, 0, 0)), ("valkey", (7, 2, 5)), False),
    ],
)
def test_who_may_follow(
    server: tuple[str, tuple[int, int, int]],
    data: tuple[str, tuple[int, int, int]],
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Newer opens older; Valkey opens what Redis wrote before they parted."""
    assert expected is ServerVersion(*server).can_follow(ServerVersion(*data))
