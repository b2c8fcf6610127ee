"""What people who wait are told, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import Progress

# Is told how many of how many are done.
Told: TypeAlias = Callable[[int, int], None]


def say(text: str) -> None:
    """Say what goes on now."""
    Console(stderr=True).print(text, highlight=False)


@contextmanager
def counted(what: str) -> Iterator[Told]:
    """Show how far something has come. Not while anything is measured: it draws."""
    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
