"""
API tokens: `rung token create`, `list`, `revoke`.

They work on the store itself, so this is how one gets in who has no token yet; whoever
may read REDIS_URL may do anything anyway.
"""

# ruff: noqa: PLC0415 - half a second of imports would stand before `--help`

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.common import USAGE, fail, on_store
from workers.cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from engine.directory import Directory, Token
    from workers.bootstrap import Installation

BY = "rung token"
SCOPES = ("read", "write", "admin", "ingest")

app = typer.Typer(
    help="Make, list and revoke the tokens that open the API.", no_args_is_help=True
)


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(help="What to call it; it is revoked by that.")
    ],
    scope: Annotated[
        list[str],
        typer.Option(
            help="What it may do: read, write (incidents too), admin (configuration "
            "too); or ingest. May be given more than once."
        ),
    ],
    user: Annotated[
        str | None, typer.Option(help="The id of the user who acts with it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Make a token and print its secret, which is shown this once.

    Example: rung token create laptop --scope write --user alice
    """
    for one in scope:
        if one not in SCOPES:
            fail(f"--scope {one}: use one of {', '.join(SCOPES)}", USAGE)
    name = name.strip()
    if not name:
        fail("NAME is empty: name the token", USAGE)

    async def work(installation: "Installation") -> tuple[dict[str, Any], str]:
        from engine.directory import ObjectKind, Scope, Token, hash_secret
        from engine.service.administration import new_token_in
        from workers.secrets import new_token

        secret = new_token()
        scopes = tuple(known for known in Scope if known.value in scope)
        token = Token(hash=hash_secret(secret), name=name, scopes=scopes, user=user)
        written = await installation.administration.put(
            ObjectKind.TOKENS,
            lambda directory: new_token_in(directory, token),
            by=BY,
        )

        return _shown(written.directory, token), secret

    shown, secret = on_store(work)
    if as_json:
        print_json({**shown, "token": secret})
    else:
        typer.echo(secret)


@app.command(name="list")
def list_tokens(as_json: AsJson = False) -> None:
    """
    List the tokens. Secrets are not kept, so none is shown.

    Example: rung token list
    """

    async def work(installation: "Installation") -> list[dict[str, Any]]:
        directory = await installation.configuration.latest()

        return [_shown(directory, token) for token in directory.tokens.values()]

    tokens = sorted(on_store(work), key=lambda token: str(token["name"]))
    if as_json:
        print_json(tokens)
        return
    print_table(
        {
            "ID": [token["id"] for token in tokens],
            "NAME": [token["name"] for token in tokens],
            "SCOPES": [", ".join(token["scopes"]) for token in tokens],
            "USER": [token["user"] or "-" for token in tokens],
            "VALID": ["yes" if token["is_valid"] else "no" for token in tokens],
        }
    )


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="Its id, or its name.")],
    as_json: AsJson = False,
) -> None:
    """
    Revoke a token: it opens nothing from now on, in every process within a second.

    Example: rung token revoke laptop
    """

    async def work(installation: "Installation") -> list[str]:
        from dataclasses import replace

        from engine.directory import ObjectKind, token_id_of

        # Whoever is here can make another: the last one may go too.
        administration = replace(installation.administration, keeps_an_admin=False)
        directory = await installation.configuration.latest()
        found = _called(directory, token)
        if len(found) == 1:
            await administration.remove(
                ObjectKind.TOKENS, lambda _: found[0].hash, by=BY
            )

        return [token_id_of(one.hash) for one in found]

    ids = on_store(work)
    if not ids:
        fail(f"there is no token {token!r}; `rung token list` shows them", USAGE)
    if len(ids) > 1:
        fail(f"{token!r} names several: revoke one of {', '.join(ids)}", USAGE)
    if as_json:
        print_json({"revoked": ids[0]})
    else:
        typer.echo(f"revoked {ids[0]}")


def _called(directory: "Directory", wanted: str) -> Sequence["Token"]:
    """Return the tokens that have this id; else those that have this name."""
    from engine.directory import token_id_of

    tokens = directory.tokens.values()
    by_id = [token for token in tokens if token_id_of(token.hash) == wanted]

    return by_id or [token for token in tokens if token.name == wanted]


def _shown(directory: "Directory", token: "Token") -> dict[str, Any]:
    from engine.directory import token_id_of

    return {
        "id": token_id_of(token.hash),
        "name": token.name,
        "scopes": [scope.value for scope in token.scopes],
        "user": token.user,
        "is_valid": directory.is_valid(token),
    }
