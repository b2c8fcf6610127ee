"""
Windows: weekdays and local times in a zone.

One rule for branches, gates, restrictions and working hours (SEMANTICS 3): a window is
[from, to) on the local clock and belongs to the day on which it starts; from = to is 24
hours. It begins at the first pass of a fold and ends at the last; a window inside a gap
does not exist that day.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from policies.localtime import (
    DAY,
    ClockTime,
    Fold,
    ZoneName,
    local,
    wall_instant,
    zone_of,
)

# A weekday comes again within a week, but its window may lie in a gap, or its day be
# missing: then it takes another week.
HORIZON = timedelta(days=16)
# A window of 24 hours that began before this day may reach into it, also over a fold.
REACH = timedelta(days=2)


class Weekday(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


WEEK = tuple(Weekday)
Interval = tuple[datetime, datetime]


class Window(BaseModel):
    """
    Some hours of some days.

    Attributes:
        days: The days on which it starts; all of them if none is named.
        zone: The IANA name of the zone whose clock counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = WEEK
    start: Annotated[ClockTime, Field(alias="from")] = time()
    end: Annotated[ClockTime, Field(alias="to")] = time()
    zone: ZoneName = "UTC"

    def contains(self, at: datetime) -> bool:
        """Tell whether an instant is inside."""
        first = self._day_of(at) - REACH

        return any(begin <= at < end for begin, end in self._from(first, REACH * 2))

    def opens_after(self, at: datetime) -> datetime | None:
        """Return the first instant later than `at` at which one begins, if any does."""
        first = self._day_of(at) - REACH

        return next((b for b, _ in self._from(first, HORIZON + REACH) if b > at), None)

    def holds_until(self, at: datetime) -> datetime | None:
        """
        Return up to when `contains` answers the same as at `at`.

        None if that is not within the next two weeks: it never changes.
        """
        if not self.contains(at):
            return self.opens_after(at)
        until = at
        for begin, end in self._from(self._day_of(at) - REACH, HORIZON + REACH):
            if begin <= until < end:
                until = end

        return until if until - at < HORIZON - REACH else None

    def _day_of(self, at: datetime) -> date:
        return local(at, zone_of(self.zone)).date()

    def _from(self, first: date, span: timedelta) -> Iterator[Interval]:
        """Yield the windows that start on the days from here on, in their order."""
        for number in range(span.days + 1):
            day = first + number * DAY
            if WEEK[day.weekday()] in self.days:
                begin, end = self._on(day)
                if begin < end:
                    yield begin, end

    def _on(self, day: date) -> Interval:
        zone = zone_of(self.zone)
        last = day if self.start < self.end else day + DAY
        begin = wall_instant(day, self.start, zone)

        return begin, wall_instant(last, self.end, zone, Fold.LAST)
