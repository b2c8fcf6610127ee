"""
The timeline: an incident's history in sentences.

The words are for people, the reason and the fields for programs. Nothing is worked
out here that the history does not say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from pydantic import BaseModel, JsonValue

from engine.codec.exports import event_name
from engine.core.alerts import Alert
from engine.core.events import (
    AlertsReceived,
    Command,
    DeliveryReported,
    Event,
    Opened,
    Outcome,
    PolicyNamed,
    Responder,
    SnapshotTaken,
    TargetsResolved,
    TurnTaken,
    WokeUp,
)
from engine.core.reasons import Reason
from engine.ports import Entry
from policies.targets import AnyTarget
from workers.web.api.shapes import TimelineEntry

# How many names a sentence lists before it only counts.
TOLD_MAX = 3
_Told = tuple[str, str, dict[str, JsonValue]]


def tell(history: Sequence[Entry]) -> list[TimelineEntry]:
    """Tell an incident's history, oldest first."""
    return [_entry(number, entry) for number, entry in enumerate(history, start=1)]


def _entry(number: int, entry: Entry) -> TimelineEntry:
    what, text, shown = _told(entry.event, entry.reason)
    if entry.comments:
        shown["comments"] = [
            {"id": comment.id, "text": comment.text} for comment in entry.comments
        ]

    return TimelineEntry(
        number=number,
        at=entry.event.at,
        what=what,
        reason=entry.reason,
        text=text,
        fields=shown,
    )


def _told(event: Event, reason: Reason) -> _Told:
    match event:
        case Opened():
            return "opened", _opening(event, reason), _opened_fields(event)
        case AlertsReceived():
            shown: dict[str, JsonValue] = {"alerts": _alerts(event.alerts)}
            return "alerts_received", _news(event, reason), shown
        case WokeUp():
            return "woke_up", _TIMERS.get(reason, _sentence(reason)), {}
        case TargetsResolved():
            return "targets_resolved", _paging(event, reason), _resolved_fields(event)
        case DeliveryReported():
            return "delivery_reported", _delivery(event, reason), _report_fields(event)
        case PolicyNamed() | TurnTaken() | SnapshotTaken():
            return _name_of(event), _sentence(reason), _plain_fields(event)
        case _:
            return _name_of(event), _command(event, reason), _plain_fields(event)


_TIMERS: Mapping[Reason, str] = {
    Reason.WAIT_OVER: "The wait is over",
    Reason.LOOKING_UP: "Asked who is on call",
    Reason.LOOK_UP_TIMED_OUT: "The on-call look-up did not answer in time",
    Reason.RULE_DUE: "The next notification rule was due",
    Reason.LOOKED_AGAIN: "Looked again for somebody to tell",
    Reason.EXHAUSTED: "Exhausted: every step and notification is used up, "
    "and nobody answered",
}
_NEWS: Mapping[Reason, str] = {
    Reason.ALERT_JOINED: "Joined by",
    Reason.ALERT_ENDED: "The source says it is over:",
    Reason.ALERTS_RESOLVED: "Resolved by its source:",
    Reason.LATE: "Came too late to change anything:",
}


def _opening(event: Opened, reason: Reason) -> str:
    alerts = [event.alert] if event.alert else []
    title = event.title or (event.alert.title if event.alert else event.key)
    text = f"Opened by {event.integration}: {title}"
    text += f" (route {event.route})" if event.route else ""
    if reason is Reason.COLLECTED_ONLY:
        text += " (its policy is empty: nobody is told)"
    if reason is Reason.FIRED_AFTER_RESOLVE:
        text += f" (it fires on after {event.after} was resolved)"

    return text + _unread_in(alerts)


def _news(event: AlertsReceived, reason: Reason) -> str:
    titles = _listed([alert.title for alert in event.alerts])

    return f"{_NEWS.get(reason, 'Heard of')} {titles}" + _unread_in(event.alerts)


def _unread_in(alerts: Sequence[Alert]) -> str:
    unread = [name for alert in alerts for name in alert.unread]

    return f" (could not be read: {_listed(unread)})" if unread else ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - TOLD_MAX

    return ", ".join(names[:TOLD_MAX]) + (f" and {more} more" if more > 0 else "")


def _paging(event: TargetsResolved, reason: Reason) -> str:
    paged = [responder for responder in event.responders if responder.rules]
    missing = "; ".join(f"{target}: {why}" for target, why in event.missing.items())
    match reason:
        case Reason.PAGED:
            named = "; ".join(f"{who.person}: {_why(who)}" for who in paged)
            return f"Paged {named}" + (f" (missing: {missing})" if missing else "")
        case Reason.NOBODY_REACHED:
            return "Nobody was reached" + (f": {missing}" if missing else "")
        case _:
            return f"The on-call look-up answered: {_in_words(reason)}"


def _why(responder: Responder) -> str:
    """Say what put a person there: `on call in primary (rotation)`."""
    kind, _, name = responder.target.partition(":")
    match kind:
        case "schedule" | "layer":
            because = f" ({_in_words(responder.why)})" if responder.why else ""
            return f"on call in {name or 'the default schedule'}{because}"
        case "team":
            return f"in the team {name}" if name else "in the team"
        case "metadata":
            return f"named by the metadata under {name}"
        case "user" | "channel":
            return "named by the policy"
        case _:
            return f"in {name or kind}"


def _delivery(event: DeliveryReported, reason: Reason) -> str:
    text = _outcome(event.outcome, event.person, event.channel)
    text += f": {event.detail}" if event.detail else ""

    return text + (" (reported late)" if reason is Reason.LATE else "")


def _outcome(outcome: Outcome, person: str, channel: str) -> str:
    match outcome:
        case Outcome.SENT:
            return f"{person} was notified by {channel}"
        case Outcome.FAILED:
            return f"{person} could not be notified by {channel}"
        case Outcome.UNKNOWN:
            return f"{person} may have been notified by {channel}, it is not known"


def _command(event: Command, reason: Reason) -> str:
    """Say who did what; what changed nothing says so."""
    by = getattr(event, "by", "")
    text = _sentence(_name_of(event)) + (f" by {by}" if by else "")
    if reason in _CHANGED_NOTHING:
        return f"{text}, which changed nothing: {_in_words(reason)}"

    return text


_CHANGED_NOTHING = frozenset(
    {
        Reason.NOT_APPLICABLE,
        Reason.NOTHING_LEFT,
        Reason.IS_ATTACHED,
        Reason.IS_MAINTENANCE,
        Reason.LATE,
        Reason.REPEATED_COMMAND,
        Reason.MISSING,
        Reason.ALREADY_WALKING,
        Reason.TOO_MANY_WALKS,
    }
)


def _name_of(event: Event) -> str:
    return event_name(type(event))


def _plain_fields(event: Event) -> dict[str, JsonValue]:
    """Return the fields of an event that has no others to show than its own."""
    named = {field.name: getattr(event, field.name) for field in fields(event)}

    return {
        name: _json(value)
        for name, value in named.items()
        if name != "at" and value not in (None, "", ())
    }


def _json(value: object) -> JsonValue:
    match value:
        case bool() | int() | str():
            return value
        case datetime():
            return _time(value)
        case tuple():
            return [_json(item) for item in value]
        case BaseModel():
            return str(value) if isinstance(value, AnyTarget) else value.model_dump()
        case _:
            return str(value)


def _sentence(word: str) -> str:
    return _in_words(word).capitalize()


def _in_words(word: str) -> str:
    return word.replace("_", " ")


def _opened_fields(event: Opened) -> dict[str, JsonValue]:
    return {
        "dedup_key": event.key,
        "integration": event.integration,
        "snapshot": event.snapshot,
        "route": event.route,
        "alerts": _alerts([event.alert] if event.alert else []),
    }


def _resolved_fields(event: TargetsResolved) -> dict[str, JsonValue]:
    return {
        "responders": [
            {
                "person": responder.person,
                "target": responder.target,
                "why": responder.why,
                "channels": [rule.channel for rule in responder.rules],
            }
            for responder in event.responders
        ],
        "missing": dict(event.missing),
        "until": _time(event.until),
    }


def _report_fields(event: DeliveryReported) -> dict[str, JsonValue]:
    return {
        "person": event.person,
        "channel": event.channel,
        "outcome": event.outcome.value,
        "detail": event.detail,
        "attempt": event.attempt,
        "page": event.page,
        "rule": event.rule,
    }


def _alerts(alerts: Sequence[Alert]) -> list[JsonValue]:
    return [
        {
            "id": alert.id,
            "fingerprint": alert.fingerprint,
            "status": alert.status.value,
            "title": alert.title,
            "message": alert.message,
            "labels": dict(alert.labels),
            "link": alert.link,
            "starts_at": _time(alert.starts_at),
            "unread": list(alert.unread),
        }
        for alert in alerts
    ]


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
