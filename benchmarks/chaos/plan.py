"""
All that a seed decides: what is sent, what is struck, and what is answered.

A plan is a function of its seed alone, so that a seed repeats the faults of a run. What
becomes of them, on a machine that is never twice as busy, is not in it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import accumulate
from typing import TypeAlias, TypeVar

Drawn = TypeVar("Drawn")
PEOPLE = ("alice", "bob", "carol")
WAITS = (timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=1))
# Whoever is to be paged, and so many seconds after the alert.
Policy: TypeAlias = tuple[tuple[str, float], ...]
DUES = tuple(accumulate((wait.total_seconds() for wait in WAITS[:-1]), initial=0.0))
POLICY: Policy = tuple(zip(PEOPLE, DUES, strict=True))

REPEATED, RESOLVED, ACKNOWLEDGED, AIMED = 0.15, 0.2, 0.2, 0.5
# How long after its alert somebody takes an incident, or its source resolves it.
TAKEN_SECONDS_MAX, RESOLVED_SECONDS_MAX, LAST_TAKEN_SECONDS = 20.0, 6.0, 3.0
# So close to the time of a step that nobody can tell which of the two is first.
AIMED_SECONDS = 0.02
RECENT = 50

WORKERS = 2
# Everything is struck once in a round; a stopped worker goes on after a while.
ROUND_SECONDS, STOPPED_SECONDS = 9.0, 4.0
FIRST_SECONDS, JITTER = 0.8, 0.3
WRONG_SECONDS = 300


class Kind(StrEnum):
    """What is asked for."""

    FIRING = "firing"
    RESOLVED = "resolved"
    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request about one alert, so many seconds after the beginning."""

    at: float
    alert: str
    kind: Kind


class Victim(StrEnum):
    """What is struck: killed, started again, stopped for a while, or deleted."""

    WORKER = "worker killed"
    STOPPED = "worker stopped"
    WEB = "web killed"
    REDIS = "Redis killed"
    RESTARTED = "Redis restarted"
    FLUSHED = "arq's keys flushed"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """
    What is to be struck, so many seconds after the beginning.

    Attributes:
        worker: Which one, if it is one.
        clock_seconds: How fast the wall clock of the worker is that comes after it.
    """

    at: float
    victim: Victim
    worker: int
    clock_seconds: int


class Answer(StrEnum):
    """
    What the provider does with a page.

    LATE: takes it, and says so after a while. HUNG: takes it, and says nothing at all.
    CUT: takes it, and the connection ends before it can say so.
    """

    TAKEN = "taken"
    LATE = "taken late"
    REFUSED = "refused"
    HUNG = "hung"
    CUT = "cut off"


class Told(StrEnum):
    """What whoever is asked who is on call does."""

    TOLD = "told"
    SLOW = "told late"
    FAILED = "failed"
    SILENT = "said nothing"


ANSWERS: Sequence[tuple[Answer, float]] = (
    (Answer.REFUSED, 0.12),
    (Answer.LATE, 0.06),
    (Answer.HUNG, 0.03),
    (Answer.CUT, 0.04),
)
# One in ten fails, with an error or by never answering.
LOOK_UPS: Sequence[tuple[Told, float]] = (
    (Told.FAILED, 0.09),
    (Told.SILENT, 0.01),
    (Told.SLOW, 0.03),
)


def requests_planned(seed: int, seconds: float, per_second: int) -> list[Request]:
    """Return so many notices a second, and the acknowledgements meanwhile."""
    chance = random.Random(seed)  # noqa: S311 - the same again
    plan: list[Request] = []
    fires: list[str] = []
    ends: list[tuple[float, str]] = []
    for number in range(int(seconds * per_second)):
        at = number / per_second
        if ends and min(ends)[0] <= at:
            alert, kind = min(ends)[1], Kind.RESOLVED
            ends.remove(min(ends))
            fires.remove(alert)
        elif fires and chance.random() < REPEATED:
            alert, kind = chance.choice(fires[-RECENT:]), Kind.FIRING
        else:
            alert, kind = f"alert-{number}", Kind.FIRING
            fires.append(alert)
            fate = chance.random()
            if fate < RESOLVED:
                ends.append((at + chance.uniform(1, RESOLVED_SECONDS_MAX), alert))
            elif fate < RESOLVED + ACKNOWLEDGED:
                taken = _taken_at(chance, at, seconds)
                plan.append(Request(at=taken, alert=alert, kind=Kind.ACKNOWLEDGE))
        plan.append(Request(at=at, alert=alert, kind=kind))

    return sorted(plan, key=lambda one: (one.at, one.kind is Kind.ACKNOWLEDGE))


def _taken_at(chance: random.Random, fired_at: float, seconds: float) -> float:
    """Return when somebody takes it: at any time, or just when a step is due."""
    if chance.random() < AIMED:
        aimed = chance.uniform(-AIMED_SECONDS, AIMED_SECONDS)
        # One that is never before the alert itself: they are sent in order.
        return max(fired_at, fired_at + chance.choice(DUES) + aimed)
    taken = fired_at + chance.uniform(0, TAKEN_SECONDS_MAX)

    return min(taken, seconds + chance.uniform(0, LAST_TAKEN_SECONDS))


def strikes_planned(seed: int, seconds: float) -> list[Planned]:
    """
    Return what is to be struck: everything once in each round.

    A round begins with a worker that is stopped, so that the others are killed while
    it sleeps, and it is awake again before the next round.
    """
    chance = random.Random(seed)  # noqa: S311 - the same again
    rounds = max(1, round(seconds / ROUND_SECONDS))
    victims: list[Victim] = []
    for _ in range(rounds):
        others = [victim for victim in Victim if victim is not Victim.STOPPED]
        chance.shuffle(others)
        victims += [Victim.STOPPED, *others]
    apart = (seconds - FIRST_SECONDS) / len(victims)

    return [
        Planned(
            at=FIRST_SECONDS + apart * (number + chance.uniform(0, JITTER)),
            victim=victim,
            worker=chance.randrange(WORKERS),
            clock_seconds=chance.choice((-WRONG_SECONDS, WRONG_SECONDS)),
        )
        for number, victim in enumerate(victims)
    ]


def answer_planned(seed: int, alert: str, person: str, time: int) -> Answer:
    """
    Return what the provider does with the page of an alert to a person.

    The last in the policy is never refused, so that each incident reaches somebody.

    Args:
        seed: Of the run.
        alert: By its name.
        person: Whom it is for.
        time: The first time that it comes, the second, ...
    """
    chance = random.Random(f"{seed} {alert} {person} {time}")  # noqa: S311 - the same again
    answer = _drawn(chance, ANSWERS, Answer.TAKEN)

    return Answer.TAKEN if (answer, person) == (Answer.REFUSED, PEOPLE[-1]) else answer


def told_planned(seed: int, schedule: str, time: int) -> Told:
    """Return what is said of a schedule at such a time that it is asked for."""
    if time == 1:
        # From then on it is known who was on call last.
        return Told.TOLD
    chance = random.Random(f"{seed} {schedule} {time}")  # noqa: S311 - the same again

    return _drawn(chance, LOOK_UPS, Told.TOLD)


def _drawn(
    chance: random.Random, shares: Sequence[tuple[Drawn, float]], usual: Drawn
) -> Drawn:
    drawn = chance.random()
    for each, share in shares:
        drawn -= share
        if drawn < 0:
            return each

    return usual
