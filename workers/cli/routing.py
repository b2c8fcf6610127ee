"""Routes: `rung route test`, `rung route show`."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from workers.cli.common import FINDINGS, USAGE, fail
from workers.cli.output import AsJson, plain, print_json
from workers.cli.sources import directory_of

if TYPE_CHECKING:
    from engine.directory import Directory, Integration, Route

HOW_TO_WRITE = "write the labels of an alert like severity=critical env=prod"
# These are part of matchers, and of the name of no label.
NOT_IN_A_LABEL = frozenset("!~\"'{}, \t")

app = typer.Typer(
    no_args_is_help=True, help="Show which policy an alert goes to, and why."
)

Named: TypeAlias = Annotated[
    str | None, typer.Option("--integration", help="Only this one.")
]
Files: TypeAlias = Annotated[
    Path | None,
    typer.Option("--dir", help="Holds YAML files, to be read in place of the store."),
]


@app.command("test")
def take_route(
    labels: Annotated[
        list[str] | None, typer.Argument(help="Labels of an alert, as NAME=VALUE.")
    ] = None,
    integration: Named = None,
    directory: Files = None,
    expect_policy: Annotated[
        str | None,
        typer.Option(help="The policy that it should go to; else the command fails."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Tell which route and policy an alert with these labels takes.

    Example: rung route test severity=critical env=prod --expect-policy db-now
    """
    alert = _labels(labels or [])
    configured = directory_of(directory)
    integrations = _integrations(configured, integration)
    if expect_policy is not None and len(integrations) > 1:
        names = ", ".join(one.id for one in integrations)
        fail(f"--expect-policy needs --integration: one of {plain(names)}", USAGE)
    taken = [(one, one.route_for(alert)) for one in integrations]
    got = [route.policy if route else None for _, route in taken]
    is_met = expect_policy in (None, got[0])
    if as_json:
        print_json(_test_as_json(alert, taken, expect_policy, is_met=is_met))
    else:
        for one, route in taken:
            typer.echo(f"{plain(one.id)}: {_shown_number(one, route)}")
    if not is_met and expect_policy is not None:
        wanted = _expected(expect_policy, configured)
        fail(f"expected policy {wanted}, got {_shown_policy(got[0])}", FINDINGS)


@app.command()
def show(
    integration: Named = None, directory: Files = None, as_json: AsJson = False
) -> None:
    """
    Show the routes of every integration, in the order in which they are tried.

    Example: rung route show --dir config/
    """
    integrations = _integrations(directory_of(directory), integration)
    if as_json:
        print_json({one.id: _routes_as_json(one) for one in integrations})
        return
    for one in integrations:
        team = f", team {plain(one.team)}" if one.team is not None else ""
        typer.echo(f"{plain(one.id)} ({plain(one.source)}{team})")
        for number, route in enumerate(one.routes):
            branch = "└─" if number == len(one.routes) - 1 else "├─"
            typer.echo(f"{branch} {_shown_route(number, route)}")


def _labels(written: Sequence[str]) -> dict[str, str]:
    """Read labels; what is none ends the command."""
    labels: dict[str, str] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals or not name or NOT_IN_A_LABEL.intersection(name):
            fail(f"{plain(text)!r} is no label with its value: {HOW_TO_WRITE}", USAGE)
        if name in labels:
            fail(f"label {plain(name)!r} is there twice: {HOW_TO_WRITE}", USAGE)
        labels[name] = value

    return labels


def _integrations(directory: "Directory", named: str | None) -> "list[Integration]":
    """Return the one that is named, else all; without any that ends the command."""
    known = directory.integrations
    if not known:
        fail("there is no integration, so no alert takes any route", USAGE)
    if named is None:
        return list(known.values())
    if named not in known:
        fail(f"there is no integration {_meant(named, list(known))}", USAGE)

    return [known[named]]


def _meant(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    shown = plain(repr(name))

    return f"{shown}; did you mean {plain(repr(close[0]))}?" if close else shown


def _expected(policy: str, directory: "Directory") -> str:
    if policy in directory.policies:
        return plain(policy)

    return f"{plain(policy)} (there is none of this name)"


def _shown_number(integration: "Integration", route: "Route | None") -> str:
    if route is None:
        return "no route takes it"

    return _shown_route(_number(integration, route), route)


def _number(integration: "Integration", route: "Route") -> int:
    return next(n for n, one in enumerate(integration.routes) if one is route)


def _shown_route(number: int, route: "Route") -> str:
    match = " ".join(str(one) for one in route.match) or "(whatever is left)"

    return f"routes[{number}] {plain(match)} -> {_shown_policy(route.policy)}"


def _shown_policy(policy: str | None) -> str:
    return "no policy: only collected" if policy is None else plain(policy)


def _routes_as_json(integration: "Integration") -> list[dict[str, Any]]:
    return [
        {
            "route": number,
            "match": [str(one) for one in route.match],
            "policy": route.policy,
        }
        for number, route in enumerate(integration.routes)
    ]


def _test_as_json(
    labels: Mapping[str, str],
    taken: "Sequence[tuple[Integration, Route | None]]",
    expected: str | None,
    *,
    is_met: bool,
) -> dict[str, Any]:
    rows = []
    for one, route in taken:
        number = _number(one, route) if route else None
        told = _routes_as_json(one)[number] if number is not None else {"route": None}
        rows.append({"integration": one.id, **told})

    return {
        "labels": labels,
        "taken": rows,
        "expected_policy": expected,
        "is_met": is_met,
    }
