"""Where commands that only look get a configuration from: files, or the store."""

# ruff: noqa: PLC0415 - half a second of imports would stand before `--help`

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from workers.cli.common import FINDINGS, USAGE, fail, on_store
from workers.cli.output import plain

if TYPE_CHECKING:
    from engine.directory import Directory
    from engine.directory.drafts import Draft
    from workers.bootstrap import Installation


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is in the store, and the channels that its installation sends by."""

    directory: "Directory"
    channels: frozenset[str]


def draft_in(directory: Path) -> "Draft":
    """
    Read files to look at; a variable of the environment need not be set.

    If they cannot be read at all, that ends the command.
    """
    from engine.directory.files import read_files
    from workers.files import FilesError, read_texts
    from workers.linting import stand_in

    try:
        return read_files(read_texts(directory), stand_in(os.environ.get))
    except FilesError as error:
        fail(str(error), USAGE)


def directory_of(directory: Path | None) -> "Directory":
    """Return what is configured by files that have no mistakes, else in the store."""
    if directory is None:
        return stored().directory
    draft = draft_in(directory)
    for mistake in draft.mistakes:
        typer.echo(plain(str(mistake)), err=True)
    if draft.mistakes:
        fail("the files have mistakes: correct them first", FINDINGS)

    return draft.directory


def stored() -> "Stored":
    """Return what is configured in the store, and the channels that it sends by."""
    return on_store(_stored)


async def _stored(installation: "Installation") -> "Stored":
    return Stored(
        directory=await installation.configuration.latest(),
        channels=installation.engine.channels,
    )
