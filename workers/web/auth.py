"""
Who is calling: bearer tokens of the native API.

401 is for a token that is missing, unknown or whose user was deactivated; 403 for
one that may not do what it asks.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from engine.directory import Scope, Token
from workers.web.context import Context
from workers.web.problems import LOW_SCOPE, UNAUTHORIZED, ProblemError

# Each includes those before it; ingest stands apart.
_LADDER = (Scope.READ, Scope.WRITE, Scope.ADMIN)
_bearer = HTTPBearer(
    auto_error=False, scheme_name="token", description="An API token of rung."
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def may(token: Token, needed: Scope) -> bool:
    """Tell whether a token's scopes include the one that is needed."""
    if needed not in _LADDER:
        return needed in token.scopes
    enough = _LADDER[_LADDER.index(needed) :]

    return any(scope in enough for scope in token.scopes)


def bearer_of(needed: Scope) -> Callable[..., Awaitable[Token]]:
    """Return a dependency: the caller's token, which has this scope."""

    async def token_of(context: Context, credentials: _Credentials) -> Token:
        secret = credentials.credentials if credentials else ""
        if not secret:
            detail = "Send your API token as `Authorization: Bearer <token>`."
            raise _unauthorized(detail, 'Bearer realm="rung"')
        directory = await context.configuration.read()
        token = directory.token_for(secret)
        if token is None:
            detail = "This token is unknown, or its user was deactivated. Make another."
            challenge = 'Bearer realm="rung", error="invalid_token"'
            raise _unauthorized(detail, challenge)
        if not may(token, needed):
            raise _low_scope(token, needed)

        return token

    return token_of


ReadToken = Annotated[Token, Depends(bearer_of(Scope.READ))]
WriteToken = Annotated[Token, Depends(bearer_of(Scope.WRITE))]
AdminToken = Annotated[Token, Depends(bearer_of(Scope.ADMIN))]


def _unauthorized(detail: str, challenge: str) -> ProblemError:
    return ProblemError(UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})


def _low_scope(token: Token, needed: Scope) -> ProblemError:
    had = ", ".join(token.scopes) or "none"
    challenge = f'Bearer realm="rung", error="insufficient_scope", scope="{needed}"'

    return ProblemError(
        LOW_SCOPE,
        f"This needs the scope {needed}; the token has {had}. Use another token.",
        headers={"WWW-Authenticate": challenge},
    )
