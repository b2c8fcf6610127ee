"""
The directory: people and how they are reached, integrations, policies, tokens.

Pure values. Incidents keep a snapshot of policies only; people, their contact
methods and rules are looked up live, at the moment they are needed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from engine.directory.addresses import ContactMethod, Place
from engine.directory.integrations import Integration
from engine.directory.people import Rule, Team, Urgency, User, UserGroup
from engine.directory.record import Record
from engine.directory.tokens import Token, hash_secret
from policies.policy import Policy
from policies.steps import NO_TIME
from policies.targets import Name

EMAIL = "email"


class ObjectKind(StrEnum):
    """What kinds of objects there are: the names of the directory's fields."""

    USERS = "users"
    TEAMS = "teams"
    GROUPS = "groups"
    PLACES = "places"
    URGENCIES = "urgencies"
    POLICIES = "policies"
    INTEGRATIONS = "integrations"
    TOKENS = "tokens"
    ON_CALL = "on_call"


class Directory(Record):
    """
    All configuration, as of one version.

    Attributes:
        version: Rises with every change; decisions record it.
        default_team: The team of incidents that have none of their own.
        on_call: A fixed table: who is on call in each schedule.
        catch_all: The policy that exhausted incidents walk at last.
        origins: The files that objects come from, by `kind/id`; what is not in it was
            made through the API.
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
    origins: Mapping[str, str] = {}

    def objects(self, kind: ObjectKind) -> Mapping[str, Any]:
        """Return all objects of a kind, by id."""
        found: Mapping[str, Any] = getattr(self, kind)

        return found

    def origin_of(self, kind: ObjectKind, object_id: str) -> str | None:
        """Return the file that an object comes from; None: it belongs to the API."""
        return self.origins.get(f"{kind}/{object_id}")

    def integration_for(self, source: str, key: str) -> Integration | None:
        """Return the integration that has this key and takes what this source sends."""
        wanted = hash_secret(key)
        for integration in self.integrations.values():
            if integration.key_hash == wanted and integration.takes_from(source):
                return integration

        return None

    def token_for(self, secret: str) -> Token | None:
        """Return the token with this secret, unless its user is deactivated."""
        token = self.tokens.get(hash_secret(secret))

        return token if token and self.is_valid(token) else None

    def is_valid(self, token: Token) -> bool:
        """Tell whether a token opens anything: its user is there, and active."""
        if token.user is None:
            return True
        user = self.users.get(token.user)

        return user is not None and user.is_active

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


def _at_once(
    methods: tuple[ContactMethod, ...], channels: tuple[str, ...]
) -> tuple[Rule, ...]:
    return tuple(
        Rule(delay=NO_TIME, method=method.id, channel=method.channel)
        for method in methods
        if method.channel in channels
    )
