"""
Settling: fold all that has happened to a claimed incident into one commit.

Mail and due timers are decided in the order of their times, in one instant mail
first, on while anything is due.
"""

from collections import deque
from dataclasses import replace
from datetime import datetime

import structlog

from engine.core.alerts import Alert, AlertStatus
from engine.core.events import (
    AlertsReceived,
    Command,
    Escalated,
    Event,
    TargetsResolved,
    TurnTaken,
    WokeUp,
)
from engine.core.machine import as_of
from engine.errors import UnknownIncidentError
from engine.ids import show_incident_id
from engine.ports import Claimed, Mail, RoutedAcknowledgement, RoutedAlert
from engine.service.directions import Directions
from engine.service.settlement import Settlement

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Text is kept of so many alerts of one event; of the rest only what decides.
BODIES_MAX = 20
# A commit stays small: what is left is due at once and follows in the next one. Only a
# single decision may ask for more.
SENDS_MAX = 500
# A bound for a broken policy; what is left is due at once and comes again.
EVENTS_MAX = 1_000


async def settle(
    claimed: Claimed,
    directions: Directions,
    now: datetime,
    command: Command | None = None,
) -> Settlement:
    """
    Decide all mail and every timer due by now, then the command, if there is one.

    It stops where it wants a turn: take that, and `go_on`.

    Raises:
        UnknownIncidentError: If there is a command but no incident to obey it.
    """
    settlement = Settlement(
        claimed=claimed,
        directions=directions,
        now=now,
        command=command,
        incident=claimed.incident,
        mail=deque(claimed.mail),
    )
    await _run(settlement)

    return settlement


async def go_on(settlement: Settlement, taken: TurnTaken) -> None:
    """Go on with the turn that was wanted."""
    settlement.wanted = None
    await settlement.apply(taken)
    if settlement.wanted is None:
        await _run(settlement)


async def _run(settlement: Settlement) -> None:
    """
    Decide on, until nothing is due or a turn has to be taken first.

    All mail is read, however much: what closes the incident cannot be stored while some
    is left.
    """
    for _ in range(EVENTS_MAX + len(settlement.mail)):
        due = _next_timer(settlement)
        mail = settlement.mail
        if mail and (due is None or mail[0].at <= due):
            await _read(settlement, mail, due)
        elif due is not None:
            await _wake(settlement, due)
        else:
            break
        if settlement.wanted is not None:
            return
        if len(settlement.sends) >= SENDS_MAX and not settlement.is_over:
            break
    await _obey(settlement)


async def _wake(settlement: Settlement, at: datetime) -> None:
    """Run the timer that is due, as of its time or, if that is long ago, of now."""
    assert settlement.incident is not None
    due = settlement.not_before = settlement.incident.next_due
    if due is not None:
        settlement.ran.append(due)
    if due is not None and due < at:
        settlement.owed_since = settlement.owed_since or due
    elif due != settlement.incident.last_at:
        # Not what follows at once from one that was late.
        settlement.owed_since = None
    await settlement.apply(WokeUp(at=at))


async def _obey(settlement: Settlement) -> None:
    """Carry out the command, once; policies that it names come with it."""
    command, settlement.command = settlement.command, None
    if command is None:
        return
    if settlement.incident is None:
        raise UnknownIncidentError(settlement.claimed.incident_id)
    snapshot, settlement.owed_since = None, None
    if isinstance(command, Escalated):
        snapshot = settlement.directions.with_policies(
            settlement.incident.snapshot, command.targets
        )
        command = replace(command, snapshot=snapshot.hash)
    settlement.reason = await settlement.apply(command, snapshot)


def _next_timer(settlement: Settlement) -> datetime | None:
    """
    Tell as of when the next timer runs; None if none does now.

    Due in one instant, what people did comes first (SEMANTICS 1): before a command only
    those run that were due before it.
    """
    incident, command = settlement.incident, settlement.command
    due = incident.next_due if incident is not None else None
    if due is None or (command is not None and due >= command.at):
        return None

    return as_of(due, settlement.now)


async def _read(
    settlement: Settlement, mail: deque[Mail], until: datetime | None
) -> None:
    """Read the oldest mail; alerts that follow each other become one event."""
    first = mail.popleft()
    settlement.read_up_to, settlement.owed_since = first.number, None
    match first.content:
        case None:
            return
        case RoutedAlert() as routed if settlement.incident is None:
            _note_end(settlement, routed.alert)
            # What is over opens nothing; the one that fired was lost on its way.
            if _fires(routed):
                await settlement.open(routed, first.at)
        case RoutedAlert() as routed if _opens_next(settlement, routed):
            settlement.follow_ups.append(routed)
        case RoutedAlert() as routed:
            await _receive(settlement, mail, until, first.at, routed)
        case RoutedAcknowledgement() as routed:
            await _acknowledge(settlement, routed, first.at)
        case event if settlement.incident is not None:
            await _hear(settlement, replace(event, at=max(event.at, first.at)))
        case _:
            log.error(
                "mail.dropped",
                incident_id=show_incident_id(settlement.claimed.incident_id),
            )


async def _receive(
    settlement: Settlement,
    mail: deque[Mail],
    until: datetime | None,
    at: datetime,
    routed: RoutedAlert,
) -> None:
    """Apply an alert, and those that come next, as one event."""
    alerts = [routed.alert, *_more_alerts(settlement, mail, until, routed)]
    for alert in alerts:
        _note_end(settlement, alert)
    await settlement.apply(AlertsReceived(at=at, alerts=_bodies(alerts)))


async def _acknowledge(
    settlement: Settlement, routed: RoutedAcknowledgement, at: datetime
) -> None:
    """
    Have the source take the incident: this one, or the one after it.

    It is of the next one if an alert before it opens that. Without an incident there is
    nothing to take: what should have opened it was lost on its way.
    """
    if settlement.follow_ups:
        settlement.follow_ups.append(routed)
    elif settlement.incident is not None:
        await settlement.apply(settlement.directions.acknowledgement(routed, at))
    else:
        log.warning(
            "acknowledgement.dropped", integration=routed.integration, key=routed.key
        )


async def _hear(settlement: Settlement, event: Event) -> None:
    """Apply what came by mail; policies that an answer names come with it."""
    assert settlement.incident is not None
    snapshot = None
    if isinstance(event, TargetsResolved):
        known = settlement.incident.snapshot
        settlement.owed_since = event.owed_since
        event, snapshot = settlement.directions.with_named(event, known)
    await settlement.apply(event, snapshot)
    if settlement.wanted is None:
        # What timers do next is late by their own times.
        settlement.owed_since = None


def _opens_next(settlement: Settlement, routed: RoutedAlert) -> bool:
    """
    Tell whether an alert belongs to the incident after this one.

    That is the first one that fires, and all that come after it: the end of what began
    there ends it there. Not if it tells again of an occurrence whose end was read just
    now: that is late.
    """
    is_late = routed.alert.occurrence in settlement.ended
    is_next = _fires(routed) or bool(settlement.follow_ups)

    return settlement.is_over and is_next and not is_late


def _more_alerts(
    settlement: Settlement,
    mail: deque[Mail],
    until: datetime | None,
    before: RoutedAlert,
) -> list[Alert]:
    """
    Take the alerts that come next.

    One that fires is never put into one event with one before it that ended: that one
    may close the incident, and then this one opens another. Nor one that opens another
    with one that is late.
    """
    alerts = []
    while mail and (until is None or mail[0].at <= until):
        content = mail[0].content
        if not isinstance(content, RoutedAlert):
            break
        if _fires(content) and not _fires(before):
            break
        if _opens_next(settlement, content):
            break
        settlement.read_up_to = mail.popleft().number
        alerts.append(content.alert)
        before = content

    return alerts


def _fires(routed: RoutedAlert) -> bool:
    return routed.alert.status is AlertStatus.FIRING


def _note_end(settlement: Settlement, alert: Alert) -> None:
    if alert.status is AlertStatus.RESOLVED and alert.occurrence:
        settlement.ended.append(alert.occurrence)


def _bodies(alerts: list[Alert]) -> tuple[Alert, ...]:
    bare = [
        replace(alert, labels={}, message="", link="") for alert in alerts[BODIES_MAX:]
    ]

    return (*alerts[:BODIES_MAX], *bare)
