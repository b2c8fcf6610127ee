"""
Instructions: comments that a policy posts, and the boxes in them.

A reminder posts them again while boxes are open. It is a comment and an event, never a
page, and goes on while the incident is acknowledged or snoozed.
"""

import re
from collections.abc import Collection
from datetime import datetime
from itertools import count

from engine.core.changing import changed
from engine.core.effects import Comment, Effect
from engine.core.events import CommentEdited
from engine.core.incident import Checklist, Incident
from engine.core.page import key_of
from policies.steps import InstructionsStep

# `- [ ]`, `- []`, `* [ ]`, `1. [ ]`; ticked with x or X.
BOX = re.compile(r"^(\s*(?:[-*+]|\d+[.)])\s+\[)([ xX]?)(\])", re.MULTILINE)
KEY = re.compile(r"\{([^{}\n]{1,200})\}")


def post(
    incident: Incident, step: InstructionsStep, name: str, at: datetime
) -> tuple[Incident, tuple[Effect, ...]]:
    """Post instructions; a later round does not post the same ones again."""
    source = key_of(step.text)
    if any(known.source == source for known in incident.checklists):
        return incident, ()
    text = KEY.sub(lambda found: _filled_in(incident, found), step.text)
    is_open = has_open_boxes(text)
    order = incident.last_order + 1
    checklist = Checklist(
        id=name,
        source=source,
        text=text if is_open else "",
        every=step.remind_every,
        due=at + step.remind_every if step.remind_every and is_open else None,
        order=order,
    )
    posted = changed(
        incident, checklists=(*incident.checklists, checklist), last_order=order
    )

    return posted, (Comment(id=name, text=text),)


def remind(
    incident: Incident, checklist: Checklist, at: datetime
) -> tuple[Incident, tuple[Effect, ...]]:
    """Post instructions again whose boxes are still open."""
    assert checklist.every is not None
    later = changed(checklist, due=at + checklist.every)
    comment = Comment(id=checklist.id, text=checklist.text)

    return put_checklist(incident, checklist, later), (comment,)


def edit(incident: Incident, command: CommentEdited) -> tuple[Incident, Comment] | None:
    """Change a comment; None if that is not a checklist."""
    for checklist in incident.checklists:
        if checklist.id == command.comment and checklist.text:
            text = tick(
                command.text or checklist.text, command.ticked, command.unticked
            )
            due = checklist.due if has_open_boxes(text) else None
            edited = changed(checklist, text=text, due=due)
            shown = Comment(id=checklist.id, text=text)
            return put_checklist(incident, checklist, edited), shown

    return None


def tick(text: str, ticked: Collection[int], unticked: Collection[int]) -> str:
    """Return a text with these boxes ticked and those open, by their numbers from 1."""
    numbers = count(1)

    def marked(found: "re.Match[str]") -> str:
        number = next(numbers)
        if number in ticked:
            return f"{found[1]}x{found[3]}"
        return f"{found[1]} {found[3]}" if number in unticked else found[0]

    return BOX.sub(marked, text)


def stop_reminders(incident: Incident) -> Incident:
    """Post nothing again: the incident is over."""
    silent = tuple(changed(each, due=None) for each in incident.checklists)

    return changed(incident, checklists=silent)


def put_checklist(incident: Incident, before: Checklist, after: Checklist) -> Incident:
    """Put a checklist in the place of the old one."""
    checklists = tuple(
        after if each is before else each for each in incident.checklists
    )

    return changed(incident, checklists=checklists)


def has_open_boxes(text: str) -> bool:
    """Tell whether any box of a text is not ticked."""
    return any(not found[2].strip() for found in BOX.finditer(text))


def _filled_in(incident: Incident, found: "re.Match[str]") -> str:
    """Return the values of a key; an unknown key stays as written."""
    key = found[1]
    texts = incident.metadata.get(key, ())
    named = tuple(reference.id for reference in incident.references.get(key, ()))

    return ", ".join((*texts, *named)) or found[0]
