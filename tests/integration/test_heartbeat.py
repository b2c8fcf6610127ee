"""That pages go out is told outside only after the whole way from a kick to a claim."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from engine.ports import Audited, Purged, Timers, Wake
from tests.support.servers import RunningServer, Server, found_servers, running_server
from workers.bootstrap import Installation, connect
from workers.demo import Secrets, demo_directory
from workers.escalator import Escalator
from workers.settings import Settings


class Calm:
    """An upkeep that finds nothing."""

    async def hold(self, owner: str) -> bool:  # noqa: ARG002 - a fake
        """Let anybody have it."""
        return True

    async def audit(self, after: str | None = None) -> Audited:  # noqa: ARG002 - a fake
        """Find nothing."""
        return Audited(repaired={}, done=1)

    async def pack(self) -> int:
        """Pack nothing."""
        return 0

    async def purge(self, closed_before: datetime) -> Purged:  # noqa: ARG002 - a fake
        """Purge nothing."""
        return Purged()


class Ear:
    """Hears the heartbeat."""

    def __init__(self) -> None:
        self.heard = anyio.Event()

    async def ping(self) -> None:
        """Hear it."""
        self.heard.set()


class Deaf:
    """Timers that kick others, and hear no kick."""

    def __init__(self, timers: Timers) -> None:
        self.arm = timers.arm

    async def run(self, wake: Callable[[Wake], Awaitable[None]]) -> None:  # noqa: ARG002 - a fake
        """Hear nothing."""
        await anyio.sleep_forever()


@pytest.fixture(name="server", params=found_servers()[-1:], ids=str)
def _server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningServer]:
    server: Server = request.param
    with running_server(server, tmp_path) as running:
        yield running


def escalator(installation: Installation, ear: Ear) -> Escalator:
    """Return an idle worker that tells of itself."""
    caretaker = replace(installation.caretaker, upkeep=Calm(), heartbeat=ear)

    return Escalator(
        engine=installation.engine,
        couriers=installation.couriers,
        timers=installation.timers,
        clock=installation.clock,
        caretaker=caretaker,
    )


async def test_idle_worker(server: RunningServer) -> None:
    """A worker with nothing to do claims when it is kicked, and so it is heard of."""
    ear, stopping = Ear(), anyio.Event()
    async with connect(Settings(), server.url) as installation:
        await seed(installation)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(escalator(installation, ear).run, stopping)
                await ear.heard.wait()
                stopping.set()

    assert ear.heard.is_set()


async def test_deaf_worker(server: RunningServer) -> None:
    """A worker that no kick reaches is not heard of, however well it is otherwise."""
    ear, stopping = Ear(), anyio.Event()
    async with connect(Settings(), server.url) as installation:
        await seed(installation)
        deaf = replace(installation, timers=Deaf(installation.timers))
        with anyio.fail_after(20), capture_logs() as logs:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(escalator(deaf, ear).run, stopping)
                while "audit.finished" not in [one["event"] for one in logs]:  # noqa: ASYNC110 - a log
                    await anyio.sleep(0.05)
                stopping.set()

    assert not ear.heard.is_set()
    assert ["no claim"] == next(
        one["doubts"] for one in logs if one["event"] == "audit.finished"
    )


async def seed(installation: Installation) -> None:
    """Make the store ready, with a directory in it."""
    await installation.prepare()
    secrets = Secrets(api_token="token", ingest_key="key")  # noqa: S106 - a fake one
    await installation.configuration.seed(demo_directory(secrets))
