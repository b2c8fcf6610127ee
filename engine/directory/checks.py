"""
What is wrong with an object among the others: names of nobody, routes that lose alerts.

Only the object that is written is looked at. Removing what others name is allowed: the
reference dangles, and the step that meets it says so (SEMANTICS 6).
"""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.directory.directory import Directory, ObjectKind
from engine.directory.integrations import Integration, Route, Source
from engine.directory.people import Team, User, UserGroup
from engine.directory.tokens import Token
from policies.policy import Policy
from policies.steps import (
    AnyStep,
    MetadataBranchStep,
    NotifyStep,
    TimeBranchStep,
    WebhookStep,
)
from policies.targets import (
    AnyTarget,
    ChannelsTarget,
    ChannelTarget,
    LayerTarget,
    PolicyTarget,
    ScheduleTarget,
    TeamTarget,
    UserGroupTarget,
    UserTarget,
)

# What people call one object of a kind.
WORDS: Mapping[ObjectKind, str] = {
    ObjectKind.USERS: "user",
    ObjectKind.TEAMS: "team",
    ObjectKind.GROUPS: "user group",
    ObjectKind.PLACES: "channel",
    ObjectKind.URGENCIES: "urgency",
    ObjectKind.POLICIES: "policy",
    ObjectKind.INTEGRATIONS: "integration",
    ObjectKind.TOKENS: "token",
    ObjectKind.ON_CALL: "schedule",
}
NO_LAST_ROUTE = (
    "the last route must have no match, so that no alert is left out: add "
    "`- {policy: ...}` at the end"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """
    One thing that is wrong with an object.

    Attributes:
        path: The field, like `steps[2].targets[0]`; empty: the object as a whole.
        problem: What is wrong, and what to do about it.
    """

    path: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """
    Checks objects of a directory.

    Attributes:
        has_schedules: Whether every schedule is in the directory. If a file or another
            service says who is on call, nobody here knows which there are.
        unread: Objects, as `kind/id`, that are written and cannot be read: whoever
            names them is right.
    """

    directory: Directory
    has_schedules: bool = True
    unread: Collection[str] = ()

    def problems(self, kind: ObjectKind, object_id: str) -> list[Problem]:
        """Return all that is wrong with an object; its shape is right already."""
        one = self.directory.objects(kind)[object_id]

        return list(self._problems(one))

    def problems_of_target(self, path: str, target: AnyTarget) -> list[Problem]:
        """Return what is wrong with a target that somebody names."""
        return list(self._of_target(path, target))

    def problems_of_name(self, path: str, kind: ObjectKind, name: str) -> list[Problem]:
        """Return what is wrong with the id of an object that somebody names."""
        return list(self._unknown(path, kind, name))

    def problems_of_settings(self) -> list[Problem]:
        """Return what is wrong with what is set for the installation as a whole."""
        directory = self.directory
        named = (
            ("default_team", ObjectKind.TEAMS, directory.default_team),
            ("catch_all", ObjectKind.POLICIES, directory.catch_all),
        )

        return [
            problem
            for path, kind, name in named
            if name is not None
            for problem in self._unknown(path, kind, name)
        ]

    def _problems(self, one: Any) -> Iterator[Problem]:  # noqa: C901 - one arm each
        match one:
            case User():
                yield from self._of_user(one)
            case Team():
                yield from self._of_people("members", one.members)
                if one.schedule is not None:
                    yield from self._of_schedule("schedule", one.schedule)
            case UserGroup():
                yield from self._of_people("members", one.members)
            case Policy():
                yield from self._of_policy(one)
            case Integration():
                yield from self._of_integration(one)
            case Token(user=str(user)):
                yield from self._unknown("user", ObjectKind.USERS, user)
            case tuple():
                yield from self._of_people("", one)
            case _:
                return

    def _of_user(self, user: User) -> Iterator[Problem]:
        methods = [method.id for method in user.contact_methods]
        for index, name in enumerate(methods):
            if name in methods[:index]:
                problem = f"{name!r} is there twice: give each its own id"
                yield Problem(path=f"contact_methods[{index}].id", problem=problem)
        for urgency, rules in user.rules.items():
            path = f"rules.{urgency}"
            yield from self._unknown(path, ObjectKind.URGENCIES, urgency)
            for index, rule in enumerate(rules):
                if rule.method not in methods:
                    yield _nobody(
                        f"{path}[{index}].method",
                        "contact method of this user",
                        rule.method,
                        methods,
                    )
        email = user.email.lower()
        for other in self.directory.users.values():
            if email and other.id != user.id and other.email.lower() == email:
                problem = f"{user.email!r} is the e-mail of {other.id!r} already"
                yield Problem(path="email", problem=problem)

    def _of_policy(self, policy: Policy) -> Iterator[Problem]:
        for index, step in enumerate(policy.steps):
            yield from self._of_step(f"steps[{index}]", step)
        if policy.fallback is not None:
            yield from self._unknown("fallback", ObjectKind.POLICIES, policy.fallback)

    def _of_step(self, path: str, step: AnyStep) -> Iterator[Problem]:
        match step:
            case NotifyStep():
                yield from self._unknown(
                    f"{path}.urgency", ObjectKind.URGENCIES, step.urgency
                )
                for index, target in enumerate(step.targets):
                    yield from self._of_target(f"{path}.targets[{index}]", target)
            case TimeBranchStep() | MetadataBranchStep():
                if (policy := step.outcome.policy) is not None:
                    yield from self._unknown(
                        f"{path}.outcome.policy", ObjectKind.POLICIES, policy
                    )
            case WebhookStep(webhook=str(webhook)):
                yield from self._unknown(f"{path}.webhook", ObjectKind.PLACES, webhook)
            case _:
                return

    def _of_target(  # noqa: C901 - one arm each
        self, path: str, target: AnyTarget
    ) -> Iterator[Problem]:
        match target:
            case UserTarget():
                yield from self._unknown(path, ObjectKind.USERS, target.id)
            case TeamTarget(id=str(team)):
                yield from self._unknown(path, ObjectKind.TEAMS, team)
            case UserGroupTarget():
                yield from self._unknown(path, ObjectKind.GROUPS, target.id)
            case ScheduleTarget(id=str(schedule)):
                yield from self._of_schedule(path, schedule)
            case LayerTarget():
                yield from self._of_schedule(path, target.id.partition("/")[0])
            case ChannelTarget():
                yield from self._unknown(path, ObjectKind.PLACES, target.id)
            case ChannelsTarget():
                kinds = {place.kind for place in self.directory.places.values()}
                if target.id not in kinds and not self._has_unread(ObjectKind.PLACES):
                    yield _nobody(path, "kind of channel", target.id, kinds)
            case PolicyTarget():
                yield from self._unknown(path, ObjectKind.POLICIES, target.id)
            case _:
                return

    def _of_integration(self, integration: Integration) -> Iterator[Problem]:
        source = integration.source
        if source not in [*Source]:
            problem = f"there is no source {source!r}: use one of {', '.join(Source)}"
            yield Problem(path="source", problem=problem)
        yield from self._of_routes(integration.routes)
        if integration.team is not None:
            yield from self._unknown("team", ObjectKind.TEAMS, integration.team)
        for other in self.directory.integrations.values():
            is_same = other.key_hash == integration.key_hash != ""
            if other.id != integration.id and is_same:
                problem = f"{other.id!r} has the same key: give each its own"
                yield Problem(path="key", problem=problem)

    def _of_routes(self, routes: Sequence[Route]) -> Iterator[Problem]:
        if not routes or routes[-1].match:
            yield Problem(path="routes", problem=NO_LAST_ROUTE)
        for index, route in enumerate(routes):
            if not route.match and index < len(routes) - 1:
                problem = "a route without match takes all: put it last"
                yield Problem(path=f"routes[{index}]", problem=problem)
            if route.policy is not None:
                yield from self._unknown(
                    f"routes[{index}].policy", ObjectKind.POLICIES, route.policy
                )

    def _of_people(self, path: str, people: Collection[str]) -> Iterator[Problem]:
        for index, person in enumerate(people):
            yield from self._unknown(f"{path}[{index}]", ObjectKind.USERS, person)

    def _of_schedule(self, path: str, schedule: str) -> Iterator[Problem]:
        if self.has_schedules:
            yield from self._unknown(path, ObjectKind.ON_CALL, schedule)

    def _unknown(self, path: str, kind: ObjectKind, name: str) -> Iterator[Problem]:
        known = self.directory.objects(kind)
        if name not in known and f"{kind}/{name}" not in self.unread:
            yield _nobody(path, WORDS[kind], name, known)

    def _has_unread(self, kind: ObjectKind) -> bool:
        return any(key.startswith(f"{kind}/") for key in self.unread)


def _nobody(path: str, what: str, name: str, known: Collection[str]) -> Problem:
    """Say that there is nothing of this name, and what may have been meant."""
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ": add it, or correct it"

    return Problem(path=path, problem=f"there is no {what} {name!r}{meant}")
