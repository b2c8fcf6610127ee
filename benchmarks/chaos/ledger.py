"""The ledger: what had to be paged, by the answers and the policy, and what was."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from benchmarks.chaos.load import Answered, Kind, Story
from benchmarks.chaos.pages import Seen

# Whoever is to be paged, and so many seconds after the alert.
Policy = tuple[tuple[str, float], ...]
# Beyond what the latest of all pages took.
GRACE_SECONDS = 5.0
# From the begin of a send until its line is read here, on a machine that is busy.
IN_FLIGHT_SECONDS = 0.5
# For so long after a strike a page may come twice: the lease of a delivery, the sweep.
AGAIN_SECONDS = 6.0
AROUND_SECONDS = 0.5
STATUSES = {
    None: "triggered",
    Kind.RESOLVED: "resolved",
    Kind.ACKNOWLEDGE: "acknowledged",
}


class Victim(StrEnum):
    """What is struck: killed, or stopped for a while."""

    WORKER = "worker killed"
    STOPPED = "worker stopped"
    WEB = "web killed"
    REDIS = "Redis killed"


@dataclass(frozen=True, kw_only=True)
class Strike:
    """What was struck, and when; `process` numbers the starts of workers."""

    victim: Victim
    at: float
    until: float
    process: int | None = None


class Owed(NamedTuple):
    """A page that had to be."""

    incident: str
    person: str
    due: float


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """
    What was promised against what happened.

    Attributes:
        statuses: Of each incident, at the end.
    """

    policy: Policy
    stories: Mapping[str, Story]
    seen: tuple[Seen, ...]
    strikes: tuple[Strike, ...]
    statuses: Mapping[str, str]

    @cached_property
    def lines(self) -> Mapping[tuple[str, str], list[Seen]]:
        """What was seen of each incident and person, in order."""
        found: defaultdict[tuple[str, str], list[Seen]] = defaultdict(list)
        for one in self.seen:
            found[one.page.incident, one.page.person].append(one)

        return found

    @cached_property
    def owed(self) -> list[Owed]:
        """
        The pages that nothing may have stopped.

        If somebody took the incident, or its source resolved it, those that were due
        longer before than any other page of this run was late.
        """
        dues = [
            (story.end, Owed(story.first.incident, person, due))
            for story in self.stories.values()
            if story.answers
            for person, seconds in self.policy
            if (due := story.first.answered_at + seconds)
        ]
        endless = [owed for end, owed in dues if end is None]
        latest = max([over - due for due, over in self._paged(endless)], default=0)

        return endless + [
            owed
            for end, owed in dues
            if end is not None and owed.due + latest + GRACE_SECONDS < end.asked_at
        ]

    @property
    def lost(self) -> list[str]:
        """Pages that had to be, and were not."""
        return [
            f"{owed.person} for {owed.incident}{self._stopped(owed)}"
            for owed in self.owed
            if (owed.incident, owed.person) not in self.lines
        ]

    @property
    def misplaced(self) -> list[str]:
        """Incidents that are not where their policy and their answers have them."""
        found = []
        for alert, story in self.stories.items():
            wanted = STATUSES[story.end.kind if story.end else None]
            status = self.statuses.get(story.first.incident)
            if len(story.incidents) > 1:
                found.append(f"{alert} has {sorted(story.incidents)}")
            elif status != wanted:
                found.append(f"{story.first.incident} is {status}, not {wanted}")
        known = {story.first.incident for story in self.stories.values()}
        found += [f"{one} is nobody's" for one in sorted(self.statuses.keys() - known)]

        return found

    @property
    def doubled(self) -> int:
        """How many pages more than once came; some, around what was struck, may."""
        return sum(len(lines) - 1 for lines in self.lines.values())

    @property
    def wrongly_doubled(self) -> list[str]:
        """Pages that came again as another page, or with nothing struck around them."""
        return [
            f"{person} for {incident}: {[one.page.key for one in lines]}"
            for (incident, person), lines in self.lines.items()
            if len(lines) > 1
            and (
                len({one.page.key for one in lines}) > 1
                or not self._is_explained(lines[0], lines[-1])
            )
        ]

    @property
    def after_the_end(self) -> list[str]:
        """Pages that were begun after it was answered that somebody had it."""
        ends = {
            story.end.incident: story.end.answered_at
            for story in self.stories.values()
            if story.end is not None and story.end.kind is Kind.ACKNOWLEDGE
        }

        return [
            f"{one.page.person} for {one.page.incident}"
            for one in self.seen
            if one.page.incident in ends
            and self._seconds_awake(one, ends[one.page.incident]) > IN_FLIGHT_SECONDS
        ]

    @property
    def early(self) -> list[str]:
        """Pages before their time."""
        asked = {s.first.incident: s.first.asked_at for s in self.stories.values()}
        offsets = dict(self.policy)

        return [
            f"{one.page.person} for {one.page.incident}"
            for one in self.seen
            if one.page.incident not in asked
            or one.at < asked[one.page.incident] + offsets[one.page.person]
        ]

    @property
    def lateness(self) -> list[float]:
        """How late each page was, as if nothing had been struck."""
        return [over - due for due, over in self._paged(self.owed)]

    @property
    def waits(self) -> list[float]:
        """How long it took to answer each request, with all that was sent again."""
        return [asked.answered_at - asked.asked_at for asked in self._answers()]

    def recoveries(self, victim: Victim) -> list[float]:
        """
        Return how long after each strike all that was due around it was done.

        For a web process that is to answer what was asked then; for all others, to
        page.
        """
        if victim is Victim.WEB:
            done = [(one.asked_at, one.answered_at) for one in self._answers()]
        else:
            done = list(self._paged(self.owed))

        return [
            _recovery(strike, done)
            for strike in self.strikes
            if strike.victim is victim
        ]

    def _answers(self) -> Iterator[Answered]:
        for story in self.stories.values():
            yield from story.answers

    def _paged(self, owed: Iterable[Owed]) -> Iterator[tuple[float, float]]:
        """Yield when each page that came was due, and when it was seen first."""
        for one in owed:
            lines = self.lines.get((one.incident, one.person))
            if lines:
                yield one.due, max(one.due, lines[0].at)

    def _stopped(self, owed: Owed) -> str:
        """Say how long after its time a page that was lost was no longer wanted."""
        ends = [
            story.end.asked_at - owed.due
            for story in self.stories.values()
            if story.first.incident == owed.incident and story.end is not None
        ]

        return f", stopped {ends[0]:.1f} s after it was due" if ends else ""

    def _is_explained(self, first: Seen, last: Seen) -> bool:
        """Tell whether a process of these, or Redis, was struck around the first."""
        processes = {None, first.process, last.process}

        return any(
            strike.at - AGAIN_SECONDS < first.at < strike.until + AGAIN_SECONDS
            for strike in self.strikes
            if strike.victim is not Victim.WEB and strike.process in processes
        )

    def _seconds_awake(self, seen: Seen, since: float) -> float:
        """Return for how long its process ran from then until the page was seen."""
        asleep = sum(
            max(0, min(strike.until, seen.at) - max(strike.at, since))
            for strike in self.strikes
            if strike.victim is Victim.STOPPED and strike.process == seen.process
        )

        return seen.at - since - asleep


def _recovery(strike: Strike, done: Iterable[tuple[float, float]]) -> float:
    begins, ends = strike.at - AROUND_SECONDS, strike.at + AROUND_SECONDS
    around = [over for due, over in done if begins < due < ends]

    return max([over - strike.at for over in around], default=0)
