"""The stage: a rung of real processes, each of which may be struck."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import redis

from benchmarks.chaos import plugin
from benchmarks.chaos.outputs import Outputs
from benchmarks.chaos.plan import WAITS, WORKERS, Planned, Victim
from benchmarks.chaos.provider import Provider
from benchmarks.chaos.strikes import Strike
from engine.directory import ContactMethod, Directory
from tests.support.distributions import install
from tests.support.journeys import with_quick_policy
from tests.support.overdue import forgotten, overdue
from tests.support.processes import Rung, running_module
from tests.support.servers import RunningServer, free_port
from workers.demo import Secrets, demo_directory

SECRETS = Secrets(api_token="a" * 16, ingest_key="k" * 16)
CHANNEL, ON_CALL = "push", "chaos"
# What may be deleted at any time (docs/operating.md).
OF_ARQ = ("rung:arq", "rung:kick", "arq:*")
WRONG_CLOCK = "tests.support.fast_worker"


def chaos_directory() -> Directory:
    """Return the demo with short waits, and everybody on the provider's channel."""
    directory = with_quick_policy(demo_directory(SECRETS), WAITS)
    users = {
        name: user.model_copy(
            update={
                "contact_methods": (
                    ContactMethod(id=f"{name}-push", channel=CHANNEL, address=name),
                )
            }
        )
        for name, user in directory.users.items()
    }

    return directory.model_copy(update={"users": users})


def install_plugin(site: Path) -> None:
    """Install the channel and the look-up where the processes search."""
    site.mkdir()
    groups = {
        "rung.channels": {CHANNEL: "chaos_plugin:push"},
        "rung.oncall": {ON_CALL: "chaos_plugin:table"},
    }
    text = Path(plugin.__file__).read_text(encoding="utf-8")
    install(site, "rung-chaos", groups, chaos_plugin=text)


@dataclass
class Stage:
    """
    The processes: what is struck is started again at once.

    Attributes:
        clocks: How many workers were started with a wall clock so many seconds fast.
    """

    server: RunningServer
    provider: Provider
    directory: Path
    stack: ExitStack
    outputs: Outputs = field(default_factory=Outputs)
    strikes: list[Strike] = field(default_factory=list[Strike])
    clocks: "Counter[int]" = field(default_factory=Counter)
    port: int = field(default_factory=free_port)
    starts: int = 0
    workers: list[tuple[int, Rung]] = field(default_factory=list[tuple[int, Rung]])
    asleep: list[tuple[float, int, Rung]] = field(
        default_factory=list[tuple[float, int, Rung]]
    )
    web: Rung = field(init=False)

    def __post_init__(self) -> None:
        install_plugin(self.directory / "site")
        self.web = self._start("web")[1]
        self.workers = [self._start("worker") for _ in range(WORKERS)]

    @property
    def address(self) -> str:
        """Where web listens, whenever it was started."""
        return f"http://127.0.0.1:{self.port}"

    def strike(self, planned: Planned) -> None:
        """Strike one, and start it again at once; or stop one, until it may go on."""
        at, process = time.monotonic(), None
        match planned.victim:
            case Victim.WEB:
                self.web.end(signal.SIGKILL)
                _, self.web = self._start("web")
            case Victim.REDIS:
                self.server.kill()
                self.server.start()
            case Victim.RESTARTED:
                self.server.restart()
            case Victim.FLUSHED:
                self._flush()
            case Victim.WORKER:
                process = self._replace(planned)
            case Victim.STOPPED:
                self._stop(at, planned)
                return
        self._note(planned.victim, at, process)

    def wake(self) -> None:
        """Let those that were stopped go on, unless they were killed meanwhile."""
        while self.asleep:
            at, process, worker = self.asleep.pop()
            worker.process.send_signal(signal.SIGCONT)
            self._note(Victim.STOPPED, at, process)

    def wait_until_ready(self) -> None:
        """Return when all of it has started."""
        self.web.wait_until_ready()
        for _, worker in self.workers:
            worker.wait_for("worker.started")

    def overdue(self) -> list[str]:
        """Return what somebody should have taken by now, or will never be woken for."""
        with redis.Redis(port=self.server.port) as client:
            return [*overdue(client), *forgotten(client)]

    def _stop(self, at: float, planned: Planned) -> None:
        process, worker = self.workers[planned.worker]
        worker.process.send_signal(signal.SIGSTOP)
        self.asleep.append((at, process, worker))
        # Who is stopped does not hear that he is to end.
        self.stack.callback(self.wake)

    def _replace(self, planned: Planned) -> int:
        """Kill a worker, and start one whose host has another time of day."""
        process, worker = self.workers[planned.worker]
        worker.end(signal.SIGKILL)
        self.clocks[planned.clock_seconds] += 1
        clock = {"FAST_SECONDS": str(planned.clock_seconds)}
        self.workers[planned.worker] = self._start("worker", WRONG_CLOCK, **clock)

        return process

    def _flush(self) -> None:
        """Delete all that arq has in Redis, and the kick."""
        with redis.Redis(port=self.server.port) as client:
            for pattern in OF_ARQ:
                keys = list(client.scan_iter(match=pattern, count=1_000))
                if keys:
                    client.delete(*keys)

    def _note(self, victim: Victim, at: float, process: int | None) -> None:
        strike = Strike(victim=victim, at=at, until=time.monotonic(), process=process)
        self.strikes.append(strike)

    def _start(
        self, command: str, module: str = "rung", **environment: str
    ) -> tuple[int, Rung]:
        self.starts += 1
        output = self.directory / f"{command}-{self.starts}"
        place = dict(self._environment())
        rung = self.stack.enter_context(
            running_module(module, output, command, **place, **environment)
        )
        self.outputs.follow(output)

        return self.starts, rung

    def _environment(self) -> Iterator[tuple[str, str]]:
        path = [str(self.directory / "site"), os.environ.get("PYTHONPATH", "")]
        yield "REDIS_URL", self.server.url
        yield "PORT", str(self.port)
        yield "RUNG_ON_CALL", ON_CALL
        yield "PYTHONPATH", os.pathsep.join(filter(None, path))
        yield plugin.ADDRESS, self.provider.address
        yield plugin.PROCESS, str(self.starts)
