"""
What people may do to an incident, and what it means (SEMANTICS 2).

A command that does not apply leaves the incident as it is and says why.
"""

from datetime import datetime

from engine.core.asking import start_call
from engine.core.changing import changed
from engine.core.checklists import edit
from engine.core.effects import Comment, Following
from engine.core.ending import end, tell_children
from engine.core.events import (
    Acknowledged,
    Attached,
    ChildAttached,
    ChildDetached,
    Command,
    Commented,
    CommentEdited,
    Detached,
    Escalated,
    Kind,
    MetadataSet,
    ParentMoved,
    Reassigned,
    Removed,
    Reopened,
    Resolved,
    Snoozed,
    Unacknowledged,
    Unsnoozed,
)
from engine.core.hurrying import escalate
from engine.core.incident import Decision, Incident, Status
from engine.core.page import stop_pages
from engine.core.reasons import Reason
from engine.core.receiving import see
from engine.core.starting import begin_again, halt, wanted_again
from engine.core.walk import keep_walk, wait_again, walk_of
from policies.policy import Snapshot
from policies.targets import UserTarget

# What an incident that is a part of another one does not do by itself.
OWN_ACTIONS = (
    Acknowledged | Unacknowledged | Resolved | Reopened | Snoozed | Unsnoozed
    | Escalated | Reassigned | Attached
)  # fmt: skip
WANTS_PAGES = Escalated | Reassigned | Unacknowledged | Reopened | Unsnoozed | Detached
NOT_IN_MAINTENANCE = Acknowledged | Unacknowledged | Reopened
# What is still possible with an incident that is over. It adopts no other: nobody would
# ever resolve that one.
AFTER_THE_END = (
    Reopened | Removed | Commented | CommentEdited | MetadataSet | Detached
    | ChildDetached
)  # fmt: skip


def obey(
    incident: Incident, command: Command, snapshot: Snapshot | None, at: datetime
) -> Decision:
    """Carry out a command, or say why not."""
    refused = _refusal(incident, command)
    if refused is not None:
        return Decision(incident=incident, reason=refused)
    # Whom somebody wants paged now is paged, also if they were in this very instant.
    is_wanted = isinstance(command, WANTS_PAGES)
    asked = changed(incident, paged=()) if is_wanted else incident
    decision = _obey(asked, command, snapshot, at)
    if decision.incident is asked:
        return changed(decision, incident=incident)

    return decision.then(see(decision.incident, command.id))


def _refusal(incident: Incident, command: Command) -> Reason | None:
    if command.id in incident.seen:
        return Reason.REPEATED_COMMAND
    if incident.status is Status.REMOVED:
        return Reason.LATE
    if incident.status is Status.RESOLVED and not isinstance(command, AFTER_THE_END):
        return Reason.LATE
    if incident.parent is not None and isinstance(command, OWN_ACTIONS):
        return Reason.IS_ATTACHED
    if incident.kind is Kind.MAINTENANCE and isinstance(command, NOT_IN_MAINTENANCE):
        return Reason.IS_MAINTENANCE

    return None


def _obey(  # noqa: C901, PLR0911, PLR0912 - one arm for each command
    incident: Incident, command: Command, snapshot: Snapshot | None, at: datetime
) -> Decision:
    match command:
        case Acknowledged(by=by):
            return _acknowledge(incident, by, at)
        case Unacknowledged():
            return _return(incident, Status.ACKNOWLEDGED, Reason.UNACKNOWLEDGED, at)
        case Resolved(by=by):
            return end(incident, Status.RESOLVED, Reason.RESOLVED, by, at)
        case Reopened():
            return _return(incident, Status.RESOLVED, Reason.REOPENED, at)
        case Snoozed():
            return _snooze(incident, command)
        case Unsnoozed():
            return _return(incident, Status.SNOOZED, Reason.UNSNOOZED, at)
        case Escalated():
            return escalate(incident, command, snapshot, at)
        case Reassigned():
            return _reassign(incident, command, at)
        case Attached(parent=parent):
            return _attach(incident, parent)
        case Detached():
            return _detach(incident, at)
        case ChildAttached(child=child):
            return _adopt(incident, child)
        case ChildDetached(child=child):
            left = tuple(other for other in incident.children if other != child)
            return _noted(changed(incident, children=left), Reason.DETACHED)
        case ParentMoved():
            return _follow(incident, command, at)
        case Removed(by=by):
            return end(incident, Status.REMOVED, Reason.REMOVED, by, at)
        case MetadataSet():
            return _set_metadata(incident, command)
        case Commented(id=name, text=text):
            said = Comment(id=name, text=text)
            return _noted(incident, Reason.COMMENTED).then(
                changed(incident, last_at=at), said
            )
        case CommentEdited():
            edited = edit(incident, command)
            if edited is None:
                return _noted(incident, Reason.NOT_APPLICABLE)
            return _noted(incident, Reason.BOX_TICKED).then(*edited)


def _noted(incident: Incident, reason: Reason) -> Decision:
    return Decision(incident=incident, reason=reason)


def _acknowledge(incident: Incident, by: str, at: datetime) -> Decision:
    """Take an incident; one that is taken stays theirs, for as long again."""
    returns_at = at + incident.acknowledged_for if incident.acknowledged_for else None
    if incident.status is Status.ACKNOWLEDGED:
        if returns_at is None:
            return _noted(incident, Reason.NOT_APPLICABLE)
        return _noted(changed(incident, returns_at=returns_at), Reason.ACKNOWLEDGED)
    halted, effects = halt(incident)
    acknowledged = changed(
        halted,
        status=Status.ACKNOWLEDGED,
        acknowledged_at=at,
        acknowledged_by=by,
        snoozed_by=None,
        returns_at=returns_at,
    )
    told = tell_children(acknowledged, Following.ACKNOWLEDGE, by, at)

    return Decision(
        incident=acknowledged, effects=(*effects, *told), reason=Reason.ACKNOWLEDGED
    )


def _return(
    incident: Incident, wanted: Status, reason: Reason, at: datetime
) -> Decision:
    """Start again from the one status that this command is for."""
    if incident.status is not wanted:
        return _noted(incident, Reason.NOT_APPLICABLE)

    return begin_again(incident, reason, at)


def _snooze(incident: Incident, command: Snoozed) -> Decision:
    halted, effects = halt(incident)
    snoozed = changed(
        halted,
        status=Status.SNOOZED,
        snoozed_by=command.by,
        returns_at=command.until,
    )

    return Decision(incident=snoozed, effects=effects, reason=Reason.SNOOZED)


def _reassign(incident: Incident, command: Reassigned, at: datetime) -> Decision:
    """Page somebody else; the wait that is under way starts again in full."""
    stopped, effects = stop_pages(wanted_again(incident))
    stopped = changed(stopped, last_rounds=())
    for walk_id in [walk.id for walk in stopped.walks]:
        walk = walk_of(stopped, walk_id)
        assert walk is not None
        quiet = changed(walk, awaited=())
        stopped = wait_again(keep_walk(stopped, walk, quiet), quiet, at)
    called, question = start_call(
        stopped, (UserTarget(id=command.to),), command.urgency, (), at
    )

    return Decision(
        incident=called, effects=(*effects, question), reason=Reason.REASSIGNED
    )


def _attach(incident: Incident, parent: str) -> Decision:
    if parent == incident.id or incident.children:
        return _noted(incident, Reason.NOT_APPLICABLE)
    halted, effects = halt(incident)

    return Decision(
        incident=changed(halted, parent=parent),
        effects=effects,
        reason=Reason.ATTACHED,
    )


def _detach(incident: Incident, at: datetime) -> Decision:
    if incident.parent is None:
        return _noted(incident, Reason.NOT_APPLICABLE)
    alone = changed(incident, parent=None)
    if not incident.status.is_open:
        return _noted(alone, Reason.DETACHED)

    return begin_again(alone, Reason.DETACHED, at)


def _adopt(incident: Incident, child: str) -> Decision:
    if child in incident.children or child == incident.id:
        return _noted(incident, Reason.NOT_APPLICABLE)
    adopting = changed(incident, children=(*incident.children, child))

    return _noted(adopting, Reason.ATTACHED)


def _follow(incident: Incident, event: ParentMoved, at: datetime) -> Decision:
    """Do what the incident did that this one is a part of."""
    if incident.parent is None or event.parent not in {None, incident.parent}:
        return _noted(incident, Reason.NOT_APPLICABLE)
    match event.what:
        case Following.ACKNOWLEDGE if incident.status is Status.ACKNOWLEDGED:
            return _noted(incident, Reason.NOT_APPLICABLE)
        case Following.ACKNOWLEDGE:
            followed = _acknowledge(incident, event.by, at)
            # It is the parent's time-out that counts.
            quiet = changed(followed.incident, returns_at=None)
            return changed(followed, incident=quiet, reason=Reason.FOLLOWED)
        case Following.RESOLVE:
            return end(incident, Status.RESOLVED, Reason.FOLLOWED, event.by, at)


def _set_metadata(incident: Incident, command: MetadataSet) -> Decision:
    """Set the values of a key: they win over labels from now on."""
    metadata, references = dict(incident.metadata), dict(incident.references)
    metadata.pop(command.key, None)
    references.pop(command.key, None)
    if command.texts:
        metadata[command.key] = command.texts
    if command.references:
        references[command.key] = command.references
    pinned = (*(key for key in incident.pinned if key != command.key), command.key)
    known = changed(incident, metadata=metadata, references=references, pinned=pinned)

    return _noted(known, Reason.METADATA_SET)
