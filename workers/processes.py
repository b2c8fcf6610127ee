"""
The processes: web, worker, and both in one with a demo.

Each runs until SIGTERM or SIGINT and then ends in order: web first, so that nothing
more comes in, then the worker with its sends. A second signal ends it at once.
"""

import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import structlog
import uvicorn
from typing_extensions import override

from engine.errors import EngineError
from workers.bootstrap import Installation, connect
from workers.escalator import Escalator
from workers.settings import Settings
from workers.web.app import WebContext, create_app

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# What is under way is answered; whoever hangs on longer is cut off.
ANSWERS_SECONDS_MAX = 5
LOOK_AGAIN_SECONDS = 0.01

Prepare = Callable[[Installation], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Stop:
    """When to stop, and which error, if any, is the cause."""

    event: anyio.Event = field(default_factory=anyio.Event)
    error: EngineError | None = None


class WebServer(uvicorn.Server):
    """Uvicorn, which leaves signals to whoever runs it."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_web(
    settings: Settings, redis_url: str, listener: socket.socket, version: str
) -> None:
    """
    Serve HTTP until told to stop. It starts, and is not ready, without Redis too.

    Raises:
        EngineError: If the store is not one of ours.
    """

    async def run(installation: Installation, stop: Stop) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_prepare, installation, stop, _nothing_more)
            await _serve(settings, installation, listener, version, stop)
            tasks.cancel_scope.cancel()

    await _run(settings, redis_url, run)


async def run_worker(settings: Settings, redis_url: str) -> None:
    """
    Drain and deliver until told to stop. It starts, and waits, without Redis too.

    Raises:
        EngineError: If the store is not one of ours.
    """

    async def run(installation: Installation, stop: Stop) -> None:
        await _escalate(installation, stop, _nothing_more)

    await _run(settings, redis_url, run)


async def run_up(
    settings: Settings,
    redis_url: str,
    listener: socket.socket,
    version: str,
    first: Prepare,
) -> None:
    """
    Do both in one process, after `first` has been done with the store.

    Raises:
        EngineError: If the store is not one of ours, or `first` raises it.
    """

    async def run(installation: Installation, stop: Stop) -> None:
        ending = anyio.Event()
        async with anyio.create_task_group() as tasks:
            worker_stop = Stop(event=ending)
            tasks.start_soon(_escalate, installation, worker_stop, first, stop)
            await _serve(settings, installation, listener, version, stop)
            ending.set()

    await _run(settings, redis_url, run)
