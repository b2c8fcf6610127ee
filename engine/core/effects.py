"""
What an incident asks the outside world to do.

An effect is a wish, not a deed: the shell carries it out after the incident is
safely stored, at least once, and the answer comes back as an event.
"""

from dataclasses import dataclass
from datetime import datetime

from policies.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """
    Ask who is behind these targets, and by which rules they are reached.

    No answer by `deadline` counts as a failed look-up.
    """

    walk: int
    generation: int
    targets: tuple[Target, ...]
    urgency: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Take back a notification that has not begun to leave."""

    page: str
    rule: int
    channel: str


Effect = LookUp | Send | Withdraw
