"""The figures in Prometheus' text format."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from typing_extensions import override

from engine.ports import Counter, Mark, Series, Span, Spread
from engine.ports.measures import LABELS
from workers.web.figures import OPEN, OTHER_SEVERITY, SEVERITIES, Figures

T = TypeVar("T")

TOTAL_SUFFIX, INFO_SUFFIX = "_total", "_info"
SHOWN_OPEN, DUE, OVERDUE = "rung_incidents_open", "rung_due_steps", "rung_overdue_steps"
POLICY_INFO = "rung_policy_info"
# Every name that is shown, and what it means.
HELP: Mapping[str, str] = {
    Counter.ALERTS: "Alerts that came in, by source and what became of them.",
    SHOWN_OPEN: "Incidents that are open, by state and severity.",
    Span.LATENESS: "How late what a timer led to was stored.",
    Counter.NOTIFICATIONS: "Tries to notify somebody, by channel and outcome.",
    Span.SENDING: "How long a channel took for a try.",
    Span.ANSWER: "How long it took until somebody acknowledged an incident.",
    Counter.EXHAUSTED: "Incidents whose policy has ended and nobody answered.",
    Counter.REPAIRS: "What the audit found wrong and put right, by kind.",
    DUE: "Incidents with a timer that is due and that no worker has taken.",
    OVERDUE: "Those of them that have been due for more than 5 s.",
    Mark.HEARTBEAT: "When a worker last said that it lives.",
    POLICY_INFO: "Version of the configuration, and a hash of all policies.",
    Mark.AUDIT: "When everything that is stored was last looked at.",
}


def expose(figures: Figures) -> bytes:
    """Write all figures."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(figures))

    return generate_latest(registry)


class _Figures(Collector):
    """One look at the figures, as the library wants them."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    @override
    def collect(self) -> Iterator[Metric]:
        for counter in Counter:
            yield self._counter(counter)
        for span in Span:
            yield self._histogram(span)
        for mark in Mark:
            yield self._times(mark)
        yield self._open()
        yield GaugeMetricFamily(DUE, HELP[DUE], self._figures.due.count)
        yield GaugeMetricFamily(OVERDUE, HELP[OVERDUE], self._figures.due.overdue)
        yield self._policy()

    def _counter(self, counter: Counter) -> Metric:
        name = counter.removesuffix(TOTAL_SUFFIX)
        family = CounterMetricFamily(name, HELP[counter], labels=LABELS[counter])
        counts = _of(counter, self._figures.counted.counts)
        if not LABELS[counter]:
            counts.setdefault((), 0)
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)

        return family

    def _histogram(self, span: Span) -> Metric:
        family = HistogramMetricFamily(span, HELP[span], labels=LABELS[span])
        spreads = _of(span, self._figures.counted.spreads)
        if not LABELS[span]:
            spreads.setdefault((), Spread())
        for labels, spread in sorted(spreads.items(), key=lambda each: each[0]):
            family.add_metric(
                labels, _buckets(span, spread), spread.total.total_seconds()
            )

        return family

    def _times(self, mark: Mark) -> Metric:
        family = GaugeMetricFamily(mark, HELP[mark], labels=LABELS[mark])
        marks: Mapping[tuple[str, ...], datetime | None] = _of(
            mark, self._figures.counted.marks
        )
        for labels, at in sorted(marks.items(), key=lambda each: each[0]):
            if at is not None:
                family.add_metric(labels, at.timestamp())

        return family

    def _open(self) -> Metric:
        family = GaugeMetricFamily(
            SHOWN_OPEN, HELP[SHOWN_OPEN], labels=("state", "severity")
        )
        for status in sorted(OPEN):
            for severity in (*SEVERITIES, OTHER_SEVERITY):
                count = self._figures.open.get((status.value, severity), 0)
                family.add_metric((status.value, severity), count)

        return family

    def _policy(self) -> Metric:
        directory = self._figures.directory
        told = {"version": str(directory.version), "sha": self._figures.sha}
        name = POLICY_INFO.removesuffix(INFO_SUFFIX)

        return InfoMetricFamily(name, HELP[POLICY_INFO], value=told)


def _of(name: str, series: Mapping[Series, T]) -> dict[tuple[str, ...], T]:
    """Return those of a name, by the values of its labels."""
    return {labels: value for (its, labels), value in series.items() if its == name}


def _buckets(span: Span, spread: Spread) -> list[tuple[str, float]]:
    """Return how many there were up to each bound."""
    return [
        (
            f"{bound:g}" if math.isfinite(bound) else "+Inf",
            sum(count for upto, count in spread.buckets.items() if upto <= bound),
        )
        for bound in (*span.bounds, math.inf)
    ]
