"""
Findings in a directory: what is legal, and hardly what anybody meant.

Those of its policies, and those of people, schedules and integrations. What is wrong is
refused when it is written (checks), and not looked for here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from engine.directory.directory import Directory, ObjectKind
from engine.directory.integrations import Integration, Route
from engine.directory.matchers import AnyMatcher, Operator
from engine.directory.people import User
from engine.directory.surroundings import surroundings_of, usable_channels
from policies.durations import write_duration
from policies.lint import lint
from policies.steps import NotifyStep
from policies.targets import UserTarget

FIRST_NOTIFICATION_WITHIN = timedelta(minutes=15)


class DirectoryCode(StrEnum):
    """What was found beside the policies. The words stay the same."""

    NO_INTEGRATION = "no_integration"
    NO_CATCH_ALL = "no_catch_all"
    NO_CONTACT_METHOD = "no_contact_method"
    RULE_NEVER_USED = "rule_never_used"
    LATE_FIRST_RULE = "late_first_rule"
    INACTIVE_ON_CALL = "inactive_on_call"
    ROUTE_NEVER_TAKEN = "route_never_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFinding:
    """
    One thing that was found.

    Attributes:
        code: Of `DirectoryCode`, or of policies.lint.
        kind: The kind of object it was found in; None: the installation as a whole.
        object_id: Which one; of the whole, the name of what is set or missing.
        path: The field of the object, like `steps[2].targets[0]`; empty: all of it.
        text: What is odd, and what to do about it.
    """

    code: str
    kind: ObjectKind | None
    object_id: str
    path: str = ""
    text: str


def find(
    directory: Directory, configured: frozenset[str], *, has_schedules: bool = True
) -> list[DirectoryFinding]:
    """
    Return all that is found in a directory.

    Args:
        directory: What is configured.
        configured: The channels of this installation.
        has_schedules: Whether every schedule is in the directory.
    """
    found = [*_of_whole(directory)]
    named = _named(directory, has_schedules=has_schedules)
    for user in directory.users.values():
        found += _of_user(user, directory, configured, named.get(user.id))
    if has_schedules:
        found += _of_schedules(directory)
    around = surroundings_of(directory, configured, has_schedules=has_schedules)
    found += [
        DirectoryFinding(
            code=one.code,
            kind=ObjectKind.POLICIES,
            object_id=one.policy,
            path=one.path,
            text=one.text,
        )
        for one in lint(directory.policies, around)
    ]
    for integration in directory.integrations.values():
        found += _of_integration(integration)

    return found


def _of_whole(directory: Directory) -> Iterator[DirectoryFinding]:
    if not directory.integrations:
        yield DirectoryFinding(
            code=DirectoryCode.NO_INTEGRATION,
            kind=None,
            object_id="integrations",
            text="there is none, so no alert can come in: add one",
        )
    elif directory.catch_all is None:
        yield DirectoryFinding(
            code=DirectoryCode.NO_CATCH_ALL,
            kind=None,
            object_id="catch_all",
            text="is not set, so an incident that nobody takes ends in silence: set it "
            "to a policy that reaches somebody",
        )


def _named(directory: Directory, *, has_schedules: bool) -> Mapping[str, str]:
    """Return whoever is meant to be paged some time, and what says so."""
    named: dict[str, str] = {}
    for why, people in _people_named(directory, has_schedules=has_schedules):
        for one in people:
            named.setdefault(one, why)

    return named


def _people_named(
    directory: Directory, *, has_schedules: bool
) -> Iterator[tuple[str, Sequence[str]]]:
    for schedule, people in directory.on_call.items() if has_schedules else ():
        yield f"is on call in schedule {schedule!r}", people
    for team in directory.teams.values():
        yield f"is in team {team.id!r}", team.members
    for group in directory.groups.values():
        yield f"is in group {group.id!r}", group.members
    for policy in directory.policies.values():
        pages = [step for step in policy.steps if isinstance(step, NotifyStep)]
        targets = [target for step in pages for target in step.targets]
        users = [one.id for one in targets if isinstance(one, UserTarget)]
        yield f"is named by policy {policy.id!r}", users


def _of_user(
    user: User, directory: Directory, configured: frozenset[str], named: str | None
) -> Iterator[DirectoryFinding]:
    if not user.is_active:
        return
    if not usable_channels(user, configured):
        if named is not None:
            text = (
                f"{named} and has no contact method on a configured channel: add one "
                f"on {', '.join(sorted(configured))}"
            )
            yield _about(user, DirectoryCode.NO_CONTACT_METHOD, "", text)
        return
    channels = {method.id: method.channel for method in user.contact_methods}
    for urgency, rules in user.rules.items():
        for index, rule in enumerate(rules):
            channel = channels.get(rule.method)
            if channel is not None and channel not in configured:
                text = (
                    f"is skipped: {rule.method!r} is on channel {channel!r}, which is "
                    "not configured here; name another contact method"
                )
                path = f"rules.{urgency}[{index}]"
                yield _about(user, DirectoryCode.RULE_NEVER_USED, path, text)
    yield from _late_rules(user, directory, configured)


def _late_rules(
    user: User, directory: Directory, configured: frozenset[str]
) -> Iterator[DirectoryFinding]:
    for urgency in directory.urgencies.values():
        if not urgency.is_important or urgency.id not in user.rules:
            continue
        rules = directory.rules_for(user.id, urgency.id, configured)
        first = min((rule.delay for rule in rules), default=timedelta())
        if first > FIRST_NOTIFICATION_WITHIN:
            text = (
                f"nothing goes out for {write_duration(first)} after a page begins: "
                "put a rule without delay first"
            )
            path = f"rules.{urgency.id}"
            yield _about(user, DirectoryCode.LATE_FIRST_RULE, path, text)


def _about(user: User, code: DirectoryCode, path: str, text: str) -> DirectoryFinding:
    return DirectoryFinding(
        code=code, kind=ObjectKind.USERS, object_id=user.id, path=path, text=text
    )


def _of_schedules(directory: Directory) -> Iterator[DirectoryFinding]:
    for schedule, people in directory.on_call.items():
        for index, one in enumerate(people):
            user = directory.users.get(one)
            if user is not None and not user.is_active:
                yield DirectoryFinding(
                    code=DirectoryCode.INACTIVE_ON_CALL,
                    kind=ObjectKind.ON_CALL,
                    object_id=schedule,
                    path=f"[{index}]",
                    text=f"{one!r} is deactivated and is never paged: take them out",
                )


def _of_integration(integration: Integration) -> Iterator[DirectoryFinding]:
    for index, route in enumerate(integration.routes):
        why = _why_never(integration.routes[:index], route)
        if why is not None:
            yield DirectoryFinding(
                code=DirectoryCode.ROUTE_NEVER_TAKEN,
                kind=ObjectKind.INTEGRATIONS,
                object_id=integration.id,
                path=f"routes[{index}]",
                text=f"is never taken: {why}",
            )


def _why_never(earlier: tuple[Route, ...], route: Route) -> str | None:
    """Say why no alert takes a route, if none can."""
    known = {
        one.label: one.value for one in route.match if one.operator is Operator.EQUAL
    }
    for one in route.match:
        if one.label in known and not one.matches(known):
            return f"{one} and {one.label}={known[one.label]!r} exclude each other"
    for number, other in enumerate(earlier):
        if all(_follows(one, route, known) for one in other.match):
            return f"routes[{number}] takes all its alerts; put this one before it"

    return None


def _follows(matcher: AnyMatcher, route: Route, known: Mapping[str, str]) -> bool:
    """Tell whether whatever a route takes meets a matcher."""
    if matcher.label in known:
        return matcher.matches(known)

    return matcher in route.match
