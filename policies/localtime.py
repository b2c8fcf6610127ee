"""
Local time: zones and wall clocks. The one module that makes zones.

Zones come from the pinned tzdata package, never from the machine, so that the same
policy means the same everywhere. A wall-clock time may come twice (a fold, when clocks
go back) or not at all (a gap, when they go forward); who asks says what is meant then.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from typing import Annotated, cast
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
# A window is asked again and again about the same few days.
INSTANTS_MAX = 4_096


class Gap(StrEnum):
    """What a wall-clock time means that does not exist."""

    FIRST_AFTER = "first_after"
    SHIFTED = "shifted"
    SKIPPED = "skipped"


class Fold(StrEnum):
    """What a wall-clock time means that comes twice."""

    FIRST = "first"
    LAST = "last"


@cache
def zone_of(name: str) -> ZoneInfo:
    """
    Return a zone by its name in the IANA database.

    Raises:
        ValueError: If there is no such zone.
    """
    if name in _names():
        path = files("tzdata").joinpath("zoneinfo", *name.split("/"))
        with path.open("rb") as opened:
            return ZoneInfo.from_file(opened, key=name)
    message = f"{name[:50]!r} is no time zone: write it like Europe/Prague or UTC"
    raise ValueError(message)


@cache
def _names() -> frozenset[str]:
    """Return the names of all zones; Factory is none, it says that nobody chose one."""
    listed = files("tzdata").joinpath("zones").read_text(encoding="utf-8")

    return frozenset(listed.split()) - {"Factory"}


def local(at: datetime, zone: ZoneInfo) -> datetime:
    """Return what the clock on the wall shows at an instant, without a zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def instant_of(
    wall: datetime,
    zone: ZoneInfo,
    gap: Gap = Gap.FIRST_AFTER,
    fold: Fold = Fold.FIRST,
) -> datetime | None:
    """
    Return the instant at which the clock on the wall shows this.

    Args:
        wall: The wall-clock time, without a zone.
        zone: Where the wall is.
        gap: FIRST_AFTER: the first instant after the gap. SHIFTED: as much later as
            the clocks went forward. SKIPPED: None.
        fold: Which of two passes.

    Returns:
        The instant in UTC; None only for one that is skipped.
    """
    early, late = (
        wall.replace(tzinfo=zone, fold=which).astimezone(UTC) for which in (0, 1)
    )
    if early == late:
        return early
    if early < late:
        return early if fold is Fold.FIRST else late
    match gap:
        case Gap.SKIPPED:
            return None
        case Gap.SHIFTED:
            return early
        case Gap.FIRST_AFTER:
            return _transition(late, early, zone)


def _transition(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Find the second, after one instant and up to another, at which offsets change."""
    before, after = before.replace(microsecond=0), after.replace(microsecond=0)
    offset = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle

    return after


def next_clock_time(at: datetime, clock: time, zone: ZoneInfo) -> datetime:
    """Return the first instant strictly later than `at` at which a clock shows this."""
    day = local(at, zone).date() - DAY
    while True:
        found = wall_instant(day, clock, zone)
        if found > at:
            return found
        day += DAY


@lru_cache(INSTANTS_MAX)
def wall_instant(
    day: date, clock: time, zone: ZoneInfo, fold: Fold = Fold.FIRST
) -> datetime:
    """Return the instant of a clock time on a day; of a gap, the first one after."""
    found = instant_of(datetime.combine(day, clock), zone, Gap.FIRST_AFTER, fold)
    return cast("datetime", found)  # only skipping gives None


def _read_clock(value: object) -> object:
    if isinstance(value, time):
        return value
    if not isinstance(value, str):
        message = "a clock time is a text: write it in quotes, like '07:45'"
        raise ValueError(message)  # noqa: TRY004 - pydantic reports ValueError
    found = CLOCK.fullmatch(value)
    if not found:
        message = f"{value!r} is no clock time: write it like 07:45, up to 23:59"
        raise ValueError(message)

    hour, minute, second = (int(part or 0) for part in found.groups())

    return time(hour, minute, second)


def _write_clock(clock: time) -> str:
    return clock.isoformat("seconds" if clock.second else "minutes")


def _known(name: str) -> str:
    zone_of(name)

    return name


ClockTime = Annotated[
    time,
    BeforeValidator(_read_clock, json_schema_input_type=str),
    PlainSerializer(_write_clock, return_type=str),
]
ZoneName = Annotated[str, AfterValidator(_known)]
