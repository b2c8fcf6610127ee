"""What was promised with 202 around the death of a primary, and what became of it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from benchmarks.options import Figures


@dataclass(frozen=True, kw_only=True)
class Promised:
    """An alert that was answered 202: when it was last sent, and when answered."""

    incident: str
    sent_at: float
    answered_at: float


@dataclass(frozen=True, kw_only=True)
class Paged:
    """Somebody was paged for an incident; the same page has the same key."""

    incident: str
    person: str
    key: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Account:
    """
    What was promised against what happened.

    Attributes:
        due: Whoever is paged for each alert, and so many seconds after it.
        known: The incidents that the store knows of in the end.
        unanswered: How many alerts were never answered 202.
        refusals: How many requests were answered 503 or 504, or not at all.
    """

    due: Mapping[str, float]
    promised: Sequence[Promised]
    paged: Sequence[Paged]
    known: frozenset[str]
    killed_at: float
    unanswered: int = 0
    refusals: int = 0

    @cached_property
    def _first(self) -> Mapping[tuple[str, str], float]:
        first: dict[tuple[str, str], float] = {}
        for page in self.paged:
            first.setdefault((page.incident, page.person), page.at)

        return first

    @property
    def gone(self) -> list[str]:
        """Incidents that were promised, and that nobody knows of any more."""
        return [one.incident for one in self.promised if one.incident not in self.known]

    @property
    def lost(self) -> list[str]:
        """Pages that were promised and never came."""
        return [
            f"{person} for {one.incident}"
            for one in self.promised
            for person in self.due
            if (one.incident, person) not in self._first
        ]

    @property
    def stuck(self) -> list[str]:
        """Those of them for incidents that the store still knows of."""
        gone = set(self.gone)

        return [page for page in self.lost if page.rpartition(" ")[2] not in gone]

    @property
    def paged_anew(self) -> list[str]:
        """Pages that came again under another key: they pass for other ones."""
        keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for page in self.paged:
            keys[page.incident, page.person].add(page.key)

        return [
            f"{who} for {what}" for (what, who), found in keys.items() if len(found) > 1
        ]

    @property
    def answered_again_seconds(self) -> float | None:
        """After how long an alert that was sent after the kill was answered 202."""
        later = [
            one.answered_at - self.killed_at
            for one in self.promised
            if one.sent_at > self.killed_at
        ]

        return min(later, default=None)

    @property
    def paged_again_seconds(self) -> float | None:
        """After how long somebody was paged for one of those alerts."""
        later = {one.incident for one in self.promised if one.sent_at > self.killed_at}
        pages = [
            page.at - self.killed_at for page in self.paged if page.incident in later
        ]

        return min(pages, default=None)

    @property
    def latest_seconds(self) -> float | None:
        """How late the latest page was that came, of those that were promised."""
        late = [
            self._first[one.incident, person] - one.answered_at - seconds
            for one in self.promised
            for person, seconds in self.due.items()
            if (one.incident, person) in self._first
        ]

        return max(late, default=None)

    def figures(self) -> Figures:
        """Return what a run prints."""
        known = {one.incident for one in self.promised}
        times = Counter((page.incident, page.person) for page in self.paged)

        return {
            "alerts_answered_202": len(self.promised),
            "requests_refused": self.refusals,
            "alerts_never_answered": self.unanswered,
            "incidents_gone": len(self.gone),
            "pages_lost": len(self.lost),
            "pages_more_than_once": sum(times.values()) - len(times),
            "pages_again_under_another_key": len(self.paged_anew),
            "incidents_paged_and_not_promised": len(
                {page.incident for page in self.paged} - known
            ),
            "answered_again_seconds": _rounded(self.answered_again_seconds),
            "paged_again_seconds": _rounded(self.paged_again_seconds),
            "latest_page_seconds": _rounded(self.latest_seconds),
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
