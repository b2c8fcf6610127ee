"""
What is counted: how many, how long, and when last.

A process counts in memory, and hands what it counted to the installation's totals every
few seconds. Labels are words of ours and names of what is configured: never titles,
people or addresses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

# Timers are late by milliseconds; a worker that died makes them late by two seconds.
LATENESS_BOUNDS = (
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    120.0,
    600.0,
    3600.0,
)
# A send is given up after twelve seconds.
SEND_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 12.5)
# People take seconds to hours.
ANSWER_BOUNDS = (
    5.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    14400.0,
    43200.0,
)


class Counter(StrEnum):
    """What is counted, by the name that it is shown under."""

    ALERTS = "rung_alerts_received_total"
    NOTIFICATIONS = "rung_notifications_total"
    EXHAUSTED = "rung_escalations_exhausted_total"
    REPAIRS = "rung_reconciler_repairs_total"


class Span(StrEnum):
    """What is timed, by the name that it is shown under."""

    LATENESS = "rung_step_lateness_seconds"
    SENDING = "rung_notification_duration_seconds"
    ANSWER = "rung_time_to_ack_seconds"

    @property
    def bounds(self) -> tuple[float, ...]:
        """The upper bounds of its buckets, in seconds; one without end follows."""
        return _BOUNDS[self]


_BOUNDS: Mapping[Span, tuple[float, ...]] = {
    Span.LATENESS: LATENESS_BOUNDS,
    Span.SENDING: SEND_BOUNDS,
    Span.ANSWER: ANSWER_BOUNDS,
}


class Mark(StrEnum):
    """What the last time is kept of, by the name that it is shown under."""

    HEARTBEAT = "rung_worker_last_heartbeat_timestamp_seconds"
    AUDIT = "rung_audit_last_success_timestamp_seconds"


# The names of the labels, in the order in which their values are given.
LABELS: Mapping[Counter | Span | Mark, tuple[str, ...]] = {
    Counter.ALERTS: ("source", "result"),
    Counter.NOTIFICATIONS: ("channel", "outcome"),
    Counter.EXHAUSTED: (),
    Counter.REPAIRS: ("kind",),
    Span.LATENESS: (),
    Span.SENDING: ("channel",),
    Span.ANSWER: (),
    Mark.HEARTBEAT: ("worker",),
    Mark.AUDIT: (),
}
# A name, and the values of its labels.
Series: TypeAlias = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """
    How often something took how long.

    Attributes:
        buckets: How many were at most so long, and longer than the bound before, by
            bound in seconds; what was never seen is left out.
        total: All of it together.
    """

    buckets: Mapping[float, int] = field(default_factory=dict[float, int])
    total: timedelta = timedelta(0)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.buckets.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """
    What was counted: in a process since the last time, or in all of them ever.

    Attributes:
        counts: By series; zero is a count too, and makes the series known.
        marks: When it was last so; None, of what is handed in: it is over for good.
    """

    counts: Mapping[Series, int] = field(default_factory=dict[Series, int])
    spreads: Mapping[Series, Spread] = field(default_factory=dict[Series, Spread])
    marks: Mapping[Series, datetime | None] = field(
        default_factory=dict[Series, datetime | None]
    )


class Measures(Protocol):
    """Counts what happens in this process: at once, and without ever failing."""

    def add(self, counter: Counter, *labels: str, count: int = 1) -> None:
        """Count something, so many times. Zero makes the series known beforehand."""
        ...

    def time(self, span: Span, took: timedelta, *labels: str) -> None:
        """Note how long something took; less than nothing counts as nothing."""
        ...

    def mark(self, mark: Mark, at: datetime | None, *labels: str) -> None:
        """Note when something was last so; None: it is over for good."""
        ...


class Unmeasured:
    """Counts nothing: for whoever does not want to know."""

    def add(self, counter: Counter, *labels: str, count: int = 1) -> None:
        """Forget it."""

    def time(self, span: Span, took: timedelta, *labels: str) -> None:
        """Forget it."""

    def mark(self, mark: Mark, at: datetime | None, *labels: str) -> None:
        """Forget it."""


UNMEASURED: Measures = Unmeasured()


class Totals(Protocol):
    """
    What all processes of the installation have counted.

    Every method raises StoreUnavailableError if the store cannot be reached.
    """

    async def add(self, process: str, number: int, counted: Counted) -> None:
        """
        Add what a process counted, all of it or nothing.

        Args:
            process: Names it; no two share one.
            number: Rises with each time. One that was added already changes nothing, so
                who does not know whether it was may hand it in again.
            counted: What it counted since the number before.
        """
        ...

    async def read(self) -> Counted:
        """
        Return what was counted so far.

        Marks with labels that nobody renewed for an hour may be gone.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """
    How many incidents have a timer that is due and that no worker has taken.

    Attributes:
        overdue: Those of them that have been due for longer.
    """

    count: int
    overdue: int


class Backlog(Protocol):
    """Tells what waits."""

    async def due(self, longer: timedelta) -> Due:
        """
        Count what is due now, and what has been for longer than this.

        Raises:
            StoreUnavailableError: If the store cannot be reached.
        """
        ...
