"""
Tokens: what opens the API. A token's secret is shown once, when it is made.

It is called by the beginning of its hash. All of this takes the scope admin.
"""

from http import HTTPStatus
from typing import Annotated, Self

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from engine.directory import (
    Directory,
    ObjectKind,
    Scope,
    Token,
    hash_secret,
    token_id_of,
)
from engine.directory.record import Record
from engine.service.administration import new_token_in
from engine.service.object_errors import UnknownObjectError
from policies.targets import Name
from workers.secrets import new_token
from workers.web.api.objects.resource import ObjectName
from workers.web.api.objects.routes import (
    CREATED_HEADERS,
    LIMIT,
    LISTING,
    MAKING,
    READING,
    REMOVING,
    After,
    Limit,
    part_of,
    read_object,
    shown_once,
)
from workers.web.auth import AdminToken
from workers.web.context import Context
from workers.web.etags import Reading, Removing, content_of, etag_of
from workers.web.idempotency import IdempotentRoute
from workers.web.openapi import described_body


def _each_once(scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    return tuple(scope for scope in Scope if scope in scopes)


class TokenBody(Record):
    """
    A token to make.

    Attributes:
        scopes: Each scope but ingest includes those before it.
        user: Who acts with it; a token of somebody who was deactivated opens nothing.
    """

    name: ObjectName
    scopes: Annotated[
        tuple[Scope, ...],
        Field(min_length=1, max_length=len(Scope)),
        AfterValidator(_each_once),
    ]
    user: Name | None = None


class TokenAnswer(BaseModel):
    """
    A token, without its secret.

    Attributes:
        is_valid: Whether it opens anything: its user is there, and active.
    """

    id: str
    name: str
    scopes: list[Scope]
    user: str | None
    is_valid: bool
    origin: str | None

    @classmethod
    def of(cls, directory: Directory, token: Token) -> Self:
        """Show a token."""
        return cls(
            id=token_id_of(token.hash),
            name=token.name,
            scopes=list(token.scopes),
            user=token.user,
            is_valid=directory.is_valid(token),
            origin=directory.origin_of(ObjectKind.TOKENS, token.hash),
        )


class NewTokenAnswer(TokenAnswer):
    """
    A token that was just made.

    Attributes:
        token: The secret itself, shown this once.
    """

    token: str


class TokenList(BaseModel):
    """A part of the list."""

    tokens: list[TokenAnswer]
    next: str | None


router = APIRouter(prefix="/v1/tokens", tags=["tokens"], route_class=IdempotentRoute)


@router.get("", response_model=TokenList, responses=LISTING)
async def list_tokens(
    context: Context,
    _token: AdminToken,
    conditions: Reading,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response:
    """List the tokens, ordered by id; no secrets."""
    directory = await context.configuration.latest()
    known = {token_id_of(hashed): one for hashed, one in directory.tokens.items()}
    ids, following = part_of(sorted(known), limit, after)
    shown = [TokenAnswer.of(directory, known[token_id]) for token_id in ids]

    return conditions.answer(TokenList(tokens=shown, next=following))


@router.get("/{token_id}", response_model=TokenAnswer, responses=READING)
async def show_token(
    token_id: str, context: Context, _token: AdminToken, conditions: Reading
) -> Response:
    """Show a token, without its secret."""
    directory = await context.configuration.latest()
    found = directory.tokens[_hash_of(directory, token_id)]

    return conditions.answer(TokenAnswer.of(directory, found))


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=NewTokenAnswer,
    responses={**MAKING, HTTPStatus.CREATED: {"headers": CREATED_HEADERS}},
    openapi_extra=described_body(
        TokenBody, {"name": "alice's laptop", "scopes": ["write"], "user": "alice"}
    ),
)
async def make_token(request: Request, context: Context, token: AdminToken) -> Response:
    """
    Make a token. Its secret is in the answer, and nowhere else.

    Processes that run beside this one know it within a second.
    """
    body = await read_object(request, context, TokenBody)
    secret = new_token()
    made = Token(hash=hash_secret(secret), **dict(body))
    written = await context.administration.put(
        ObjectKind.TOKENS,
        lambda directory: new_token_in(directory, made),
        by=token.name,
    )
    answer = TokenAnswer.of(written.directory, made)

    return shown_once(
        NewTokenAnswer(**dict(answer), token=secret),
        HTTPStatus.CREATED,
        ETag=etag_of(content_of(answer)),
        Location=f"/v1/tokens/{answer.id}",
    )


@router.delete("/{token_id}", status_code=HTTPStatus.NO_CONTENT, responses=REMOVING)
async def remove_token(
    token_id: str, context: Context, token: AdminToken, conditions: Removing
) -> None:
    """
    Revoke a token. The last valid one with the scope admin stays.

    Processes that run beside this one take it for another second.
    """

    def choose(directory: Directory) -> str:
        hashed = _hash_of(directory, token_id)
        shown = TokenAnswer.of(directory, directory.tokens[hashed])
        conditions.check(etag_of(content_of(shown)))

        return hashed

    await context.administration.remove(ObjectKind.TOKENS, choose, by=token.name)


def _hash_of(directory: Directory, token_id: str) -> str:
    for hashed in directory.tokens:
        if token_id_of(hashed) == token_id:
            return hashed

    raise UnknownObjectError(ObjectKind.TOKENS, token_id)
