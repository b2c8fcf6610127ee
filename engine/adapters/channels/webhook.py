"""The webhook channel: signed POSTs, in the way of Standard Webhooks."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import orjson
from standardwebhooks import Webhook

from engine.adapters.destinations import (
    NoAnswerError,
    OutboundError,
    UnreachableError,
)
from engine.adapters.http import Answered, OutboundHttp
from engine.core.events import Outcome
from engine.ids import show_incident_id
from engine.ports import Clock, DeliveryResult, Notification

# What the body is about. Its `data.status` says how the incident is by now.
TYPE = "incident.triggered"
# Receivers may refuse more than 20 KB; the rest of the body needs far less.
TITLE_LENGTH_MAX, LABELS_BYTES_MAX = 500, 12_000
# Asked to wait longer than a notification is tried at all, we give up just the same.
RETRY_AFTER_MAX = timedelta(hours=1)
SECONDS_DIGITS_MAX = 9
# Failures of the moment. Every other one below 500 is the same the next time.
PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


class WebhookChannel:
    """
    Posts notifications to URLs.

    The receiver can tell a repeat by its id, so an attempt that may have arrived is
    made again rather than given up.
    """

    def __init__(self, http: OutboundHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def send(self, notification: Notification) -> DeliveryResult:
        """Post one notification; its key is the `webhook-id` of every attempt."""
        at = self._clock.now()
        body = write_body(notification, at)
        try:
            answered = await self._http.request(
                "POST",
                notification.address,
                headers=write_headers(notification, at, body),
                body=body,
            )
        except NoAnswerError as error:
            return DeliveryResult(
                outcome=Outcome.UNKNOWN, detail=str(error), is_repeatable=True
            )
        except OutboundError as error:
            is_final = not isinstance(error, UnreachableError)
            return _failed(str(error), is_final=is_final)

        return _judge(answered, at)


def write_body(notification: Notification, at: datetime) -> bytes:
    """Write what happened; labels that are too much are left out and counted."""
    labels = _those_with_room(notification.labels)
    data: dict[str, Any] = {
        "incident": show_incident_id(notification.incident_id),
        "title": notification.title[:TITLE_LENGTH_MAX],
        "status": notification.status,
        "labels": labels,
        "labels_left_out": len(notification.labels) - len(labels),
        "person": notification.person,
        "page": notification.key,
        "attempt": notification.attempt,
        "late_by_seconds": notification.late_by_seconds,
    }
    if notification.incident_url is not None:
        data["url"] = notification.incident_url

    return orjson.dumps({"type": TYPE, "timestamp": at, "data": data})


def write_headers(
    notification: Notification, at: datetime, body: bytes
) -> dict[str, str]:
    """Write the headers, with a signature for each secret, parted by spaces."""
    headers = {
        "content-type": "application/json",
        "webhook-id": notification.key,
        "webhook-timestamp": str(int(at.timestamp())),
    }
    signatures = [
        Webhook(secret).sign(notification.key, at, body.decode())
        for secret in notification.secrets
    ]
    if signatures:
        headers["webhook-signature"] = " ".join(signatures)

    return headers


def _those_with_room(labels: dict[str, str]) -> dict[str, str]:
    """Return the labels that there is room for; a huge one pushes no other out."""
    kept: dict[str, str] = {}
    left = LABELS_BYTES_MAX
    for key, value in labels.items():
        size = len(orjson.dumps({key: value}))
        if size <= left:
            kept[key] = value
            left -= size

    return kept


def _judge(answered: Answered, at: datetime) -> DeliveryResult:
    """Say what an answer means for the notification."""
    status = answered.status
    said = f"answered {status}"
    match status // 100:
        case 2:
            return DeliveryResult(outcome=Outcome.SENT, detail=said)
        case 3:
            said += "; redirects are not followed, write the URL that it leads to"
            return _failed(said, is_final=True)
        case 4 if status not in PASSING:
            return _failed(said, is_final=True)

    return _failed(
        said, is_final=False, retry_after=read_retry_after(answered.retry_after, at)
    )


def _failed(
    detail: str, *, is_final: bool, retry_after: timedelta | None = None
) -> DeliveryResult:
    return DeliveryResult(
        outcome=Outcome.FAILED,
        detail=detail,
        is_final=is_final,
        retry_after=retry_after,
    )


def read_retry_after(text: str, at: datetime) -> timedelta | None:
    """Return how long to wait, by a number of seconds or a date; None if unclear."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:SECONDS_DIGITS_MAX])), RETRY_AFTER_MAX)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)

    return min(max(until - at, timedelta(0)), RETRY_AFTER_MAX)
