"""
The tally: a process counts in memory, and hands it to the totals every few seconds.

What is counted is no truth that anything depends on. A process that is killed takes
with it what it counted since it last handed in.
"""

import math
from bisect import bisect_left
from datetime import datetime, timedelta

import anyio
import structlog

from engine.errors import show_error
from engine.ports import Counted, Counter, Mark, Series, Span, Spread, Totals

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

HANDED_IN_EVERY_SECONDS = 5.0
LAST_SECONDS_MAX = 2.0
# Labels are few by what they are; whatever is wrong, they stay few: a script can write
# some 4,000 fields at once, and a series that is timed has 17 of them.
SERIES_MAX, LABEL_LENGTH_MAX = 200, 100
OTHER = "other"
NOTHING = timedelta(0)


class Tally:
    """Counts for one process. Only `run` and `close` take any time."""

    def __init__(self, totals: Totals, process: str) -> None:
        self._totals = totals
        self._process = process
        self._number = 1
        self._known: set[Series] = set()
        # What was handed in and not confirmed: it goes again, under the same number.
        self._unconfirmed: Counted | None = None
        self._handing_in = anyio.Lock()
        self._clear()

    def _clear(self) -> None:
        self._counts: dict[Series, int] = {}
        self._spreads: dict[Series, dict[float, int]] = {}
        self._lengths: dict[Series, timedelta] = {}
        self._marks: dict[Series, datetime | None] = {}

    def add(self, counter: Counter, *labels: str, count: int = 1) -> None:
        """Count something."""
        series = self._series(counter, labels)
        self._counts[series] = self._counts.get(series, 0) + count

    def time(self, span: Span, took: timedelta, *labels: str) -> None:
        """Note how long something took."""
        series, bounds = self._series(span, labels), span.bounds
        took = max(took, NOTHING)
        place = bisect_left(bounds, took.total_seconds())
        bound = bounds[place] if place < len(bounds) else math.inf
        buckets = self._spreads.get(series)
        if buckets is None:
            buckets = self._spreads[series] = {}
        buckets[bound] = buckets.get(bound, 0) + 1
        self._lengths[series] = self._lengths.get(series, NOTHING) + took

    def mark(self, mark: Mark, at: datetime | None, *labels: str) -> None:
        """Note when something was last so."""
        self._marks[self._series(mark, labels)] = at

    async def run(self) -> None:
        """Hand in what was counted, again and again, until cancelled."""
        while True:
            await self._try_to_hand_in()
            await anyio.sleep(HANDED_IN_EVERY_SECONDS)

    async def close(self) -> None:
        """Hand in the rest; if that takes long, it is lost."""
        if not self._has_news():
            return
        with anyio.move_on_after(LAST_SECONDS_MAX, shield=True):
            await self._try_to_hand_in()

    async def hand_in(self) -> None:
        """
        Add what was counted to the totals.

        Raises:
            StoreUnavailableError: If it was not added, or may have been; the next time
                makes up for it.
        """
        async with self._handing_in:
            if self._unconfirmed is not None:
                await self._hand_in(self._unconfirmed)
            counted = self._counted()
            if counted != Counted():
                self._clear()
                await self._hand_in(counted)

    async def _hand_in(self, counted: Counted) -> None:
        self._unconfirmed = counted
        await self._totals.add(self._process, self._number, counted)
        self._number += 1
        self._unconfirmed = None

    async def _try_to_hand_in(self) -> None:
        try:
            await self.hand_in()
        except Exception as error:  # noqa: BLE001 - nothing depends on figures
            log.warning("measures.kept", error=show_error(error))

    def _has_news(self) -> bool:
        """Tell whether anything happened; that something is known is no news."""
        is_counted = any(self._counts.values()) or self._unconfirmed is not None

        return bool(is_counted or self._spreads or self._marks)

    def _counted(self) -> Counted:
        spreads = {
            series: Spread(buckets=dict(buckets), total=self._lengths[series])
            for series, buckets in self._spreads.items()
        }

        return Counted(counts=self._counts, spreads=spreads, marks=self._marks)

    def _series(self, name: str, labels: tuple[str, ...]) -> Series:
        series = (name, labels)
        if series in self._known:
            return series
        series = (name, tuple(label[:LABEL_LENGTH_MAX] for label in labels))
        if len(self._known) >= SERIES_MAX and series not in self._known:
            return (name, (OTHER,) * len(labels))
        self._known.add(series)

        return series
