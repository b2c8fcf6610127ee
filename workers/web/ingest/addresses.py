"""
Taking alerts in: `POST /ingest/{source}/{key}`.

In this order: the key, a place among those admitted at once, the size, the JSON, the
alerts, the append. Nothing is decided or sent here; 202 says that every alert is
stored. What is wrong with us is 503, never 429: Alertmanager drops what 4xx answers.

Who wants no secret in an address sends a token with the scope ingest as a bearer, and
the integration's id in place of its key.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import BaseModel

from engine.directory import Directory, Integration, Scope, Source
from engine.ids import show_incident_id
from engine.ports import Posting, Receipt, RoutedAlert
from workers.web.auth import may
from workers.web.bodies import Json, parse_json
from workers.web.ingest import alertmanager, generic
from workers.web.ingest.counting import OTHER_SOURCE, counting
from workers.web.ingest.intake import EVENT_PREFIX, Intake, Taking
from workers.web.problems import NO_ADDRESS, ProblemError, documented

router = APIRouter(tags=["ingest"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """
    How one kind of sender is read.

    Attributes:
        read: Makes alerts of what was parsed.
        parse: Parses a body of some media type.
    """

    read: Callable[[Json, Integration, str], list[RoutedAlert]]
    parse: Callable[[bytes, str], Json] = lambda body, _media_type: parse_json(body)


# Alertmanager and Grafana are told apart by what they write, not by the address.
SENDERS: Mapping[str, Sender] = {
    Source.ALERTMANAGER: Sender(read=alertmanager.read_alerts),
    Source.GRAFANA: Sender(read=alertmanager.read_alerts),
    Source.GENERIC: Sender(read=generic.read_alerts, parse=generic.parse),
}


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


_TAKING: Mapping[str, Any] = {
    "status_code": HTTPStatus.ACCEPTED,
    "response_model": Accepted,
    "responses": documented(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "description": "What the source sends. Any JSON opens an incident.",
            "content": {"application/json": {"schema": {}}},
        },
        "security": [{}, {"token": []}],
    },
}


# Grafana can be told to PUT, and never tries again what was refused.
@router.put("/ingest/{source}/{key}", **_TAKING)
@router.post("/ingest/{source}/{key}", **_TAKING)
async def take_in(source: str, key: str, request: Request, intake: Taking) -> Response:
    """
    Store the alerts of a request. Sources are `alertmanager`, `grafana`, `generic`.

    In place of the key the integration's id will do, with a token of scope ingest.
    """
    known = source if source in SENDERS else OTHER_SOURCE
    with counting(intake.context.measures, known) as received:
        alerts, receipts, delivery_id = await _take_in(source, key, request, intake)
        received.take(receipts)
    document = {
        "status": "accepted",
        "event_id": EVENT_PREFIX + delivery_id,
        "incidents": _incidents(alerts, receipts),
    }

    return Response(
        orjson.dumps(document), HTTPStatus.ACCEPTED, media_type="application/json"
    )


async def _take_in(
    source: str, key: str, request: Request, intake: Intake
) -> tuple[Sequence[RoutedAlert], Sequence[Receipt], str]:
    """Store the alerts of a request; return what became of each, and its id."""
    directory = await intake.directory()
    integration = _integration(directory, source, key, request)
    sender = SENDERS.get(source)
    if integration is None or sender is None:
        # A source that is none may be the key, if somebody put it there.
        await intake.refuse_key(source if sender else "")
        detail = "Check the source and the key in the address: one of them is unknown."
        raise ProblemError(NO_ADDRESS, detail)
    async with intake.place(source, integration.id):
        media_type = request.headers.get("content-type", "")
        body = sender.parse(await intake.read(), media_type)
        delivery_id = intake.context.ids.command_id()
        alerts = sender.read(body, integration, delivery_id)
        receipts = await intake.store(alerts, integration.id, delivery_id)

    return alerts, receipts, delivery_id


def _integration(
    directory: Directory, source: str, key: str, request: Request
) -> Integration | None:
    """Return whose address it is: by its key, else by its id if a token opens it."""
    found = directory.integration_for(source, key)
    if found is not None:
        return found
    header = request.headers.get("authorization")
    scheme, secret = get_authorization_scheme_param(header)
    token = directory.token_for(secret) if scheme.lower() == "bearer" else None
    named = directory.integrations.get(key)
    if token is None or named is None or not may(token, Scope.INGEST):
        return None

    return named if named.takes_from(source) else None


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
