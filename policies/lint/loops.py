"""
Loops: policies that lead to each other, so that a walk goes round without a wait.

An edge leads from a policy to another one if a walk can go there in the instant in
which it entered the first. What it takes to go that way is kept, so that two policies
which hand over to each other by day and by night, or by metadata, are no loop.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

from policies.lint.course import Policies, led_to, pauses
from policies.lint.finding import Code, Finding
from policies.policy import Policy
from policies.steps import (
    MetadataBranchStep,
    RemoveStep,
    RepeatStep,
    ResolveStep,
    TimeBranchStep,
    TimeGateStep,
    Verb,
)
from policies.windows import Window

# Of a walk no more policies are entered; and lint ends, however many ways there are.
DEPTH_MAX, WAYS_MAX = 10, 200
# Two weeks, in winter and in summer: windows come again within one.
WEEKS = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC))
A_WEEK = timedelta(days=7)

_Value: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _InWindow:
    """It is inside a window, or it is not."""

    window: Window
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _HasValue:
    """The metadata has one of some values under a key, or it has none of them."""

    key: str
    values: frozenset[_Value]
    holds: bool


_Condition: TypeAlias = _InWindow | _HasValue
_Conditions: TypeAlias = tuple[_Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    to: str
    path: str
    conditions: _Conditions


def check_loops(policies: Policies) -> Iterator[Finding]:
    """Find loops; each is told once, at the first of its policies."""
    edges = {name: list(_edges(policy, policies)) for name, policy in policies.items()}
    order = {name: number for number, name in enumerate(policies)}
    for name in policies:
        if name not in led_to([edge.to for edge in edges[name]], policies):
            continue
        way = _way_back(name, edges, order)
        if way is not None:
            names = " -> ".join([name, *(edge.to for edge in way)])
            text = (
                f"goes round without a wait ({names}), until {DEPTH_MAX} policies were "
                "entered: put a wait into one of them, or let one lead elsewhere"
            )
            yield Finding(
                code=Code.POLICY_LOOP, policy=name, path=way[0].path, text=text
            )


def _edges(policy: Policy, policies: Policies) -> Iterator[_Edge]:
    """Yield the ways out of a policy that a walk can go at once."""
    so_far: _Conditions = ()
    for index, step in enumerate(policy.steps):
        if pauses(step) or isinstance(step, RepeatStep | ResolveStep | RemoveStep):
            return
        if isinstance(step, TimeGateStep) and step.window and not step.is_instant:
            so_far = (*so_far, _InWindow(window=step.window, holds=True))
        if isinstance(step, TimeBranchStep | MetadataBranchStep):
            to = _known(step.outcome.policy, policies)
            if to is not None:
                taken = (*so_far, _condition(step, holds=True))
                path = f"steps[{index}].outcome.policy"
                yield _Edge(to=to, path=path, conditions=taken)
            if to is not None or step.outcome.verb is not Verb.ESCALATE_TO:
                so_far = (*so_far, _condition(step, holds=False))
    yield from _edge_at_end(policy, policies, so_far)


def _edge_at_end(
    policy: Policy, policies: Policies, so_far: _Conditions
) -> Iterator[_Edge]:
    to = _known(policy.fallback, policies)
    takes_time = policy.repeat.count or policy.repeat.delay
    if to is not None and policy.steps and not takes_time:
        yield _Edge(to=to, path="fallback", conditions=so_far)


def _known(name: str | None, policies: Policies) -> str | None:
    return name if name in policies else None


def _condition(step: TimeBranchStep | MetadataBranchStep, *, holds: bool) -> _Condition:
    if isinstance(step, TimeBranchStep):
        return _InWindow(window=step.window, holds=holds)

    values = frozenset((one.type, one.value, one.id) for one in step.values)

    return _HasValue(key=step.key, values=values, holds=holds)


def _way_back(
    start: str, edges: Mapping[str, Sequence[_Edge]], order: Mapping[str, int]
) -> tuple[_Edge, ...] | None:
    """Return the shortest way from a policy back to itself, through later ones only."""
    ways: deque[tuple[_Edge, ...]] = deque([()])
    left = WAYS_MAX
    while ways and left:
        way = ways.popleft()
        passed = {start, *(edge.to for edge in way)}
        for edge in edges[way[-1].to if way else start]:
            longer = (*way, edge)
            # One that leads to itself is another finding.
            is_back = bool(way) and edge.to == start
            is_new = edge.to not in passed and order[edge.to] > order[start]
            if not (is_back or is_new) or not left:
                continue
            left -= 1
            if not _can_hold([one for each in longer for one in each.conditions]):
                continue
            if is_back:
                return longer
            if len(longer) < DEPTH_MAX:
                ways.append(longer)

    return None


def _can_hold(conditions: Sequence[_Condition]) -> bool:
    """Tell whether all conditions may hold in one instant of one incident."""
    values = [one for one in conditions if isinstance(one, _HasValue)]
    windows = [one for one in conditions if isinstance(one, _InWindow)]
    keys = {one.key for one in values}

    return all(
        _may_have([one for one in values if one.key == key]) for key in keys
    ) and _may_be_inside(windows)


def _may_have(conditions: Sequence[_HasValue]) -> bool:
    """Tell whether one value under a key meets them all."""
    wanted = [one.values for one in conditions if one.holds]
    if not wanted:
        return True
    refused = frozenset[_Value]().union(
        *(one.values for one in conditions if not one.holds)
    )

    return bool(frozenset.intersection(*wanted) - refused)


def _may_be_inside(conditions: Sequence[_InWindow]) -> bool:
    """Tell whether there is an instant inside some windows and outside of others."""
    if not conditions:
        return True
    instants = {at for one in conditions for at in _changes(one.window)}

    return any(
        all(one.window.contains(at) is one.holds for one in conditions)
        for at in instants
    )


@lru_cache(maxsize=200)
def _changes(window: Window) -> tuple[datetime, ...]:
    """Return the instants of some weeks at which a window opens or closes."""
    found = []
    for week in WEEKS:
        at: datetime | None = week
        while at is not None and at - week <= A_WEEK:
            found.append(at)
            at = window.holds_until(at)

    return tuple(found)
