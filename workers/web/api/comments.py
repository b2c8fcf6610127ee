"""
Comments: what people write, and the instructions that policies post.

They are read from the history: who wrote one, who changed it last, when it was posted
again. Boxes in instructions are ticked by their numbers.
"""

# ruff: noqa: FAST003 - `Ordered` takes the id

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Self

from fastapi import APIRouter, Response
from pydantic import BaseModel

from engine.core.checklists import BOX
from engine.core.effects import Comment
from engine.core.events import Commented, CommentEdited
from engine.core.reasons import Reason
from engine.directory.checks import Problem
from engine.ids import read_incident_id, show_incident_id
from engine.ports import Entry
from workers.web.api.command_bodies import (
    READING,
    TEXT_MAX,
    CommentBody,
    CommentEditBody,
    described,
)
from workers.web.api.obeying import Order, Ordered, refused
from workers.web.auth import ReadToken
from workers.web.context import Context
from workers.web.idempotency import IdempotentRoute
from workers.web.problems import NO_COMMENT, ProblemError, documented
from workers.web.text import clean

router = APIRouter(
    prefix="/v1/incidents", tags=["comments"], route_class=IdempotentRoute
)


class CommentKind(StrEnum):
    """Who it is from: a person, or a policy."""

    COMMENT = "comment"
    INSTRUCTIONS = "instructions"


class Box(BaseModel):
    """
    A box in a comment.

    Attributes:
        number: Counts from 1; to tick it, send this.
    """

    number: int
    text: str
    is_ticked: bool


class CommentAnswer(BaseModel):
    """
    A comment, as it is now.

    Attributes:
        by: Who wrote it; None: a policy did.
        edited_by: Who changed it last.
        reminded_at: When it was posted again last, since boxes in it were open.
    """

    id: str
    kind: CommentKind
    text: str
    boxes: list[Box]
    at: datetime
    by: str | None
    edited_at: datetime | None = None
    edited_by: str | None = None
    reminded_at: datetime | None = None

    @classmethod
    def of(cls, entry: Entry, comment: Comment) -> Self:
        """Show a comment when it is first seen."""
        event = entry.event
        is_said = isinstance(event, Commented)

        return cls(
            id=comment.id,
            kind=CommentKind.COMMENT if is_said else CommentKind.INSTRUCTIONS,
            text=comment.text,
            boxes=_boxes(comment.text),
            at=event.at,
            by=event.by if isinstance(event, Commented) else None,
        )

    def after(self, entry: Entry, comment: Comment) -> Self:
        """Show a comment that was seen before and is seen again."""
        event = entry.event
        if isinstance(event, CommentEdited):
            news = {"edited_at": event.at, "edited_by": event.by}
        else:
            news = {"reminded_at": event.at}

        return self.model_copy(
            update={**news, "text": comment.text, "boxes": _boxes(comment.text)}
        )


class CommentList(BaseModel):
    """The comments of an incident, oldest first."""

    incident_id: str
    comments: list[CommentAnswer]


class CommentedAnswer(BaseModel):
    """
    A comment after it was written or changed.

    Attributes:
        reason: What the command meant. `commented` and `box_ticked` changed something;
            `not_applicable` did not: only instructions with boxes can be changed.
        comment: As it is now; None if there is none.
    """

    reason: Reason
    comment: CommentAnswer | None


@router.get(
    "/{incident_id}/comments", responses=documented(*READING, HTTPStatus.NOT_FOUND)
)
async def list_comments(
    incident_id: str, context: Context, _token: ReadToken
) -> CommentList:
    """List what was written about an incident."""
    known_id = read_incident_id(incident_id)
    history = await context.reader.history(known_id)

    return CommentList(
        incident_id=show_incident_id(known_id), comments=comments_of(history)
    )


@router.post(
    "/{incident_id}/comments",
    status_code=HTTPStatus.CREATED,
    **described(
        CommentBody,
        is_required=True,
        plain={"text": "It is the disk of db1 again."},
        by_somebody={"text": "On my way.", "by": "alice"},
    ),
)
async def add_comment(order: Ordered, response: Response) -> CommentedAnswer:
    """Write something; 200 instead of 201 says that it was not kept, and why."""
    body = await order.read(CommentBody)
    text = _said(body.text)
    command = order.command(Commented, body, text=text)
    decision = await order.decide(command)
    if decision.reason is not Reason.COMMENTED:
        response.status_code = HTTPStatus.OK

    return await _answer(order, decision.reason, command.id)


@router.patch(
    "/{incident_id}/comments/{comment_id}",
    **described(
        CommentEditBody,
        is_required=True,
        tick={"tick": 1},
        tick_several={"tick": [1, 3], "untick": [2]},
        text={"text": "- [x] look at the disk"},
    ),
)
async def edit_comment(comment_id: str, order: Ordered) -> CommentedAnswer:
    """
    Tick boxes in instructions, or change their text.

    Two people who tick at the same time each tick their own. When every box is ticked,
    the instructions are not posted again.
    """
    body = await order.read(CommentEditBody)
    known = await _found(order, comment_id)
    if known is None:
        detail = "The incident has no comment with this id. See its comments."
        raise ProblemError(NO_COMMENT, detail)
    _refuse_boxes(known, "tick", body.tick or ())
    _refuse_boxes(known, "untick", body.untick or ())
    command = order.command(
        CommentEdited,
        body,
        comment=comment_id,
        text=_said(body.text) if body.text is not None else "",
        ticked=body.tick or (),
        unticked=body.untick or (),
    )
    decision = await order.decide(command)

    return await _answer(order, decision.reason, comment_id)


def comments_of(history: Sequence[Entry]) -> list[CommentAnswer]:
    """Return the comments of a history as they are at its end, oldest first."""
    found: dict[str, CommentAnswer] = {}
    for entry in history:
        for comment in entry.comments:
            known = found.get(comment.id)
            found[comment.id] = (
                known.after(entry, comment)
                if known is not None
                else CommentAnswer.of(entry, comment)
            )

    return list(found.values())


async def _answer(order: Order, reason: Reason, comment_id: str) -> CommentedAnswer:
    return CommentedAnswer(reason=reason, comment=await _found(order, comment_id))


async def _found(order: Order, comment_id: str) -> CommentAnswer | None:
    history = await order.context.reader.history(order.incident_id)
    known = (one for one in comments_of(history) if one.id == comment_id)

    return next(known, None)


def _said(text: str) -> str:
    """Return a text fit to show; one that says nothing is refused."""
    said = clean(text, TEXT_MAX).strip()
    if not said:
        raise refused([Problem(path="text", problem="is blank: write something")])

    return said


def _refuse_boxes(comment: CommentAnswer, field: str, numbers: Sequence[int]) -> None:
    count = len(comment.boxes)
    problems = [
        Problem(path=f"{field}[{index}]", problem=f"the comment has {count} boxes")
        for index, number in enumerate(numbers)
        if number > count
    ]
    if problems:
        raise refused(problems)


def _boxes(text: str) -> list[Box]:
    return [
        Box(
            number=number,
            text=text[found.end() :].partition("\n")[0].strip(),
            is_ticked=bool(found[2].strip()),
        )
        for number, found in enumerate(BOX.finditer(text), start=1)
    ]
