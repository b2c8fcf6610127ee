"""The course of a walk: which steps it comes to, where it pauses, where it leaves."""

from collections.abc import Iterator, Mapping

from policies.policy import Policy
from policies.steps import (
    AnyStep,
    MetadataBranchStep,
    Outcome,
    RemoveStep,
    ResolveStep,
    TimeBranchStep,
    TimeGateStep,
    Verb,
    VolumeGateStep,
    WaitStep,
)
from policies.windows import WEEK, Window

Policies = Mapping[str, Policy]


def is_always_open(window: Window) -> bool:
    """Tell whether a window never closes."""
    return window.start == window.end and set(window.days) == set(WEEK)


def is_gate(step: AnyStep) -> bool:
    """Tell whether a step holds until something else than a time is over."""
    return isinstance(step, TimeGateStep | VolumeGateStep)


def pauses(step: AnyStep) -> bool:
    """Tell whether time goes by at a step, whatever happens; at a gate it need not."""
    return bool(step.wait_before or step.wait_until or isinstance(step, WaitStep))


def outcome_of(step: AnyStep) -> Outcome | None:
    """Return the outcome of a branch; None if it is none."""
    if isinstance(step, TimeBranchStep | MetadataBranchStep):
        return step.outcome

    return None


def leaves(policy: Policy, outcome: Outcome, policies: Policies) -> bool:
    """
    Tell whether a walk is gone for good when a branch of the policy has this outcome.

    A policy that metadata names may be missing, and one that leads back here is entered
    a few times only: then the walk goes on with the next step.
    """
    if outcome.verb is not Verb.ESCALATE_TO:
        return True
    if outcome.policy is None or outcome.policy not in policies:
        return False

    return policy.id not in led_to([outcome.policy], policies)


def steps_run(policy: Policy, policies: Policies) -> int:
    """Return how many steps a walk can come to; those behind them never run."""
    for index, step in enumerate(policy.steps):
        if _always_leaves(policy, step, policies):
            return index + 1

    return len(policy.steps)


def comes_to_end(policy: Policy, policies: Policies) -> bool:
    """Tell whether a walk can come to what follows the last step."""
    return not any(_always_leaves(policy, step, policies) for step in policy.steps)


def led_to(first: list[str], policies: Policies) -> frozenset[str]:
    """Return all policies that these lead to, and these, as far as there are such."""
    found: set[str] = set()
    left = list(first)
    while left:
        name = left.pop()
        if name in policies and name not in found:
            found.add(name)
            left += policies[name].named()

    return frozenset(found)


def runs(policy: Policy, policies: Policies) -> Iterator[tuple[int, AnyStep]]:
    """Yield the steps that a walk can come to, with their numbers."""
    yield from enumerate(policy.steps[: steps_run(policy, policies)])


def _always_leaves(policy: Policy, step: AnyStep, policies: Policies) -> bool:
    match step:
        case ResolveStep() | RemoveStep():
            return True
        case TimeBranchStep():
            return is_always_open(step.window) and leaves(
                policy, step.outcome, policies
            )
        case _:
            return False
