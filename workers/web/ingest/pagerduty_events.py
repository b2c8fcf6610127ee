"""
PagerDuty events, read: what each of the three actions says, and what becomes of it.

A trigger is read as far as it can be, and tells what was missing; the other two need
the key of what they are for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.core.alerts import Alert, AlertStatus
from engine.directory import Integration
from engine.ports import Routed, RoutedAcknowledgement, RoutedAlert
from workers.web.bodies import Json
from workers.web.ingest.alertmanager import name_of
from workers.web.ingest.fields import Fields, bounded_key, bounded_labels, canonical
from workers.web.ingest.texts import message_of, title_of

ACTIONS = ("trigger", "acknowledge", "resolve")
# What PagerDuty wants of a trigger; each of them becomes a label, but the summary.
WANTED = ("summary", "source", "severity")
LABELS = ("severity", "source", "component", "group", "class")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    An event that can be taken.

    Attributes:
        dedup_key: As it was sent; made here if a trigger has none.
    """

    notice: Routed
    dedup_key: str


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
