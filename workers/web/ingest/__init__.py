"""
Taking alerts in: `POST /ingest/{source}/{key}`.

In this order: the key, a place among those admitted at once, the size, the JSON, the
alerts, the append. Nothing is decided or sent here; 202 says that every alert is
stored. What is wrong with us is 503, never 429: Alertmanager drops what 4xx answers.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, TypeAlias, cast

import anyio
import orjson
import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from engine.directory import Integration
from engine.errors import StoreUnavailableError
from engine.ids import show_incident_id
from engine.ports import Posting, Receipt, RoutedAlert
from workers.web.bodies import BodyError, Json, parse_json, read_body
from workers.web.context import Context, WebContext
from workers.web.ingest import alertmanager
from workers.web.ingest.counting import OTHER_SOURCE, Received, counting
from workers.web.problems import NO_ADDRESS, OVERLOADED, ProblemError, documented

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
router = APIRouter(tags=["ingest"])

Reader: TypeAlias = Callable[[Json, Integration, str], list[RoutedAlert]]
READERS: Mapping[str, Reader] = {"alertmanager": alertmanager.read_alerts}
EVENT_PREFIX = "evt_"


class PostedIncident(BaseModel):
    """
    The incident whose mailbox alerts of a request went to.

    Nothing is decided yet: if an alert before them closes it, those that fire open the
    next one.

    Attributes:
        id: None if the alerts came late: recorded, but no incident is open for them.
    """

    id: str | None
    dedup_key: str
    posting: Posting


class Accepted(BaseModel):
    """Every alert of the request is stored and will be decided."""

    status: str = "accepted"
    event_id: str
    incidents: list[PostedIncident]


class Admission:
    """Lets so many requests in at a time; the others wait in line, for a while."""

    def __init__(self, places: int, patience_seconds: float) -> None:
        self._places = anyio.Semaphore(places, fast_acquire=True)
        self._patience_seconds = patience_seconds

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """
        Hold a place.

        Raises:
            ProblemError: 503, if none was free in time.
        """
        try:
            with anyio.fail_after(self._patience_seconds):
                await self._places.acquire()
        except TimeoutError:
            detail = "Too many requests at once. Send it again a little later."
            raise ProblemError(OVERLOADED, detail) from None
        try:
            yield
        finally:
            self._places.release()


async def _admission_of(request: Request) -> Admission:
    return cast("Admission", request.app.state.admission)


async def _count(source: str, context: Context) -> AsyncIterator[Received]:
    known = source if source in READERS else OTHER_SOURCE
    with counting(context.measures, known) as received:
        yield received


_REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "description": "What the source sends. Any JSON opens an incident.",
        "content": {"application/json": {"schema": {}}},
    }
}


# Grafana can be told to PUT, and never tries again what was refused.
@router.put("/ingest/{source}/{key}", include_in_schema=False)
@router.post(
    "/ingest/{source}/{key}",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Accepted,
    responses=documented(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
    openapi_extra=_REQUEST_BODY,
)
async def take_in(
    source: str,
    key: str,
    request: Request,
    context: Context,
    admission: Annotated[Admission, Depends(_admission_of)],
    received: Annotated[Received, Depends(_count)],
) -> Response:
    """Store the alerts of a request. The source is `alertmanager` so far."""
    directory = await context.configuration.read()
    if not directory.integrations:
        # Redis lost its data, or is another one. On 404 the alert would be thrown away.
        message = "the store knows no integration at all"
        raise StoreUnavailableError(message)
    integration = directory.integration_for(source, key)
    read = READERS.get(source)
    if integration is None or read is None:
        detail = "Check the source and the key in the address: one of them is unknown."
        raise ProblemError(NO_ADDRESS, detail)
    async with admission.place():
        body = await _read_json(request, context, integration)
        delivery_id = context.ids.command_id()
        alerts = read(body, integration, delivery_id)
        receipts = await context.engine.ingest(alerts)
    received.take(receipts)
    incidents = _incidents(alerts, receipts)
    log.info(
        "ingest.accepted",
        event_id=EVENT_PREFIX + delivery_id,
        integration=integration.id,
        alerts=len(alerts),
        incidents=len(incidents),
        unread=sum(len(routed.alert.unread) for routed in alerts),
    )
    document = {
        "status": "accepted",
        "event_id": EVENT_PREFIX + delivery_id,
        "incidents": incidents,
    }

    return Response(
        orjson.dumps(document), HTTPStatus.ACCEPTED, media_type="application/json"
    )


async def _read_json(
    request: Request, context: WebContext, integration: Integration
) -> Json:
    """Read the body; one that cannot be taken is logged with its integration."""
    try:
        body = await read_body(
            request, context.body_bytes_max, context.patience_seconds
        )
        return parse_json(body)
    except BodyError as error:
        log.warning(
            "ingest.rejected",
            integration=integration.id,
            reason=error.kind.code,
            detail=error.detail,
            size=error.size,
        )
        raise


def _incidents(
    alerts: Sequence[RoutedAlert], receipts: Sequence[Receipt]
) -> list[dict[str, str | None]]:
    """Name each incident once, with what became of its first alert."""
    incidents: dict[tuple[str | None, str], dict[str, str | None]] = {}
    for routed, receipt in zip(alerts, receipts, strict=True):
        shown = receipt.incident_id and show_incident_id(receipt.incident_id)
        incidents.setdefault(
            (receipt.incident_id, routed.key),
            {"id": shown, "dedup_key": routed.key, "posting": receipt.posting},
        )

    return list(incidents.values())
