"""Incidents: list them, look at one, read what happened to it."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from engine.codec.exports import (
    Exported,
    export_entry,
    export_head,
    export_snapshot,
    snapshots_named,
)
from engine.directory import Directory
from engine.ids import MalformedIdError, read_incident_id, show_incident_id
from engine.ports import Entry
from policies.policy import Snapshot
from policies.targets import Name
from workers.listing import Wanted, list_part, teams_named
from workers.web.api.command_bodies import BY_MAX, READING, At
from workers.web.api.shapes import IncidentAnswer, IncidentList, Listed, Timeline
from workers.web.api.timeline import tell
from workers.web.auth import ReadToken
from workers.web.context import Context
from workers.web.problems import documented, invalid

LIMIT, LIMIT_MAX, VALUES_MAX = 50, 100, 50
TEXT_MAX = 200
JSON, JSON_LINES = "application/json", "application/x-ndjson"

router = APIRouter(prefix="/v1/incidents", tags=["incidents"])

_ONE = documented(*READING, HTTPStatus.NOT_FOUND)
_Names = Annotated[tuple[Name, ...], Field(max_length=VALUES_MAX)]


class ListParameters(BaseModel):
    """Which incidents to list, and which part of the list."""

    model_config = ConfigDict(frozen=True)

    status: Listed = Listed.OPEN
    integration: _Names = Field((), description="Its id; again for any of several.")
    policy: _Names = Field(
        (), description="The policy it started with; again for any of several."
    )
    severity: _Names = Field(
        (), description="In capitals or not; again for any of several."
    )
    team: _Names = Field(
        (),
        description="A team's id; again for any of several. An incident without a "
        "team is the default team's.",
    )
    teamless: bool = Field(
        default=False, description="Those of the default team, whichever that is."
    )
    opened_after: At | None = Field(None, description="At this time or later.")
    opened_before: At | None = Field(None, description="Before this time.")
    acknowledged_by: str | None = Field(
        None, max_length=BY_MAX, description="Who has it, as the list shows it."
    )
    title: str = Field(
        "", max_length=TEXT_MAX, description="A part of the title, capitals or not."
    )
    limit: int = Field(LIMIT, ge=1, le=LIMIT_MAX)
    before: str | None = Field(
        None, description="The `next` of the part before this one."
    )

    def wanted(self, directory: Directory) -> Wanted:
        """Return what is wanted, whichever part of it."""
        return Wanted(
            statuses=self.status.statuses,
            integrations=frozenset(self.integration),
            policies=frozenset(self.policy),
            severities=frozenset(self.severity),
            teams=teams_named(directory, self.team, is_teamless=self.teamless),
            opened_after=self.opened_after,
            opened_before=self.opened_before,
            acknowledged_by=self.acknowledged_by,
            text=self.title,
        )

    @property
    def cursor(self) -> str | None:
        """
        The id that the part goes on behind.

        Raises:
            ProblemError: If `before` is no id.
        """
        try:
            return read_incident_id(self.before) if self.before else None
        except MalformedIdError as error:
            told = f"{error}; send a list's `next`"
            found = {"loc": ("query", "before"), "msg": told}
            raise invalid([found]) from None


class HistoryForm(StrEnum):
    """How a history is written: in one document, or a line for each part of it."""

    JSON = "json"
    LINES = "jsonl"


class ExportedEntry(BaseModel):
    """
    One line of a history, in full.

    Attributes:
        number: Counts from 1.
        what: The kind of event.
        reason: What was decided of it.
        event: Every field of the event.
        comments: What was shown with it.
    """

    number: int
    what: str
    reason: str
    event: dict[str, Any]
    comments: list[dict[str, str]]


class ExportedHistory(BaseModel):
    """
    A history that can be replayed.

    Attributes:
        format: Always `rung-history`.
        schema: The version of the fields' meaning.
        snapshots: The policies that events name, by their hash.
    """

    model_config = ConfigDict(populate_by_name=True)

    format: str
    schema_version: int = Field(alias="schema")
    incident_id: str
    snapshots: dict[str, dict[str, Any]]
    entries: list[ExportedEntry]


@router.get("", responses=documented(*READING))
async def list_incidents(
    context: Context, _token: ReadToken, asked: Annotated[ListParameters, Query()]
) -> IncidentList:
    """
    List incidents, newest first, to a hundredth of a second.

    A part may hold fewer incidents than asked for, or none, though there are more:
    `next` says where to go on. Without `next` that was all.
    """
    wanted = asked.wanted(await context.configuration.read())
    part = await list_part(context.reader, wanted, asked.limit, asked.cursor)

    return IncidentList.of(part.summaries, part.next)


@router.get("/{incident_id}", responses=_ONE)
async def show_incident(
    incident_id: str, context: Context, _token: ReadToken
) -> IncidentAnswer:
    """Show an incident."""
    incident = await context.engine.find(read_incident_id(incident_id))

    return IncidentAnswer.of(incident, context.public_url)


@router.get("/{incident_id}/timeline", responses=_ONE)
async def show_timeline(
    incident_id: str, context: Context, _token: ReadToken
) -> Timeline:
    """Show what happened to an incident, and why."""
    known_id = read_incident_id(incident_id)
    history = await context.reader.history(known_id)

    return Timeline(incident_id=show_incident_id(known_id), entries=tell(history))


@router.get(
    "/{incident_id}/history",
    response_model=ExportedHistory,
    responses={
        **_ONE,
        HTTPStatus.OK.value: {
            "description": "As a document, or as JSON Lines: a head, a line for each "
            "snapshot, a line for each entry.",
            "content": {JSON_LINES: {"schema": {"type": "string"}}},
        },
    },
)
async def export_history(
    incident_id: str,
    context: Context,
    _token: ReadToken,
    form: Annotated[HistoryForm, Query(alias="format")] = HistoryForm.JSON,
) -> Response:
    """
    Export all that happened to an incident, losing nothing.

    With every field of every event, and the policies that were walked: enough to decide
    all of it again elsewhere.
    """
    known_id = read_incident_id(incident_id)
    history = await context.reader.history(known_id)
    named = snapshots_named(history)
    snapshots = await context.reader.policies_of(known_id, named)
    head = export_head(show_incident_id(known_id))
    if form is HistoryForm.LINES:
        return Response(_lines(head, snapshots, history), media_type=JSON_LINES)

    return Response(_document(head, snapshots, history), media_type=JSON)


def _document(
    head: Exported, snapshots: Mapping[str, Snapshot], history: Sequence[Entry]
) -> bytes:
    exported = {hashed: export_snapshot(one) for hashed, one in snapshots.items()}
    entries = list(_entries(history))

    return orjson.dumps({**head, "snapshots": exported, "entries": entries})


def _lines(
    head: Exported, snapshots: Mapping[str, Snapshot], history: Sequence[Entry]
) -> bytes:
    exported = [{"snapshot": export_snapshot(one)} for one in snapshots.values()]
    lines = [head, *exported, *_entries(history)]

    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


def _entries(history: Sequence[Entry]) -> Iterator[Exported]:
    for number, entry in enumerate(history, start=1):
        yield export_entry(number, entry)
