"""
The command line. What a command needs is imported when it runs: help is instant.

Exit codes: 0 ok, 1 findings, 2 usage, 3 something it depends on is missing.
"""

from typing import Annotated

import typer

from workers.cli import checking, configuring, events, processes, routing, tokens
from workers.cli.common import version as version_of_rung

app = typer.Typer(
    help="rung: an alert pages people, step by step, until somebody takes it.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(processes.app)
app.add_typer(configuring.app)
app.add_typer(tokens.app, name="token")
app.add_typer(checking.app)
app.add_typer(routing.app, name="route")
app.add_typer(events.app, name="event")


def main() -> None:
    """Run the command line."""
    app()


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"rung {version_of_rung()}")
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
