"""Configuration by files: `rung apply`, `rung schema`."""

# ruff: noqa: PLC0415 - half a second of imports would stand before `--help`

import os
import sys
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from workers.cli.common import FINDINGS, USAGE, fail, on_store, read_settings
from workers.cli.output import AsJson, plain, print_json

if TYPE_CHECKING:
    from engine.directory.drafts import Draft
    from engine.directory.plan import Change, Difference, Plan
    from policies.mistakes import Mistake
    from workers.applying import Applied
    from workers.bootstrap import Installation
    from workers.settings import Settings

SIGNS = {"added": "+", "changed": "~", "removed": "-"}
# Of one object; who moves a step to the front sees that much of what that changes.
DIFFERENCES_MAX = 12
VALUE_MAX = 60

NOTHING_WRITTEN = (
    "its files write nothing, which would remove all that came from files: is it the "
    "right one? Single objects are removed by leaving them out"
)

app = typer.Typer()


@app.command()
def apply(
    directory: Annotated[Path, typer.Argument(help="Holds YAML files.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and stop.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="Take over what files write and the API has made."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """
    Configure rung with the YAML files of a directory: all of it, or nothing.

    Shows what it changes, and asks before it does if a person is there. What the API
    has made is left alone. Applied twice, it changes nothing.

    Example: rung apply config/ --dry-run
    """
    from workers.applying import Applied, apply_files, rules_of

    dialogue = _Dialogue(is_dry=dry_run, is_asking=not yes, is_json=as_json)
    draft = read_draft(directory)
    if draft.mistakes:
        dialogue.refuse(draft.mistakes)
    rules = rules_of(read_settings(), adopt=adopt)

    async def work(installation: "Installation") -> "Applied | Sequence[Mistake]":
        return await mistakes_or(
            apply_files(installation.configuration, draft, rules, dialogue.is_wanted)
        )

    found = on_store(work)
    if isinstance(found, Applied):
        dialogue.tell(found)
    else:
        dialogue.refuse(found)


@app.command()
def schema() -> None:
    """
    Print the JSON Schema of the files, for editors.

    Example: rung schema > rung.schema.json
    """
    from engine.directory.file_form import file_schema

    print_json(file_schema())


def read_draft(directory: Path, named: str = "") -> "Draft":
    """Read the files of a directory; if they cannot be read, that ends the command."""
    from engine.directory.files import read_files
    from workers.files import FilesError, read_texts

    try:
        draft = read_files(read_texts(directory), os.environ.get)
    except FilesError as error:
        fail(f"{named}{error}", USAGE)
    if not draft.directory.origins and not draft.mistakes:
        # A checkout that broke off looks like this: it would remove all that there is.
        fail(f"{named}{directory}: {NOTHING_WRITTEN}", USAGE)

    return draft


def configure(settings: "Settings", redis_url: str, directory: Path) -> "Applied":
    """Apply a directory before a process starts; it waits for the store to be there."""
    import anyio

    from workers.applying import Applied, apply_files, rules_of
    from workers.bootstrap import connect
    from workers.demo import with_api_token

    draft = read_draft(directory, "RUNG_CONFIG_DIR: ")
    if draft.mistakes:
        refuse(draft.mistakes)

    async def work() -> "Applied | Sequence[Mistake]":
        async with connect(settings, redis_url) as installation:
            await installation.prepare()
            return await mistakes_or(
                apply_files(
                    installation.configuration,
                    draft,
                    rules_of(settings),
                    also=lambda one: with_api_token(one, settings.data_dir),
                )
            )

    found = anyio.run(work)
    if not isinstance(found, Applied):
        refuse(found)

    return found


async def mistakes_or(applying: "Awaitable[Applied]") -> "Applied | Sequence[Mistake]":
    """Wait for what is applied; mistakes are an answer as well."""
    from workers.applying import MistakesError

    try:
        return await applying
    except MistakesError as error:
        return error.mistakes


def refuse(mistakes: "Sequence[Mistake]") -> NoReturn:
    """End the command with a line for each mistake."""
    for mistake in mistakes:
        typer.echo(plain(str(mistake)), err=True)
    count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
    fail(f"{count}: nothing was applied", FINDINGS)


@dataclass(slots=True, kw_only=True)
class _Dialogue:
    """What is said about a plan, and whether it is wanted."""

    is_dry: bool
    is_asking: bool
    is_json: bool
    shown: "tuple[Change, ...] | None" = None

    def is_wanted(self, plan: "Plan") -> bool:
        """Show what a plan changes, and ask if a person is there to answer."""
        if not self.is_json and plan.changes != self.shown:
            show(plan.changes)
        self.shown = plan.changes
        if self.is_dry:
            return False
        if not (plan.changes and self.is_asking and sys.stdin.isatty()):
            return True
        try:
            return typer.confirm("Apply it?", err=True)
        except typer.Abort:
            return False

    def tell(self, applied: "Applied") -> None:
        """Say what was done."""
        if self.is_json:
            print_json(_as_json(applied))
        elif applied.is_done and applied.plan.changes:
            typer.echo(f"applied, as version {applied.directory.version}")
            for name, path in applied.keys.items():
                typer.echo(f"the ingest key of {plain(name)} is in {path}")
        if not applied.is_done and not self.is_dry:
            fail("nothing was applied", FINDINGS)

    def refuse(self, mistakes: "Sequence[Mistake]") -> NoReturn:
        """Say what is wrong, and end the command."""
        if not self.is_json:
            refuse(mistakes)
        print_json({"applied": False, "mistakes": [asdict(one) for one in mistakes]})
        raise typer.Exit(FINDINGS)


def show(changes: "Sequence[Change]") -> None:
    """Print what changes, each object with what is other than before."""
    for change in changes:
        typer.echo(f"{SIGNS[change.verb]} {change.kind}/{plain(change.id)}")
        for line in _lines(change.differences):
            typer.echo(f"    {line}")
    counts = Counter(str(change.verb) for change in changes)
    told = ", ".join(f"{counts[verb]} {verb}" for verb in SIGNS if counts[verb])
    typer.echo(told or "nothing to change")


def _lines(differences: "Sequence[Difference]") -> Iterator[str]:
    from engine.directory.plan import FILE

    for one in differences[:DIFFERENCES_MAX]:
        match one.path, one.before, one.after:
            case path, before, after if path == FILE:
                yield f"belongs to: {before or 'the API'} -> {after or 'the API'}"
            case path, None, None:
                yield f"{plain(path)}: another one (not shown)"
            case path, before, after:
                name = f"{plain(path)}: " if path else ""
                yield f"{name}{_shown(before)} -> {_shown(after)}"
    if len(differences) > DIFFERENCES_MAX:
        yield f"and {len(differences) - DIFFERENCES_MAX} more"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else plain(str(value))

    return text if len(text) <= VALUE_MAX else text[: VALUE_MAX - 1] + "…"


def _as_json(applied: "Applied") -> dict[str, Any]:
    return {
        "applied": applied.is_done,
        "version": applied.directory.version,
        "changes": [asdict(change) for change in applied.plan.changes],
        "keys": {name: str(path) for name, path in applied.keys.items()},
        "mistakes": [],
    }
