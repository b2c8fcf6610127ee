"""`rung doctor`: what of an installation is not as it should be, and what to do."""

# ruff: noqa: PLC0415 - half a second of imports would stand before `--help`

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.common import FINDINGS, MISSING, explained, read_settings, redis_url
from workers.cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from workers.doctor.findings import Finding
    from workers.settings import Settings

# What is looked at answers within milliseconds; a server that hangs does not.
LOOK_SECONDS_MAX = 20

app = typer.Typer()


@app.command("doctor")
def examine(
    as_json: AsJson = False,
    heartbeat: Annotated[
        bool, typer.Option("--heartbeat", help="Ask for RUNG_HEARTBEAT_URL, once.")
    ] = False,
) -> None:
    """
    Look at Redis, settings, directory and workers: what is wrong, and what to do.

    Exit code 1: there are findings; 3: Redis cannot be reached.

    Example: rung doctor --json
    """
    import anyio

    from workers.doctor.environment import look_at_environment
    from workers.doctor.findings import Verdict
    from workers.doctor.installation import is_reached, not_reached
    from workers.logs import log_to_stderr
    from workers.redis_server import EmbeddedRedisError

    settings = read_settings()
    log_to_stderr()
    findings = list(look_at_environment(settings, os.environ))
    with explained():
        try:
            with redis_url(settings, is_quiet=True) as url:
                findings += anyio.run(_look, settings, url, heartbeat)
        except EmbeddedRedisError as error:
            findings.append(not_reached(error))
    _show(findings, as_json=as_json)
    if not is_reached(findings):
        raise typer.Exit(MISSING)
    if any(one.verdict is Verdict.FINDING for one in findings):
        raise typer.Exit(FINDINGS)


async def _look(
    settings: "Settings", url: str, is_heartbeat_wanted: bool
) -> "list[Finding]":
    """Look at all there is behind an address; what is not reached is a finding."""
    import anyio

    from engine.errors import EngineError
    from workers.bootstrap import connect
    from workers.doctor.findings import wrong
    from workers.doctor.installation import (
        ask_heartbeat,
        is_reached,
        look_at_server,
        look_at_store,
        not_reached,
    )

    findings: list[Finding] = []
    async with connect(settings, url) as installation:
        try:
            with anyio.fail_after(LOOK_SECONDS_MAX):
                _tell("Redis")
                findings += await look_at_server(installation)
                if is_reached(findings):
                    _tell("what is stored")
                    findings += await look_at_store(installation, settings)
        except TimeoutError:
            findings.append(not_reached(TimeoutError("Redis does not answer in time")))
        except EngineError as error:
            remedy = "correct the setting that is named, or look at Redis"
            findings.append(wrong("store", str(error), remedy))
        if is_heartbeat_wanted:
            _tell("the heartbeat")
            findings.append(await ask_heartbeat(installation))
    _tell("")

    return findings


def _tell(what: str) -> None:
    """Say what is looked at, to whoever sits before it; a file gets none of it."""
    if sys.stderr.isatty():
        typer.echo(
            "\r\033[K" + (f"looks at {what} ..." if what else ""), err=True, nl=False
        )


def _show(findings: "Sequence[Finding]", *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        print_json([asdict(one) for one in findings])
        return
    print_table(
        {
            "CHECK": [one.check for one in findings],
            "VERDICT": [one.verdict for one in findings],
            "FOUND": [one.found for one in findings],
            "REMEDY": [one.remedy for one in findings],
        }
    )
