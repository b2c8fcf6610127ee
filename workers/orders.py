"""
Orders: what people want done with incidents, held against what there is.

The same for the API and the command line. An order that names nobody is refused before
anything is done, with the field that is wrong and what may have been meant.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.core.incident import Incident
from engine.directory import Directory, ObjectKind
from engine.directory.checks import Checks, Problem
from policies.metadata import Reference
from policies.policy import Policy
from policies.targets import AnyTarget, UserTarget

# A time beyond this is a mistake; to be quiet for ever needs no time.
SNOOZE_MAX = timedelta(days=3_650)
# The kinds of objects that a typed value of metadata may name. What other systems call
# theirs is theirs to check.
REFERENCES: Mapping[str, ObjectKind] = {
    "User": ObjectKind.USERS,
    "Schedule": ObjectKind.ON_CALL,
    "Team": ObjectKind.TEAMS,
    "Policy": ObjectKind.POLICIES,
    "UserGroup": ObjectKind.GROUPS,
}


class OrderError(Exception):
    """An order cannot be carried out as it is written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{one.path}: {one.problem}" for one in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """
    Holds orders against one version of the directory.

    Attributes:
        channels: Those that this installation can send on.
        has_schedules: Whether the directory has every schedule there is.
    """

    directory: Directory
    channels: frozenset[str]
    has_schedules: bool = True

    def check_page(
        self,
        targets: Mapping[str, AnyTarget],
        urgency: str | None,
        channels: Sequence[str] = (),
    ) -> None:
        """
        Check whom a page is for, by the names of their fields, and how they are paged.

        Raises:
            OrderError: If anything of it does not exist, or somebody is deactivated.
        """
        found = [one for named in targets.items() for one in self._of_target(*named)]
        if urgency is not None:
            kind = ObjectKind.URGENCIES
            found += self._checks.problems_of_name("urgency", kind, urgency)
        known = ", ".join(sorted(self.channels)) or "none"
        found += [
            Problem(
                path=f"channels[{index}]",
                problem=f"there is no channel {channel!r} here; there is {known}",
            )
            for index, channel in enumerate(channels)
            if channel not in self.channels
        ]
        _refuse(found)

    def check_references(self, references: Sequence[Reference]) -> None:
        """
        Check objects that metadata is to name.

        Raises:
            OrderError: If one of a kind that is known here does not exist.
        """
        _refuse(
            problem
            for index, reference in enumerate(references)
            for problem in self._of_reference(f"references[{index}].id", reference)
        )

    @property
    def _checks(self) -> Checks:
        return Checks(directory=self.directory, has_schedules=self.has_schedules)

    def _of_target(self, path: str, target: AnyTarget) -> list[Problem]:
        found = self._checks.problems_of_target(path, target)
        if found or not isinstance(target, UserTarget):
            return found
        if not self.directory.users[target.id].is_active:
            problem = f"{target.id!r} was deactivated: name somebody else"
            return [Problem(path=path, problem=problem)]

        return []

    def _of_reference(self, path: str, reference: Reference) -> list[Problem]:
        kind = REFERENCES.get(reference.type)
        if kind is None or (kind is ObjectKind.ON_CALL and not self.has_schedules):
            return []

        return self._checks.problems_of_name(path, kind, reference.id)


def step_index(incident: Incident, step: int | str) -> int:
    """
    Return the index of the step at which the main walk is to go on.

    Args:
        incident: Whose walk it is.
        step: Its number, from 1, or its id.

    Raises:
        OrderError: If the policy has no such step.
    """
    policy = main_policy(incident)
    if isinstance(step, str):
        found = [n for n, one in enumerate(policy.steps) if one.id == step]
        problem = f"the policy {policy.id!r} has no step with the id {step!r}"
    else:
        found = [step - 1] if 1 <= step <= len(policy.steps) else []
        problem = (
            f"the policy {policy.id!r} has {len(policy.steps)} steps: count from 1"
        )
    if not found:
        raise OrderError([Problem(path="step", problem=problem)])

    return found[0]


def main_policy(incident: Incident) -> Policy:
    """Return the policy that the main walk is in, or would begin with."""
    in_main = (walk.policy for walk in incident.walks if walk.id == incident.main)

    return incident.snapshot.policies[next(in_main, incident.snapshot.root)]


def snoozed_until(
    now: datetime, until: datetime | None, duration: timedelta | None
) -> datetime | None:
    """
    Return when a snooze ends; None: never by itself.

    Raises:
        OrderError: If that is not later than now, or later than anybody can mean.
    """
    if duration is not None:
        path, span = "duration", duration
    elif until is not None:
        path, span = "until", until - now
    else:
        return None
    if span <= timedelta(0):
        problem = "is not in the future; leave it out to snooze for ever"
        raise OrderError([Problem(path=path, problem=problem)])
    if span > SNOOZE_MAX:
        problem = "is more than ten years away; leave it out to snooze for ever"
        raise OrderError([Problem(path=path, problem=problem)])

    return _in_milliseconds(now + span)


def _in_milliseconds(at: datetime) -> datetime:
    """Cut a time to the unit that the engine counts in."""
    return at.replace(microsecond=at.microsecond // 1_000 * 1_000)


def _refuse(found: Iterable[Problem]) -> None:
    problems = list(found)
    if problems:
        raise OrderError(problems)
