"""
The ledger: what had to be paged, by the answers and the policy, and what was.

What was paged is what the provider received, by its own log. A page that it refused at
every attempt reached nobody, and was not lost: the history of its incident says then
that its method has failed, which makes the next step run at once. Without that line it
was lost. A look-up that fails excuses nothing: it is known who was on call last.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from benchmarks.chaos.load import Story
from benchmarks.chaos.plan import Answer, Kind, Policy
from benchmarks.chaos.provider import Receipt
from benchmarks.chaos.strikes import BEGUN_SECONDS, Strike, is_struck, seconds_awake

# Beyond what the latest of all pages took.
GRACE_SECONDS = 5.0
TRIED_AGAIN = {Answer.REFUSED, Answer.CUT}
STATUSES = {
    None: "triggered",
    Kind.RESOLVED: "resolved",
    Kind.ACKNOWLEDGE: "acknowledged",
}
# An incident, and a person.
Whose = tuple[str, str]


class Owed(NamedTuple):
    """A page that had to be."""

    incident: str
    person: str
    due: float

    @property
    def whose(self) -> Whose:
        """Which page it is."""
        return self.incident, self.person


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """
    What was promised against what happened.

    Attributes:
        statuses: Of each incident, at the end.
        failed: The pages of which the histories say that their method has failed.
        reported: When they say what became of a page, as far as they were read.
    """

    policy: Policy
    stories: Mapping[str, Story]
    receipts: tuple[Receipt, ...]
    strikes: tuple[Strike, ...]
    statuses: Mapping[str, str]
    failed: frozenset[Whose] = frozenset()
    reported: Mapping[Whose, float] = field(default_factory=dict[Whose, float])

    @cached_property
    def pages(self) -> Mapping[Whose, list[Receipt]]:
        """What the provider received of each incident for each person, in order."""
        found: defaultdict[Whose, list[Receipt]] = defaultdict(list)
        for one in sorted(self.receipts, key=lambda receipt: receipt.received_at):
            found[one.incident, one.person].append(one)

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
            for story in self._clear
            for person, seconds in self.policy
            if (due := story.first.answered_at + seconds)
        ]
        endless = [owed for end, owed in dues if end is None]
        latest = max([over - due for due, over in self.paged(endless)], default=0)

        return endless + [
            owed
            for end, owed in dues
            if end is not None and owed.due + latest + GRACE_SECONDS < end.asked_at
        ]

    @property
    def refused(self) -> list[Whose]:
        """Pages that had to be, and that the provider refused each time."""
        return [
            owed.whose
            for owed in self.owed
            if (receipts := self.pages.get(owed.whose))
            and not any(one.is_taken for one in receipts)
        ]

    @property
    def lost(self) -> list[str]:
        """Pages that had to be, and were not; nor did rung note that they could not."""
        refused = set(self.refused)

        return [
            f"{owed.person} for {owed.incident}{self._stopped(owed)}"
            f"{', refused and left' if owed.whose in refused else ''}"
            for owed in self.owed
            if owed.whose not in self.pages
            or (owed.whose in refused and owed.whose not in self.failed)
        ]

    @property
    def misplaced(self) -> list[str]:
        """Incidents that are not where their policy and their answers have them."""
        found = []
        for story in self._clear:
            wanted = STATUSES[story.end.kind if story.end else None]
            status = self.statuses.get(story.first.incident)
            if len(story.incidents) > 1:
                found.append(f"one alert has {sorted(story.incidents)}")
            elif status != wanted:
                found.append(f"{story.first.incident} is {status}, not {wanted}")
        known = {one.first.incident for one in self.stories.values() if one.answers}
        found += [f"{one} is nobody's" for one in sorted(self.statuses.keys() - known)]

        return found

    @cached_property
    def repeats(self) -> list[tuple[Receipt, Receipt]]:
        """Each page that came again, after the one before it with the same key."""
        before: dict[str, Receipt] = {}
        found = []
        for one in sorted(self.receipts, key=lambda receipt: receipt.received_at):
            if one.key in before:
                found.append((before[one.key], one))
            before[one.key] = one

        return found

    @property
    def struck_repeats(self) -> list[tuple[Receipt, Receipt]]:
        """Those that were in flight when their process, or Redis, was struck."""
        return [
            pair
            for pair in self.repeats
            if pair[0].answer not in TRIED_AGAIN
            and is_struck(*pair, self.strikes, self.reported.get(pair[0].whose))
        ]

    @property
    def asked_repeats(self) -> list[tuple[Receipt, Receipt]]:
        """Those that the provider asked for: it had refused them, or cut them off."""
        return [pair for pair in self.repeats if pair[0].answer in TRIED_AGAIN]

    @property
    def not_excused(self) -> list[tuple[Receipt, Receipt]]:
        """Those for which there is no reason at all."""
        excused = {*self.struck_repeats, *self.asked_repeats}

        return [pair for pair in self.repeats if pair not in excused]

    @property
    def wrongly_repeated(self) -> list[str]:
        """Pages that came again as another page, or with no reason at all."""
        again = [
            f"{one.person} for {one.incident}: {one.key} after it was {before.answer}, "
            f"{one.received_at - before.received_at:.2f} s later"
            for before, one in self.not_excused
        ]

        return again + [
            f"{person} for {incident}: {sorted(keys)}"
            for (incident, person), receipts in self.pages.items()
            if len(keys := {one.key for one in receipts}) > 1
        ]

    @property
    def after_acknowledge(self) -> list[str]:
        """Pages that were begun after it was answered that somebody had it."""
        return [
            f"{one.person} for {one.incident}, {seconds:.2f} s"
            for one, seconds in self._begun_after()
            if seconds > BEGUN_SECONDS
        ]

    @property
    def in_flight(self) -> int:
        """How many pages came after that, and had begun before."""
        ends = self._acknowledged()
        came = [
            one
            for one in self.receipts
            if one.incident in ends and one.received_at > ends[one.incident]
        ]

        return len(came) - len(self.after_acknowledge)

    @property
    def early(self) -> list[str]:
        """Pages before their time; a step that reached nobody ends the waits."""
        return [
            f"{one.person} for {one.incident}"
            for one in self.receipts
            if one.received_at < self._earliest.get((one.incident, one.person), 1e99)
        ]

    @cached_property
    def _earliest(self) -> Mapping[Whose, float]:
        """When each page may come at the earliest; waits count from the alert."""
        found: dict[Whose, float] = {}
        for story in self.stories.values():
            if not story.answers:
                continue
            refused_at = float("inf")
            for person, seconds in self.policy:
                whose = story.first.incident, person
                found[whose] = min(story.first.asked_at + seconds, refused_at)
                refusals = [
                    one.received_at
                    for one in self.pages.get(whose, ())
                    if not one.is_taken
                ]
                refused_at = min([refused_at, *refusals])

        return found

    @property
    def _clear(self) -> list[Story]:
        """Those of which all was answered; senders tell of the others."""
        return [one for one in self.stories.values() if one.answers and one.is_clear]

    def paged(self, owed: Iterable[Owed]) -> Iterator[tuple[float, float]]:
        """Yield when each page that came was due, and when it came first."""
        for one in owed:
            receipts = self.pages.get(one.whose)
            if receipts:
                yield one.due, max(one.due, receipts[0].received_at)

    def _acknowledged(self) -> Mapping[str, float]:
        """When it was answered of each incident that somebody had it."""
        return {
            story.end.incident: story.end.answered_at
            for story in self.stories.values()
            if story.end is not None and story.end.kind is Kind.ACKNOWLEDGE
        }

    def _begun_after(self) -> Iterator[tuple[Receipt, float]]:
        """Yield for how long a worker had run since that when it began a page."""
        ends = self._acknowledged()
        for one in self.receipts:
            if one.incident in ends:
                yield one, seconds_awake(one, ends[one.incident], self.strikes)

    def _stopped(self, owed: Owed) -> str:
        """Say how long after its time a page that was lost was no longer wanted."""
        ends = [
            story.end.asked_at - owed.due
            for story in self._clear
            if story.first.incident == owed.incident and story.end is not None
        ]

        return f", stopped {ends[0]:.1f} s after it was due" if ends else ""
