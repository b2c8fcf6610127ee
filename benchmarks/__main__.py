"""The command line of the benchmarks."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from benchmarks import (
    burst,
    command_line,
    core,
    counting,
    idle,
    ingest,
    lateness,
    memory,
    recovery,
)
from benchmarks.machine import machine
from benchmarks.medians import median_of
from benchmarks.options import Figures, Options
from benchmarks.progress import say
from benchmarks.stage.start import LateError
from benchmarks.tables import show, show_targets
from workers.logs import log_to_stderr

BENCHMARKS: Mapping[str, Callable[[Options], Figures]] = {
    "core": core.measure,
    "counting": counting.measure,
    "help": command_line.measure,
    "lateness": lateness.measure,
    "ingest": ingest.measure,
    "burst": burst.measure,
    "memory": memory.measure,
    "recovery": recovery.measure,
    "idle": idle.measure,
}
ALL = "all"

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
    runs: Annotated[int, typer.Option(min=1, help="Give the median of so many.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line each.")
    ] = False,
) -> None:
    """
    Measure, and print the figures with the machine they were measured on.

    A target that is missed is told and is no error: the exit code is 0. It is 1 if
    something could not be measured at all; the others are, nevertheless.
    """
    if name not in {*BENCHMARKS, ALL}:
        typer.echo(
            f"there is no benchmark {name!r}: use {', '.join(BENCHMARKS)}, {ALL}",
            err=True,
        )
        raise typer.Exit(2)
    log_to_stderr()
    options = Options(seconds=seconds, seed=seed)
    measured = []
    chosen = [*BENCHMARKS] if name == ALL else [name]
    for each in chosen:
        try:
            figures = _measured(each, options, runs)
        except LateError as error:
            say(f"{each}: {error}")
            continue
        measured.append(figures)
        if as_json:
            typer.echo(json.dumps(figures, ensure_ascii=False))
        else:
            show(figures)
    if not as_json:
        show_targets(measured)
    if len(measured) < len(chosen):
        raise typer.Exit(1)


def _measured(name: str, options: Options, runs: int) -> Figures:
    found = []
    for number in range(1, runs + 1):
        say(f"{name}: run {number} of {runs}")
        found.append(BENCHMARKS[name](options))

    return {"name": name, "machine": machine(), "median_of": runs, **median_of(found)}


if __name__ == "__main__":
    app()
