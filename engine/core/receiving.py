"""What alerts mean for the incident whose key they have."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from engine.core.alerts import Alert, AlertRecord, AlertStatus
from engine.core.changing import changed
from engine.core.ending import end
from engine.core.events import AlertsReceived
from engine.core.incident import Decision, Incident, Status
from engine.core.reasons import Reason
from engine.core.starting import begin_again
from engine.core.walk import move_walk
from engine.directory import ResolveWhen

SEEN_MAX = 8
# Of so many alerts of an incident is kept what they say; of more only what decides.
BODIES_MAX = 500
# Of several things that alerts of one event mean, the first is its reason.
ORDER_OF_NEWS = (
    Reason.ALERT_JOINED,
    Reason.ALERT_ENDED,
    Reason.LATE,
    Reason.ALERT_COUNTED,
)
METADATA_KEYS_MAX = 64
METADATA_VALUES_MAX = 20
STARTED_AGAIN_AT_MOST_EVERY = timedelta(hours=1)
# Two observers of one alert, as in a pair of Prometheus servers, say that it started at
# times so far apart (docs/adr/0010).
OBSERVERS_DIFFER_BY = timedelta(minutes=1)


def receive(incident: Incident, event: AlertsReceived, at: datetime) -> Decision:
    """Take alerts in: they join, repeat what is known, or end."""
    if not incident.status.is_open:
        return Decision(incident=incident, reason=Reason.LATE)
    reasons: set[Reason] = set()
    fires = False
    for alert in event.alerts:
        is_new = alert.id not in incident.seen
        fires = fires or (is_new and alert.status is AlertStatus.FIRING)
        incident, reason = join(incident, alert, at)
        reasons.add(reason)
    if Reason.ALERT_ENDED in reasons and _is_over(incident):
        return end(incident, Status.RESOLVED, Reason.ALERTS_RESOLVED, None, at)
    if fires and _starts_again(incident, at):
        again = begin_again(incident, Reason.FIRED_WHILE_EXHAUSTED, at)
        return again.then(changed(again.incident, started_again_at=at))
    if fires:
        incident = _look_at_gates(incident, at)
    for reason in ORDER_OF_NEWS:
        if reason in reasons:
            return Decision(incident=incident, reason=reason)

    return Decision(incident=incident, reason=Reason.ALERT_REPEATED)


def join(incident: Incident, alert: Alert, at: datetime) -> tuple[Incident, Reason]:
    """Take one notice in, and tell what it was."""
    known = incident.alerts.get(alert.fingerprint)
    fires = alert.status is AlertStatus.FIRING
    if alert.id in incident.seen:
        return incident, Reason.ALERT_REPEATED
    if known and _is_late(alert, known):
        return incident, Reason.LATE
    incident = _noted(incident, alert, at)
    was_firing = known is not None and known.is_firing
    if known and fires == was_firing and not _is_new_occurrence(alert, known):
        counts = fires and incident.snapshot.notices_kept > 0
        return incident, Reason.ALERT_COUNTED if counts else Reason.ALERT_REPEATED
    joined = _recorded(incident, alert, known, at)

    return joined, Reason.ALERT_JOINED if fires else Reason.ALERT_ENDED


def see(incident: Incident, seen: str) -> Incident:
    """Remember the id of a command or an alert, so that it counts once."""
    return changed(incident, seen=(*incident.seen, seen)[-SEEN_MAX:])


def _recorded(
    incident: Incident, alert: Alert, known: AlertRecord | None, at: datetime
) -> Incident:
    """Remember what a notice says of its alert."""
    fires = alert.status is AlertStatus.FIRING
    was_firing = known is not None and known.is_firing
    is_bare = known.is_bare if known else incident.alert_count >= BODIES_MAX
    record = AlertRecord.of(alert, at, is_bare=is_bare)

    return changed(
        see(incident, alert.id),
        alerts={**incident.alerts, alert.fingerprint: record},
        alert_count=incident.alert_count + (known is None),
        firing_count=incident.firing_count + fires - was_firing,
        metadata=_merged(incident, alert.labels),
    )


def _is_late(alert: Alert, known: AlertRecord) -> bool:
    """Tell whether a notice is of an occurrence that is over, by what is known."""
    if alert.status is not AlertStatus.FIRING:
        return _is_of_earlier(alert, known)

    return not known.is_firing and alert.starts_at == known.starts_at is not None


def _is_of_earlier(alert: Alert, known: AlertRecord) -> bool:
    """Tell whether a notice is of an occurrence before the one that is known."""
    if alert.starts_at is None or known.starts_at is None:
        return False

    return known.starts_at - alert.starts_at > OBSERVERS_DIFFER_BY


def _is_new_occurrence(alert: Alert, known: AlertRecord) -> bool:
    """Tell whether a notice is of an occurrence after the one that is known."""
    if alert.starts_at is None or known.starts_at is None:
        return False

    return alert.starts_at > known.starts_at


def _noted(incident: Incident, alert: Alert, at: datetime) -> Incident:
    """Keep the time of a notice that a volume gate may count."""
    kept = incident.snapshot.notices_kept
    if not kept or alert.status is not AlertStatus.FIRING:
        return incident

    return changed(see(incident, alert.id), notices=(*incident.notices, at)[-kept:])


def _is_over(incident: Incident) -> bool:
    match incident.resolve_when:
        case ResolveWhen.ALL:
            return incident.firing_count == 0
        case ResolveWhen.ANY:
            return True
        case ResolveWhen.NEVER:
            return False


def _starts_again(incident: Incident, at: datetime) -> bool:
    """Tell whether an alert starts an exhausted incident again: once an hour."""
    last = incident.started_again_at
    is_exhausted = (
        incident.status is Status.TRIGGERED
        and incident.exhausted_at is not None
        and incident.parent is None
        and incident.restart is None
    )

    return is_exhausted and (last is None or at - last >= STARTED_AGAIN_AT_MOST_EVERY)


def _look_at_gates(incident: Incident, at: datetime) -> Incident:
    """Let every walk that is paused count again."""
    for walk in incident.walks:
        if walk.due is None:
            incident = move_walk(incident, walk, due=at)

    return incident


def _merged(
    incident: Incident, labels: Mapping[str, str]
) -> Mapping[str, tuple[str, ...]]:
    """Add labels to metadata: a union, what was seen first stays first."""
    merged = dict(incident.metadata)
    for key, value in labels.items():
        values = merged.get(key, ())
        has_room = len(values) < METADATA_VALUES_MAX and (
            values or len(merged) < METADATA_KEYS_MAX
        )
        if value not in values and has_room and key not in incident.pinned:
            merged[key] = (*values, value)

    return merged
