"""The stage: a Redis and processes of rung, in a directory that goes with them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from benchmarks.machine import filesystem_of
from benchmarks.options import Figures
from benchmarks.stage import recorder, watched_worker
from benchmarks.stage.directory import INTEGRATION, SECRETS
from benchmarks.stage.lines import Lines
from engine.directory import Directory
from tests.support.distributions import install
from tests.support.journeys import seed_store
from tests.support.processes import Rung, running_module
from tests.support.servers import RunningServer, found_servers, running_server

ALWAYS = "always"
ROOT = Path(__file__).parents[2]
INGEST_PATH = f"/ingest/{INTEGRATION}/{SECRETS.ingest_key}"


@dataclass
class Stage:
    """
    What one benchmark runs on. All of it ends with the block that it was made for.

    Attributes:
        pages: What was handed to the channel, by any worker.
        steps: Which timers ran, by any worker that is watched.
    """

    directory: Path
    server: RunningServer
    appendfsync: str
    stack: ExitStack
    pages: Lines[recorder.Page] = field(init=False)
    steps: Lines[watched_worker.Ran] = field(init=False)
    starts: int = 0

    def __post_init__(self) -> None:
        self.pages = Lines(self.directory / "pages", recorder.read_page)
        self.steps = Lines(self.directory / "steps", watched_worker.read_ran)
        site = self.directory / "site"
        site.mkdir()
        points = {"rung.channels": {recorder.CHANNEL: recorder.FACTORY}}
        install(site, "rung-recorder", points)

    def web(self) -> Rung:
        """Start a `rung web`, and return it when it takes requests."""
        web = self._start("rung", "web")
        web.wait_until_ready()

        return web

    def worker(self) -> Rung:
        """Start a `rung worker`, and return it when it takes wake-ups."""
        worker = self._start("rung", "worker")
        worker.wait_for("worker.started")

        return worker

    def watched_worker(self, *, is_delivering: bool = True) -> Rung:
        """
        Start a worker whose timers are written down; wait for it like for others.

        One that does not deliver leaves all that it would send in the outbox.
        """
        delivering = {} if is_delivering else {watched_worker.IDLE_VARIABLE: "1"}

        return self._start(watched_worker.MODULE, **delivering)

    def told(self) -> Figures:
        """Say which Redis this is, and how safe what it is told is."""
        with redis.Redis(port=self.server.port) as client:
            version = client.info("server")["redis_version"]

        return {
            "version": version,
            "appendfsync": self.appendfsync,
            "filesystem": filesystem_of(self.directory),
        }

    def set_fsync(self, word: str) -> None:
        """Set appendfsync: while it is filled nobody is promised anything."""
        with redis.Redis(port=self.server.port) as client:
            client.config_set("appendfsync", word)

    def _start(self, module: str, *arguments: str, **more: str) -> Rung:
        self.starts += 1
        output = self.directory / f"output-{self.starts}"
        searched = [str(self.directory / "site"), str(ROOT)]
        inherited = os.environ.get("PYTHONPATH")
        environment = {
            "REDIS_URL": self.server.url,
            "PYTHONPATH": os.pathsep.join([*searched, *filter(None, [inherited])]),
            recorder.FILE_VARIABLE: str(self.pages.path),
            watched_worker.FILE_VARIABLE: str(self.steps.path),
            **more,
        }

        return self.stack.enter_context(
            running_module(module, output, *arguments, **environment)
        )


@contextmanager
def a_stage(directory: Directory, appendfsync: str = ALWAYS) -> Iterator[Stage]:
    """
    Set a stage: an empty Redis with an append-only file, and a directory seeded in it.

    Args:
        directory: The configuration.
        appendfsync: When Redis writes what it was told to the disk.
    """
    flags = ("--appendonly", "yes", "--appendfsync", appendfsync)
    with (
        tempfile.TemporaryDirectory(prefix="rung-benchmark-") as place,
        running_server(found_servers()[-1], Path(place), *flags) as server,
        ExitStack() as stack,
    ):
        seed_store(server.url, directory)

        yield Stage(Path(place), server, appendfsync, stack)
