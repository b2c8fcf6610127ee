"""
The timeline: an incident's history in sentences.

The words are for people, the reason and the fields for programs. Nothing is worked
out here that the history does not say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from engine.core.alerts import Alert
from engine.core.events import (
    Acknowledged,
    AlertsReceived,
    DeliveryReported,
    Event,
    Opened,
    Outcome,
    Resolved,
    Responder,
    TargetsResolved,
    WokeUp,
)
from engine.core.reasons import Reason
from engine.directory import Rule
from engine.ports import Entry
from workers.web.api.shapes import TimelineEntry

# How many names a sentence lists before it only counts.
TOLD_MAX = 3
_PAGE_ID_PARTS = 5
_SCHEDULE, _USER = "schedule:", "user:"

_Told = tuple[str, str, dict[str, JsonValue]]


def tell(history: Sequence[Entry]) -> list[TimelineEntry]:
    """Tell an incident's history, oldest first."""
    storyteller = _Storyteller()
    entries = []
    for number, entry in enumerate(history, start=1):
        what, text, fields = storyteller.tell(entry.event, entry.reason)
        entries.append(
            TimelineEntry(
                number=number,
                at=entry.event.at,
                what=what,
                reason=entry.reason,
                text=text,
                fields=fields,
            )
        )

    return entries


@dataclass(slots=True)
class _Storyteller:
    """
    Tells event by event.

    Attributes:
        rules: Those of each person's last page, by walk: a report names a rule
            only by its number.
    """

    rules: dict[tuple[str, str], tuple[Rule, ...]] = field(
        default_factory=dict[tuple[str, str], tuple[Rule, ...]]
    )

    def tell(self, event: Event, reason: Reason) -> _Told:
        match event:
            case Opened():
                return "opened", _opening(event, reason), _opened_fields(event)
            case AlertsReceived():
                fields: dict[str, JsonValue] = {"alerts": _alerts(event.alerts)}
                return "alerts_received", _news(event, reason), fields
            case WokeUp():
                return "woke_up", _TIMERS.get(reason, _in_words(reason)), {}
            case TargetsResolved():
                self._remember(event)
                fields = _resolved_fields(event)
                return "targets_resolved", _paging(event, reason), fields
            case DeliveryReported():
                person, channel = self._addressee(event)
                text = _delivery(event, reason, person, channel)
                return "delivery_reported", text, _report_fields(event, person, channel)
            case Acknowledged() | Resolved():
                done = "acknowledged" if isinstance(event, Acknowledged) else "resolved"
                text = _command(done, event.by, reason)
                return done, text, {"by": event.by, "id": event.id}

    def _remember(self, event: TargetsResolved) -> None:
        for responder in event.responders:
            in_order = sorted(responder.rules, key=lambda rule: rule.delay)
            self.rules[str(event.walk), responder.person] = tuple(in_order)

    def _addressee(self, event: DeliveryReported) -> tuple[str, str]:
        """Return the person and the channel of a report, as far as they are known."""
        parts = event.page.split(".", _PAGE_ID_PARTS - 1)
        walk, person = parts[0], parts[-1]
        rules = self.rules.get((walk, person), ())
        is_known = 0 <= event.rule < len(rules)

        return person, rules[event.rule].channel if is_known else "an unknown channel"


_TIMERS: Mapping[Reason, str] = {
    Reason.WAIT_OVER: "The wait is over",
    Reason.LOOKING_UP: "Asked who is on call",
    Reason.LOOK_UP_TIMED_OUT: "The on-call look-up did not answer in time",
    Reason.RULE_DUE: "The next notification rule was due",
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
    text = f"Opened by {event.integration}: {event.alert.title}"
    if reason is Reason.COLLECTED_ONLY:
        text += " (its policy is empty: nobody is told)"

    return text + _unread_in([event.alert])


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
    target, _, reason = responder.why.rpartition(" ")
    if target.startswith(_SCHEDULE):
        because = f" ({_in_words(reason)})" if reason else ""
        return f"on call in {target.removeprefix(_SCHEDULE)}{because}"
    if target.startswith(_USER):
        return "named by the policy"

    return responder.why


def _delivery(
    event: DeliveryReported, reason: Reason, person: str, channel: str
) -> str:
    text = _outcome(event.outcome, person, channel)
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


def _command(done: str, by: str, reason: Reason) -> str:
    text = f"{done.capitalize()} by {by}"
    if reason in {Reason.ACKNOWLEDGED, Reason.RESOLVED}:
        return text

    return f"{text}, which changed nothing: {_in_words(reason)}"


def _in_words(word: str) -> str:
    return word.replace("_", " ")


def _opened_fields(event: Opened) -> dict[str, JsonValue]:
    return {
        "dedup_key": event.key,
        "integration": event.integration,
        "snapshot": event.snapshot,
        "alerts": _alerts([event.alert]),
    }


def _resolved_fields(event: TargetsResolved) -> dict[str, JsonValue]:
    return {
        "responders": [
            {
                "person": responder.person,
                "why": responder.why,
                "channels": [rule.channel for rule in responder.rules],
            }
            for responder in event.responders
        ],
        "missing": dict(event.missing),
        "until": _time(event.until),
    }


def _report_fields(
    event: DeliveryReported, person: str, channel: str
) -> dict[str, JsonValue]:
    return {
        "person": person,
        "channel": channel,
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
