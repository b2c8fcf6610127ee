"""
Totals on Redis: one hash for the installation, a field for each number.

A field is a JSON list: the name, the values of the labels, and for what is timed the
bound of the bucket in seconds, or `total` in microseconds. Each process has a field of
its own, with the number that it handed in last and when.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import orjson

from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument, Client
from engine.adapters.redis.scripts import Name
from engine.codec.shapes import instant, milliseconds
from engine.ports import Counted, Counter, Due, Mark, Series, Span, Spread

PROCESS, TOTAL = "process", "total"
MICROSECOND = timedelta(microseconds=1)
# Processes come and go; what they leave behind is looked for now and then.
TIDIED_EVERY = 100
KEPT = timedelta(hours=1)
COUNTERS, SPANS, MARKS = frozenset(Counter), frozenset(Span), frozenset(Mark)


class RedisTotals:
    """Keeps what all processes have counted, on the home primary."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def add(self, process: str, number: int, counted: Counted) -> None:
        """Add what a process counted, once."""
        added = dict(_added(counted))
        marks = {_field(*series): at for series, at in counted.marks.items()}
        kept = {name: milliseconds(at) for name, at in marks.items() if at is not None}
        arguments: list[Argument] = [_field(PROCESS, (process,)), number]
        arguments += [len(added), len(kept)]
        for pairs in (added, kept):
            arguments += [part for pair in pairs.items() for part in pair]
        arguments += [name for name, at in marks.items() if at is None]
        at = await self._client.run(Name.MEASURE, keys.MEASURES, *arguments)
        if number % TIDIED_EVERY == 1:
            await self._tidy(instant(at) - KEPT)

    async def read(self) -> Counted:
        """Return what was counted so far."""
        return _counted(await self._client.ask("HGETALL", keys.MEASURES))

    async def _tidy(self, since: datetime) -> None:
        """Remove what is left of processes that have been silent since then."""
        written: Mapping[bytes, bytes] = await self._client.ask(
            "HGETALL", keys.MEASURES
        )
        gone = [
            field
            for field, value in written.items()
            if _is_of_a_process(field) and instant(int(value.split()[-1])) < since
        ]
        if gone:
            await self._client.ask("HDEL", keys.MEASURES, *gone)


class RedisBacklog:
    """Counts what waits, over all shards."""

    def __init__(self, client: Client, *, shards: int) -> None:
        self._client = client
        self._shards = shards

    async def due(self, longer: timedelta) -> Due:
        """Count what is due now, and what has been for longer than this."""
        count, overdue = await self._client.run(
            Name.BACKLOG, self._shards, longer // timedelta(milliseconds=1)
        )

        return Due(count=count, overdue=overdue)


def _field(name: str, labels: tuple[str, ...], *parts: float | str) -> bytes:
    return orjson.dumps([name, *labels, *parts])


def _added(counted: Counted) -> Iterator[tuple[bytes, int]]:
    for series, count in counted.counts.items():
        yield _field(*series), count
    for series, spread in counted.spreads.items():
        for bound, count in spread.buckets.items():
            yield _field(*series, str(bound)), count
        yield _field(*series, TOTAL), spread.total // MICROSECOND


def _counted(written: Mapping[bytes, bytes]) -> Counted:
    """Read all there is; what another version counts besides is passed over."""
    counts: dict[Series, int] = {}
    buckets: dict[Series, dict[float, int]] = {}
    totals: dict[Series, timedelta] = {}
    marks = {}
    for field, value in written.items():
        name, *labels = orjson.loads(field)
        if name in COUNTERS:
            counts[name, tuple(labels)] = int(value)
        elif name in MARKS:
            marks[name, tuple(labels)] = instant(int(value))
        elif name in SPANS and labels[-1] == TOTAL:
            totals[name, tuple(labels[:-1])] = int(value) * MICROSECOND
        elif name in SPANS:
            of = buckets.setdefault((name, tuple(labels[:-1])), {})
            of[float(labels[-1])] = int(value)
    spreads = {
        series: Spread(buckets=of, total=totals.get(series, timedelta(0)))
        for series, of in buckets.items()
    }

    return Counted(counts=counts, spreads=spreads, marks=marks)


def _is_of_a_process(field: bytes) -> bool:
    name, *labels = orjson.loads(field)

    return name == PROCESS or (name in MARKS and bool(labels))
