"""Checking: `rung lint`."""

# ruff: noqa: PLC0415 - half a second of imports would stand before `--help`

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.common import FINDINGS, USAGE, fail, read_settings
from workers.cli.output import AsJson, plain, print_json
from workers.cli.sources import draft_in, stored

if TYPE_CHECKING:
    from workers.linting import Allowed, Report, Told
    from workers.settings import Settings

NOTHING = (
    "there is nothing to look at: name a directory of YAML files, or set "
    "RUNG_CONFIG_DIR or REDIS_URL"
)
EMPTY = "there is nothing to look at: there is no configuration in {where}"

app = typer.Typer()


@app.command()
def lint(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Holds YAML files; else RUNG_CONFIG_DIR, else the store."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="A finding that is wanted, as CODE or CODE:ID; repeatable."),
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="A channel that is configured elsewhere; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Find what is wrong with a configuration, and what hardly anybody meant.

    Nothing is changed. A variable of the environment that files name need not be set.

    Example: rung lint config/ --allow volume_gate_first:night
    """
    settings = read_settings()
    directory = directory or settings.config_dir
    report = _report(settings, directory, _allowed(allow or []), channel or [])
    if as_json:
        print_json(_as_json(report))
    else:
        _show(report)
    if report.mistakes or report.findings:
        raise typer.Exit(FINDINGS)


def _report(
    settings: "Settings",
    directory: Path | None,
    allowed: "Sequence[Allowed]",
    channels: Sequence[str],
) -> "Report":
    from engine.directory import Directory
    from workers.applying import rules_of
    from workers.bootstrap import configured_channels
    from workers.linting import Around, Report, look_at_files, look_at_store

    def around(configured: frozenset[str]) -> Around:
        return Around(
            channels=configured.union(channels),
            has_schedules=rules_of(settings).has_schedules,
            allowed=allowed,
        )

    if directory is not None:
        draft = draft_in(directory)
        if not draft.directory.origins and not draft.mistakes:
            fail(EMPTY.format(where=directory), USAGE)
        return look_at_files(draft, around(configured_channels()))
    if settings.redis_url is None and not settings.data_dir.exists():
        fail(NOTHING, USAGE)
    there = stored()
    if there.directory == Directory():
        # The first release comes before anything is configured: nothing is wrong then.
        typer.echo(EMPTY.format(where="the store"), err=True)
        return Report(directory=there.directory, mistakes=(), findings=())

    return look_at_store(there.directory, around(there.channels))


def _allowed(written: Sequence[str]) -> "list[Allowed]":
    """Read what findings are wanted; a code that is none ends the command."""
    from workers.linting import CODES, Allowed

    allowed = []
    for text in written:
        code, colon, object_id = text.partition(":")
        if code not in CODES or (colon and not object_id):
            close = difflib.get_close_matches(code, CODES, n=1)
            meant = (
                f"did you mean {close[0]}?" if close else "docs/lint.md has them all"
            )
            fail(f"--allow {plain(text)}: that is no code of a finding: {meant}", USAGE)
        allowed.append(Allowed(code=code, object_id=object_id or None))

    return allowed


def _show(report: "Report") -> None:
    from workers.linting import counted

    for mistake in report.mistakes:
        typer.echo(plain(str(mistake)))
    for finding in report.findings:
        typer.echo(f"{plain(str(finding.place))} [{finding.code}]")
    counts = counted(report.directory)
    where = ", ".join(_plural(number, what) for what, number in counts.items())
    told = [
        _plural(len(found), what)
        for what, found in (
            ("mistakes", report.mistakes),
            ("findings", report.findings),
        )
        if found
    ]
    typer.echo(f"{' and '.join(told) or 'no findings'} in {where}")
    if not report.is_complete:
        typer.echo("findings are looked for when all of it can be read")


def _plural(number: int, what: str) -> str:
    if number != 1:
        return f"{number} {what}"

    return f"1 {'policy' if what == 'policies' else what.removesuffix('s')}"


def _as_json(report: "Report") -> dict[str, object]:
    from dataclasses import asdict

    from workers.linting import counted

    return {
        "mistakes": [asdict(one) for one in report.mistakes],
        "findings": [_finding_as_json(one) for one in report.findings],
        "is_complete": report.is_complete,
        "looked_at": dict(counted(report.directory)),
    }


def _finding_as_json(finding: "Told") -> dict[str, object]:
    place = finding.place

    return {
        "code": finding.code,
        "file": place.file or None,
        "line": place.line,
        "path": place.path,
        "text": place.problem,
    }
