"""
Idempotency-Key: a POST that is sent again is answered as the first time.

As draft-ietf-httpapi-idempotency-key-header-07 has it. A key is the caller's own and is
kept for a day, with every answer below 500. What makes a repetition harmless is the id
that a command carries (`command_id`): a process may die before its answer is kept.

    router = APIRouter(prefix="/v1/things", route_class=IdempotentRoute)
"""

import hashlib
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias

import anyio
import structlog
from fastapi import Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security.utils import get_authorization_scheme_param
from starlette.exceptions import HTTPException
from starlette.types import Message
from typing_extensions import override

from engine.directory import Token
from engine.errors import EngineError
from engine.ports import KeptAnswer, KeyClaim, KeyUse
from workers.web.bodies import read_body
from workers.web.context import WebContext, context_of
from workers.web.problems import (
    ANSWER_NOT_KEPT,
    KEY_IN_USE,
    KEY_REUSED,
    RETRY_AFTER_SECONDS,
    ProblemError,
    answer,
    documented,
    to_response,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
KEY_MAX = 255
# A larger answer is not kept: sent again, the request is carried out again.
ANSWER_BYTES_MAX = 1 << 18
END_SECONDS_MAX = 2.0
_COMMAND_ID_LETTERS = 32
# What the next answer has of its own.
_NOT_KEPT_HEADERS = frozenset({"content-length", "date", "x-request-id"})
# Who may not do it today may be allowed to tomorrow; and strangers keep nothing here.
_NOT_KEPT = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_ANSWERED_ERRORS = (ProblemError, EngineError, HTTPException, RequestValidationError)

Handler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotentRoute(APIRoute):
    """A route whose POST requests may carry an Idempotency-Key."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()):
            known = options.get("dependencies") or ()
            options["dependencies"] = [*known, Depends(_describe)]
            options["responses"] = {
                **documented(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
                **(options.get("responses") or {}),
            }
        super().__init__(path, endpoint, **options)

    @override
    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            key = request.headers.get(HEADER, "")
            if request.method != "POST" or not 0 < len(key) <= KEY_MAX:
                return await handle(request)
            context = await context_of(request)
            token = await _token_of(request, context)
            if token is None:
                return await handle(request)

            return await _once(request, context, f"{token.hash}\0{key}", handle)

        return handle_once


def command_id(context: WebContext, token: Token, name: str, request: Request) -> str:
    """
    Return a command's id: one for each caller, kind of command and key.

    Carried out again after a crash it is the same command, and changes nothing. Without
    a key each request is a command of its own.
    """
    key = request.headers.get(HEADER)
    # Of other methods nothing is kept to tell another request of the same key by.
    if key is None or request.method != "POST":
        return context.ids.command_id()
    parts = f"{token.hash}\0{name}\0{key}"

    return hashlib.sha256(parts.encode()).hexdigest()[:_COMMAND_ID_LETTERS]


async def _describe(
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=KEY_MAX,
            description="Names this request: sent again within a day it changes "
            "nothing, and is answered as the first time.",
            examples=["0f6a6c1e-8d2b-4a55-9a0e-2f0c1a3b7d11"],
        ),
    ] = None,
) -> None:
    """Have the header described, and its length checked."""
    del idempotency_key


async def _token_of(request: Request, context: WebContext) -> Token | None:
    """Return whose request it is; None leaves it to the route to refuse it."""
    written = request.headers.get("Authorization")
    scheme, secret = get_authorization_scheme_param(written)
    if scheme.lower() != "bearer" or not secret:
        return None

    return (await context.configuration.read()).token_for(secret)


async def _once(
    request: Request, context: WebContext, key: str, handle: Handler
) -> Response:
    """Handle a request, unless that was done or is being done."""
    body = await read_body(request, context.body_bytes_max, context.patience_seconds)
    claim = KeyClaim(
        key=key,
        request=_fingerprint(request, body),
        owner=context.ids.command_id(),
    )
    match await context.idempotency.begin(claim):
        case KeptAnswer() as kept:
            return _replayed(kept)
        case KeyUse.IN_USE:
            detail = "The same request is being carried out. Send it again shortly."
            later = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise ProblemError(KEY_IN_USE, detail, headers=later)
        case KeyUse.REUSED:
            detail = f"Another request had this {HEADER}. Send each with its own."
            raise ProblemError(KEY_REUSED, detail)
        case KeyUse.BEGUN:
            return await _carried_out(_again(request, body), context, claim, handle)


async def _carried_out(
    request: Request, context: WebContext, claim: KeyClaim, handle: Handler
) -> Response:
    """Handle a request that has taken its key, and settle what the key is for."""
    kept: KeptAnswer | None = None
    try:
        response = await _answered(request, handle)
        kept = _to_keep(response)
    finally:
        # Also if this process is told to stop: else the next one waits for a minute.
        with anyio.move_on_after(END_SECONDS_MAX, shield=True):
            await _settle(context, claim, kept)

    return response


async def _answered(request: Request, handle: Handler) -> Response:
    """Handle a request; a refusal is an answer too."""
    try:
        return await handle(request)
    except _ANSWERED_ERRORS as error:
        return await answer(request, error)


async def _settle(
    context: WebContext, claim: KeyClaim, kept: KeptAnswer | None
) -> None:
    """Keep an answer, or give the key back; that it cannot be does not matter much."""
    try:
        if kept is None:
            await context.idempotency.release(claim)
        else:
            await context.idempotency.keep(claim, kept)
    except EngineError as error:
        log.warning("idempotency_key.not_settled", error=str(error))


def _to_keep(response: Response) -> KeptAnswer | None:
    """Return what is kept of an answer; None: nothing."""
    failed = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    if failed or response.status_code in _NOT_KEPT:
        return None
    if "no-store" in response.headers.get("Cache-Control", ""):
        detail = (
            "It was carried out, and its answer held a secret that nobody keeps. If "
            "the secret is lost, remove what was made and make another."
        )
        response = to_response(ProblemError(ANSWER_NOT_KEPT, detail))
    body = bytes(response.body)
    if len(body) > ANSWER_BYTES_MAX:
        return None
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in _NOT_KEPT_HEADERS
    }

    return KeptAnswer(status=response.status_code, headers=headers, body=body.decode())


def _replayed(kept: KeptAnswer) -> Response:
    headers = {**kept.headers, REPLAYED: "true"}

    return Response(kept.body, kept.status, headers)


def _fingerprint(request: Request, body: bytes) -> str:
    """Tell requests apart: by path, parameters and body, byte for byte."""
    head = f"{request.url.path}\0{request.url.query}\0"

    return hashlib.sha256(head.encode() + body).hexdigest()


def _again(request: Request, body: bytes) -> Request:
    """Return a request whose body can be read once more."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)
