"""
PagerDuty's Events API, version 2: `POST /v2/enqueue`.

Whoever can page through PagerDuty pages through this by a URL of ours: the routing key
is the key of an integration whose source is `pagerduty`. Trigger opens or joins,
acknowledge and resolve are for the open incident of their key. What PagerDuty calls
invalid is answered as PagerDuty does; but a trigger that has a key of ours always opens
an incident, which tells what was missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel

from engine.core.alerts import Alert, AlertStatus
from engine.directory import Directory, Integration
from engine.ports import Routed, RoutedAcknowledgement, RoutedAlert
from workers.web.bodies import BodyError, Json, parse_json
from workers.web.ingest.alertmanager import name_of
from workers.web.ingest.fields import Fields, bounded_key, bounded_labels, canonical
from workers.web.ingest.intake import Intake, Taking
from workers.web.ingest.texts import message_of, title_of
from workers.web.problems import documented

SOURCE = "pagerduty"
INVALID_EVENT = "invalid_event"
ACTIONS = ("trigger", "acknowledge", "resolve")
# What PagerDuty wants of a trigger; each of them becomes a label, but the summary.
WANTED = ("summary", "source", "severity")
LABELS = ("severity", "source", "component", "group", "class")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    An event that can be taken.

    Attributes:
        dedup_key: As it was sent; made here if a trigger has none.
    """

    notice: Routed
    dedup_key: str


_REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "description": "An event as PagerDuty's Events API v2 takes it.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["routing_key", "event_action"],
                    "properties": {
                        "routing_key": {"type": "string"},
                        "event_action": {"type": "string", "enum": [*ACTIONS]},
                        "dedup_key": {"type": "string"},
                        "payload": {"type": "object"},
                    },
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
    directory = await intake.directory()
    try:
        async with intake.place(SOURCE, None):
            return await _take_in(intake, directory)
    except BodyError as error:
        if error.kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        told = f"{error.kind.title}: {error.detail}"
        return _invalid([told], error.kind.status, error.headers)


async def _take_in(intake: Intake, directory: Directory) -> Response:
    body = await intake.read()
    parsed = parse_json(body)
    sent = parsed if isinstance(parsed, dict) else {}
    key = sent.get("routing_key")
    integration = (
        directory.integration_for(SOURCE, key) if isinstance(key, str) else None
    )
    if integration is None:
        await intake.refuse_key(SOURCE, body)
        return _invalid([UNKNOWN_KEY])
    delivery_id = intake.context.ids.command_id()
    event = read_event(sent, integration, delivery_id)
    if not isinstance(event, Event):
        intake.refuse(SOURCE, integration.id, INVALID_EVENT, "; ".join(event), body)
        return _invalid(event)
    await intake.store([event.notice], integration.id, delivery_id)

    return _answer(Processed(dedup_key=event.dedup_key), HTTPStatus.ACCEPTED)


def read_event(
    sent: Mapping[str, Json], integration: Integration, delivery_id: str
) -> Event | Sequence[str]:
    """Read an event; what is wrong with it, if it cannot be taken."""
    action = sent.get("event_action")
    match action.strip().lower() if isinstance(action, str) else None:
        case "trigger":
            return _trigger(sent, integration, delivery_id)
        case "acknowledge" | "resolve" as word:
            fields = Fields(sent)
            key = fields.scalar("dedup_key")
            if not key:
                return [f"'dedup_key' is missing or no text: {word} needs one"]
            notice = _follow_up(word, key, integration, delivery_id)
            return Event(notice=notice, dedup_key=key)
        case _:
            return [f"'event_action' is none of {', '.join(ACTIONS)}"]


def _trigger(
    sent: Mapping[str, Json], integration: Integration, delivery_id: str
) -> Event:
    whole = Fields(sent)
    key = whole.scalar("dedup_key") or delivery_id
    found = sent.get("payload")
    if not found or not isinstance(found, dict):
        whole.mark("payload")
    payload = Fields(found if isinstance(found, dict) else {}, "payload.", whole.unread)
    alert = Alert(
        id=f"{delivery_id}.0",
        fingerprint=bounded_key(key),
        status=AlertStatus.FIRING,
        title=title_of([_summary(payload), name_of(integration)]),
        labels=bounded_labels(_labels(payload), payload, integration.labels_routed),
        message=_message(sent, payload),
        link=_link(whole),
        unread=whole.told(),
    )
    notice = RoutedAlert(alert=alert, integration=integration.id, key=alert.fingerprint)

    return Event(notice=notice, dedup_key=key)


def _follow_up(
    action: str, key: str, integration: Integration, delivery_id: str
) -> Routed:
    """Return what ends an alert, or says that somebody took it."""
    bounded = bounded_key(key)
    if action == "acknowledge":
        return RoutedAcknowledgement(
            id=f"{delivery_id}.0", integration=integration.id, key=bounded
        )
    alert = Alert(
        id=f"{delivery_id}.0",
        fingerprint=bounded,
        status=AlertStatus.RESOLVED,
        title=title_of([key]),
        labels={},
    )

    return RoutedAlert(alert=alert, integration=integration.id, key=bounded)


def _summary(payload: Fields) -> str:
    for name in WANTED:
        if payload.source and payload.source.get(name) in (None, ""):
            payload.mark(name)

    return payload.scalar("summary")


def _labels(payload: Fields) -> Mapping[str, str]:
    """Return what routes may look at: PagerDuty's own fields, then the details."""
    own = {name: text for name in LABELS if (text := payload.scalar(name))}
    details = payload.source.get("custom_details")
    if not isinstance(details, dict):
        return own
    told = {
        name: value if isinstance(value, str) else canonical(value).decode()
        for name, value in details.items()
        if value not in (None, "")
    }

    return {**own, **{name: text for name, text in told.items() if name not in own}}


def _message(sent: Mapping[str, Json], payload: Fields) -> str:
    """Return details that are one text; what was sent, if there is nothing to read."""
    details = payload.source.get("custom_details")
    if isinstance(details, str):
        return message_of([details])
    if payload.source:
        return ""
    rest = {name: value for name, value in sent.items() if name != "routing_key"}

    return message_of([canonical(rest).decode()])


def _link(whole: Fields) -> str:
    """Return the first link that can be followed, else that of the client."""
    links = whole.source.get("links")
    for index, link in enumerate(links if isinstance(links, list) else []):
        fields = Fields(
            link if isinstance(link, dict) else {}, f"links[{index}].", whole.unread
        )
        if found := fields.link("href"):
            return found

    return whole.link("client_url")


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
