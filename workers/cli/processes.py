"""The processes: `rung up`, `rung web`, `rung worker`."""

# ruff: noqa: PLC0415 - half a second of imports would stand before `--help`

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.common import (
    MISSING,
    USAGE,
    explained,
    fail,
    read_settings,
    redis_url,
    version,
)

if TYPE_CHECKING:
    from workers.bootstrap import Installation
    from workers.settings import Settings

BACKLOG = 2_048
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - shown, not bound

app = typer.Typer()


@app.command()
def up() -> None:
    """
    Run all in one process, with a Redis of its own unless REDIS_URL is set.

    Example: PORT=9090 rung up
    """
    settings = _settings()
    with _listener(settings.host, settings.port) as listener, explained():
        from workers.demo import first_start
        from workers.processes import run_up

        address = _address(settings, listener)

        async def first(installation: "Installation") -> None:
            kept = installation.configuration
            lines = configured or await first_start(kept, settings.data_dir, address)
            # Nobody may be reading it; that must not end what pages people.
            with suppress(OSError):
                typer.echo("\n".join([f"rung {version()}", *lines]))

        with redis_url(settings) as url:
            configured = _configured(settings, url, address)
            _run(run_up, settings, url, listener, version(), first)


@app.command()
def web(
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Listen here; else PORT.")
    ] = None,
) -> None:
    """
    Serve HTTP: alerts come in, incidents are shown and taken.

    Example: REDIS_URL=redis://localhost:6379/0 rung web --port 9090
    """
    settings = _settings()
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    url = _wanted_redis_url(settings)
    with _listener(settings.host, settings.port) as listener, explained():
        from workers.processes import run_web

        _run(run_web, settings, url, listener, version())


@app.command()
def worker() -> None:
    """
    Escalate: decide what is due and send what is to be sent.

    Example: REDIS_URL=redis://localhost:6379/0 rung worker
    """
    url = _wanted_redis_url(settings := _settings())
    with explained():
        from workers.processes import run_worker

        _run(run_worker, settings, url)


def _configured(settings: "Settings", url: str, address: str) -> list[str]:
    """Apply the files that are set, before anything is served; say how to go on."""
    if settings.config_dir is None:
        return []
    from workers.cli.configuring import configure
    from workers.demo import configured_start
    from workers.secret_files import key_file

    applied = configure(settings, url, settings.config_dir)
    keys = {
        name: path
        for name in applied.directory.integrations
        if (path := key_file(settings.data_dir, name)).exists()
    }

    return configured_start(applied.directory, settings.data_dir, address, keys)


def _run(function: Any, *arguments: object) -> None:
    import anyio

    anyio.run(function, *arguments, backend_options={"use_uvloop": True})


def _settings() -> "Settings":
    """Read the settings, and say at the start what is odd about them."""
    from workers.logs import configure_logs

    settings = read_settings()
    configure_logs(settings.log_format, settings.log_level)
    _warn(settings)

    return settings


def _warn(settings: "Settings") -> None:
    """Say at the start what would only be noticed when somebody should be paged."""
    import structlog

    from engine.errors import EngineError

    log = structlog.get_logger(__name__)
    for name in settings.unknown_in(os.environ):
        log.warning("setting.unknown", name=name)
    if settings.on_call_file is not None:
        from workers.bootstrap import check_on_call_file

        try:
            check_on_call_file(settings.on_call_file)
        except EngineError as error:
            log.error("schedule_file.refused", error=str(error), has_last_good=False)  # noqa: TRY400 - a trace says nothing to who edits a file


def _wanted_redis_url(settings: "Settings") -> str:
    if settings.redis_url is None:
        fail("REDIS_URL is not set; `rung up` brings a Redis of its own", USAGE)

    return settings.redis_url.get_secret_value()


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    """Listen before anything else is started: a port that is taken ends it here."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        fail(_why_not(error, host, port), MISSING)
    with listener:
        yield listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken: set PORT to another one, as in PORT={port + 1}"
    reason = (error.strerror or str(error)).partition(" (while")[0]

    return f"cannot listen on {host}:{port}: {reason}; set RUNG_HOST or PORT"


def _address(settings: "Settings", listener: socket.socket) -> str:
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host, port = listener.getsockname()[:2]
    host = WILDCARDS.get(host, host)

    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
