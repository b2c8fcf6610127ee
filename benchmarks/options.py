"""What a run may be told."""

from dataclasses import dataclass
from typing import Any, TypeAlias

Figures: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    What the command line says of a run.

    Attributes:
        seconds: How long each part runs; None: as long as that benchmark needs.
        seed: What chance draws from; None: any, which the run then prints.
        point: Which point of a crash run alone is tried; None: all of them.
    """

    seconds: float | None = None
    seed: int | None = None
    point: int | None = None

    def seconds_or(self, usual: float) -> float:
        """Return how long each part runs, where nothing was said as long as usual."""
        return usual if self.seconds is None else self.seconds
