"""Lists of incidents: filtered, in parts, with a bounded look."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from typing_extensions import override

from engine.core.incident import Status
from engine.directory import Directory
from engine.ids import mint
from engine.ports import Summary
from tests.web.fakes import FakeReader
from workers.listing import CHUNK, SCAN_MAX, SLACK, Wanted, list_part, teams_named

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EVERY = frozenset(Status)
ONE = Summary(
    id=mint(START, 0, 0),
    title="Disk full on db1",
    status=Status.ACKNOWLEDGED,
    integration="prometheus",
    team="ops",
    opened_at=START,
    alert_count=1,
    firing_count=1,
    acknowledged_by="Alice",
    severity="Critical",
    policy="default",
)


def some(count: int, **changes: Any) -> list[Summary]:
    """Return so many incidents, one a minute, the oldest first."""
    return [
        replace(ONE, id=mint(at, 0, 0), opened_at=at, title=f"number {n}", **changes)
        for n in range(count)
        for at in [START + n * MINUTE]
    ]


@dataclass
class Counting(FakeReader):
    """Counts how many summaries it was asked for."""

    read: int = field(default=0)

    @override
    async def summaries(
        self,
        statuses: frozenset[Status],
        limit: int,
        before: str | None = None,
        teams: frozenset[str | None] | None = None,
    ) -> Sequence[Summary]:
        found = await super().summaries(statuses, limit, before, teams)
        self.read += len(found)

        return found


def wanted(**fields: Any) -> Wanted:
    """Return what is wanted of incidents in any status."""
    return Wanted(statuses=EVERY, **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"integrations": {"prometheus", "other"}}, True),
        ({"integrations": {"other"}}, False),
        ({"policies": {"default"}}, True),
        ({"policies": {"night"}}, False),
        ({"severities": {"CRITICAL"}}, True),
        ({"severities": {"warning"}}, False),
        ({"opened_after": START}, True),
        ({"opened_after": START + MINUTE}, False),
        ({"opened_before": START + MINUTE}, True),
        ({"opened_before": START}, False),
        ({"acknowledged_by": "alice"}, True),
        ({"acknowledged_by": "ali"}, False),
        ({"acknowledged_by": ""}, False),
        ({"text": "FULL on"}, True),
        ({"text": "empty"}, False),
        ({"text": "full", "severities": {"warning"}}, False),
    ],
)
def test_has(fields: dict[str, Any], *, expected: bool) -> None:
    """An incident is wanted if every field that is asked for fits."""
    assert expected == wanted(**fields).has(ONE)


def test_nobody_has_it() -> None:
    """What nobody has acknowledged is found by an empty name."""
    assert wanted(acknowledged_by="").has(replace(ONE, acknowledged_by=None))


async def all_parts(
    reader: FakeReader, asked: Wanted, limit: int
) -> tuple[list[str], int]:
    """Return the titles of all parts, one after the other, and how many there are."""
    titles: list[str] = []
    before, count = None, 0
    while True:
        part = await list_part(reader, asked, limit, before)
        assert len(part.summaries) <= limit
        titles += [one.title for one in part.summaries]
        count += 1
        if part.next is None:
            return titles, count
        before = part.next


@given(
    st.lists(st.booleans(), max_size=30),
    st.integers(1, 5),
    st.sampled_from([None, 3, 11]),
)
@settings(max_examples=60, deadline=None)
async def test_parts(are_wanted: list[bool], limit: int, after: int | None) -> None:
    """Whatever passes the filter, all parts together are the list, newest first."""
    reader = FakeReader()
    reader.listed = [
        replace(one, severity="critical" if is_wanted else "warning")
        for one, is_wanted in zip(some(len(are_wanted)), are_wanted, strict=True)
    ]
    at = START + after * MINUTE if after else None
    asked = wanted(severities={"critical"}, opened_after=at)
    titles, _ = await all_parts(reader, asked, limit)
    expected = [
        f"number {n}"
        for n, is_wanted in enumerate(are_wanted)
        if is_wanted and n >= (after or 0)
    ]

    assert expected[::-1] == titles


async def test_bounded() -> None:
    """A part looks at so many and no more; the next one goes on behind them."""
    reader = Counting()
    reader.listed = some(SCAN_MAX + CHUNK)
    reader.listed[0] = replace(reader.listed[0], severity="warning")
    asked = wanted(severities={"warning"})
    first = await list_part(reader, asked, 10)
    read = reader.read
    second = await list_part(reader, asked, 10, first.next)

    assert ([], SCAN_MAX) == (first.summaries, read)
    assert first.next == reader.listed[CHUNK].id
    assert (["number 0"], None) == (
        [one.title for one in second.summaries],
        second.next,
    )


async def test_without_a_filter() -> None:
    """Without a filter no more is read than is shown, and one to see whether it goes on."""
    reader = Counting()
    reader.listed = some(50)
    part = await list_part(reader, wanted(), 10)

    assert (11, 10) == (reader.read, len(part.summaries))
    assert part.summaries[-1].id == part.next


@pytest.mark.parametrize(
    ("opened_after", "opened_before", "expected"),
    [
        (START + 498 * MINUTE, None, ["number 499", "number 498"]),
        (None, START + 2 * MINUTE, ["number 1", "number 0"]),
        (START + 250 * MINUTE, START + 252 * MINUTE, ["number 251", "number 250"]),
        (None, datetime(1, 1, 1, tzinfo=UTC), []),
        (datetime(9999, 12, 31, tzinfo=UTC), None, []),
        (datetime(1, 1, 1, tzinfo=UTC), START + MINUTE, ["number 0"]),
    ],
)
async def test_by_time(
    opened_after: datetime | None, opened_before: datetime | None, expected: list[str]
) -> None:
    """Of a span of time only what lies near it is read."""
    reader = Counting()
    reader.listed = some(500)
    asked = wanted(opened_after=opened_after, opened_before=opened_before)
    titles, _ = await all_parts(reader, asked, 10)

    assert expected == titles
    assert reader.read <= 2 * CHUNK


@pytest.mark.parametrize("year", [2100, 2113, 9999])
async def test_far_future(year: int) -> None:
    """A time that no id carries leaves nothing out."""
    reader = Counting()
    reader.listed = some(3)
    asked = wanted(opened_before=datetime(year, 12, 31, tzinfo=UTC))
    titles, _ = await all_parts(reader, asked, 10)

    assert 3 == len(titles)


async def test_minted_before() -> None:
    """An incident that opened a little after its id was minted is found by its time."""
    reader = FakeReader()
    early = replace(ONE, id=mint(START - SLACK / 2, 0, 0), opened_at=START)
    reader.listed = [early, *some(CHUNK)[1:]]
    after = await all_parts(reader, wanted(opened_after=START), 500)
    before = await all_parts(reader, wanted(opened_before=START + MINUTE), 500)

    assert early.title in after[0]
    assert early.title in before[0]


@pytest.mark.parametrize(
    ("names", "is_teamless", "default", "expected"),
    [
        ([], False, "ops", None),
        (["dev"], False, "ops", {"dev"}),
        (["ops"], False, "ops", {"ops", None}),
        (["ops", "dev"], False, "ops", {"ops", "dev", None}),
        (["ops"], False, None, {"ops"}),
        ([], True, "ops", {"ops", None}),
        ([], True, None, {None}),
        (["dev"], True, "ops", {"dev", "ops", None}),
    ],
)
def test_teams(
    names: list[str],
    default: str | None,
    expected: set[str | None] | None,
    *,
    is_teamless: bool,
) -> None:
    """An incident without a team is the default team's."""
    directory = Directory(default_team=default)
    found = teams_named(directory, names, is_teamless=is_teamless)

    assert expected == (None if found is None else set(found))
