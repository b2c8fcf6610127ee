"""
Health: `/healthz` for whoever restarts this process, `/readyz` for who sends to it.

`/healthz` touches nothing outside of the process. If it asked Redis, a hiccup of
Redis would have the whole fleet restarted.
"""

from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version

import anyio
import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel

from engine.errors import EngineError
from workers.web.context import Check, Context, WebContext

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process turns."""

    status: str = "ok"
    version: str


class CheckAnswer(BaseModel):
    """What one check found; while a fatal one fails, no request should come here."""

    name: str
    ok: bool
    is_fatal: bool
    detail: str


class Readiness(BaseModel):
    """Whether this process can do its work: `ready` or `not_ready`."""

    status: str
    version: str
    tzdata: str
    checks: list[CheckAnswer]


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def show_health(context: Context) -> Health:
    """Say that the process turns."""
    return Health(version=context.version)


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    responses={HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": Readiness}},
)
async def show_readiness(context: Context, response: Response) -> Readiness:
    """Say whether requests should come here, and what was looked at."""
    checks = await look(context)
    is_ready = all(check.ok for check in checks if check.is_fatal)
    if not is_ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE

    return Readiness(
        status="ready" if is_ready else "not_ready",
        version=context.version,
        tzdata=version("tzdata"),
        checks=checks,
    )


async def look(context: WebContext) -> list[CheckAnswer]:
    """Run the checks; that they cannot be run is a finding too."""
    try:
        with anyio.fail_after(context.checks_timeout_seconds):
            return _answers(await context.checks())
    except TimeoutError:
        detail = f"no answer within {context.checks_timeout_seconds:g} s"
    except EngineError as error:
        log.warning("checks.failed", error=str(error))
        detail = "could not be run; the log says why"

    return [CheckAnswer(name="checks", ok=False, is_fatal=True, detail=detail)]


def _answers(checks: Sequence[Check]) -> list[CheckAnswer]:
    return [
        CheckAnswer(
            name=check.name, ok=check.ok, is_fatal=check.is_fatal, detail=check.detail
        )
        for check in checks
    ]
