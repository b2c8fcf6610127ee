"""
Any JSON: what somebody's own script sends, or a tool that lets its users write it.

Better known fields are those of a formatted webhook: `alert_uid`, `title`, `state`,
`message`, `link`. What else is on the same level becomes labels. Whatever parses opens
an incident, or ends it if its state says so.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from engine.core.alerts import Alert, AlertStatus
from engine.directory import Integration
from engine.ports import RoutedAlert
from workers.web.bodies import BodyError, Json, parse_json
from workers.web.ingest import alertmanager
from workers.web.ingest.fields import (
    Fields,
    bounded_key,
    bounded_labels,
    canonical,
    hash_of,
)
from workers.web.ingest.texts import message_of, status_of, title_of
from workers.web.problems import INVALID_JSON

FORM = "application/x-www-form-urlencoded"
FORM_FIELDS_MAX = 1_000
# A field of a form that holds the whole notice as JSON.
PAYLOAD = "payload"
STATES = ("state", "status")
LINKS = ("link", "link_to_upstream_details", "image_url")
KNOWN = frozenset({"alert_uid", "title", "message", "labels", *STATES, *LINKS})


def parse(body: bytes, media_type: str) -> Json:
    """
    Parse JSON, whatever it is called; else a form, if it is called one.

    Raises:
        BodyError: If it is neither.
    """
    try:
        return parse_json(body)
    except BodyError as error:
        named = media_type.partition(";")[0].strip().lower()
        if error.kind is not INVALID_JSON or named != FORM:
            raise
        form = _parse_form(body)
        if form is None:
            raise

    return parse_json(form[PAYLOAD].encode()) if set(form) == {PAYLOAD} else {**form}


def read_alerts(
    body: Json, integration: Integration, delivery_id: str
) -> list[RoutedAlert]:
    """Read the alert of a body; several, if Alertmanager or Grafana wrote it."""
    if _is_group(body):
        return alertmanager.read_alerts(body, integration, delivery_id)
    fields = Fields(body if isinstance(body, dict) else {})
    alert_id = f"{delivery_id}.0"
    if isinstance(body, dict):
        alert = _read_alert(fields, integration, alert_id)
    else:
        fields.mark("body")
        alert = alertmanager.read_shapeless(body, fields, integration, alert_id)

    return [RoutedAlert(alert=alert, integration=integration.id, key=alert.fingerprint)]


def _read_alert(fields: Fields, integration: Integration, alert_id: str) -> Alert:
    title, message = fields.scalar("title"), fields.scalar("message")
    links = {name: fields.link(name) for name in LINKS}
    link = next(filter(None, links.values()), "")
    picture = links["image_url"]
    told = f"{message}\nImage: {picture}" if picture and picture != link else message
    body = canonical(dict(fields.source)).decode()

    return Alert(
        id=alert_id,
        fingerprint=_fingerprint(fields, title),
        status=_status(fields),
        title=title_of([title, alertmanager.name_of(integration)]),
        labels=bounded_labels(_labels(fields), fields, integration.labels_routed),
        message=message_of([told, "" if title else body]),
        link=link,
        unread=fields.told(),
    )


def _fingerprint(fields: Fields, title: str) -> str:
    """
    Return what names the alert: its own id; else its title; else what it says.

    Never its state: what ends an alert has to name the same one.
    """
    if uid := fields.scalar("alert_uid"):
        return bounded_key(uid)
    if title:
        return hash_of({"title": title})

    return hash_of({k: v for k, v in fields.source.items() if k not in STATES})


def _status(fields: Fields) -> AlertStatus:
    """Return what it says of its state. When in doubt it fires."""
    for name in STATES:
        found = fields.source.get(name)
        if found is None or found == "":
            continue
        status = status_of(found) if isinstance(found, str) else None
        if status is None:
            fields.mark(name)
        return status or AlertStatus.FIRING

    return AlertStatus.FIRING


def _labels(fields: Fields) -> Mapping[str, str]:
    others = Fields(
        {"": {k: v for k, v in fields.source.items() if k not in KNOWN and v != ""}}
    )
    labels = others.texts("")
    for name in others.unread:
        fields.mark(name.removeprefix("."))

    return {**labels, **fields.texts("labels")}


def _is_group(body: Json) -> bool:
    """Tell whether a body lists alerts, each with its labels."""
    listed = body.get("alerts") if isinstance(body, dict) else None

    return (
        isinstance(listed, list)
        and bool(listed)
        and all(
            isinstance(one, dict) and isinstance(one.get("labels"), dict)
            for one in listed
        )
    )


def _parse_form(body: bytes) -> dict[str, str] | None:
    """Return the fields of a form, of several alike the last; None if it is none."""
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=FORM_FIELDS_MAX,
        )
    except ValueError:
        return None

    return dict(pairs)
