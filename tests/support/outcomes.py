"""
What came of a story, and in what it may differ from what comes of it undisturbed.

All that is kept of every incident is compared, state and history, field by field, also
fields that did not exist when this was written. Only this may differ:

- A time may be later, by no more than the longest lease, and is never earlier; and so
  may be what is noted of how late it is. An answer may say since when it was owed.
- Incidents have other ids: the first one of a story is its first one in both.
- The reports on what was sent may come in another order; which attempt it was, and
  what `paged` says, that is who else was paged in the same instant, may differ.
- History may have it twice that an alert was told again, or that a command was refused
  which was given again: neither changed anything.
- A request that was cut off is answered `joined` if it had opened an incident, and
  `repeated_command` if it had been obeyed.
- A notification that was in flight arrives once more, with the same key.
- Where somebody died who was asking who is on call, that is asked again, or it is known
  from before: history has it, and the counts that are in generations, in the order of
  timers and in the names of pages go on from there.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any

from engine.core.alerts import Alert
from engine.core.events import AlertsReceived, DeliveryReported, Opened, WokeUp
from engine.core.incident import Incident, Status
from engine.core.reasons import Reason
from engine.ports import Entry, Posting
from tests.support.driver import Driver

NOT_COMPARED = frozenset({"attempt", "owed_since", "paged"})
COUNTED = frozenset({"generation", "last_order", "order", "why"})
REFUSALS = frozenset(
    {
        Reason.NOT_APPLICABLE,
        Reason.NOTHING_LEFT,
        Reason.IS_ATTACHED,
        Reason.IS_MAINTENANCE,
        Reason.LATE,
    }
)
# Ids are made of times here and there.
PAGE = re.compile(r"^(\d+\.\d+\.\d+\.\d+)\.\d+\.")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00")


@dataclass(frozen=True, kw_only=True)
class Page:
    """One notification that a channel took; `whom` names incident and channel too."""

    at: datetime
    whom: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """
    What came of a story.

    Attributes:
        answers: What each command was answered.
        incidents: By name, in the order in which they were opened.
        names: Their names, by id.
        next_due: When anything is due next: a timer, mail or a send.
    """

    answers: Sequence[str]
    pages: Sequence[Page]
    incidents: Mapping[str, Incident]
    histories: Mapping[str, Sequence[Entry]]
    names: Mapping[str, str]
    next_due: datetime | None


async def outcome_of(driver: Driver, answers: Sequence[str]) -> Outcome:
    """Collect what came of a story."""
    store = driver.store
    summaries = await store.summaries(frozenset(Status), 1_000)
    ids = sorted(summary.id for summary in summaries)
    names = {one: f"incident {number}" for number, one in enumerate(ids, start=1)}
    loaded = [(name, await store.load(one)) for one, name in names.items()]

    return Outcome(
        answers=answers,
        pages=_pages(driver, names),
        incidents={name: one.incident for name, one in loaded if one.incident},
        histories={name: await store.history(one) for one, name in names.items()},
        names=names,
        next_due=store.next_due(),
    )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """
    One outcome beside that of the story undisturbed.

    Attributes:
        late_max: How much later anything may be.
        cut_in: The number of the command in which the process was killed.
        in_flight: The keys of what was in flight then.
    """

    expected: Outcome
    actual: Outcome
    late_max: timedelta
    cut_in: int | None = None
    in_flight: Collection[str] = ()

    def differences(self) -> Iterator[str]:
        """Say in what the outcomes differ; nothing if they are the same."""
        expected, actual = self.expected, self.actual
        yield from self._between_answers()
        yield from self._between_pages()
        yield from self._between("", expected.incidents, actual.incidents)
        yield from self._between(
            "history of ", _histories(expected), _histories(actual)
        )
        yield from self._between("next due", expected.next_due, actual.next_due)

    def _between_answers(self) -> Iterator[str]:
        pairs = zip(self.expected.answers, self.actual.answers, strict=True)
        for number, (expected, actual) in enumerate(pairs):
            is_again = number == self.cut_in and (
                (expected == Posting.OPENED and actual == Posting.JOINED)
                or (actual == Reason.REPEATED_COMMAND and expected not in REFUSALS)
            )
            if expected != actual and not is_again:
                yield f"command {number} was answered {actual}, not {expected}"

    def _between_pages(self) -> Iterator[str]:
        counts = Counter(page.key for page in self.actual.pages)
        for key, count in counts.items():
            if count > 1 + (key in self.in_flight):
                yield f"{key} arrived {count} times"
        firsts = {page.key: page for page in reversed(self.actual.pages)}
        expected, actual = _by_whom(self.expected.pages), _by_whom(firsts.values())
        for whom in expected.keys() | actual.keys():
            times, others = expected[whom], actual[whom]
            yield from self._between(f"pages of {whom}", times, others)

    def _between(  # noqa: C901 - one arm for each kind of thing
        self, path: str, expected: Any, actual: Any
    ) -> Iterator[str]:
        match expected, actual:
            case _ if expected == actual:
                return
            case (datetime(), datetime()) | (timedelta(), timedelta()):
                if (
                    not timedelta(0)
                    <= actual - expected
                    <= self._later_max(path, actual)
                ):
                    yield f"{path}: {actual - expected} late"
            case str(), str():
                yield from self._between_texts(path, expected, actual)
            case Mapping(), Mapping() if list(expected) == list(actual):
                for key, value in expected.items():
                    yield from self._between(f"{path}{key}", value, actual[key])
            case [*_], [*_] if len(expected) == len(actual):
                for number, pair in enumerate(zip(expected, actual, strict=True)):
                    yield from self._between(f"{path}[{number}]", *pair)
            case _ if is_dataclass(expected) and type(expected) is type(actual):
                for name in self._names_of_fields(expected):
                    pair = getattr(expected, name), getattr(actual, name)
                    yield from self._between(f"{path}.{name}", *pair)
            case _:
                yield f"{path}: {_shown(actual)}, not {_shown(expected)}"

    def _later_max(self, path: str, value: datetime | timedelta) -> timedelta:
        """Tell how much later a time may be, or how late something is said to be."""
        is_lateness = isinstance(value, datetime) or path.endswith("late_by")

        return self.late_max if is_lateness else timedelta(0)

    @cached_property
    def is_asked_again(self) -> bool:
        """Whether it was asked again who is on call, as whoever asked was dead."""
        return _unanswered(self.expected) < _unanswered(self.actual)

    def _names_of_fields(self, value: Any) -> list[str]:
        ignored = NOT_COMPARED | COUNTED if self.is_asked_again else NOT_COMPARED

        return [each.name for each in fields(value) if each.name not in ignored]

    def _between_texts(self, path: str, expected: str, actual: str) -> Iterator[str]:
        """Compare with incidents by name, and times that stand in a text as times."""
        expected = _named(expected, self.expected.names)
        actual = _named(actual, self.actual.names)
        if self.is_asked_again:
            expected, actual = (PAGE.sub(r"\1.", one) for one in (expected, actual))
        if expected == actual:
            return
        if TIME.sub("", expected) != TIME.sub("", actual):
            yield f"{path}: {actual}, not {expected}"
            return
        yield from self._between(path, _times_in(expected), _times_in(actual))


def _shown(value: Any) -> str:
    """Show what differs; of a history only the reasons."""
    match value:
        case [Entry(), *_]:
            return " ".join(entry.reason for entry in value)
        case _:
            return str(value)


def _unanswered(outcome: Outcome) -> int:
    entries = chain.from_iterable(outcome.histories.values())

    return sum(entry.reason is Reason.LOOK_UP_TIMED_OUT for entry in entries)


def _times_in(text: str) -> list[datetime]:
    return [datetime.fromisoformat(found) for found in TIME.findall(text)]


def _named(text: str, names: Mapping[str, str]) -> str:
    for incident_id, name in names.items():
        text = text.replace(incident_id, name)

    return text


def _pages(driver: Driver, names: Mapping[str, str]) -> list[Page]:
    pages = [
        Page(
            at=at,
            whom=f"{sent.person} by {channel} for {names[sent.incident_id]}",
            key=sent.key,
        )
        for channel, kept in driver.channels.items()
        for at, sent in zip(kept.sent_at, kept.sent, strict=True)
    ]

    return sorted(pages, key=lambda page: page.at)


def _by_whom(pages: Collection[Page]) -> defaultdict[str, list[datetime]]:
    """Return when each was paged, in the order of time."""
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    for page in sorted(pages, key=lambda page: page.at):
        found[page.whom].append(page.at)

    return found


def _histories(outcome: Outcome) -> dict[str, list[Any]]:
    """Return what happened by itself, or was done, and apart from that the reports."""
    return {
        name: [_told_once(history), _reports(history)]
        for name, history in outcome.histories.items()
    }


def _told_once(history: Sequence[Entry]) -> list[Entry]:
    """Leave out what was told again and refused again, and what is in it twice."""
    told: dict[object, Entry] = {}
    first = ""
    for number, entry in enumerate(history):
        match entry.event:
            case Opened(alert=Alert(id=first)):
                told[number] = entry
            case DeliveryReported():
                continue
            case WokeUp() if entry.reason is Reason.LOOK_UP_TIMED_OUT:
                continue
            case AlertsReceived(alerts=alerts) as event:
                once = {one.id: one for one in alerts if one.id != first}
                alone = replace(event, alerts=tuple(once.values()))
                told[number] = replace(entry, event=alone)
            case _ if entry.reason in REFUSALS:
                name = getattr(entry.event, "id", number)
                told.setdefault((name, entry.reason), entry)
            case _:
                told[number] = entry

    return list(told.values())


def _reports(history: Sequence[Entry]) -> list[Entry]:
    reports = [
        (entry.event.page, entry.event.rule, number, entry)
        for number, entry in enumerate(history)
        if isinstance(entry.event, DeliveryReported)
    ]

    return [entry for *_, entry in sorted(reports, key=lambda report: report[:3])]
