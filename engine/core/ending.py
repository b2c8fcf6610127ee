"""Ending: how an incident is resolved or removed, whoever or whatever does it."""

from datetime import datetime

from engine.core.changing import changed
from engine.core.checklists import stop_reminders
from engine.core.effects import Effect, Following, Notice, Publish, Tell
from engine.core.events import Kind
from engine.core.incident import Decision, Incident, Status
from engine.core.reasons import Reason
from engine.core.starting import halt


def end(
    incident: Incident, status: Status, reason: Reason, by: str | None, at: datetime
) -> Decision:
    """Resolve or remove an incident: everything stops, and what is attached follows."""
    halted, effects = halt(incident)
    ended = changed(
        stop_reminders(halted),
        status=status,
        resolved_at=at,
        resolved_by=by,
    )
    published: tuple[Effect, ...] = (
        (Publish(notice=Notice.MAINTENANCE_ENDED),)
        if incident.kind is Kind.MAINTENANCE
        else ()
    )
    told = tell_children(ended, Following.RESOLVE, by, at)

    return Decision(
        incident=ended, effects=(*effects, *published, *told), reason=reason
    )


def tell_children(
    incident: Incident, what: Following, by: str | None, at: datetime
) -> tuple[Effect, ...]:
    """Have whatever is attached do the same; the id makes it harmless twice."""
    return tuple(
        Tell(
            id=f"{incident.id}.{what}.{at.isoformat()}",
            child=child,
            what=what,
            by=by or "",
        )
        for child in incident.children
    )
