"""
What commands share: settings, the store, exit codes, what may well go wrong.

Exit codes: 0 ok, 1 findings, 2 usage, 3 something it depends on is missing.
"""

# ruff: noqa: PLC0415 - half a second of imports would stand before `--help`

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from workers.bootstrap import Installation
    from workers.settings import Settings

FINDINGS, USAGE, MISSING, INTERRUPTED = 1, 2, 3, 130
# A command that people wait for gives up where a process would go on waiting.
STORE_SECONDS_MAX = 5
T = TypeVar("T")


def fail(line: str, code: int) -> NoReturn:
    """End the command with a line on standard error."""
    typer.echo(line, err=True)
    raise typer.Exit(code)


def version() -> str:
    """Return the version of rung."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("rung")
    except PackageNotFoundError:
        return "(not installed)"


def read_settings() -> "Settings":
    """Read the settings; those that cannot be used end the command."""
    from workers.settings import Settings, SettingsError

    try:
        return Settings.from_environment(os.environ)
    except SettingsError as error:
        fail(str(error), USAGE)


@contextmanager
def redis_url(settings: "Settings", *, is_quiet: bool = False) -> Iterator[str]:
    """Give the address of Redis, and run one meanwhile if none is named."""
    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value()
        return
    from workers.embedded import embedded_redis

    with embedded_redis(settings.data_dir, os.environ) as redis:
        if redis.is_shared and not is_quiet:
            typer.echo(f"uses the Redis that runs already in {redis.directory}")
        yield redis.url


@contextmanager
def explained() -> Iterator[None]:
    """Turn what may well happen into one line on standard error and an exit code."""
    from engine.errors import CallerError, EngineError
    from workers.demo import SecretsError
    from workers.redis_server import EmbeddedRedisError
    from workers.settings import SettingsError

    try:
        yield
    except SettingsError as error:
        fail(str(error), USAGE)
    except CallerError as error:
        fail(str(error), USAGE)
    except (EngineError, EmbeddedRedisError, SecretsError) as error:
        fail(str(error), MISSING)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def on_store(work: Callable[["Installation"], Awaitable[T]]) -> T:
    """
    Do something with the store that the settings name: REDIS_URL, else our own.

    What the store or the request lacks ends the command with a line and an exit code.
    """
    import anyio

    from workers.logs import log_to_stderr

    settings = read_settings()
    log_to_stderr()
    with explained(), redis_url(settings, is_quiet=True) as url:
        return anyio.run(_connected, settings, url, work)


async def _connected(
    settings: "Settings", url: str, work: Callable[["Installation"], Awaitable[T]]
) -> T:
    from workers.bootstrap import connect

    async with connect(settings, url) as installation, installation.look_ups:
        try:
            return await _prepared(installation, work)
        except Exception as error:  # noqa: BLE001 - raised below, as it is
            # In here, the task group of look-ups would put it into a group.
            problem = error
    raise problem


async def _prepared(
    installation: "Installation", work: Callable[["Installation"], Awaitable[T]]
) -> T:
    import anyio

    from engine.errors import StoreUnavailableError

    with anyio.move_on_after(STORE_SECONDS_MAX) as waiting:
        await installation.prepare()
    if waiting.cancelled_caught:
        # What is wrong with the setting itself is told with what to correct in it.
        problem = installation.problem
        is_told = "REDIS_URL" in problem
        message = (
            problem
            if is_told
            else "Redis does not answer: check REDIS_URL, or start it"
        )
        raise StoreUnavailableError(message)
    done = await work(installation)
    await installation.tally.close()

    return done
