"""The median of several runs, figure by figure."""

from collections.abc import Sequence
from math import inf
from statistics import median_low
from typing import Any

from benchmarks.options import Figures

MEASURED = "measured"


def median_of(runs: Sequence[Figures]) -> Figures:
    """
    Return what most runs agree on: of each figure the one in the middle.

    It is one that was measured; of an even number, the lower of the two. A target is
    judged as it was in the run whose figure is in the middle; one that could not be
    measured is the worst there is. What is no number is that of the first run.
    """
    return {name: _middle([run.get(name) for run in runs]) for name in runs[0]}


def _middle(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, dict):
        if first.get("of_all_runs"):
            return max(values, key=lambda one: _size(one[MEASURED]))
        if MEASURED in first:
            return sorted(values, key=lambda one: _size(one[MEASURED]))[
                (len(values) - 1) // 2
            ]
        return median_of(values)
    if all(value is None or _is_number(value) for value in values):
        middle = median_low([_size(value) for value in values])
        return next(value for value in values if _size(value) == middle)

    return first


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _size(value: float | None) -> float:
    return inf if value is None else value
