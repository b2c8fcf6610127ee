"""What commands print: tables for people, JSON for programs."""

import json
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import typer

GAP = "  "
WIDTH_MIN = 80
AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON, for programs.")
]


def print_json(value: Any) -> None:
    """Print a value as JSON, in one document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(columns: Mapping[str, Sequence[object]]) -> None:
    """
    Print a table: its columns by their headings.

    What a sender made up moves no cursor. The last column is cut to the width of the
    terminal; written to a file or a pipe it is whole.
    """
    cells = [
        [heading, *(plain(str(cell)) for cell in column)]
        for heading, column in columns.items()
    ]
    widths = [max(map(len, column)) for column in cells]
    for row in zip(*cells, strict=True):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(_cut(GAP.join(padded).rstrip()))


def plain(text: str) -> str:
    """Return text on one line, without what a terminal would obey."""
    flat = " ".join(text.split())

    return "".join(one for one in flat if unicodedata.category(one)[0] != "C")


def _cut(line: str) -> str:
    """Cut a line to the terminal, if it is one."""
    import sys  # noqa: PLC0415 - looked at when it is written to

    if not sys.stdout.isatty():
        return line
    width = max(shutil.get_terminal_size().columns, WIDTH_MIN)

    return line if len(line) <= width else line[: width - 1] + "…"
