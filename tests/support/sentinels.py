"""A primary, its replicas and the Sentinels that watch them, all real, on loopback."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import redis
from typing_extensions import override

from tests.support.processes import eventually
from tests.support.servers import RunningServer, Server, running_server

NAME = "rung"
SENTINELS = 3
QUORUM = 2
DOWN_AFTER_MS, FAILOVER_TIMEOUT_MS = 500, 3_000
# A replica is told everything at once, and says so often.
REPLICATED_AT_ONCE = ("--repl-diskless-sync-delay", "0")


@dataclass
class RunningSentinel(RunningServer):
    """
    A Sentinel; it keeps what it learns in a configuration of its own.

    Attributes:
        lines: What it is told about the primary, beyond where it is.
    """

    watches: int = 0
    lines: tuple[str, ...] = ()

    @override
    def _options(self, port: int) -> list[str]:
        configuration = self.directory / "sentinel.conf"
        if not self.port:
            timeouts = {
                "down-after-milliseconds": DOWN_AFTER_MS,
                "failover-timeout": FAILOVER_TIMEOUT_MS,
                "parallel-syncs": 1,
            }
            lines = [
                f"port {port}",
                "bind 127.0.0.1",
                f"dir {self.directory}",
                f"sentinel monitor {NAME} 127.0.0.1 {self.watches} {QUORUM}",
                *(f"sentinel {what} {NAME} {much}" for what, much in timeouts.items()),
                *self.lines,
            ]
            configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")

        return [str(configuration), "--sentinel"]


@dataclass
class Watched:
    """Servers of which one is the primary; Sentinels say which."""

    servers: list[RunningServer]
    sentinels: list[RunningSentinel]

    @property
    def url(self) -> str:
        """The address that follows the primary."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)

        return f"redis+sentinel://{hosts}/{NAME}/0"

    @property
    def primary(self) -> RunningServer:
        """The one that most Sentinels hold to be the primary."""
        ports = [self._state(one).get("port", 0) for one in self.sentinels]
        port = max(set(ports), key=ports.count)

        return next(one for one in self.servers if one.port == port)

    @property
    def replicas(self) -> list[RunningServer]:
        """The others."""
        primary = self.primary

        return [one for one in self.servers if one is not primary]

    def wait_until_watched(self, replicas: int | None = None) -> None:
        """Return as soon as all know of each other, and a failover could succeed."""
        wanted = len(self.servers) - 1 if replicas is None else replicas

        def is_watched() -> bool:
            return (
                all(
                    state.get("num-other-sentinels") == len(self.sentinels) - 1
                    and state.get("num-slaves", 0) >= wanted
                    for state in map(self._state, self.sentinels)
                )
                and self.in_sync(self.primary) >= wanted
            )

        eventually(is_watched)

    def wait_for_another(self, than: RunningServer) -> RunningServer:
        """Return the new primary, as soon as most Sentinels name one."""
        eventually(lambda: self.primary is not than)

        return self.primary

    def in_sync(self, primary: RunningServer) -> int:
        """Return how many replicas have all that a primary has, or nearly."""
        told = cast("dict[str, Any]", ask(primary, "INFO", "replication"))

        return sum(
            isinstance(replica, dict) and replica["state"] == "online"
            for replica in told.values()
        )

    def _state(self, sentinel: RunningSentinel) -> dict[str, Any]:
        with redis.Redis(port=sentinel.port) as client:
            try:
                return cast("dict[str, Any]", client.sentinel_master(NAME))
            except (redis.RedisError, OSError):
                return {}


def ask(server: RunningServer, *command: str) -> Any:
    """Ask a server, or a Sentinel."""
    with redis.Redis(port=server.port) as client:
        return client.execute_command(*command)


@contextmanager
def watched(
    server: Server, directory: Path, *flags: str, replicas: int = 1
) -> Iterator[Watched]:
    """
    Run all of it for as long as the block lasts, and begin when it is watched.

    Args:
        server: What to run; it has the Sentinel in it.
        directory: For what they write; each has its own within it.
        flags: Of each server.
        replicas: How many.
    """
    flags = (*REPLICATED_AT_ONCE, *flags)
    with ExitStack() as stack:

        def place(name: str) -> Path:
            made = directory / name
            made.mkdir()
            return made

        def run(name: str, *more: str) -> RunningServer:
            running = running_server(server, place(name), *flags, *more)
            return stack.enter_context(running)

        primary = run("server-0")
        follow = ("--replicaof", "127.0.0.1", str(primary.port))
        others = [run(f"server-{number}", *follow) for number in range(1, replicas + 1)]
        stage = Watched([primary, *others], [])
        eventually(lambda: stage.in_sync(primary) == replicas)
        for number in range(SENTINELS):
            sentinel = RunningSentinel(
                server,
                place(f"sentinel-{number}"),
                (),
                watches=primary.port,
            )
            sentinel.start()
            stack.callback(sentinel.kill)
            stage.sentinels.append(sentinel)
        stage.wait_until_watched()
        yield stage
