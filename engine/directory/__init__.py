"""The directory: all that is configured, as pure values."""

from engine.directory.addresses import (
    WEBHOOKS,
    Address,
    ContactMethod,
    Place,
    Secrets,
    provider_of,
)
from engine.directory.directory import EMAIL, Directory, ObjectKind
from engine.directory.integrations import (
    Grouping,
    Integration,
    ResolveWhen,
    Route,
    Source,
)
from engine.directory.matchers import AnyMatcher, Matcher, Operator
from engine.directory.people import (
    HIGH,
    LOW,
    NotificationRule,
    Rule,
    Team,
    Urgency,
    User,
    UserGroup,
)
from engine.directory.tokens import SECRET, Scope, Token, hash_secret, token_id_of

__all__ = [
    "EMAIL",
    "HIGH",
    "LOW",
    "SECRET",
    "WEBHOOKS",
    "Address",
    "AnyMatcher",
    "ContactMethod",
    "Directory",
    "Grouping",
    "Integration",
    "Matcher",
    "NotificationRule",
    "ObjectKind",
    "Operator",
    "Place",
    "ResolveWhen",
    "Route",
    "Rule",
    "Scope",
    "Secrets",
    "Source",
    "Team",
    "Token",
    "Urgency",
    "User",
    "UserGroup",
    "hash_secret",
    "provider_of",
    "token_id_of",
]
