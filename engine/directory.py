"""
The directory: people and how they are reached, integrations, policies, tokens.

Pure values. Incidents keep a snapshot of policies only; people, their contact
methods and rules are looked up live, at the moment they are needed.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from policies.durations import Duration
from policies.policy import Policy
from policies.steps import NO_TIME
from policies.targets import Name

RULES_MAX = 20
EMAIL, WEBHOOKS = "email", "webhook"
SECRET_PREFIX, SECRET_BYTES_MIN, SECRET_BYTES_MAX = "whsec_", 24, 64
# While a secret is changed there are two; every one of them makes a signature.
SECRETS_MAX = 5
# Of a longer host the end counts: that is who runs it.
PROVIDER_LENGTH_MAX = 100
NOT_OF_A_HOST = re.compile(r"[^a-z0-9.-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One notification rule of a person: this contact method, after this long."""

    delay: timedelta
    method: str
    channel: str


class ResolveWhen(StrEnum):
    """Which resolved alerts close an incident; a setting of the integration."""

    ALL = "all"
    ANY = "any"
    NEVER = "never"


class _Record(BaseModel):
    # What an error quotes may be a secret.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _is_signing_secret(text: str) -> str:
    """
    Return a secret of Standard Webhooks.

    Raises:
        ValueError: If it is none; it is not quoted.
    """
    coded = text.removeprefix(SECRET_PREFIX)
    try:
        size = len(base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if coded == text or not SECRET_BYTES_MIN <= size <= SECRET_BYTES_MAX:
        message = (
            f"a secret is {SECRET_PREFIX} and, in base64, {SECRET_BYTES_MIN} to "
            f"{SECRET_BYTES_MAX} random bytes"
        )
        raise ValueError(message)

    return text


# The other side of a webhook checks signatures with it. They are not shown.
Secrets = Annotated[
    tuple[Annotated[str, AfterValidator(_is_signing_secret)], ...],
    Field(max_length=SECRETS_MAX, repr=False),
]


class ContactMethod(_Record):
    """
    One way to reach a person: an address on a channel.

    Attributes:
        secrets: What a webhook is signed with, the newest first.
    """

    id: Name
    channel: Name
    address: Annotated[str, Field(repr=False)] = ""
    secrets: Secrets = ()


class NotificationRule(_Record):
    """Use this contact method, this long after a page of the urgency began."""

    method: Name
    delay: Annotated[Duration, Field(ge=NO_TIME)] = NO_TIME


class User(_Record):
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


class Urgency(_Record):
    """A named set of channels that a step pages with, important or not."""

    id: Name
    name: str
    is_important: bool = False
    channels: tuple[str, ...] = ()


class Team(_Record):
    """
    Some people, and whom they have on call.

    Attributes:
        schedule: The default schedule of the team's incidents.
    """

    id: Name
    name: str
    members: tuple[str, ...] = ()
    schedule: Name | None = None


class UserGroup(_Record):
    """Some people, under a name."""

    id: Name
    name: str
    members: tuple[str, ...] = ()


class Place(_Record):
    """
    A place that many read: a chat room, a webhook.

    Attributes:
        kind: What a step calls all places of this kind.
        channel: What it is reached by.
        secrets: What a webhook is signed with, the newest first.
    """

    id: Name
    name: str
    kind: Name
    channel: Name
    address: Annotated[str, Field(repr=False)] = ""
    secrets: Secrets = ()


class Grouping(StrEnum):
    """What makes one incident of a sender's alerts."""

    PER_ALERT = "per_alert"
    PER_GROUP = "per_group"


class Integration(_Record):
    """
    A source of alerts and where they go.

    Attributes:
        source: The kind of sender, as in `/ingest/{source}/{key}`.
        key_hash: SHA-256 of its ingest key; the key itself is not kept.
        policy: The policy that its incidents walk; None: they are only collected.
        team: The team its incidents belong to; None is the default team.
        acknowledged_for: How long an acknowledgement lasts; None: for good.
    """

    id: Name
    name: str
    source: Name
    key_hash: str
    grouping: Grouping = Grouping.PER_ALERT
    resolve_when: ResolveWhen = ResolveWhen.ALL
    policy: Name | None = None
    team: Name | None = None
    acknowledged_for: Annotated[Duration, Field(gt=NO_TIME)] | None = None


class Scope(StrEnum):
    """What a token may do; each scope but ingest includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    INGEST = "ingest"


class Token(_Record):
    """
    A secret that opens the API. Only its hash is kept.

    Attributes:
        user: Who acts with it; None if it is nobody's own.
    """

    hash: str
    name: str
    scopes: tuple[Scope, ...]
    user: str | None = None


class Directory(_Record):
    """
    All configuration, as of one version.

    Attributes:
        version: Rises with every change; decisions record it.
        default_team: The team of incidents that have none of their own.
        on_call: A fixed table: who is on call in each schedule.
        catch_all: The policy that exhausted incidents walk at last.
    """

    version: int = 0
    users: Mapping[str, User] = {}
    teams: Mapping[str, Team] = {}
    default_team: Name | None = None
    groups: Mapping[str, UserGroup] = {}
    places: Mapping[str, Place] = {}
    urgencies: Mapping[str, Urgency] = {}
    policies: Mapping[str, Policy] = {}
    integrations: Mapping[str, Integration] = {}
    tokens: Mapping[str, Token] = {}
    on_call: Mapping[str, tuple[str, ...]] = {}
    catch_all: Name | None = None

    def integration_for(self, source: str, key: str) -> Integration | None:
        """Return the integration of this source that has this ingest key."""
        wanted = hash_secret(key)
        for integration in self.integrations.values():
            if integration.source == source and integration.key_hash == wanted:
                return integration

        return None

    def token_for(self, secret: str) -> Token | None:
        """Return the token with this secret, unless its user is deactivated."""
        token = self.tokens.get(hash_secret(secret))
        if token is None or token.user is None:
            return token
        user = self.users.get(token.user)

        return token if user and user.is_active else None

    def team_of(self, team_id: str | None) -> Team | None:
        """Return a team; None is the default team, if there is one."""
        wanted = self.default_team if team_id is None else team_id

        return self.teams.get(wanted) if wanted is not None else None

    def members_of(self, team: Team) -> tuple[str, ...]:
        """
        Return who is in a team.

        The default team has everybody who is in no other, unless it lists its own.
        """
        if team.members or team.id != self.default_team:
            return team.members
        elsewhere = {one for other in self.teams.values() for one in other.members}

        return tuple(one for one in self.users if one not in elsewhere)

    def rules_for(
        self,
        user_id: str,
        urgency_id: str,
        configured: frozenset[str],
        channels: tuple[str, ...] = (),
    ) -> tuple[Rule, ...]:
        """
        Return the rules that a page of this person walks; none if unreachable.

        The person's rules for the urgency come first, then the urgency's channels
        all at once, then e-mail (SEMANTICS 4); a method on a channel that is not
        configured is as good as none.

        Args:
            user_id: Whom to reach.
            urgency_id: How urgently.
            configured: The channels of this installation.
            channels: Exactly these, in place of rules and urgency; none: as they say.
        """
        user = self.users.get(user_id)
        if user is None or not user.is_active:
            return ()
        methods = {
            method.id: method
            for method in user.contact_methods
            if method.channel in configured
        }
        usable = tuple(methods.values())
        if channels:
            return _at_once(usable, channels)
        own = tuple(
            Rule(
                delay=rule.delay,
                method=rule.method,
                channel=methods[rule.method].channel,
            )
            for rule in user.rules.get(urgency_id, ())
            if rule.method in methods
        )
        urgency = self.urgencies.get(urgency_id)
        of_urgency = urgency.channels if urgency else ()

        return own or _at_once(usable, of_urgency) or _at_once(usable, (EMAIL,))


def provider_of(channel: str, address: str) -> str:
    """
    Return who takes what is sent to an address; empty where that is one for them all.

    Of a webhook it is the host, and nothing else of the address, which may hold
    secrets. Only letters, digits, dots and hyphens are left: it is part of a key.
    """
    if channel != WEBHOOKS:
        return ""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""

    return NOT_OF_A_HOST.sub("-", host.rstrip("."))[-PROVIDER_LENGTH_MAX:]


def hash_secret(secret: str) -> str:
    """Hash a random secret of 256 bits; those need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _at_once(
    methods: tuple[ContactMethod, ...], channels: tuple[str, ...]
) -> tuple[Rule, ...]:
    return tuple(
        Rule(delay=NO_TIME, method=method.id, channel=method.channel)
        for method in methods
        if method.channel in channels
    )
