"""Local time: zones by name, and what a clock on the wall means where it jumps."""

from datetime import UTC, datetime, time, timedelta
from importlib.resources import files

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError

from policies.localtime import (
    DAY,
    ClockTime,
    Fold,
    Gap,
    ZoneName,
    instant_of,
    local,
    next_clock_time,
    wall_instant,
    zone_of,
)

CLOCK: TypeAdapter[time] = TypeAdapter(ClockTime)
NAME: TypeAdapter[str] = TypeAdapter(ZoneName)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)

# Zone, first wall-clock time that is left out, first one after, the instant of it.
GAPS = [
    ("Europe/Prague", "2026-03-29 02:00", "2026-03-29 03:00", "2026-03-29 01:00"),
    ("America/New_York", "2026-03-08 02:00", "2026-03-08 03:00", "2026-03-08 07:00"),
    ("Australia/Lord_Howe", "2026-10-04 02:00", "2026-10-04 02:30", "2026-10-03 15:30"),
    ("Africa/Casablanca", "2026-03-22 02:00", "2026-03-22 03:00", "2026-03-22 02:00"),
    ("America/Santiago", "2026-09-06 00:00", "2026-09-06 01:00", "2026-09-06 04:00"),
    ("Asia/Tehran", "2022-03-22 00:00", "2022-03-22 01:00", "2022-03-21 20:30"),
    ("Pacific/Apia", "2011-12-30 00:00", "2011-12-31 00:00", "2011-12-30 10:00"),
    # A change that is not on a whole minute: Liberia left its -00:44:30.
    (
        "Africa/Monrovia",
        "1972-01-07 00:00",
        "1972-01-07 00:44:30",
        "1972-01-07 00:44:30",
    ),
    ("Asia/Kathmandu", "1986-01-01 00:00", "1986-01-01 00:15", "1985-12-31 18:30"),
]
# Zone, first wall-clock time that comes twice, its first instant, its last.
FOLDS = [
    ("Europe/Prague", "2026-10-25 02:00", "2026-10-25 00:00", "2026-10-25 01:00"),
    ("America/New_York", "2026-11-01 01:00", "2026-11-01 05:00", "2026-11-01 06:00"),
    ("Australia/Lord_Howe", "2026-04-05 01:30", "2026-04-04 14:30", "2026-04-04 15:00"),
    ("Africa/Casablanca", "2026-02-15 02:00", "2026-02-15 01:00", "2026-02-15 02:00"),
    ("America/Santiago", "2026-04-04 23:00", "2026-04-05 02:00", "2026-04-05 03:00"),
    ("Asia/Tehran", "2022-09-21 23:00", "2022-09-21 18:30", "2022-09-21 19:30"),
    ("Pacific/Apia", "2012-04-01 03:00", "2012-03-31 13:00", "2012-03-31 14:00"),
    # A whole day came twice but for an hour: Kwajalein changed sides of the date line.
    ("Pacific/Kwajalein", "1969-09-30 01:00", "1969-09-29 14:00", "1969-09-30 13:00"),
]
ZONES = sorted({zone for zone, *_ in GAPS + FOLDS} | {"UTC", "Asia/Kathmandu"})

zones = st.sampled_from(ZONES)
fold_rules = st.sampled_from(Fold)
# Around the changes of the tables, and anywhere in a century.
changes = st.sampled_from([row[3] for row in GAPS + FOLDS])
near = st.builds(
    lambda change, off: a_wall(change) + off,
    changes,
    st.timedeltas(-2 * DAY, 2 * DAY),
)
walls = near | st.datetimes(datetime(1950, 1, 1), datetime(2050, 1, 1))  # noqa: DTZ001
instants = walls.map(lambda wall: wall.replace(tzinfo=UTC))
clocks = st.times().map(lambda clock: clock.replace(microsecond=0))


def a_wall(written: str) -> datetime:
    """Read what a clock on the wall shows."""
    return datetime.fromisoformat(written)


def an_instant(written: str) -> datetime:
    """Read an instant, written in UTC."""
    return a_wall(written).replace(tzinfo=UTC)


def test_every_zone() -> None:
    """Every zone of the database is known by its name; Factory is none."""
    listed = files("tzdata").joinpath("zones").read_text().split()
    names = [name for name in listed if name != "Factory"]

    assert 400 < len(names) < len(listed)
    assert names == [zone_of(name).key for name in names]


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "UTC ",
        " UTC",
        "UTC\n",
        "UTC\0",
        "Europe",
        "Europe/",
        "/UTC",
        "Europe//Prague",
        "europe/prague",
        "Europe/Prag",
        "Europe/Prague/Mala_Strana",
        "America/Argentina/Buenos_Aires/Centro",
        "CEST",
        "UTC+2",
        "+02:00",
        "__init__",
        "__init__.py",
        "tzdata.zi",
        "zone.tab",
        "leapseconds",
        ".",
        "..",
        "./UTC",
        "Europe/../UTC",
        "../zoneinfo/UTC",
        "../zones",
        "../../../../../../../../../../etc/passwd",
        "/etc/localtime",
        "/usr/share/zoneinfo/UTC",
        "C:\\Windows",
        "Europe\\Prague",
        "\u0114urope/Prague",
    ],
)
def test_no_zone(name: str) -> None:
    """What names no zone is refused, also where such a file could be found on a disk."""
    with pytest.raises(ValueError, match=r"time zone|TZif"):
        zone_of(name)
    with pytest.raises(ValidationError):
        NAME.validate_python(name)


def test_advice_on_zones() -> None:
    """Who names no zone is shown how to."""
    with pytest.raises(
        ValueError,
        match=r"^'CEST' is no time zone: write it like Europe/Prague or UTC$",
    ):
        zone_of("CEST")


def test_zone_name() -> None:
    """The name of a zone is kept as it was written."""
    assert "Europe/Prague" == NAME.validate_python("Europe/Prague")


def test_local() -> None:
    """Both passes of a fold look the same on the wall: without a zone, without a fold."""
    zone = zone_of("Europe/Prague")
    first, last = an_instant("2026-10-25 00:30"), an_instant("2026-10-25 01:30")

    assert a_wall("2026-10-25 02:30") == local(first, zone) == local(last, zone)
    assert [0, 0] == [local(at, zone).fold for at in (first, last)]
    assert local(last, zone).tzinfo is None


def test_local_of_other_zone() -> None:
    """An instant is the same instant, in whatever zone it was written."""
    at = an_instant("2026-07-01 10:00").astimezone(zone_of("Asia/Kathmandu"))

    assert a_wall("2026-07-01 12:00") == local(at, zone_of("Europe/Prague"))


@pytest.mark.parametrize("fold", Fold)
@pytest.mark.parametrize(("zone", "begins", "ends", "change"), GAPS)
def test_gap(zone: str, begins: str, ends: str, change: str, fold: Fold) -> None:
    """
    A wall-clock time inside a gap is what the asker says.

    It is the very instant of the change, or as much after it as the clocks went
    forward, or nothing. Which pass of a fold is meant plays no part.
    """
    where, at = zone_of(zone), an_instant(change)
    first, last = a_wall(begins), a_wall(ends) - TICK
    for wall in (first, first + TICK, first + MINUTE, first + (last - first) / 2, last):
        shifted = at + (wall - first)

        assert at == instant_of(wall, where, fold=fold)
        assert at == instant_of(wall, where, Gap.FIRST_AFTER, fold)
        assert shifted == instant_of(wall, where, Gap.SHIFTED, fold)
        assert instant_of(wall, where, Gap.SKIPPED, fold) is None


@pytest.mark.parametrize("gap", Gap)
@pytest.mark.parametrize(("zone", "begins", "ends", "change"), GAPS)
def test_edges_of_a_gap(
    zone: str, begins: str, ends: str, change: str, gap: Gap
) -> None:
    """The moment before a gap and the first one after it are ordinary."""
    where, at = zone_of(zone), an_instant(change)

    assert at - TICK == instant_of(a_wall(begins) - TICK, where, gap)
    assert at == instant_of(a_wall(ends), where, gap)


@pytest.mark.parametrize("gap", Gap)
@pytest.mark.parametrize(("zone", "begins", "first", "last"), FOLDS)
def test_fold(zone: str, begins: str, first: str, last: str, gap: Gap) -> None:
    """
    A wall-clock time inside a fold is the pass that the asker says; else the first.

    What a gap means plays no part.
    """
    where, wall = zone_of(zone), a_wall(begins)
    early, late = an_instant(first), an_instant(last)
    size = late - early
    for off in (timedelta(0), TICK, MINUTE, size / 2, size - TICK):
        assert early + off == instant_of(wall + off, where, gap)
        assert early + off == instant_of(wall + off, where, gap, Fold.FIRST)
        assert late + off == instant_of(wall + off, where, gap, Fold.LAST)


@pytest.mark.parametrize("fold", Fold)
@pytest.mark.parametrize(("zone", "begins", "first", "last"), FOLDS)
def test_edges_of_a_fold(
    zone: str, begins: str, first: str, last: str, fold: Fold
) -> None:
    """The moment before a fold and the first one after it come once."""
    where, wall = zone_of(zone), a_wall(begins)
    early, late = an_instant(first), an_instant(last)
    after = wall + (late - early)

    assert early - TICK == instant_of(wall - TICK, where, fold=fold)
    assert late + (late - early) == instant_of(after, where, fold=fold)


def test_instants_are_in_utc() -> None:
    """Instants are answered in UTC, whatever they were asked as."""
    zone = zone_of("Europe/Prague")
    for wall in ("2026-07-01 12:00", "2026-03-29 02:30", "2026-10-25 02:30"):
        found = instant_of(a_wall(wall), zone)

        assert found is not None
        assert UTC is found.tzinfo


@given(instants, zones)
@settings(deadline=None)
def test_every_instant_is_found(at: datetime, name: str) -> None:
    """What a clock shows at some instant leads back to it: by the first pass or the last."""
    zone = zone_of(name)
    first, last = (
        instant_of(local(at, zone), zone, Gap.SKIPPED, fold) for fold in Fold
    )

    assert at in {first, last}
    assert first is not None
    assert last is not None
    assert first <= last


@given(walls, zones, fold_rules)
@settings(deadline=None)
def test_round_trip(wall: datetime, name: str, fold: Fold) -> None:
    """Outside of gaps, a clock shows at the instant of a time just this time."""
    zone = zone_of(name)
    at = instant_of(wall, zone, Gap.SKIPPED, fold)

    if at is not None:
        assert wall == local(at, zone)
        assert at == instant_of(wall, zone, Gap.FIRST_AFTER, fold)
        assert at == instant_of(wall, zone, Gap.SHIFTED, fold)


@given(near, zones)
@settings(deadline=None)
def test_first_after_a_gap(wall: datetime, name: str) -> None:
    """Right before the first instant after a gap the clock showed too little; there, too much."""
    zone = zone_of(name)
    at = instant_of(wall, zone)

    assert at is not None
    if instant_of(wall, zone, Gap.SKIPPED) is None:
        assert local(at - TICK, zone) < wall < local(at, zone)


@pytest.mark.parametrize(
    ("zone", "at", "clock", "expected"),
    [
        ("UTC", "2026-07-01 06:59", "07:00", "2026-07-01 07:00"),
        ("UTC", "2026-07-01 07:00", "07:00", "2026-07-02 07:00"),
        ("UTC", "2026-07-01 07:00:00.000001", "07:00", "2026-07-02 07:00"),
        ("UTC", "2026-12-31 23:59:59", "00:00", "2027-01-01 00:00"),
        ("UTC", "2028-02-28 12:00", "11:00", "2028-02-29 11:00"),
        ("Europe/Prague", "2026-07-01 21:59", "00:00", "2026-07-01 22:00"),
        ("America/New_York", "2026-07-01 01:00", "22:30", "2026-07-01 02:30"),
        # In a gap: the first instant after it, and the next day as ever.
        ("Europe/Prague", "2026-03-29 00:30", "02:30", "2026-03-29 01:00"),
        ("Europe/Prague", "2026-03-29 01:00", "02:30", "2026-03-30 00:30"),
        ("Europe/Prague", "2026-03-29 00:59", "03:00", "2026-03-29 01:00"),
        # In a fold: the first pass; whoever asks during the fold waits for a day.
        ("Europe/Prague", "2026-10-25 00:29", "02:30", "2026-10-25 00:30"),
        ("Europe/Prague", "2026-10-25 00:30", "02:30", "2026-10-26 01:30"),
        ("Europe/Prague", "2026-10-25 01:10", "02:30", "2026-10-26 01:30"),
        ("America/Santiago", "2026-04-05 03:10", "23:30", "2026-04-06 03:30"),
        ("America/Santiago", "2026-04-05 03:10", "00:00", "2026-04-05 04:00"),
        # The day that Samoa left out is over as soon as it begins.
        ("Pacific/Apia", "2011-12-30 09:59", "12:00", "2011-12-30 10:00"),
        ("Pacific/Apia", "2011-12-30 10:00", "12:00", "2011-12-30 22:00"),
    ],
)
def test_next_clock_time(zone: str, at: str, clock: str, expected: str) -> None:
    """The next clock time is strictly later; of a gap the end, of a fold the first pass."""
    found = next_clock_time(an_instant(at), time.fromisoformat(clock), zone_of(zone))

    assert an_instant(expected) == found


@given(instants, clocks, zones)
@settings(deadline=None)
def test_next_clock_time_is_next(at: datetime, clock: time, name: str) -> None:
    """
    No day's clock time lies between a moment and the next one.

    A day's is its first pass, or the first instant after the gap that it is in.
    """
    zone = zone_of(name)
    today = local(at, zone).date()
    each = [wall_instant(today + n * DAY, clock, zone) for n in range(-3, 4)]

    assert min(one for one in each if one > at) == next_clock_time(at, clock, zone)


@pytest.mark.parametrize("clock", ["00:00", "01:45", "02:15", "12:00", "23:30"])
@pytest.mark.parametrize(("zone", "change"), [(row[0], row[3]) for row in GAPS + FOLDS])
def test_minutes_until_a_clock_time(zone: str, change: str, clock: str) -> None:
    """Watched minute by minute, the clock passes the time sought at no earlier minute."""
    where, sought = zone_of(zone), time.fromisoformat(clock)
    at = an_instant(change) - timedelta(hours=13)
    found = next_clock_time(at, sought, where)
    shown = [local(at, where)]
    while at + len(shown) * MINUTE < found:
        shown.append(local(at + len(shown) * MINUTE, where))
    latest = max(shown)

    assert sought not in [label.time() for label in shown[1:] if label > shown[0]]
    assert latest < local(found, where)
    assert local(found, where).time() == sought or local(found, where) > latest + MINUTE


@pytest.mark.parametrize(
    ("fold", "expected"),
    [(Fold.FIRST, "2026-10-25 00:30"), (Fold.LAST, "2026-10-25 01:30")],
)
def test_wall_instant_in_a_fold(fold: Fold, expected: str) -> None:
    """A clock time on a day is the pass that is asked for."""
    day = a_wall("2026-10-25 00:00").date()
    found = wall_instant(day, time(2, 30), zone_of("Europe/Prague"), fold)

    assert an_instant(expected) == found


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("00:00", time()),
        ("07:45", time(7, 45)),
        ("07:45:00", time(7, 45)),
        ("19:05:09", time(19, 5, 9)),
        ("23:59:59", time(23, 59, 59)),
        (time(7, 45), time(7, 45)),
    ],
)
def test_clock(written: object, expected: time) -> None:
    """A clock time has hours and minutes, and seconds if need be."""
    assert expected == CLOCK.validate_python(written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "7:45",
        "0745",
        "07:45 ",
        " 07:45",
        "07:45\n",
        "24:00",
        "07:60",
        "07:45:60",
        "07:45:00.5",
        "07:45Z",
        "07:45+01:00",
        "07.45",
        "7am",
        "-1:00",
        "0\u0667:4\u0665",
        465,
        7.75,
        None,
        True,
        ["07:45"],
    ],
)
def test_no_clock(written: object) -> None:
    """A clock time is written in one way; YAML's number of minutes is none."""
    with pytest.raises(ValidationError, match="clock time"):
        CLOCK.validate_python(written)


def test_yaml_clock() -> None:
    """Who forgets the quotes in YAML, which reads 7:45 as a number, is told so."""
    with pytest.raises(ValidationError, match="write it in quotes, like '07:45'"):
        CLOCK.validate_python(7 * 60 + 45)


@given(clocks)
@settings(deadline=None)
def test_clock_round_trip(clock: time) -> None:
    """What was stored of a clock time is read as the same time."""
    assert clock == CLOCK.validate_json(CLOCK.dump_json(clock))


@pytest.mark.parametrize(
    ("clock", "expected"), [(time(7, 45), "07:45"), (time(7, 45, 9), "07:45:09")]
)
def test_written_clock(clock: time, expected: str) -> None:
    """Seconds are written only if there are any."""
    assert expected == CLOCK.dump_python(clock)
