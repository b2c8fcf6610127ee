"""Incidents from the command line: `rung incident list`, `show`, `ack`, `resolve`..."""

# ruff: noqa: PLC0415 - half a second of imports would stand before `--help`

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import typer

from workers.cli.common import (
    FINDINGS,
    MISSING,
    USAGE,
    fail,
    on_store,
    read_settings,
)
from workers.cli.output import AsJson, plain, print_json, print_table

if TYPE_CHECKING:
    from datetime import datetime

    from engine.core.events import Command
    from engine.core.incident import Decision, Incident
    from workers.bootstrap import Installation
    from workers.listing import Part, Wanted

LIMIT, LIMIT_MAX = 20, 1_000
# Parts that are looked through until there are as many as are asked for.
PARTS_MAX = 50
NOBODY = "command line"
TIME = "%Y-%m-%d %H:%M:%S"
T = TypeVar("T")

app = typer.Typer()
incident = typer.Typer(help="Look at incidents, and take them.", no_args_is_help=True)
app.add_typer(incident, name="incident")

Id: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="Its id, with inc_ or without.")
]
By: TypeAlias = Annotated[
    str | None, typer.Option("--by", help="Who does it; you, if left out.")
]
Names: TypeAlias = list[str]


@incident.command("list")
def list_incidents(
    status: Annotated[
        str,
        typer.Option(help="open, triggered, acknowledged, snoozed, resolved or all."),
    ] = "open",
    severity: Annotated[
        Names, typer.Option(help="Only these; give it again for several.")
    ] = [],  # noqa: B006 - typer reads it only
    policy: Annotated[
        Names, typer.Option(help="Only these; give it again for several.")
    ] = [],  # noqa: B006 - typer reads it only
    limit: Annotated[int, typer.Option(min=1, max=LIMIT_MAX)] = LIMIT,
    as_json: AsJson = False,
) -> None:
    """
    List incidents, newest first.

    Example: rung incident list --status all --severity critical
    """
    from workers.listing import Listed, Wanted

    if status not in set(Listed):
        fail(f"--status: there is no {status!r}: write {', '.join(Listed)}", USAGE)
    wanted = Wanted(
        statuses=Listed(status).statuses,
        severities=frozenset(severity),
        policies=frozenset(policy),
    )
    part = _asked(lambda installation: _list(installation, wanted, limit))
    if as_json:
        from workers.web.api.shapes import IncidentList

        print_json(IncidentList.of(part.summaries, part.next).model_dump(mode="json"))
        return
    _print_list(part)


@incident.command()
def show(incident_id: Id, as_json: AsJson = False) -> None:
    """
    Show an incident: what it is, what is due next, what happened.

    Example: rung incident show inc_05HNN48A0C5
    """
    from workers.upcoming import upcoming
    from workers.web.api.shapes import IncidentAnswer
    from workers.web.api.timeline import tell

    async def look(installation: "Installation") -> tuple["Incident", Any]:
        known_id = _read(incident_id)
        found = await installation.desk.find(known_id)

        return found, tell(await installation.reader.history(known_id))

    found, entries = _asked(look)
    shown = IncidentAnswer.of(found).model_dump(mode="json", exclude={"links"})
    due = upcoming(found)
    if as_json:
        print_json(
            {
                "incident": shown,
                "upcoming": [
                    {"at": one.at.isoformat(), "text": one.text} for one in due
                ],
                "timeline": [entry.model_dump(mode="json") for entry in entries],
            }
        )
        return
    _print_fields(shown)
    _print_times("next", [(one.at, one.text) for one in due])
    _print_times("timeline", [(entry.at, entry.text) for entry in entries])


@incident.command("ack")
def acknowledge(incident_id: Id, by: By = None, as_json: AsJson = False) -> None:
    """
    Acknowledge an incident: nobody is paged any more.

    Example: rung incident ack inc_05HNN48A0C5 --by alice
    """
    from engine.core.events import Acknowledged

    _command(incident_id, lambda common, _: Acknowledged(**common), by, as_json)


@incident.command()
def resolve(incident_id: Id, by: By = None, as_json: AsJson = False) -> None:
    """
    Resolve an incident: it is over.

    Example: rung incident resolve inc_05HNN48A0C5
    """
    from engine.core.events import Resolved

    _command(incident_id, lambda common, _: Resolved(**common), by, as_json)


@incident.command()
def escalate(
    incident_id: Id,
    to: Annotated[
        Names,
        typer.Option(
            metavar="TARGET",
            help="Page these instead: user:bob, schedule:primary, policy:night.",
        ),
    ] = [],  # noqa: B006 - typer reads it only
    step: Annotated[
        str | None,
        typer.Option(help="Go on at this step: its number, from 1, or its id."),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """
    Escalate now: the next step does not wait, or somebody else is paged.

    Example: rung incident escalate inc_05HNN48A0C5 --to user:bob
    """
    from engine.core.events import Escalated
    from workers.orders import read_targets, step_index

    if to and step is not None:
        fail("give either --to or --step", USAGE)

    def make(common: dict[str, Any], found: "Incident") -> Escalated:
        index = None if step is None else step_index(found, _number_or_id(step))

        return Escalated(**common, step=index, targets=tuple(targets.values()))

    with _refusals():
        targets = read_targets("--to", to)
    _command(incident_id, make, by, as_json, targets)


def _number_or_id(step: str) -> int | str:
    return int(step) if step.isascii() and step.isdigit() else step


def _command(
    incident_id: str,
    make: Callable[[dict[str, Any], "Incident"], "Command"],
    by: str | None,
    as_json: bool,
    targets: Any = None,
) -> None:
    """Give a command; one that changed nothing says why, and is a finding."""
    from workers.web.api.shapes import CommandAnswer
    from workers.web.api.timeline import CHANGED_NOTHING

    async def give(installation: "Installation") -> "Decision":
        known_id = _read(incident_id)
        found = await installation.desk.find(known_id)
        await _check(installation, targets)
        common = {
            "at": installation.clock.now(),
            "id": installation.ids.command_id(),
            "by": _who(by),
        }

        return await installation.desk.obey(known_id, make(common, found))

    decision = _asked(give)
    has_changed = decision.reason not in CHANGED_NOTHING
    if as_json:
        answer = CommandAnswer.after(decision).model_dump(
            mode="json", exclude={"links"}
        )
        print_json(answer)
    elif has_changed:
        typer.echo(_outcome(decision))
    if not has_changed:
        fail(f"{_outcome(decision)}: nothing was changed", FINDINGS)


async def _check(installation: "Installation", targets: Any) -> None:
    """Check that those whom it names exist."""
    from workers.orders import Orders

    if not targets:
        return
    orders = Orders(
        directory=await installation.configuration.latest(),
        channels=installation.desk.channels,
        has_schedules=read_settings().has_schedules,
    )
    orders.check_page(targets, None)


async def _list(installation: "Installation", wanted: "Wanted", limit: int) -> "Part":
    """Read part after part, until there are as many as are asked for."""
    from workers.listing import Part, list_part

    found: list[Any] = []
    before = None
    for _ in range(PARTS_MAX):
        part = await list_part(installation.reader, wanted, limit - len(found), before)
        found += part.summaries
        before = part.next
        if before is None or len(found) >= limit:
            break

    return Part(summaries=found, next=before)


def _asked(work: Callable[["Installation"], Awaitable[T]]) -> T:
    """Do something with the store; what the command got wrong is a usage error."""
    from engine.errors import EngineError
    from workers.orders import OrderError

    async def tried(installation: "Installation") -> T | Exception:
        try:
            return await work(installation)
        except (EngineError, OrderError) as error:
            # Raised outside: the task group in there would put it into a group.
            return error

    done = on_store(tried)
    with _refusals():
        if isinstance(done, Exception):
            raise done

    return done


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what is refused into a line and an exit code."""
    from engine.errors import CallerError, EngineError
    from workers.orders import OrderError

    try:
        yield
    except (CallerError, OrderError) as error:
        fail(str(error), USAGE)
    except EngineError as error:
        fail(str(error), MISSING)


def _read(shown_id: str) -> str:
    from engine.ids import read_incident_id

    return read_incident_id(shown_id)


def _who(by: str | None) -> str:
    """Return who gives the command: whoever is logged in, if it does not say."""
    import getpass

    from workers.web.text import one_line

    if by is not None and (named := one_line(by, 200)):
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container a user may have no name.
        return NOBODY


def _outcome(decision: "Decision") -> str:
    from engine.core.incident import Status
    from engine.ids import show_incident_id

    found = decision.incident
    by = {
        Status.ACKNOWLEDGED: found.acknowledged_by,
        Status.SNOOZED: found.snoozed_by,
        Status.RESOLVED: found.resolved_by,
    }.get(found.status)
    whose = f" by {plain(by)}" if by else ""
    reason = decision.reason.replace("_", " ")

    return f"{show_incident_id(found.id)} is {found.status}{whose} ({reason})"


def _print_list(part: "Part") -> None:
    from engine.ids import show_incident_id

    summaries = part.summaries
    print_table(
        {
            "ID": [show_incident_id(one.id) for one in summaries],
            "STATUS": [one.status.value for one in summaries],
            "SEVERITY": [one.severity for one in summaries],
            "OPENED (UTC)": [one.opened_at.strftime(TIME) for one in summaries],
            "POLICY": [one.policy for one in summaries],
            "BY": [one.acknowledged_by or "" for one in summaries],
            "TITLE": [one.title for one in summaries],
        }
    )
    if part.next is not None:
        typer.echo("there are more: raise --limit", err=True)


def _print_fields(shown: dict[str, Any]) -> None:
    """Print what there is of an incident, a field a line."""
    rows = {
        name: _told(value)
        for name, value in shown.items()
        if value not in (None, "", [], {})
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        typer.echo(f"{name.ljust(width)}  {plain(value)}")


def _told(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{key}={_told(one)}" for key, one in value.items())
        case list():
            return "|".join(map(_told, value))
        case _:
            return str(value)


def _print_times(heading: str, lines: list[tuple["datetime", str]]) -> None:
    if lines:
        typer.echo(f"\n{heading}:")
    for at, text in lines:
        typer.echo(f"  {at.strftime(TIME)}  {plain(text)}")
