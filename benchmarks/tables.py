"""Figures as people read them."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.options import Figures

TARGETS, MACHINE = "targets", "machine"
NOT_MEASURED = "not measured"


def show(figures: Figures) -> None:
    """Print all figures of one benchmark; its targets come with those of all others."""
    table = Table("figure", "value", title=figures["name"], title_justify="left")
    for name, value in _leaves(figures):
        table.add_row(name, _written(value))
    Console().print(table)


def show_targets(all_figures: list[Figures]) -> None:
    """Print what was wanted and what was measured, if any benchmark has targets."""
    table = Table("benchmark", "target", "wanted", "measured", "met")
    for figures in all_figures:
        for name, one in figures.get(TARGETS, {}).items():
            met = "yes" if one["met"] else "[bold red]NO[/]"
            told = (str(one["wanted"]), _written(one["measured"]), met)
            table.add_row(figures["name"], name, *told)
    if table.row_count:
        Console().print(table)


def _leaves(figures: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if not before and name in {TARGETS, "name"}:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name} · ")
        else:
            yield f"{before}{name}", value


def _written(value: Any) -> str:
    return NOT_MEASURED if value is None else str(value)
