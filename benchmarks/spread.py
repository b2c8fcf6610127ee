"""How a figure is spread: half of them are below p50, one in a hundred above p99."""

from collections.abc import Collection
from statistics import median, quantiles

from benchmarks.options import Figures

# Below so many p99 is the greatest.
MANY = 100


def spread(values: Collection[float], digits: int = 1) -> Figures:
    """
    Return p50, p99 and max, with how many there were.

    Of none each is None: nothing was measured, which is not zero.
    """
    if not values:
        return {"count": 0, "p50": None, "p99": None, "max": None}
    found = {"p50": median(values), "p99": max(values), "max": max(values)}
    if len(values) >= MANY:
        found["p99"] = quantiles(values, n=100, method="inclusive")[-1]

    return {"count": len(values)} | {
        name: round(value, digits) for name, value in found.items()
    }
