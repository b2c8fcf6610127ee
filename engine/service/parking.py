"""
Parking: an incident that cannot be decided is put aside, and harms no other.

The third time in a row somebody is paged about it, by an incident of its own.
"""

import traceback

import structlog

from engine.core.alerts import Alert, AlertStatus
from engine.errors import TryAgainError, UnreadableError, show_error
from engine.ids import show_incident_id
from engine.ports import (
    Claimed,
    IncidentStore,
    Mailbox,
    RoutedAcknowledgement,
    RoutedAlert,
)
from engine.service.directions import INSTALLATION

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Parked so often in a row, somebody has to know of it.
ALARM_AT_FAILURES = 3


async def park(
    claimed: Claimed, error: Exception, *, store: IncidentStore, mailbox: Mailbox
) -> None:
    """Put an incident aside; the third time in a row, page about it."""
    is_newer = isinstance(error, UnreadableError) and error.is_newer
    # The trace as text: a renderer may show local variables, payloads in them.
    log.error(
        "incident.parked",
        incident_id=show_incident_id(claimed.incident_id),
        failures=claimed.failures + (not is_newer),
        is_newer=is_newer,
        error=show_error(error),
        traceback="".join(traceback.format_exception(error)),
    )
    is_third = claimed.failures + 1 == ALARM_AT_FAILURES and not is_newer
    if is_third and not await _raise_alarm(claimed, type(error).__name__, mailbox):
        return
    await store.release([claimed], park=True)


async def _raise_alarm(claimed: Claimed, problem: str, mailbox: Mailbox) -> bool:
    """
    Have somebody paged about an incident that cannot be decided.

    Returns:
        Whether that is settled; if not, it is not counted either: the lease brings it
        back, and then it is tried again.
    """
    alarm = _alarm(claimed, problem)
    if alarm is None:
        return True
    try:
        await mailbox.append([alarm])
    except TryAgainError as error:
        log.warning("alarm.not_written", error=str(error))
        return False

    return True


def _alarm(claimed: Claimed, problem: str) -> RoutedAlert | None:
    """
    Return the alert about an incident that cannot be decided.

    It opens an incident of its own, on the catch-all policy. Never about such an
    incident: one that cannot be decided either would lead to the next.
    """
    integrations = {
        one.content.integration
        for one in claimed.mail
        if isinstance(one.content, RoutedAlert | RoutedAcknowledgement)
    }
    integrations |= {claimed.integration} if claimed.integration else set()
    if claimed.incident is not None:
        integrations.add(claimed.incident.integration)
    if INSTALLATION in integrations:
        return None
    shown = show_incident_id(claimed.incident_id)
    about = f" ({claimed.incident.title})" if claimed.incident is not None else ""
    alert = Alert(
        id=f"parked.{claimed.incident_id}",
        fingerprint=claimed.incident_id,
        status=AlertStatus.FIRING,
        title=f"rung cannot decide {shown}{about}",
        labels={"alertname": "IncidentParked", "incident": shown, "problem": problem},
        message=f"Nobody is paged by {shown} until this is put right; see the log.",
    )

    return RoutedAlert(alert=alert, integration=INSTALLATION, key=claimed.incident_id)
