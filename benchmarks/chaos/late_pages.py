"""The ledger of an outage: what was owed after it, and what came."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.chaos.states import Page, State
from engine.core.asking import LOOK_UP_PATIENCE
from engine.core.incident import Status

# Time stands still while a worker works; what is off by more is off by a rule.
OFF_BY_MAX = timedelta(seconds=2)
# A look-up whose asker died is late from when its answer was due at the latest.
MISSTATED_MAX = LOOK_UP_PATIENCE + OFF_BY_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A page that left: when, and how late it says it is."""

    at: datetime
    incident: str
    person: str
    key: str
    late: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """
    What was owed after an outage, and what came.

    Attributes:
        back_at: When somebody worked again.
        states: In what state each incident was, by id.
        before: What left before the outage.
        statuses: Of each incident, when it was over.
    """

    down_for: timedelta
    back_at: datetime
    states: Mapping[str, State]
    before: tuple[Sent, ...]
    sent: tuple[Sent, ...]
    statuses: Mapping[str, Status]

    @property
    def came_again(self) -> list[str]:
        """The keys of pages that were sent before, and came again."""
        known = {one.key for one in self.before}

        return [one.key for one in self.sent if one.key in known]


def problems(ledger: Ledger) -> dict[str, list[str]]:
    """Return all that is not as it should be, by what it is."""
    return {
        "lost": list(_lost(ledger)),
        "doubled": list(_doubled(ledger)),
        "surprising": list(_surprising(ledger)),
        "untimely": list(_untimely(ledger)),
        "misstated": list(_misstated(ledger)),
        "misplaced": list(_misplaced(ledger)),
    }


def _lost(ledger: Ledger) -> Iterator[str]:
    came = {(one.incident, one.person) for one in ledger.sent}
    for incident, state in ledger.states.items():
        for page in state.owed:
            if (incident, page.person) not in came:
                yield f"{page.person} for {_named(ledger, incident)}"


def _doubled(ledger: Ledger) -> Iterator[str]:
    counts = Counter((one.incident, one.person) for one in ledger.sent)
    for (incident, person), count in counts.items():
        if count > 1:
            yield f"{person} {count} times for {_named(ledger, incident)}"
    in_flight = {
        one.key for one in ledger.before if ledger.states[one.incident].is_in_flight
    }
    for key in ledger.came_again:
        if key not in in_flight:
            yield f"{key} had been sent before the outage"


def _surprising(ledger: Ledger) -> Iterator[str]:
    for one in ledger.sent:
        if _owed(ledger, one) is None:
            yield f"{one.person} for {_named(ledger, one.incident)}"


def _untimely(ledger: Ledger) -> Iterator[str]:
    for one in ledger.sent:
        page = _owed(ledger, one)
        if page is not None:
            off = one.at - ledger.back_at - page.after
            if abs(off) > OFF_BY_MAX:
                yield f"{one.person} for {_named(ledger, one.incident)} by {off}"


def _misstated(ledger: Ledger) -> Iterator[str]:
    """
    Yield the pages that do not say how late they are.

    Of several timers of an incident that were due in the outage, each page may say what
    the first one does.
    """
    for one in ledger.sent:
        page, late = _owed(ledger, one), one.late
        if page is None:
            continue
        latest = ledger.down_for if page.late else page.late
        if not page.late - MISSTATED_MAX < late < latest + MISSTATED_MAX:
            who = f"{one.person} for {_named(ledger, one.incident)}"
            yield f"{who} says {late} late, and is {page.late}"


def _misplaced(ledger: Ledger) -> Iterator[str]:
    for incident, state in ledger.states.items():
        status = ledger.statuses.get(incident)
        if status is not state.status:
            yield f"{_named(ledger, incident)} is {status}, not {state.status}"


def _owed(ledger: Ledger, sent: Sent) -> Page | None:
    pages = ledger.states[sent.incident].owed

    return next((page for page in pages if page.person == sent.person), None)


def _named(ledger: Ledger, incident: str) -> str:
    return f"{incident} ({ledger.states[incident].name})"
