"""
Users, teams, user groups and urgencies.

The addresses of contact methods and what they are signed with may be secrets: they are
taken and never shown. Left out, or null, they stay as they are.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StrictBool
from typing_extensions import override

from engine.directory import (
    ContactMethod,
    NotificationRule,
    ObjectKind,
    Team,
    Urgency,
    User,
    UserGroup,
)
from engine.directory.addresses import ADDRESS_MAX, SECRETS_MAX, SigningSecret
from engine.directory.people import RULES_MAX
from engine.directory.record import Record
from policies.targets import Name
from workers.web.api.objects.resource import (
    NamedBody,
    ObjectAnswer,
    Resource,
    Shown,
    Text,
)
from workers.web.problems import FieldError, refused

METHODS_MAX, MEMBERS_MAX, CHANNELS_MAX, URGENCIES_MAX = 50, 1_000, 20, 50

Members = Annotated[tuple[Name, ...], Field(max_length=MEMBERS_MAX)]
_NEVER_SHOWN = "Never shown. Left out, or null: as it is."
SentAddress = Annotated[
    str | None,
    Field(max_length=ADDRESS_MAX, repr=False, description=_NEVER_SHOWN),
]
SentSecrets = Annotated[
    tuple[SigningSecret, ...] | None,
    Field(
        max_length=SECRETS_MAX,
        repr=False,
        description=f"What webhooks are signed with, the newest first. {_NEVER_SHOWN}",
    ),
]
ADDRESS_MOVED = (
    "is missing: the one that is there belongs to another channel, so send it again"
)


class SentMethod(Record):
    """A contact method as it is sent."""

    id: Name
    channel: Name
    address: SentAddress = None
    secrets: SentSecrets = None
    has_address: Shown = None
    has_secrets: Shown = None

    def record(self, path: str, current: ContactMethod | None) -> ContactMethod:
        """Return the contact method; what it leaves out is as it is."""
        return ContactMethod(
            id=self.id,
            channel=self.channel,
            address=address_of(path, self.channel, self.address, current),
            secrets=secrets_of(self.channel, self.secrets, current),
        )


class ShownMethod(BaseModel):
    """A contact method as it is shown: whether it has secrets, and none of them."""

    id: str
    channel: str
    address: None = None
    has_address: bool
    secrets: None = None
    has_secrets: bool

    @classmethod
    def of(cls, method: ContactMethod) -> Self:
        """Show a contact method."""
        return cls(
            id=method.id,
            channel=method.channel,
            has_address=bool(method.address),
            has_secrets=bool(method.secrets),
        )


class UserBody(NamedBody):
    """A person. A rule names a contact method by its id."""

    username: Text = ""
    email: Text = ""
    is_active: StrictBool = True
    contact_methods: Annotated[
        tuple[SentMethod, ...], Field(max_length=METHODS_MAX)
    ] = ()
    rules: Annotated[
        Mapping[
            Name,
            Annotated[tuple[NotificationRule, ...], Field(max_length=RULES_MAX)],
        ],
        Field(max_length=URGENCIES_MAX),
    ] = {}

    @override
    def record(self, object_id: str, current: User | None, secret: str) -> User:
        known = {one.id: one for one in current.contact_methods} if current else {}

        return User(
            id=object_id,
            name=self.name,
            username=self.username,
            email=self.email,
            is_active=self.is_active,
            contact_methods=tuple(
                method.record(f"contact_methods[{index}].address", known.get(method.id))
                for index, method in enumerate(self.contact_methods)
            ),
            rules=self.rules,
        )


class UserAnswer(ObjectAnswer):
    """A person."""

    name: str
    username: str
    email: str
    is_active: bool
    contact_methods: list[ShownMethod]
    rules: dict[str, list[NotificationRule]]

    @classmethod
    @override
    def of(cls, object_id: str, value: User, origin: str | None) -> Self:
        return cls(
            id=object_id,
            name=value.name,
            username=value.username,
            email=value.email,
            is_active=value.is_active,
            contact_methods=[ShownMethod.of(one) for one in value.contact_methods],
            rules={urgency: list(rules) for urgency, rules in value.rules.items()},
            origin=origin,
        )


class TeamBody(NamedBody):
    """Some people, and whom they have on call."""

    members: Members = ()
    schedule: Name | None = None

    @override
    def record(self, object_id: str, current: Any, secret: str) -> Team:
        return Team(
            id=object_id,
            name=self.name,
            members=self.members,
            schedule=self.schedule,
        )


class TeamAnswer(ObjectAnswer):
    """Some people, and whom they have on call."""

    name: str
    members: list[str]
    schedule: str | None


class UserGroupBody(NamedBody):
    """Some people, under a name."""

    members: Members = ()

    @override
    def record(self, object_id: str, current: Any, secret: str) -> UserGroup:
        return UserGroup(id=object_id, name=self.name, members=self.members)


class UserGroupAnswer(ObjectAnswer):
    """Some people, under a name."""

    name: str
    members: list[str]


class UrgencyBody(NamedBody):
    """A named set of channels that a step pages with, important or not."""

    is_important: StrictBool = False
    channels: Annotated[tuple[Name, ...], Field(max_length=CHANNELS_MAX)] = ()

    @override
    def record(self, object_id: str, current: Any, secret: str) -> Urgency:
        return Urgency(
            id=object_id,
            name=self.name,
            is_important=self.is_important,
            channels=self.channels,
        )


class UrgencyAnswer(ObjectAnswer):
    """A named set of channels that a step pages with, important or not."""

    name: str
    is_important: bool
    channels: list[str]


def address_of(path: str, channel: str, sent: str | None, current: Any | None) -> str:
    """
    Return an address: the one that was sent, else the one that is there.

    One that belongs to another channel is not carried over: where that one shows its
    addresses, a secret would be out.

    Raises:
        ProblemError: If it would have to be.
    """
    if sent is not None:
        return sent
    if current is None or not current.address:
        return ""
    if current.channel != channel:
        raise refused([FieldError(field=path, problem=ADDRESS_MOVED)])

    return str(current.address)


def secrets_of(
    channel: str, sent: tuple[str, ...] | None, current: Any | None
) -> tuple[str, ...]:
    """Return what is signed with: what was sent, else what is there."""
    if sent is not None:
        return sent
    if current is None or current.channel != channel:
        return ()

    return tuple(current.secrets)


USERS = Resource(
    path="users",
    kind=ObjectKind.USERS,
    body=UserBody,
    answer=UserAnswer,
    example={
        "name": "Alice",
        "email": "alice@example.com",
        "contact_methods": [
            {
                "id": "hook",
                "channel": "webhook",
                "address": "https://hooks.example.com/alice",
            }
        ],
        "rules": {"high": [{"method": "hook", "delay": "1m"}]},
    },
)
TEAMS = Resource(
    path="teams",
    kind=ObjectKind.TEAMS,
    body=TeamBody,
    answer=TeamAnswer,
    example={"name": "Databases", "members": ["alice"], "schedule": "primary"},
)
GROUPS = Resource(
    path="user-groups",
    kind=ObjectKind.GROUPS,
    body=UserGroupBody,
    answer=UserGroupAnswer,
    example={"name": "Who may restart", "members": ["alice"]},
)
URGENCIES = Resource(
    path="urgencies",
    kind=ObjectKind.URGENCIES,
    body=UrgencyBody,
    answer=UrgencyAnswer,
    example={"name": "Loud", "is_important": True, "channels": ["webhook"]},
)
