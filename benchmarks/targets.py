"""What a figure has to be, what it was, and whether that is met."""

from benchmarks.options import Figures


def at_most(wanted: float, measured: float | None, unit: str) -> Figures:
    """
    Judge a figure that should be small.

    One that was not measured, since what it stands for never came, is not met.
    """
    return {
        "wanted": f"≤ {wanted:g} {unit}",
        "measured": measured,
        "met": measured is not None and measured <= wanted,
    }


def at_least(wanted: float, measured: float, unit: str) -> Figures:
    """Judge a figure that should be large."""
    return {
        "wanted": f"≥ {wanted:g} {unit}",
        "measured": measured,
        "met": measured >= wanted,
    }


def none_of(measured: int, what: str) -> Figures:
    """Judge what must not be at all: not in any run, whatever most of them say."""
    return {
        "wanted": f"no {what}",
        "measured": measured,
        "met": measured == 0,
        "of_all_runs": True,
    }
