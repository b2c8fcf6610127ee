"""Counting what became of alerts: a request that is refused counts as one."""

from collections import Counter as Counts
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engine.errors import EngineError
from engine.ports import Counter, Measures, Receipt
from workers.web.problems import ProblemError, problem_of

# A source that nobody knows is not named: whoever sends it makes it up.
OTHER_SOURCE = "other"


class Received:
    """Is told what became of the alerts of one request."""

    def __init__(self, measures: Measures, source: str) -> None:
        self._measures = measures
        self._source = source

    def take(self, receipts: Sequence[Receipt]) -> None:
        """Count alerts that are stored."""
        for posting, count in Counts(one.posting for one in receipts).items():
            self._measures.add(Counter.ALERTS, self._source, posting, count=count)

    def refuse(self, code: str) -> None:
        """Count a request that was not taken, by the code of its problem."""
        self._measures.add(Counter.ALERTS, self._source, code)


@contextmanager
def counting(measures: Measures, source: str) -> Iterator[Received]:
    """Count a request, also one that ends with a problem."""
    received = Received(measures, source)
    try:
        yield received
    except ProblemError as error:
        received.refuse(error.kind.code)
        raise
    except EngineError as error:
        received.refuse(problem_of(error).kind.code)
        raise
