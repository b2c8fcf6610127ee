"""
Lint: what in policies is legal, and hardly what anybody meant.

Pure. What is wrong, such as a name of nobody, is refused when it is written and not
looked for here. Each finding is exact: where it depends on what nobody can know, as the
values of metadata or the schedules of another service, nothing is said.
"""

import re

from policies.lint.among import check_among, teams_of
from policies.lint.course import Policies
from policies.lint.finding import Code, Finding
from policies.lint.loops import check_loops
from policies.lint.shape import check_shape
from policies.lint.surroundings import Person, Room, Surroundings
from policies.lint.targeting import check_targets
from policies.lint.timing import check_timing

__all__ = ["Code", "Finding", "Person", "Room", "Surroundings", "lint"]

NUMBER = re.compile(r"\d+")


def lint(policies: Policies, around: Surroundings) -> list[Finding]:
    """Return what is found in policies, in their order, by step."""
    found = [*check_among(policies, around), *check_loops(policies)]
    teams = teams_of(policies, around)
    for policy in policies.values():
        found += check_shape(policy, policies, around.catch_all)
        found += check_timing(policy, policies, around)
        found += check_targets(policy, policies, around, teams.get(policy.id, ()))
    order = {name: number for number, name in enumerate(policies)}

    return sorted(found, key=lambda one: (order[one.policy], *_place(one.path)))


def _place(path: str) -> tuple[bool, list[int]]:
    """Return what paths are ordered by: the policy, its steps, what follows them."""
    numbers = [int(number) for number in NUMBER.findall(path)]

    return bool(path) and not path.startswith("steps"), numbers
