"""Every command, however deep: it has an example, and says what is wrong with a call."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from workers.cli import app

Path = tuple[str, ...]


def commands(command: Any = None, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every command there is, with the words that call it."""
    command = command or typer.main.get_command(app)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, each in inner.items():
        yield from commands(each, (*path, name))


COMMANDS = dict(commands())
each_command = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


@each_command
def test_example(path: Path) -> None:
    """Its help shows a call of it, in one line."""
    told = CliRunner().invoke(app, [*path, "--help"])
    [example] = [line for line in told.output.splitlines() if "Example: " in line]

    assert 0 == told.exit_code
    assert " ".join(["rung", *path]) in example


@each_command
def test_unknown_option(path: Path) -> None:
    """An option that it has not is a mistake of whoever calls it."""
    assert 2 == CliRunner().invoke(app, [*path, "--no-such-option"]).exit_code


@each_command
def test_sentence(path: Path) -> None:
    """The list of commands says in one sentence what it does."""
    told = (COMMANDS[path].help or "").split("\n\n")[0].strip()

    assert told[:1].isupper()
    assert told.endswith(".")
