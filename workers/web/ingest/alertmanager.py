"""
Prometheus Alertmanager's webhook, version 4, and Grafana's, version 1, of its shape.

Whatever parses becomes at least one alert. A body of another shape becomes one
firing alert that carries what could be read of it; an element of `alerts` that is no
object likewise. What is read of each alert stands alone: a group may be firing while
one of its alerts is resolved.
"""

from collections.abc import Mapping

from engine.core.alerts import Alert, AlertStatus
from engine.directory import Grouping, Integration
from engine.ports import RoutedAlert
from workers.web.bodies import Json
from workers.web.ingest.fields import (
    Fields,
    bounded_key,
    bounded_labels,
    canonical,
    hash_of,
)
from workers.web.ingest.grafana import Added, link_of
from workers.web.ingest.texts import message_of, status_of, title_of

# The smallest alert that Alertmanager writes is about 185 bytes, so a body of 1 MiB
# holds no more of them than this. Only made-up bodies have more elements.
ALERTS_MAX = 6_000


def read_alerts(
    body: Json, integration: Integration, delivery_id: str
) -> list[RoutedAlert]:
    """
    Read the alerts of a body and settle which incident each belongs to.

    Args:
        body: Any JSON value.
        integration: Where it was sent; its grouping makes the dedup keys.
        delivery_id: Names the request; each alert's id is made of it.
    """
    whole = Fields(body if isinstance(body, dict) else {})
    notices = whole.source.get("alerts")
    if not isinstance(notices, list) or not notices:
        whole.mark("alerts" if isinstance(body, dict) else "body")
        alert = read_shapeless(body, whole, integration, f"{delivery_id}.0")
        return [_routed(alert, integration, alert.fingerprint)]
    group_key = _group_key(whole) if integration.grouping is Grouping.PER_GROUP else ""
    _note_missing(whole, len(notices))
    alerts = []
    for index, notice in enumerate(notices[:ALERTS_MAX]):
        fields = Fields(
            notice if isinstance(notice, dict) else {},
            place=f"alerts[{index}].",
            unread=[] if index else whole.unread,
        )
        alert_id = f"{delivery_id}.{index}"
        if isinstance(notice, dict):
            added = Added.to(fields, whole.source)
            alert = _read_alert(fields, added, integration, alert_id)
        else:
            fields.note(f"alerts[{index}]")
            alert = read_shapeless(notice, fields, integration, alert_id)
        alerts.append(_routed(alert, integration, group_key or alert.fingerprint))

    return _firing_first(alerts) if group_key else alerts


def _firing_first(alerts: list[RoutedAlert]) -> list[RoutedAlert]:
    """
    Put what fires before what ended.

    One request tells the state of its group at one moment: while any alert fires, the
    group is not over. Where it tells of one alert twice, its order counts.
    """
    if len({routed.alert.fingerprint for routed in alerts}) < len(alerts):
        return alerts

    return sorted(
        alerts, key=lambda routed: routed.alert.status is not AlertStatus.FIRING
    )


def _read_alert(
    fields: Fields, added: Added, integration: Integration, alert_id: str
) -> Alert:
    labels = fields.texts("labels")
    annotations = fields.texts("annotations")
    named = [annotations.get("summary"), labels.get("alertname"), added.title]
    told = [annotations.get("description"), annotations.get("message"), added.message]

    return Alert(
        id=alert_id,
        fingerprint=_fingerprint(fields, labels),
        status=_status(fields),
        title=title_of([*named, name_of(integration)]),
        starts_at=fields.time("startsAt"),
        labels=bounded_labels(
            {**added.labels, **labels}, fields, integration.labels_routed
        ),
        message=message_of([f"{message_of(told)}\n{added.extras}"]),
        link=link_of(fields),
        unread=fields.told(),
    )


def name_of(integration: Integration) -> str:
    """Return the title of an alert that has none of its own."""
    return f"Alert from {integration.name}"


def read_shapeless(
    body: Json, fields: Fields, integration: Integration, alert_id: str
) -> Alert:
    """
    Make an alert of anything; its text shows the body if nothing else can.

    It fires, unless it says of itself that something is over.
    """
    labels = fields.texts("labels") or fields.texts("commonLabels")
    annotations = fields.texts("annotations") or fields.texts("commonAnnotations")
    named = [annotations.get("summary"), labels.get("alertname"), fields.text("title")]
    told = [
        annotations.get("description"),
        fields.text("message"),
        body if isinstance(body, str) else canonical(body).decode(),
    ]

    return Alert(
        id=alert_id,
        fingerprint=hash_of(body),
        status=_state_of(body),
        title=title_of([*named, name_of(integration)]),
        labels=bounded_labels(labels, fields, integration.labels_routed),
        message=message_of(told),
        unread=fields.told(),
    )


def _state_of(body: Json) -> AlertStatus:
    """Return what a body of no known shape says; when in doubt it fires."""
    sent = body if isinstance(body, dict) else {}
    words = [
        word for name in ("status", "state") if isinstance(word := sent.get(name), str)
    ]
    said = {status_of(word) for word in words}

    return (
        AlertStatus.RESOLVED if said == {AlertStatus.RESOLVED} else AlertStatus.FIRING
    )


def _note_missing(whole: Fields, count: int) -> None:
    """Note, for the first alert, how many there are that cannot be shown."""
    if truncated := whole.count("truncatedAlerts"):
        whole.note(f"{truncated} alerts not shown by the sender")
    if count > ALERTS_MAX:
        whole.note(f"{count - ALERTS_MAX} alerts beyond the first {ALERTS_MAX}")


def _group_key(whole: Fields) -> str:
    """Return the group's key; without one, what its alerts have in common."""
    if key := whole.text("groupKey"):
        return bounded_key(key)
    if not whole.unread:
        whole.mark("groupKey")
    common = whole.texts("groupLabels") or whole.texts("commonLabels")

    return hash_of(common) if common else ""


def _fingerprint(fields: Fields, labels: Mapping[str, str]) -> str:
    """Return what names the alert at its source; else a hash of what identifies it."""
    if fingerprint := fields.text("fingerprint"):
        return bounded_key(fingerprint)

    # As they were sent: what cannot be shown still tells two alerts apart.
    sent = fields.source.get("labels")

    return hash_of(sent or labels or dict(fields.source))


def _status(fields: Fields) -> AlertStatus:
    """Return the alert's own status. When in doubt it fires."""
    word = fields.source.get("status")
    status = status_of(word) if isinstance(word, str) else None
    if status is None:
        fields.mark("status")

    return status or AlertStatus.FIRING


def _routed(alert: Alert, integration: Integration, key: str) -> RoutedAlert:
    return RoutedAlert(alert=alert, integration=integration.id, key=key)
