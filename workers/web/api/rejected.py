"""Rejected events: what came to ingest addresses and could not be taken."""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel

from engine.ports import RejectedEvent
from workers.web.auth import AdminToken
from workers.web.context import Context
from workers.web.problems import documented

LIMIT, LIMIT_MAX = 50, 100

router = APIRouter(prefix="/v1/rejected-events", tags=["ingest"])


class RejectedEventShown(BaseModel):
    """
    A request to an ingest address that was answered 4xx.

    Attributes:
        source: The kind of sender that the address is for; empty if it is for none.
        integration: Whose key it had; None: nobody's.
        reason: The code of what was wrong.
        detail: What was wrong, and what to do about it.
        size: Of its body in bytes, as far as that is known.
        body: The first 2 KB of it; what looks like a secret is masked.
    """

    at: datetime
    source: str
    integration: str | None
    reason: str
    detail: str
    size: int
    body: str

    @classmethod
    def of(cls, event: RejectedEvent) -> Self:
        """Show one."""
        return cls(
            at=event.at,
            source=event.source,
            integration=event.integration,
            reason=event.reason,
            detail=event.detail,
            size=event.size,
            body=event.body,
        )


class RejectedEventList(BaseModel):
    """What was rejected, the newest first."""

    rejected_events: list[RejectedEventShown]

    @classmethod
    def of(cls, events: Iterable[RejectedEvent]) -> Self:
        """Show several."""
        return cls(rejected_events=[RejectedEventShown.of(event) for event in events])


@router.get(
    "",
    responses=documented(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
async def list_rejected_events(
    context: Context,
    _token: AdminToken,
    integration: Annotated[
        str | None, Query(description="Only those of this integration, by its id.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT,
) -> RejectedEventList:
    """
    List what came to ingest addresses and was answered 4xx, newest first.

    The last hundred of each integration are kept, and of those with nobody's key, for
    30 days; in a flood some are left out. Bodies may hold secrets that do not look like
    any: so it needs the scope admin.
    """
    wanted: list[str | None] = [integration]
    if integration is None:
        directory = await context.configuration.read()
        wanted = [*directory.integrations, None]
    events = await context.rejected_events.latest(wanted, limit)

    return RejectedEventList.of(events)
