"""Integrations: where alerts come from, and which policy takes which of them."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import Field

from engine.directory.matchers import Matcher
from engine.directory.record import Record
from policies.durations import Duration
from policies.steps import NO_TIME
from policies.targets import Name

ROUTES_MAX, MATCHERS_MAX = 100, 20


class Source(StrEnum):
    """
    The kinds of senders whose notices can be read.

    A stored integration may name another one: a newer version may know more of them.
    """

    ALERTMANAGER = "alertmanager"
    GENERIC = "generic"
    GRAFANA = "grafana"
    PAGERDUTY = "pagerduty"


# Sources whose notices tell by themselves who wrote them: either's address will do.
ALIKE = frozenset({Source.ALERTMANAGER, Source.GRAFANA})
SourceName = Annotated[Name, Field(json_schema_extra={"enum": [*Source]})]


class ResolveWhen(StrEnum):
    """Which resolved alerts close an incident; a setting of the integration."""

    ALL = "all"
    ANY = "any"
    NEVER = "never"


class Grouping(StrEnum):
    """What makes one incident of a sender's alerts."""

    PER_ALERT = "per_alert"
    PER_GROUP = "per_group"


class Route(Record):
    """
    Which policy takes some of an integration's alerts.

    Attributes:
        match: All of these hold; a route without any takes whatever is left.
        policy: The policy that its incidents walk; None: they are only collected.
    """

    match: Annotated[tuple[Matcher, ...], Field(max_length=MATCHERS_MAX)] = ()
    policy: Name | None = None

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an alert with these labels goes here."""
        return all(matcher.matches(labels) for matcher in self.match)


class Integration(Record):
    """
    A source of alerts and where they go.

    Attributes:
        source: The kind of sender, as in `/ingest/{source}/{key}`; see `Source`.
        key_hash: SHA-256 of its ingest key; the key itself is not kept.
        routes: The first that takes an alert counts, when its incident opens.
        team: The team its incidents belong to; None is the default team.
        acknowledged_for: How long an acknowledgement lasts; None: for good.
    """

    id: Name
    name: str
    source: SourceName
    key_hash: Annotated[str, Field(repr=False)]
    grouping: Grouping = Grouping.PER_ALERT
    resolve_when: ResolveWhen = ResolveWhen.ALL
    routes: Annotated[tuple[Route, ...], Field(max_length=ROUTES_MAX)] = ()
    team: Name | None = None
    acknowledged_for: Annotated[Duration, Field(gt=NO_TIME)] | None = None

    def takes_from(self, source: str) -> bool:
        """Tell whether what is sent to this source's addresses may be for it."""
        return self.source == source or {self.source, source} <= ALIKE

    def route_for(self, labels: Mapping[str, str]) -> Route | None:
        """Return the route that an alert with these labels takes; None if none does."""
        return next((route for route in self.routes if route.takes(labels)), None)

    @cached_property
    def labels_routed(self) -> frozenset[str]:
        """The labels that its routes look at."""
        return frozenset(one.label for route in self.routes for one in route.match)
