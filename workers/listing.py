"""Listing incidents by what is known of them, a part at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from engine.core.incident import Status
from engine.directory import Directory
from engine.ids import EPOCH, mint
from engine.ports import IncidentReader, Summary

# So many are read at once, and looked through at most for one part: a filter that
# hardly any incident passes must not read the whole store.
CHUNK, SCAN_MAX = 200, 2_000
# An id is minted a little before the incident opens, on another clock.
SLACK = timedelta(minutes=1)
# Ids count up to 2112. Nobody means a later time, and none has to be left out for it.
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
Teams = frozenset[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    Which incidents to list. Of several values of one field any will do.

    Attributes:
        statuses: Those of incidents as they are now.
        teams: None stands for incidents without one; without any, of whatever team.
        severities: As senders spell them, in capitals or not.
        acknowledged_by: As it is shown, in capitals or not.
        text: A part of the title, in capitals or not.
    """

    statuses: frozenset[Status]
    integrations: frozenset[str] = field(default_factory=frozenset[str])
    policies: frozenset[str] = field(default_factory=frozenset[str])
    severities: frozenset[str] = field(default_factory=frozenset[str])
    teams: Teams | None = None
    opened_after: datetime | None = None
    opened_before: datetime | None = None
    acknowledged_by: str | None = None
    text: str = ""

    def has(self, summary: Summary) -> bool:
        """Tell whether an incident is among them; its status and team are settled."""
        after, before = self.opened_after, self.opened_before
        by = (summary.acknowledged_by or "").casefold()
        severities = {severity.casefold() for severity in self.severities}

        return all(
            (
                not self.integrations or summary.integration in self.integrations,
                not self.policies or summary.policy in self.policies,
                not severities or summary.severity.casefold() in severities,
                after is None or summary.opened_at >= after,
                before is None or summary.opened_at < before,
                self.acknowledged_by is None or by == self.acknowledged_by.casefold(),
                self.text.casefold() in summary.title.casefold(),
            )
        )

    @property
    def needs_a_look(self) -> bool:
        """Whether there is more to it than statuses and teams."""
        return self != Wanted(statuses=self.statuses, teams=self.teams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """
    A part of a list, newest first.

    Attributes:
        next: The id that the next part goes on behind; None: there are no more.
    """

    summaries: Sequence[Summary]
    next: str | None


async def list_part(
    reader: IncidentReader, wanted: Wanted, limit: int, before: str | None = None
) -> Part:
    """
    Return at most so many incidents that are older than the id `before`.

    It may be fewer, or none, though there are more: then `next` says where to go on.
    """
    cursor = _start(wanted, before)
    chunk = CHUNK if wanted.needs_a_look else limit + 1
    found: list[Summary] = []
    for _ in range(SCAN_MAX // CHUNK):
        read = await reader.summaries(wanted.statuses, chunk, cursor, wanted.teams)
        found += [one for one in read if wanted.has(one)]
        if len(found) > limit:
            return Part(summaries=found[:limit], next=found[limit - 1].id)
        if len(read) < chunk or _is_past(wanted, read[-1]):
            return Part(summaries=found, next=None)
        cursor = read[-1].id

    return Part(summaries=found, next=cursor)


def teams_named(
    directory: Directory, names: Sequence[str], *, is_teamless: bool = False
) -> Teams | None:
    """
    Return the teams that somebody asks for; None: whatever team.

    An incident without a team is the default team's.
    """
    if not names and not is_teamless:
        return None
    default = directory.default_team
    teams: set[str | None] = set(names)
    if is_teamless or default in teams:
        teams |= {None, default}

    return frozenset(teams)


def _start(wanted: Wanted, before: str | None) -> str | None:
    """Return the id to begin behind: ids sort by the time that they carry."""
    if wanted.opened_before is None or wanted.opened_before > LATEST:
        return before
    latest = mint(max(wanted.opened_before + SLACK, EPOCH), 0, 0)

    return min(latest, before) if before is not None else latest


def _is_past(wanted: Wanted, summary: Summary) -> bool:
    """Whether all that follows opened before what is wanted."""
    after = wanted.opened_after

    return after is not None and summary.opened_at + SLACK < after
