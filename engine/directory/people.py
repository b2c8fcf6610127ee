"""People: how each is reached, and in what order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from engine.directory.addresses import ContactMethod
from engine.directory.record import Record
from policies.durations import Duration
from policies.steps import NO_TIME
from policies.targets import Name

RULES_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One notification rule of a person: this contact method, after this long."""

    delay: timedelta
    method: str
    channel: str


class NotificationRule(Record):
    """Use this contact method, this long after a page of the urgency began."""

    method: Name
    delay: Annotated[Duration, Field(ge=NO_TIME)] = NO_TIME


class User(Record):
    """
    A person.

    Attributes:
        username: What turns are ordered by, before the name.
        rules: By urgency id; an urgency that is not listed uses its own channels.
    """

    id: Name
    name: str
    username: str = ""
    email: str = ""
    is_active: bool = True
    contact_methods: tuple[ContactMethod, ...] = ()
    rules: Mapping[
        str, Annotated[tuple[NotificationRule, ...], Field(max_length=RULES_MAX)]
    ] = {}


class Urgency(Record):
    """A named set of channels that a step pages with, important or not."""

    id: Name
    name: str
    is_important: bool = False
    channels: tuple[str, ...] = ()


# These always exist. All channels that a person may have at once, or those that make
# no noise; a person's own rules come first.
HIGH = Urgency(
    id="high",
    name="High Severity",
    is_important=True,
    channels=("push", "call", "sms", "email", "webhook", "console"),
)
LOW = Urgency(
    id="low", name="Low Severity", channels=("push", "email", "webhook", "console")
)


class Team(Record):
    """
    Some people, and whom they have on call.

    Attributes:
        schedule: The default schedule of the team's incidents.
    """

    id: Name
    name: str
    members: tuple[str, ...] = ()
    schedule: Name | None = None


class UserGroup(Record):
    """Some people, under a name."""

    id: Name
    name: str
    members: tuple[str, ...] = ()
