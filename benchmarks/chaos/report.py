"""The report of a chaos run: its figures, and the promises that were broken."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.chaos.ledger import Ledger
from benchmarks.chaos.plan import Request, Told, Victim
from benchmarks.chaos.strikes import Strike
from benchmarks.options import Figures

AROUND_SECONDS = 0.5
SHOWN = 5
FAST, SLOW = "worker's clock fast", "worker's clock slow"


@dataclass(frozen=True, kw_only=True)
class Report:
    """
    What came of a run.

    Attributes:
        told: What was said when it was asked who is on call.
        clocks: How many workers were started with a wall clock so many seconds fast.
        fenced: How many commits found that others had moved the incident.
        stuck: What was due at the end, and not taken.
        refused: Requests that were refused, or never answered.
        errors: Lines of the logs that should not be there.
    """

    seed: int
    seconds: float
    plan: Sequence[Request]
    ledger: Ledger
    told: Mapping[Told, int]
    clocks: Mapping[int, int]
    fenced: int
    stuck: Sequence[str]
    refused: Sequence[str]
    errors: Sequence[str]

    @property
    def problems(self) -> dict[str, Sequence[str]]:
        """What speaks against each promise, by its name; nothing, after a good run."""
        return {
            "lost": self.ledger.lost,
            "stuck": [*self.stuck, *self.ledger.misplaced],
            "duplicates not excused": self.ledger.wrongly_repeated,
            "after an acknowledge": self.ledger.after_acknowledge,
            "early": self.ledger.early,
            "requests refused": self.refused,
            "errors": self.errors,
        }

    @property
    def broken(self) -> list[str]:
        """The broken promises, each with some examples."""
        return [
            f"{name}: {len(found)}, such as {'; '.join(found[:SHOWN])}"
            for name, found in self.problems.items()
            if found
        ]

    def figures(self) -> Figures:
        """Return all of it as figures; times are in seconds."""
        ledger, count = self.ledger, {k: len(v) for k, v in self.problems.items()}

        return {
            "seed": self.seed,
            "seconds": self.seconds,
            "requests": dict(Counter(request.kind for request in self.plan)),
            "incidents": len(ledger.statuses),
            "steps_at_least": _steps(ledger),
            "pages": {
                "owed": len(ledger.owed),
                "received": len(ledger.pages),
                "refused_for_good": len(ledger.refused),
            },
            "lost": count["lost"],
            "stuck": count["stuck"],
            "early": count["early"],
            "duplicates": {
                "total": len(ledger.repeats),
                "asked_for_by_the_provider": len(ledger.asked_repeats),
                "in_flight_when_struck": len(ledger.struck_repeats),
                "not_excused": count["duplicates not excused"],
            },
            "after_acknowledge": {
                "in_flight": ledger.in_flight,
                "begun_after_it": count["after an acknowledge"],
            },
            "fenced_commits": self.fenced,
            "faults": self._faults(),
            "recovery_s": _spread(_recoveries(ledger, Victim)),
            "recovery_s_by_kind": {
                victim: _spread(_recoveries(ledger, [victim])) for victim in Victim
            },
            "lateness_s": _spread(
                over - due for due, over in ledger.paged(ledger.owed)
            ),
            "answers_s": _spread(over - asked for asked, over in _answered(ledger)),
            "requests_refused": count["requests refused"],
            "errors": count["errors"],
            "broken": self.broken,
        }

    def _faults(self) -> dict[str, int]:
        struck: Counter[str] = Counter(strike.victim for strike in self.ledger.strikes)
        answers = Counter(receipt.answer for receipt in self.ledger.receipts)
        clocks: Counter[str] = Counter()
        for seconds, count in self.clocks.items():
            clocks[FAST if seconds > 0 else SLOW] += count

        return {
            **struck,
            **clocks,
            **{f"page {answer}": count for answer, count in sorted(answers.items())},
            **{f"look-up {told}": count for told, count in sorted(self.told.items())},
        }


def _steps(ledger: Ledger) -> int:
    """
    Return how many steps ran, as far as the provider can tell.

    A page is a notify step, and there is a wait before each but the first.
    """
    waits = len(ledger.pages) - len({incident for incident, _ in ledger.pages})

    return len(ledger.pages) + waits


def _answered(ledger: Ledger) -> list[tuple[float, float]]:
    """Return when each request was first sent, and when it was answered."""
    return [
        (answer.asked_at, answer.answered_at)
        for story in ledger.stories.values()
        for answer in story.answers
    ]


def _recoveries(ledger: Ledger, victims: Iterable[Victim]) -> list[float]:
    """
    Return how long after each strike all that was due during it was done.

    For a web process that is to answer what was asked then; for all others, to page.
    Whoever is stopped is gone at once: what it has comes back by its lease.
    """
    found = []
    for victim in victims:
        done = (
            _answered(ledger)
            if victim is Victim.WEB
            else list(ledger.paged(ledger.owed))
        )
        found += [
            recovery
            for strike in ledger.strikes
            if strike.victim is victim
            and (recovery := _recovery(strike, done)) is not None
        ]

    return found


def _recovery(strike: Strike, done: Iterable[tuple[float, float]]) -> float | None:
    """Return when the last of what was due during a strike was done; None: nothing."""
    begins, ends = strike.at - AROUND_SECONDS, strike.at + AROUND_SECONDS
    if strike.victim is not Victim.STOPPED:
        ends = max(ends, strike.until)
    around = [over for due, over in done if begins < due < ends]

    return max((over - strike.at for over in around), default=None)


def _spread(seconds: Iterable[float]) -> dict[str, float]:
    """Return the middle, the worst of 99 of 100, and the worst of all."""
    known = sorted(seconds)
    if not known:
        return {}
    cuts = quantiles(known, n=100, method="inclusive") if len(known) > 1 else known
    shown = {"p50": median(known), "p99": cuts[-1], "max": known[-1]}

    return {name: round(value, 3) for name, value in shown.items()}
