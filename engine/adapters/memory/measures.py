"""Totals and backlog, in this process."""

from collections import Counter as Counts
from datetime import datetime, timedelta

from engine.adapters.memory.clock import ManualClock
from engine.adapters.memory.store import MemoryStore
from engine.ports import Counted, Due, Series, Spread


class MemoryTotals:
    """Keeps what all processes have counted."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._counts: dict[Series, int] = {}
        self._spreads: dict[Series, Spread] = {}
        self._marks: dict[Series, datetime | None] = {}

    async def add(self, process: str, number: int, counted: Counted) -> None:
        """Add what a process counted, once."""
        if self._numbers.get(process, 0) >= number:
            return
        self._numbers[process] = number
        for series, count in counted.counts.items():
            self._counts[series] = self._counts.get(series, 0) + count
        for series, spread in counted.spreads.items():
            before = self._spreads.get(series, Spread())
            buckets = Counts(before.buckets) + Counts(spread.buckets)
            self._spreads[series] = Spread(
                buckets=dict(buckets), total=before.total + spread.total
            )
        for series, at in counted.marks.items():
            self._marks.pop(series, None)
            if at is not None:
                self._marks[series] = at

    async def read(self) -> Counted:
        """Return what was counted so far."""
        return Counted(
            counts=dict(self._counts),
            spreads=dict(self._spreads),
            marks=dict(self._marks),
        )


class MemoryBacklog:
    """Counts what waits in a memory store."""

    def __init__(self, store: MemoryStore, clock: ManualClock) -> None:
        self._store = store
        self._clock = clock

    async def due(self, longer: timedelta) -> Due:
        """Count what is due now, and what has been for longer than this."""
        now = self._clock.now()
        waits = [
            now - kept.due_at
            for kept in self._store.kept.values()
            if kept.due_at is not None and kept.due_at <= now
        ]

        return Due(count=len(waits), overdue=sum(wait > longer for wait in waits))
