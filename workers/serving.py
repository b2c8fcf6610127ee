"""Serving HTTP, until told to stop. Only processes that do it import it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import structlog
import uvicorn
from typing_extensions import override

from workers.bootstrap import Installation
from workers.settings import Settings
from workers.web.app import WebContext, create_app

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# What is under way is answered; whoever hangs on longer is cut off.
ANSWERS_SECONDS_MAX = 5


class WebServer(uvicorn.Server):
    """Uvicorn, which leaves the signals to whoever runs it."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def context_of(
    installation: Installation, settings: Settings, version: str
) -> WebContext:
    """Return what requests are answered with."""
    return WebContext(
        engine=installation.desk,
        reader=installation.reader,
        configuration=installation.configuration,
        administration=installation.administration,
        idempotency=installation.idempotency,
        clock=installation.clock,
        ids=installation.ids,
        rejected_events=installation.rejected_events,
        checks=installation.checks,
        version=version,
        measures=installation.tally,
        totals=installation.totals,
        backlog=installation.backlog,
        public_url=settings.public_url,
        has_schedules=settings.has_schedules,
        body_bytes_max=settings.body_bytes_max,
    )


async def serve(
    installation: Installation,
    settings: Settings,
    listener: socket.socket,
    version: str,
    stopping: anyio.Event,
) -> None:
    """Serve HTTP until told to stop, then answer what is under way."""
    context = context_of(installation, settings, version)
    app = create_app(context)
    server = WebServer(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=ANSWERS_SECONDS_MAX,
        )
    )

    async def end() -> None:
        await stopping.wait()
        server.should_exit = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end)
        tasks.start_soon(app.state.rejections.write_on)
        log.info("web.started", address=listener.getsockname())
        await server.serve(sockets=[listener])
        log.info("web.stopped")
        tasks.cancel_scope.cancel()
