"""Incidents: list them, look at one, acknowledge and resolve it."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError

from engine.core.events import Acknowledged, Resolved
from engine.core.reasons import Reason
from engine.directory import Token
from engine.ids import MalformedIdError, read_incident_id, show_incident_id
from workers.web.api.shapes import (
    BY_MAX,
    CommandAnswer,
    CommandBody,
    IncidentAnswer,
    IncidentList,
    Listed,
    Timeline,
)
from workers.web.api.timeline import tell
from workers.web.auth import ReadToken, WriteToken
from workers.web.bodies import parse_json, read_body
from workers.web.context import Context, WebContext
from workers.web.idempotency import IdempotentRoute, command_id
from workers.web.problems import documented, invalid
from workers.web.text import one_line

LIMIT, LIMIT_MAX = 50, 100

router = APIRouter(
    prefix="/v1/incidents", tags=["incidents"], route_class=IdempotentRoute
)

_READING = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_ONE = documented(*_READING, HTTPStatus.NOT_FOUND)
_COMMANDING = documented(
    *_READING,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
# The body is read by hand, with the bounds of bodies.py; here it is only described.
_COMMAND_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {"application/json": {"schema": CommandBody.model_json_schema()}},
    }
}


@router.get("", responses=documented(*_READING))
async def list_incidents(
    context: Context,
    _token: ReadToken,
    status: Listed = Listed.OPEN,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT,
    before: Annotated[
        str | None, Query(description="The `next` of the list before this one.")
    ] = None,
) -> IncidentList:
    """List incidents, newest first, to a hundredth of a second."""
    cursor = _read_cursor(before) if before else None
    summaries = await context.reader.summaries(status.statuses, limit + 1, cursor)

    return IncidentList.of(summaries, limit)


@router.get("/{incident_id}", responses=_ONE)
async def show_incident(
    incident_id: str, context: Context, _token: ReadToken
) -> IncidentAnswer:
    """Show an incident."""
    return IncidentAnswer.of(await context.engine.find(read_incident_id(incident_id)))


@router.get("/{incident_id}/timeline", responses=_ONE)
async def show_timeline(
    incident_id: str, context: Context, _token: ReadToken
) -> Timeline:
    """Show what happened to an incident, and why."""
    known_id = read_incident_id(incident_id)
    history = await context.reader.history(known_id)

    return Timeline(incident_id=show_incident_id(known_id), entries=tell(history))


@router.post(
    "/{incident_id}/acknowledge",
    responses=_COMMANDING,
    openapi_extra=_COMMAND_BODY,
)
async def acknowledge_incident(
    incident_id: str,
    request: Request,
    context: Context,
    token: WriteToken,
) -> CommandAnswer:
    """
    Take an incident: its walks and pages stop.

    One that somebody has already stays theirs; the answer says whose.
    """
    given = _CommandRequest(request, context, token)

    return await given.carry_out(incident_id, Acknowledged)


@router.post(
    "/{incident_id}/resolve",
    responses=_COMMANDING,
    openapi_extra=_COMMAND_BODY,
)
async def resolve_incident(
    incident_id: str,
    request: Request,
    context: Context,
    token: WriteToken,
) -> CommandAnswer:
    """Close an incident. One that is closed stays as it is."""
    given = _CommandRequest(request, context, token)

    return await given.carry_out(incident_id, Resolved)


class _CommandRequest:
    """A command as a request states it."""

    def __init__(self, request: Request, context: WebContext, token: Token) -> None:
        self._request = request
        self._context = context
        self._token = token

    async def carry_out(
        self, shown_id: str, make: type[Acknowledged | Resolved]
    ) -> CommandAnswer:
        """Have the engine carry it out."""
        incident_id = read_incident_id(shown_id)
        by = await self._by()
        command = make(
            at=self._context.clock.now(), id=self._command_id(make.__name__), by=by
        )
        decision = await self._context.engine.obey(incident_id, command)
        if decision.reason is Reason.REPEATED_COMMAND:
            decision = replace(
                decision, reason=await self._first_reason(incident_id, command.id)
            )

        return CommandAnswer.after(decision)

    async def _first_reason(self, incident_id: str, command_id: str) -> Reason:
        """Return what was answered when the command came first."""
        history = await self._context.reader.history(incident_id)
        reasons = (
            entry.reason
            for entry in history
            if getattr(entry.event, "id", None) == command_id
        )

        return next(reasons, Reason.REPEATED_COMMAND)

    async def _by(self) -> str:
        body = await read_body(
            self._request, self._context.body_bytes_max, self._context.patience_seconds
        )
        try:
            parsed = parse_json(body) if body.strip() else None
            read = CommandBody.model_validate({} if parsed is None else parsed)
        except ValidationError as error:
            raise invalid(error.errors()) from None
        named = one_line(read.by or "", BY_MAX)

        return named or self._token.user or self._token.name

    def _command_id(self, name: str) -> str:
        return command_id(self._context, self._token, name, self._request)


def _read_cursor(before: str) -> str:
    try:
        return read_incident_id(before)
    except MalformedIdError as error:
        found = {"loc": ("query", "before"), "msg": f"{error}; send a list's `next`"}
        raise invalid([found]) from None
