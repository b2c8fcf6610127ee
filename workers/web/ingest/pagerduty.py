"""
PagerDuty's Events API, version 2: `POST /v2/enqueue`.

Whoever can page through PagerDuty pages through this by a URL of ours: the routing key
is the key of an integration whose source is `pagerduty`. Trigger opens or joins,
acknowledge and resolve are for the open incident of their key. What PagerDuty calls
invalid is answered as PagerDuty does; but a trigger that has a key of ours always opens
an incident, which tells what was missing.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel

from engine.directory import Directory, Source
from workers.web.bodies import BodyError, parse_json
from workers.web.ingest.counting import Received, counting
from workers.web.ingest.intake import Intake, Taking
from workers.web.ingest.pagerduty_events import ACTIONS, Event, read_event
from workers.web.problems import NO_ADDRESS, documented

SOURCE = Source.PAGERDUTY
INVALID_EVENT = "invalid_event"
MESSAGE_INVALID = "Event object is invalid"
UNKNOWN_KEY = (
    "'routing_key' is missing or unknown: use the key of an integration whose source "
    "is pagerduty"
)

router = APIRouter(tags=["ingest"])


class Processed(BaseModel):
    """The event is stored and will be decided."""

    status: str = "success"
    message: str = "Event processed"
    dedup_key: str


class InvalidEvent(BaseModel):
    """The event cannot be taken, and sending it again does not help."""

    status: str = "invalid event"
    message: str = MESSAGE_INVALID
    errors: list[str]


def _described(actions: Sequence[str], dedup_key: object) -> object:
    """Describe events of these actions, for the OpenAPI document."""
    required = ["routing_key", "event_action", *(["dedup_key"] if dedup_key else ())]

    return {
        "type": "object",
        "required": required,
        "properties": {
            "routing_key": {"type": "string"},
            "event_action": {"type": "string", "enum": [*actions]},
            "dedup_key": dedup_key,
            "payload": {"description": "An object; of a trigger anything is taken."},
        },
    }


_REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "description": "An event as PagerDuty's Events API v2 takes it.",
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        _described(ACTIONS[:1], {}),
                        _described(ACTIONS[1:], {"type": "string", "pattern": r"\S"}),
                    ]
                }
            }
        },
    }
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    status.value: {"model": InvalidEvent, "description": status.phrase}
    for status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    )
}


@router.post(
    "/v2/enqueue",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Processed,
    responses={**_REFUSED, **documented(HTTPStatus.SERVICE_UNAVAILABLE)},
    openapi_extra=_REQUEST_BODY,
)
async def enqueue(intake: Taking) -> Response:
    """Store an event of PagerDuty's Events API v2."""
    with counting(intake.context.measures, SOURCE) as received:
        directory = await intake.directory()
        try:
            async with intake.place(SOURCE, None):
                return await _take_in(intake, directory, received)
        except BodyError as error:
            if error.kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            received.refuse(error.kind.code)
            told = f"{error.kind.title}: {error.detail}"
            return _invalid([told], error.kind.status, error.headers)


async def _take_in(
    intake: Intake, directory: Directory, received: Received
) -> Response:
    body = await intake.read()
    parsed = parse_json(body)
    sent = parsed if isinstance(parsed, dict) else {}
    key = sent.get("routing_key")
    integration = (
        directory.integration_for(SOURCE, key) if isinstance(key, str) else None
    )
    if integration is None:
        await intake.refuse_key(SOURCE, body)
        received.refuse(NO_ADDRESS.code)
        return _invalid([UNKNOWN_KEY])
    delivery_id = intake.context.ids.command_id()
    event = read_event(sent, integration, delivery_id)
    if not isinstance(event, Event):
        intake.refuse(SOURCE, integration.id, INVALID_EVENT, "; ".join(event), body)
        received.refuse(INVALID_EVENT)
        return _invalid(event)
    received.take(await intake.store([event.notice], integration.id, delivery_id))

    return _answer(Processed(dedup_key=event.dedup_key), HTTPStatus.ACCEPTED)


def _invalid(
    errors: Sequence[str],
    status: HTTPStatus = HTTPStatus.BAD_REQUEST,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return _answer(InvalidEvent(errors=[*errors]), status, headers)


def _answer(
    document: BaseModel, status: HTTPStatus, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(document.model_dump()),
        status,
        {**headers} if headers else None,
        "application/json",
    )
