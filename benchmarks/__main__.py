"""The command line of the benchmarks."""

import json
from collections.abc import Callable, Mapping, Sequence
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
    steps,
)
from benchmarks.chaos import crashes, outage, run as chaos, sentinel
from benchmarks.machine import machine
from benchmarks.medians import median_of
from benchmarks.options import Figures, Options
from benchmarks.progress import say
from benchmarks.stage.start import LateError
from benchmarks.tables import show, show_targets
from workers.logs import log_to_stderr

Measure = Callable[[Options], Figures]
# These measure how fast it is.
SPEEDS: Mapping[str, Measure] = {
    "core": core.measure,
    "counting": counting.measure,
    "help": command_line.measure,
    "steps": steps.measure,
    "lateness": lateness.measure,
    "ingest": ingest.measure,
    "burst": burst.measure,
    "memory": memory.measure,
    "recovery": recovery.measure,
    "idle": idle.measure,
}
# These break things and count what is lost; they name each broken promise.
FAULTS: Mapping[str, Measure] = {
    "chaos": chaos.measure,
    "sentinel": sentinel.measure,
    "outage": outage.measure,
    "crashes": crashes.measure,
}
BENCHMARKS = {**SPEEDS, **FAULTS}
# What several of them are called.
GROUPS = {"all": SPEEDS, "faults": FAULTS}
NAMES = ", ".join([*BENCHMARKS, *GROUPS])
BROKEN = "broken"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    name: Annotated[str, typer.Argument(help=f"One of: {NAMES}.")],
    *,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="How long each part runs.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Repeats a run that draws by chance.")
    ] = None,
    point: Annotated[
        int | None, typer.Option(min=1, help="Of crashes: try this one alone.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Give the median of so many.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line each.")
    ] = False,
) -> None:
    """
    Measure, and print the figures with the machine they were measured on.

    A target that is missed is told and is no error: the exit code is 0. It is 1 if
    a promise was broken, or if something could not be measured at all; the others are,
    nevertheless.
    """
    if name not in {*BENCHMARKS, *GROUPS}:
        typer.echo(f"there is no benchmark {name!r}: use {NAMES}", err=True)
        raise typer.Exit(2)
    options = Options(seconds=seconds, seed=seed, point=point)
    chosen = [*GROUPS.get(name, [name])]
    measured = []
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
    broken = [promise for figures in measured for promise in figures.get(BROKEN, [])]
    for promise in broken:
        say(promise)
    if broken or len(measured) < len(chosen):
        raise typer.Exit(1)


def _measured(name: str, options: Options, runs: int) -> Figures:
    found = []
    for number in range(1, runs + 1):
        say(f"{name}: run {number} of {runs}")
        found.append(BENCHMARKS[name](options))
    figures = median_of(found)
    if BROKEN in figures:
        # Of promises it is every run that counts, each by the seed that repeats it.
        figures |= {"seeds": [run.get("seed") for run in found]}
        figures[BROKEN] = [_repeatable(*each) for each in _promises_of(found)]

    return {"name": name, "machine": machine(), "median_of": runs, **figures}


def _promises_of(runs: Sequence[Figures]) -> list[tuple[object, str]]:
    return [(run.get("seed"), promise) for run in runs for promise in run[BROKEN]]


def _repeatable(seed: object, promise: str) -> str:
    return promise if seed is None else f"seed {seed}: {promise}"


if __name__ == "__main__":
    # Here, not in `main`: a logger stays as it was first used, also in a test.
    log_to_stderr()
    app()
