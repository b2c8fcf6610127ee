"""
Windows: hours of days on a local clock, walked across the changes of the clock.

The rule is read a second time here, by brute force: a clock on the wall is watched
minute by minute, and what it shows is looked up, forwards for a gap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from policies.localtime import zone_of
from policies.windows import WEEK, Weekday, Window

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
# A clock is watched from some days before a change, and for more than a week after it.
BEFORE, AFTER = 5 * DAY, 13 * DAY
# Windows are asked this long around a change, this often.
AROUND, OFTEN = timedelta(hours=30), timedelta(minutes=5)

# Both changes of some year, in UTC; Samoa left out a whole day.
CHANGES = [
    ("Europe/Prague", "2026-03-29 01:00"),
    ("Europe/Prague", "2026-10-25 01:00"),
    ("America/New_York", "2026-03-08 07:00"),
    ("America/New_York", "2026-11-01 06:00"),
    ("Australia/Lord_Howe", "2026-04-04 15:00"),
    ("Australia/Lord_Howe", "2026-10-03 15:30"),
    ("Africa/Casablanca", "2026-02-15 02:00"),
    ("Africa/Casablanca", "2026-03-22 02:00"),
    ("America/Santiago", "2026-04-05 03:00"),
    ("America/Santiago", "2026-09-06 04:00"),
    ("Asia/Tehran", "2022-03-21 20:30"),
    ("Asia/Tehran", "2022-09-21 19:30"),
    ("America/Havana", "2024-03-10 05:00"),
    ("America/Havana", "2024-11-03 05:00"),
    ("Pacific/Apia", "2011-12-30 10:00"),
    ("Pacific/Apia", "2012-03-31 14:00"),
]
ALL = " ".join(WEEK)
WINDOWS = [
    ("00:00", "00:00", "mon wed fri sun"),
    ("02:00", "03:00", ALL),
    ("02:15", "02:45", ALL),
    ("22:00", "06:00", "mon wed fri sun"),
    ("22:00", "06:00", "tue thu sat"),
    ("01:40", "01:40", "tue thu sat"),
    ("23:30", "00:30", ALL),
    ("00:30", "01:45", "fri sun"),
]

Span = tuple[datetime, datetime]


def a_window(
    start: str = "00:00", end: str = "00:00", days: str = ALL, zone: str = "UTC"
) -> Window:
    """Make a window the way that a policy writes it."""
    return Window.model_validate(
        {"from": start, "to": end, "days": days.split(), "zone": zone}
    )


def an_instant(written: str) -> datetime:
    """Read an instant, written in UTC."""
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Wall:
    """A clock that was watched: each minute it showed, with the first and last pass."""

    first: dict[datetime, datetime]
    last: dict[datetime, datetime]

    def begin(self, label: datetime) -> datetime:
        """Return when it first showed this, or what came next in place of it."""
        while label not in self.first:
            label += MINUTE
        return self.first[label]

    def end(self, label: datetime) -> datetime:
        """Return when it last showed this, or first what came next in place of it."""
        if label in self.last:
            return self.last[label]
        return self.begin(label)


@cache
def watched(zone: str, change: str) -> Wall:
    """Watch a clock around a change, minute by minute."""
    where, start = zone_of(zone), an_instant(change) - BEFORE
    first: dict[datetime, datetime] = {}
    last: dict[datetime, datetime] = {}
    for number in range((BEFORE + AFTER) // MINUTE):
        at = start + number * MINUTE
        label = at.astimezone(where).replace(tzinfo=None, fold=0)
        first.setdefault(label, at)
        last[label] = at

    return Wall(first, last)


def starts(window: Window, wall: Wall) -> Iterator[Span]:
    """Read the rule day by day: when the window starts on each of them, and how long."""
    day: date = min(wall.first).date() + DAY
    last = max(wall.first).date() - 2 * DAY
    while day < last:
        if Weekday(day.strftime("%a").lower()) in window.days:
            is_over_midnight = window.end <= window.start
            until = day + DAY if is_over_midnight else day
            begin = wall.begin(datetime.combine(day, window.start))
            end = wall.end(datetime.combine(until, window.end))
            if begin != end:
                yield begin, end
        day += DAY


def merged(spans: list[Span]) -> list[Span]:
    """Join what overlaps or touches."""
    joined: list[Span] = []
    for begin, end in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))

    return joined


def asked(change: str) -> list[datetime]:
    """Return the instants around a change at which windows are asked."""
    at = an_instant(change)
    count = AROUND // OFTEN

    return [at + number * OFTEN for number in range(-count, count + 1)]


def test_changes() -> None:
    """The tables hold a real change each: clocks that go forward, and as many that go back."""
    offsets = []
    for zone, change in CHANGES:
        at, where = an_instant(change), zone_of(zone)
        before, after = (one.astimezone(where).utcoffset() for one in (at - TICK, at))
        assert before is not None
        assert after is not None
        offsets.append(after - before)

    hour, half, day = timedelta(hours=1), timedelta(minutes=30), DAY
    assert {-hour, -half, half, hour, day} == set(offsets)
    assert len(CHANGES) / 2 == len([one for one in offsets if one > timedelta(0)])


@pytest.mark.parametrize(("start", "end", "days"), WINDOWS)
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_walked(zone: str, change: str, start: str, end: str, days: str) -> None:
    """A window holds what the rule says, whichever way the clocks are changed."""
    window = a_window(start, end, days, zone)
    spans = merged(list(starts(window, watched(zone, change))))
    expected = [at for at in asked(change) if any(b <= at < e for b, e in spans)]

    assert expected == [at for at in asked(change) if window.contains(at)]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_edges(zone: str, change: str) -> None:
    """A window is open from its first instant on, and no more at its last."""
    for parts in WINDOWS:
        window = a_window(*parts, zone)
        for begin, end in merged(list(starts(window, watched(zone, change))))[1:-1]:
            edges = (begin - TICK, begin, end - TICK, end)

            assert [False, True, True, False] == [window.contains(at) for at in edges]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_opens_after(zone: str, change: str) -> None:
    """The next opening is strictly later, also of a window that is open."""
    for parts in WINDOWS:
        window = a_window(*parts, zone)
        begins = [begin for begin, _ in starts(window, watched(zone, change))]
        edges = [one - off for one in begins[1:-1][:5] for off in (TICK, 0 * TICK)]
        for at in [*asked(change)[::30], *edges]:
            later = min(one for one in begins if one > at)

            assert later == window.opens_after(at)


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_holds_until(zone: str, change: str) -> None:
    """An answer holds up to the next instant at which a window opens or closes."""
    for parts in WINDOWS:
        window = a_window(*parts, zone)
        spans = merged(list(starts(window, watched(zone, change))))
        flips = [edge for span in spans for edge in span][:-1]
        edges = [one - off for one in flips[1:-1][:5] for off in (TICK, 0 * TICK)]
        for at in [*asked(change)[::30], *edges]:
            later = min(one for one in flips if one > at)

            assert later == window.holds_until(at)


# One instant outside and one inside, at each end.
@pytest.mark.parametrize(
    ("window", "begins", "ends"),
    [
        # From = to is 24 hours of the clock: of the year's days, one has 23, one 25.
        (("07:00", "07:00", "sat"), "2026-03-28 06:00", "2026-03-29 05:00"),
        (("07:00", "07:00", "sat"), "2026-10-24 05:00", "2026-10-25 06:00"),
        (("00:00", "00:00", "sun"), "2026-10-24 22:00", "2026-10-25 23:00"),
        # Over midnight it is of the day on which it starts.
        (("22:00", "06:00", "fri"), "2026-07-03 20:00", "2026-07-04 04:00"),
        (("22:00", "00:00", "fri"), "2026-07-03 20:00", "2026-07-03 22:00"),
        (("22:00", "06:00", "sat"), "2026-03-28 21:00", "2026-03-29 04:00"),
        # What begins or ends inside a gap does so at the change.
        (("02:30", "03:30", "sun"), "2026-03-29 01:00", "2026-03-29 01:30"),
        (("01:30", "02:30", "sun"), "2026-03-29 00:30", "2026-03-29 01:00"),
        (("02:00", "03:01", "sun"), "2026-03-29 01:00", "2026-03-29 01:01"),
        # It begins at the first pass of a fold, and ends at the last.
        (("02:15", "02:45", "sun"), "2026-10-25 00:15", "2026-10-25 01:45"),
        (("02:30", "03:30", "sun"), "2026-10-25 00:30", "2026-10-25 02:30"),
        (("01:30", "02:30", "sun"), "2026-10-24 23:30", "2026-10-25 01:30"),
        (("02:30", "02:30", "sat"), "2026-10-24 00:30", "2026-10-25 01:30"),
        (("02:30", "02:30", "sun"), "2026-10-25 00:30", "2026-10-26 01:30"),
        # Seconds count.
        (("12:00:01", "12:00:02", "wed"), "2026-07-01 10:00:01", "2026-07-01 10:00:02"),
    ],
)
def test_rule(window: tuple[str, str, str], begins: str, ends: str) -> None:
    """The rule, by examples from Prague."""
    begin, end = an_instant(begins), an_instant(ends)
    tested = a_window(*window, "Europe/Prague")

    assert not tested.contains(begin - TICK)
    assert begin == tested.opens_after(begin - TICK)
    assert tested.contains(begin)
    assert end == tested.holds_until(begin)
    assert tested.contains(end - TICK)
    assert not tested.contains(end)


@pytest.mark.parametrize(("start", "end"), [("02:00", "03:00"), ("02:15", "02:45")])
def test_inside_a_gap(start: str, end: str) -> None:
    """A window that lies inside a gap does not exist on that day; it does on others."""
    window = a_window(start, end, zone="Europe/Prague")
    change = an_instant("2026-03-29 01:00")
    hours = datetime.combine(change, window.start, UTC) - timedelta(hours=1)

    assert not any(window.contains(change + off * MINUTE) for off in range(-600, 600))
    assert window.contains(hours - DAY)
    assert hours + DAY - timedelta(hours=1) == window.opens_after(change - 12 * HOUR)


def test_day_that_is_left_out() -> None:
    """Samoa's Friday of 2011-12-30 has no hours; what Thursday began ends with it."""
    friday = a_window(days="fri", zone="Pacific/Apia")
    thursday = a_window("22:00", "06:00", "thu", "Pacific/Apia")
    change = an_instant("2011-12-30 10:00")

    assert not any(friday.contains(change + n * OFTEN) for n in range(-288, 288))
    assert change == thursday.holds_until(change - HOUR)


@pytest.mark.parametrize("day", WEEK)
def test_weekdays(day: Weekday) -> None:
    """A window of one day is open on that day of a week and on no other."""
    monday = an_instant("2026-06-29 12:00")
    window = a_window(days=day)
    found = [window.contains(monday + number * DAY) for number in range(7)]

    assert [day is one for one in WEEK] == found


@pytest.mark.parametrize("change", ["2026-03-29 01:00", "2026-10-25 01:00"])
@pytest.mark.parametrize("clock", ["00:00", "02:30", "17:00"])
def test_never_changes(clock: str, change: str) -> None:
    """24 hours of every day have no end, whichever hour they start and whatever the clock does."""
    window = a_window(clock, clock, zone="Europe/Prague")
    for at in asked(change)[::7]:
        assert window.contains(at)
        assert window.holds_until(at) is None


def test_longest_hold() -> None:
    """Six days of a week are one span, and so is the seventh."""
    window = a_window(days="tue wed thu fri sat sun")
    tuesday, monday = an_instant("2026-07-07 00:00"), an_instant("2026-07-13 00:00")

    assert monday == window.holds_until(tuesday)
    assert tuesday == window.holds_until(tuesday - TICK)
    assert monday + DAY == window.holds_until(monday)


zones = st.sampled_from(sorted({zone for zone, _ in CHANGES} - {"Pacific/Apia"}))
clocks = st.times().map(lambda clock: clock.replace(microsecond=0))
daily = st.builds(Window, start=clocks, end=clocks, zone=zones)
weekly = st.builds(
    Window,
    days=st.lists(st.sampled_from(WEEK), min_size=1, max_size=6, unique=True),
    start=clocks,
    end=clocks,
    zone=zones,
)
around_changes = st.builds(
    lambda row, off: an_instant(row[1]) + off,
    st.sampled_from(CHANGES),
    st.timedeltas(-3 * DAY, 3 * DAY),
)
instants = around_changes | st.datetimes(
    datetime(2013, 1, 1),  # noqa: DTZ001
    datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(daily | weekly, instants, st.data())
@settings(deadline=None)
def test_answer_holds(window: Window, at: datetime, data: st.DataObject) -> None:
    """The answer stays the same up to when it is said to hold, and is another one then."""
    until = window.holds_until(at)
    span = 6 * DAY if until is None else until - at - TICK
    between = at + data.draw(st.timedeltas(0 * TICK, span))

    assert window.contains(at) == window.contains(between)
    if until is not None:
        assert at < until
        assert window.contains(at) == window.contains(until - TICK)
        assert window.contains(at) != window.contains(until)


@given(daily | weekly, instants)
@settings(deadline=None)
def test_opening(window: Window, at: datetime) -> None:
    """At an opening a window is open; it is later than asked, and a closed one stays so."""
    opens = window.opens_after(at)

    if opens is not None:
        assert at < opens
        assert window.contains(opens)
        if not window.contains(at):
            assert not window.contains(opens - TICK)
            assert opens == window.holds_until(at)


@given(daily | weekly, instants, zones)
@settings(deadline=None)
def test_same_instant(window: Window, at: datetime, name: str) -> None:
    """Only the instant counts, not the zone in which it was written."""
    written = at.astimezone(zone_of(name))

    assert window.contains(at) == window.contains(written)
    assert window.opens_after(at) == window.opens_after(written)
    assert window.holds_until(at) == window.holds_until(written)


def test_smallest_window() -> None:
    """A window without hours and days is every day, all day, in UTC."""
    window = Window.model_validate({})

    assert Window(days=WEEK, start=time(), end=time(), zone="UTC") == window
    assert ("mon", "tue", "wed", "thu", "fri", "sat", "sun") == window.days


@given(daily | weekly)
@settings(deadline=None)
def test_round_trip(window: Window) -> None:
    """What was stored of a window is read as the same window, by either name of its ends."""
    assert window == Window.model_validate_json(window.model_dump_json())
    assert window == Window.model_validate_json(window.model_dump_json(by_alias=True))


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"days": []}, "days"),
        ({"days": "mon"}, "days"),
        ({"days": ["mon", "Tue"]}, "days.1"),
        ({"days": ["mon", "monday"]}, "days.1"),
        ({"days": ["mon", 2]}, "days.1"),
        ({"days": ["mon"] * 8}, "days"),
        ({"from": "24:00"}, "from"),
        ({"from": None}, "from"),
        ({"to": "7:00"}, "to"),
        ({"zone": "Prague"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"zone": None}, "zone"),
        ({"until": "07:00"}, "until"),
        ({"from": "07:00", "start": "08:00"}, "start"),
    ],
)
def test_no_window(part: dict[str, object], place: str) -> None:
    """What a window cannot be is refused, with the place of the fault."""
    with pytest.raises(ValidationError) as caught:
        Window.model_validate(part)

    places = [".".join(map(str, fault["loc"])) for fault in caught.value.errors()]
    assert [place] == places


def test_next_one_lies_in_a_gap() -> None:
    """A window whose next day has it in a gap opens a week later."""
    window = Window.model_validate(
        {"days": ["sun"], "from": "02:00", "to": "03:00", "zone": "Europe/Prague"}
    )
    at = datetime(2026, 3, 22, 12, tzinfo=UTC)

    assert datetime(2026, 4, 5, tzinfo=UTC) == window.opens_after(at)
    assert datetime(2026, 4, 5, tzinfo=UTC) == window.holds_until(at)
