"""
Loops: policies that lead to each other, so that a walk goes round without a wait.

An edge leads from a policy to another one if a walk can go there in the instant in
which it entered the first. What it takes to go that way is kept, so that two policies
which hand over to each other by day and by night, or by metadata, are no loop.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

from policies.lint.course import Policies, led_to, pauses
from policies.lint.finding import Code, Finding
from policies.metadata import ListedValue
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
DEPTH_MAX, WAYS_MAX = 10, 1_000
# Two weeks, in winter and in summer: windows come again within one.
WEEKS = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC))
A_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class _InWindow:
    """It is inside a window, or it is not."""

    window: Window
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _HasValue:
    """The metadata has one of some values under a key, or it has none of them."""

    key: str
    values: frozenset[ListedValue]
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
        search = _Search(edges=edges, order=order, start=name)
        way = search.way_back()
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

    return _HasValue(key=step.key, values=frozenset(step.values), holds=holds)


class _Search:
    """Looks for a way from a policy back to itself, through later ones only."""

    def __init__(
        self, *, edges: dict[str, list[_Edge]], order: dict[str, int], start: str
    ) -> None:
        self._edges = edges
        self._order = order
        self._start = start
        self._left = WAYS_MAX

    def way_back(self) -> list[_Edge] | None:
        """Return the edges of a way back; None if there is none."""
        return self._from(self._start, [], {self._start}, ())

    def _from(
        self, name: str, way: list[_Edge], passed: set[str], met: _Conditions
    ) -> list[_Edge] | None:
        for edge in self._edges[name]:
            if len(way) == DEPTH_MAX or self._left <= 0:
                return None
            self._left -= 1
            conditions = (*met, *edge.conditions)
            # A policy that leads to itself is another finding.
            if edge.to == name or not _can_hold(conditions):
                continue
            if edge.to == self._start:
                return [*way, edge]
            if edge.to in passed or self._order[edge.to] < self._order[self._start]:
                continue
            found = self._from(edge.to, [*way, edge], passed | {edge.to}, conditions)
            if found is not None:
                return found

        return None


def _can_hold(conditions: _Conditions) -> bool:
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
    refused = frozenset[ListedValue]().union(
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
