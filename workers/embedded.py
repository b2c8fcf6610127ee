"""
The Redis of `rung up`: a private server in the data directory.

It listens on a unix socket only. It holds a lock on its directory for as long as it
lives, also when the process that started it was killed: a second `rung up` finds
the lock held and uses the running server. Whoever uses it starts it again when it
has ended. The last one to leave stops it.

Errors, each one line that says what to do:

* EmbeddedRedisError
    * NoServerFoundError: there is no redis-server to start.
    * DataFromNewerServerError: an older server would come up empty.
    * ServerDidNotStartError: it ended, or does not answer.
"""

import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis
import structlog

from workers.redis_server import (
    EmbeddedRedisError,
    ServerVersion,
    find_server,
    version_of,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# A unix socket's path has room for 107 bytes.
SOCKET_BYTES_MAX = 100
SLICE_SECONDS = 0.05
START_SECONDS_MAX, STOP_SECONDS_MAX = 60, 10
TEND_EVERY_SECONDS = 0.5
# Servers that this process started. One that others still use when this process
# leaves stays; its exit status is taken by whoever is its parent then.
STARTED: "list[subprocess.Popen[bytes]]" = []


class DataFromNewerServerError(EmbeddedRedisError):
    """The data was written by a server that this one cannot follow."""


class ServerDidNotStartError(EmbeddedRedisError):
    """The server ended, or does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedRedis:
    """
    A running server.

    Attributes:
        is_shared: Whether it was running already.
    """

    url: str
    socket: Path
    directory: Path
    is_shared: bool


@contextmanager
def embedded_redis(
    data_directory: Path, environment: Mapping[str, str]
) -> Iterator[EmbeddedRedis]:
    """
    Use the server of a data directory, and start it if it does not run.

    Raises:
        EmbeddedRedisError: If that is not possible; the text says what to do.
    """
    directory = data_directory.absolute() / "redis"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
    except OSError as error:
        message = f"cannot use {directory}: {error.strerror}; set RUNG_DATA_DIR"
        raise ServerDidNotStartError(message) from error
    socket = _socket_path(directory)
    with (directory / "users").open("w") as users:
        with _door(directory):
            fcntl.flock(users, fcntl.LOCK_SH)
            is_shared = _is_held(directory / "lock")
            if is_shared:
                _wait_for_answer(socket, None, directory)
            else:
                _start(directory, socket, environment)
        running = EmbeddedRedis(
            url=f"unix://{socket}",
            socket=socket,
            directory=directory,
            is_shared=is_shared,
        )
        try:
            with _tended(running, environment):
                yield running
        finally:
            with _door(directory):
                _leave(users.fileno(), directory, socket)


@contextmanager
def _tended(running: EmbeddedRedis, environment: Mapping[str, str]) -> Iterator[None]:
    """Start the server again whenever it ends in the meantime."""
    leaving = threading.Event()
    tending = threading.Thread(
        target=_tend, args=(running, environment, leaving), daemon=True
    )
    tending.start()
    try:
        yield
    finally:
        leaving.set()
        tending.join()


def _tend(
    running: EmbeddedRedis, environment: Mapping[str, str], leaving: threading.Event
) -> None:
    while not leaving.wait(TEND_EVERY_SECONDS):
        _reap()
        try:
            with _door(running.directory):
                if not _is_held(running.directory / "lock"):
                    log.error("redis.ended", said=_last_words(running.directory))
                    _start(running.directory, running.socket, environment)
                    log.warning("redis.started_again")
        except (EmbeddedRedisError, OSError) as error:
            log.error("redis.not_started", error=str(error))  # noqa: TRY400 - it says all


def _socket_path(directory: Path) -> Path:
    """Return where the socket lies: in the directory, unless its path is too long."""
    socket = directory / "redis.sock"
    if len(os.fsencode(socket)) <= SOCKET_BYTES_MAX:
        return socket
    digest = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"rung-{os.getuid()}-{digest}"
    private.mkdir(mode=0o700, exist_ok=True)
    status = private.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        message = (
            f"{private} is not ours alone: remove it, or use a shorter RUNG_DATA_DIR"
        )
        raise ServerDidNotStartError(message)

    return private / "redis.sock"


@contextmanager
def _door(directory: Path) -> Iterator[None]:
    """Let one process at a time start, join or stop the server."""
    with (directory / "door").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield


def _is_held(lock: Path) -> bool:
    with lock.open("a") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True

    return False


def _start(directory: Path, socket: Path, environment: Mapping[str, str]) -> None:
    binary = find_server(environment)
    version = version_of(binary)
    _check_data(directory, version)
    socket.unlink(missing_ok=True)
    with (directory / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # It inherits the lock, and so holds it for exactly as long as it lives. A
        # session of its own keeps Ctrl-C away from it until the sends are over.
        server = subprocess.Popen(  # noqa: S603 - the operator chose the program
            [binary, *_options(directory, socket)],
            pass_fds=(lock.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait_for_answer(socket, server, directory)
    except ServerDidNotStartError:
        server.kill()
        server.wait()
        raise
    STARTED.append(server)
    (directory / "server-version").write_text(f"{version}\n")


def _options(directory: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(directory / "redis.log"),
        "pidfile": str(directory / "redis.pid"),
        "daemonize": "no",
    }

    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _check_data(directory: Path, version: ServerVersion) -> None:
    record = directory / "server-version"
    if not record.exists():
        return
    product, _, number = record.read_text().strip().partition(" ")
    major, minor, patch = map(int, number.split("."))
    written_by = ServerVersion(product, (major, minor, patch))
    if not version.can_follow(written_by):
        message = (
            f"the data in {directory} was written by {written_by}, found {version}: "
            f"install {written_by} or newer, or set RUNG_REDIS_SERVER to it"
        )
        raise DataFromNewerServerError(message)


def _wait_for_answer(
    socket: Path, server: "subprocess.Popen[bytes] | None", directory: Path
) -> None:
    with redis.Redis(unix_socket_path=str(socket)) as client:
        for _ in range(int(START_SECONDS_MAX / SLICE_SECONDS)):
            with suppress(redis.RedisError, OSError):
                client.ping()
                return
            if server is not None and server.poll() is not None:
                break
            time.sleep(SLICE_SECONDS)
    message = f"the Redis in {directory} did not start: {_last_words(directory)}"
    raise ServerDidNotStartError(message)


def _last_words(directory: Path) -> str:
    try:
        lines = (directory / "redis.log").read_text(errors="replace").split("\n")
    except OSError:
        return "it left no log"
    said = [line for line in lines if line.strip()]

    return said[-1] if said else "it left no log"


def _leave(users: int, directory: Path, socket: Path) -> None:
    """Stop the server, unless somebody else uses it."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    with redis.Redis(unix_socket_path=str(socket)) as client:
        try:
            pid = int(client.info("server")["process_id"])
            client.shutdown(nosave=True)
        except (redis.RedisError, OSError):
            pid = 0
    for _ in range(int(STOP_SECONDS_MAX / SLICE_SECONDS)):
        _reap()
        if not _is_held(directory / "lock"):
            return
        time.sleep(SLICE_SECONDS)
    if pid:
        os.kill(pid, signal.SIGTERM)


def _reap() -> None:
    """Take the exit status of servers of our own that have ended."""
    STARTED[:] = [server for server in STARTED if server.poll() is None]
