"""
What an incident asks the outside world to do.

An effect is a wish, not a deed: the shell carries it out after the incident is
safely stored, at least once, and the answer comes back as an event.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from typing_extensions import override

from policies.metadata import Reference
from policies.targets import AnyTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """
    What metadata names as a target: whatever has one of these, or is one of them.

    Attributes:
        key: The metadata key.
        texts: Each an id, a name or an e-mail address of one object.
    """

    key: str
    texts: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()

    @override
    def __str__(self) -> str:
        return f"metadata:{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """
    Ask who is behind these targets, and by which rules they are reached.

    No answer by `deadline` counts as a failed look-up.

    Attributes:
        walk: What asks: a walk, or a call outside of one.
        is_recall: Whether it was asked before and waited for in vain: then what was
            known last does, if anything is.
        channels: Exactly these, in place of the urgency's.
        team: Whose default schedule and members are meant where none is named.
    """

    walk: int
    generation: int
    targets: tuple[AnyTarget | Named, ...]
    urgency: str
    channels: tuple[str, ...] = ()
    team: str | None = None
    at: datetime
    deadline: datetime
    is_recall: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePolicy:
    """Ask which one policy metadata names; the answer brings it along."""

    walk: int
    generation: int
    named: Named
    at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTurn:
    """
    Ask whose turn it is.

    Attributes:
        turn: What is taken turns at: a step of a policy.
        ticket: The same ticket gets the same answer.
        candidates: Targets that can be reached, in the order of turns.
    """

    walk: int
    generation: int
    turn: str
    ticket: str
    candidates: tuple[str, ...]
    at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSnapshot:
    """Ask for the policies as they are now, to start again with."""

    generation: int
    policy: str
    at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """
    Send one notification of a page.

    Attributes:
        key: The idempotency key for the provider. It is made of what is sent, not
            of counters: the same step run again after a crash gives the same one.
        due: When it should leave.
        give_up_at: When trying again is over and the method has failed.
        caused_by_timer: Whether a timer or an opening caused it; the outbox
            takes turns between the two.
        provider: Who takes it on the channel, where that differs by address: one that
            hangs holds up no other. The core leaves it empty; the shell fills it in.
        owed_since: When it should have left, if it is so late that it is decided as of
            now; the shell notes it.
    """

    page: str
    rule: int
    person: str
    method: str
    channel: str
    key: str
    due: datetime
    give_up_at: datetime
    caused_by_timer: bool
    provider: str = ""
    owed_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Take back a notification that has not begun to leave."""

    page: str
    rule: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWebhook:
    """Call a webhook of a policy; what comes of it is only recorded."""

    page: str
    webhook: str
    key: str
    due: datetime
    give_up_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """Show a comment in the timeline; the incident keeps those with open boxes."""

    id: str
    text: str


class Notice(StrEnum):
    """What whoever watches an installation wants to hear of."""

    NOBODY_REACHED = "nobody_reached"
    EXHAUSTED = "exhausted"
    MAINTENANCE_ENDED = "maintenance_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Tell whoever watches the installation."""

    notice: Notice


class Following(StrEnum):
    """What an attached incident does when its parent does."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Have an attached incident do as its parent did; its id makes it harmless."""

    id: str
    child: str
    what: Following
    by: str


Effect = (
    LookUp
    | NamePolicy
    | TakeTurn
    | TakeSnapshot
    | Send
    | Withdraw
    | CallWebhook
    | Comment
    | Publish
    | Tell
)
