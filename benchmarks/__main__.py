"""The command line of the benchmarks."""

import json
import platform
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from benchmarks import command_line, core, counting
from benchmarks.chaos import crashes, outage
from benchmarks.options import Figures, Options

BENCHMARKS: Mapping[str, Callable[[Options], Figures]] = {
    "core": core.measure,
    "counting": counting.measure,
    "crashes": crashes.measure,
    "help": command_line.measure,
    "outage": outage.measure,
}
# These measure no speed, and take their time.
ALL = [name for name in BENCHMARKS if name not in {"chaos", "crashes", "outage"}]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(BENCHMARKS)}, all.")],
    *,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="How long each part runs.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Repeats a run that draws by chance.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line each.")
    ] = False,
) -> None:
    """Measure, and print the figures with the machine they were measured on."""
    if name not in {*BENCHMARKS, "all"}:
        typer.echo(
            f"there is no benchmark {name!r}: use {', '.join(BENCHMARKS)}", err=True
        )
        raise typer.Exit(2)
    options = Options(seconds=seconds, seed=seed)
    broken: list[str] = []
    for each in ALL if name == "all" else [name]:
        figures = {"name": each, **_machine(), **BENCHMARKS[each](options)}
        if as_json:
            typer.echo(json.dumps(figures))
        else:
            _show(figures)
        broken += figures.get("broken", [])
    for promise in broken:
        typer.echo(promise, err=True)
    if broken:
        raise typer.Exit(1)


def _machine() -> Figures:
    return {"python": platform.python_version(), "machine": platform.machine()}


def _show(figures: Figures, indent: str = "") -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            typer.echo(f"{indent}{name}")
            _show(value, indent + "  ")
        else:
            typer.echo(f"{indent}{name:<32} {value}")


if __name__ == "__main__":
    app()
