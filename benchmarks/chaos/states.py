"""The states that an incident can be in when nobody works, and what is owed after."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from engine.core.incident import Status
from engine.directory import Directory, Integration, Route
from policies.policy import Policy
from tests.support.driver import a_directory, a_user

HOUR = timedelta(hours=1)
ALICE = {"kind": "notify", "targets": ["schedule:primary"]}
BOB = {"kind": "notify", "targets": ["user:bob"]}
CAROL = {"kind": "notify", "targets": ["user:carol"]}
ERIN = {"kind": "notify", "targets": ["user:erin"]}
# Erin has a console at once, and a text message half an hour later.
ERINS_RULES = [("console", timedelta(0)), ("sms", HOUR / 2)]


class Brought(StrEnum):
    """How an incident comes into its state, before nobody works any more."""

    PAGED = "paged"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    ASKING = "asking"
    UNREAD = "unread"
    UNSENT = "unsent"
    IN_FLIGHT = "in flight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that is owed: so long after somebody works again, and so late by then."""

    person: str
    after: timedelta = timedelta(0)
    late: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """
    A state of an incident that fired when the outage began.

    Attributes:
        lasts: For how long it is acknowledged or snoozed; None: for good.
        owed: The pages of the outage's end and of the four hours after it.
        status: What it is then.
    """

    name: str
    steps: tuple[dict[str, Any], ...]
    brought: Brought = Brought.PAGED
    lasts: timedelta | None = None
    owed: tuple[Page, ...] = ()
    status: Status = Status.TRIGGERED

    @property
    def is_overdue(self) -> bool:
        """Whether it owes a page as soon as somebody works."""
        return any(page.late for page in self.owed)

    @property
    def is_in_flight(self) -> bool:
        """Whether a page of it was on its way when the worker died."""
        return self.brought is Brought.IN_FLIGHT

    @property
    def policy(self) -> Policy:
        """The policy that it walks."""
        return Policy.model_validate({"id": self.name, "steps": self.steps})

    @property
    def integration(self) -> Integration:
        """Where its alerts come from: each state has its own."""
        is_taken = self.brought is Brought.ACKNOWLEDGED

        return Integration(
            id=self.name,
            name=self.name,
            source="alertmanager",
            key_hash="",
            routes=(Route(policy=self.name),),
            acknowledged_for=self.lasts if is_taken else None,
        )


def wait(duration: timedelta) -> dict[str, Any]:
    """Return a wait step."""
    return {"kind": "wait", "duration": duration}


LONG = (ALICE, wait(HOUR), BOB, wait(2 * HOUR), CAROL)

# Alice's step ran before the outage, and the wait after it was over in it.
BOTH_AT_ONCE = (
    Page(person="alice", late=26 * HOUR),
    Page(person="bob", late=25 * HOUR),
    Page(person="carol", after=2 * HOUR),
)


def from_the_start(
    late: timedelta, after: timedelta = timedelta(0)
) -> tuple[Page, ...]:
    """Return the pages of one that begins, or starts again, at that time."""
    pages = (
        Page(person="alice", after=after, late=late),
        Page(person="bob", after=after + HOUR),
        Page(person="carol", after=after + 3 * HOUR),
    )

    return tuple(page for page in pages if page.after < 4 * HOUR)


STATES = (
    State(
        name="waiting",
        steps=LONG,
        owed=(
            Page(person="bob", late=25 * HOUR),
            Page(person="carol", after=2 * HOUR),
        ),
    ),
    State(
        name="waiting-longer",
        steps=(ALICE, wait(28 * HOUR), BOB),
        owed=(Page(person="bob", after=2 * HOUR),),
    ),
    State(name="rules", steps=(ERIN,), owed=(Page(person="erin", late=25.5 * HOUR),)),
    State(
        name="acknowledged",
        steps=LONG,
        brought=Brought.ACKNOWLEDGED,
        status=Status.ACKNOWLEDGED,
    ),
    State(
        name="acknowledged-10-h",
        steps=LONG,
        brought=Brought.ACKNOWLEDGED,
        lasts=10 * HOUR,
        owed=from_the_start(16 * HOUR),
    ),
    State(
        name="acknowledged-28-h",
        steps=LONG,
        brought=Brought.ACKNOWLEDGED,
        lasts=28 * HOUR,
        owed=from_the_start(timedelta(0), 2 * HOUR),
    ),
    State(
        name="acknowledged-48-h",
        steps=LONG,
        brought=Brought.ACKNOWLEDGED,
        lasts=48 * HOUR,
        status=Status.ACKNOWLEDGED,
    ),
    State(
        name="snoozed-5-h",
        steps=LONG,
        brought=Brought.SNOOZED,
        lasts=5 * HOUR,
        owed=from_the_start(21 * HOUR),
    ),
    State(
        name="snoozed-48-h",
        steps=LONG,
        brought=Brought.SNOOZED,
        lasts=48 * HOUR,
        status=Status.SNOOZED,
    ),
    State(
        name="asking",
        steps=LONG,
        brought=Brought.ASKING,
        # It waits from when it asked: the wait after alice is overdue too.
        owed=BOTH_AT_ONCE,
    ),
    State(
        name="unread",
        steps=LONG,
        brought=Brought.UNREAD,
        owed=from_the_start(26 * HOUR),
    ),
    *(
        State(
            name=brought.name.lower(),
            steps=LONG,
            brought=brought,
            owed=BOTH_AT_ONCE,
        )
        for brought in (Brought.UNSENT, Brought.IN_FLIGHT)
    ),
    State(name="exhausted", steps=(ALICE,)),
    State(
        name="resolved",
        steps=LONG,
        brought=Brought.RESOLVED,
        status=Status.RESOLVED,
    ),
)


def configured() -> Directory:
    """Return the configuration: a policy and an integration for each state."""
    directory = a_directory([state.policy for state in STATES], None)
    erin = a_user("erin", ERINS_RULES)

    return directory.model_copy(
        update={
            "users": {**directory.users, erin.id: erin},
            "integrations": {state.name: state.integration for state in STATES},
        }
    )
