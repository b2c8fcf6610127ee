"""
The command line. What a command needs is imported when it runs: help is instant.

Exit codes: 0 ok, 1 findings, 2 usage, 3 something it depends on is missing.
"""

# ruff: noqa: PLC0415 - half a second of imports would stand before `--help`

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from workers.bootstrap import Installation
    from workers.settings import Settings

USAGE, MISSING, INTERRUPTED = 2, 3, 130
BACKLOG = 2_048
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - shown, not bound

app = typer.Typer(
    help="rung: an alert pages people, step by step, until somebody takes it.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    app()


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"rung {_version()}")
        raise typer.Exit


@app.callback()
def _rung(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Rung: an alert pages people, step by step, until somebody takes it."""


@app.command()
def up() -> None:
    """Run all in one process, with a Redis of its own unless REDIS_URL is set."""
    settings = _settings()
    with _listener(settings.host, settings.port) as listener, _explained():
        from workers.demo import first_start
        from workers.processes import run_up

        address = _address(settings, listener)

        async def first(installation: "Installation") -> None:
            lines = await first_start(
                installation.configuration, settings.data_dir, address
            )
            # Nobody may be reading it; that must not end what pages people.
            with suppress(OSError):
                typer.echo("\n".join([f"rung {_version()}", *lines]))

        with _redis_url(settings) as redis_url:
            _run(run_up, settings, redis_url, listener, _version(), first)


@app.command()
def web(
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Listen here; else PORT.")
    ] = None,
) -> None:
    """Serve HTTP: alerts come in, incidents are shown and taken."""
    settings = _settings()
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    redis_url = _wanted_redis_url(settings)
    with _listener(settings.host, settings.port) as listener, _explained():
        from workers.processes import run_web

        _run(run_web, settings, redis_url, listener, _version())


@app.command()
def worker() -> None:
    """Escalate: decide what is due and send what is to be sent."""
    redis_url = _wanted_redis_url(settings := _settings())
    with _explained():
        from workers.processes import run_worker

        _run(run_worker, settings, redis_url)


def _run(function: Any, *arguments: object) -> None:
    import anyio

    anyio.run(function, *arguments, backend_options={"use_uvloop": True})


def _settings() -> "Settings":
    from workers.logs import configure_logs
    from workers.settings import Settings, SettingsError

    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        _fail(str(error), USAGE)
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
        _fail("REDIS_URL is not set; `rung up` brings a Redis of its own", USAGE)

    return settings.redis_url.get_secret_value()


@contextmanager
def _redis_url(settings: "Settings") -> Iterator[str]:
    """Give the address of Redis, and run one meanwhile if none is named."""
    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value()
        return
    from workers.embedded import embedded_redis

    with embedded_redis(settings.data_dir, os.environ) as redis:
        if redis.is_shared:
            typer.echo(f"uses the Redis that runs already in {redis.directory}")
        yield redis.url


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what may well happen into one line on standard error and an exit code."""
    from engine.errors import EngineError
    from workers.demo import SecretsError
    from workers.redis_server import EmbeddedRedisError
    from workers.settings import SettingsError

    try:
        yield
    except SettingsError as error:
        _fail(str(error), USAGE)
    except (EngineError, EmbeddedRedisError, SecretsError) as error:
        _fail(str(error), MISSING)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    """Listen before anything else is started: a port that is taken ends it here."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        _fail(_why_not(error, host, port), MISSING)
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


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("rung")
    except PackageNotFoundError:
        return "(not installed)"


def _fail(line: str, code: int) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(code)
