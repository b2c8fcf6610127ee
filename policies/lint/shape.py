"""What is odd about the steps of a policy: some never run, some do nothing."""

from collections.abc import Iterator

from policies.lint.course import (
    Policies,
    comes_to_end,
    is_always_open,
    is_gate,
    leaves,
    outcome_of,
    pauses,
    runs,
    steps_run,
)
from policies.lint.finding import Code, Finding
from policies.policy import Policy
from policies.steps import (
    AnyStep,
    Each,
    InstructionsStep,
    MetadataBranchStep,
    NotifyStep,
    RemoveStep,
    ResolveStep,
    TimeBranchStep,
    TimeGateStep,
    WaitStep,
    WebhookStep,
)
from policies.targets import PolicyTarget

# Time hardly goes by at these.
QUICK = (TimeBranchStep, MetadataBranchStep, InstructionsStep, WebhookStep)


def check_shape(
    policy: Policy, policies: Policies, catch_all: str | None
) -> Iterator[Finding]:
    """Find steps that never run, or do nothing when they do."""
    yield from _unreachable(policy, policies)
    for index, step in runs(policy, policies):
        path = f"steps[{index}]"
        yield from _of_branch(policy, policies, index)
        match step:
            case NotifyStep():
                yield from _of_notify(policy, path, step)
            case TimeGateStep(window=window, is_instant=False) if window:
                if is_always_open(window):
                    text = "its window is always open: narrow it, or leave the gate out"
                    yield _found(policy, Code.GATE_ALWAYS_OPEN, f"{path}.window", text)
            case _:
                pass
    if policy.fallback == policy.id:
        yield _enters_itself(policy, "fallback")
    if catch_all is None:
        yield from _nothing_after_wait(policy, policies)


def _unreachable(policy: Policy, policies: Policies) -> Iterator[Finding]:
    count = steps_run(policy, policies)
    if count < len(policy.steps):
        why = _why_it_ends(policy.steps[count - 1])
        text = f"never runs: steps[{count - 1}] {why}; move it up, or remove it"
        yield _found(policy, Code.UNREACHABLE_STEP, f"steps[{count}]", text)
    elif not comes_to_end(policy, policies):
        what = (("repeat", policy.repeat.count), ("fallback", policy.fallback))
        for path, is_set in what:
            if is_set:
                text = "is never come to: the last step always leaves it; remove one"
                yield _found(policy, Code.UNREACHABLE_END, path, text)


def _why_it_ends(step: AnyStep) -> str:
    match step:
        case ResolveStep():
            return "resolves the incident"
        case RemoveStep():
            return "removes the incident"
        case _:
            return "has a window that is always open, so its outcome always follows"


def _of_branch(policy: Policy, policies: Policies, index: int) -> Iterator[Finding]:
    step = policy.steps[index]
    outcome = outcome_of(step)
    if outcome is None:
        return
    if outcome.policy == policy.id:
        yield _enters_itself(policy, f"steps[{index}].outcome.policy")
    earlier = _taken_earlier(policy, policies, index)
    if earlier is not None:
        text = (
            f"is never taken: steps[{earlier}] takes the same already; remove one of "
            "the two, or correct what it looks for"
        )
        yield _found(policy, Code.BRANCH_NEVER_TAKEN, f"steps[{index}]", text)


def _taken_earlier(policy: Policy, policies: Policies, index: int) -> int | None:
    """Return the step that, in the same instant, takes all that a branch would."""
    step = policy.steps[index]
    for number in range(index - 1, -1, -1):
        if pauses(policy.steps[number + 1]):
            return None
        earlier = policy.steps[number]
        if not isinstance(earlier, QUICK):
            return None
        outcome = outcome_of(earlier)
        if outcome and leaves(policy, outcome, policies) and _covers(earlier, step):
            return number

    return None


def _covers(earlier: AnyStep, later: AnyStep) -> bool:
    """Tell whether a branch matches whenever another one does."""
    match earlier, later:
        case TimeBranchStep(), TimeBranchStep():
            one, other = earlier.window, later.window
            return (
                set(other.days) <= set(one.days)
                and (one.start, one.end) == (other.start, other.end)
                and one.zone == other.zone
            )
        case MetadataBranchStep(), MetadataBranchStep():
            return earlier.key == later.key and set(later.values) <= set(earlier.values)
        case _:
            return False


def _of_notify(policy: Policy, path: str, step: NotifyStep) -> Iterator[Finding]:
    if step.each is Each.NEXT_EACH_TIME and len(step.targets) == 1:
        text = (
            "has one target, so it is its turn every time: turns go over the targets "
            "as listed, not over the people behind one; list them, or leave it out"
        )
        yield _found(policy, Code.SINGLE_TURN, f"{path}.each", text)
    for number, target in enumerate(step.targets):
        where = f"{path}.targets[{number}]"
        if target in step.targets[:number]:
            text = f"{target} is a target of this step already: remove one of them"
            yield _found(policy, Code.NOTIFIED_TWICE, where, text)
        if isinstance(target, PolicyTarget) and target.id == policy.id:
            text = (
                "does nothing, as a policy is not started beside itself: name another "
                "one, or use repeat"
            )
            yield _found(policy, Code.STARTS_ITSELF, where, text)


def _enters_itself(policy: Policy, path: str) -> Finding:
    text = (
        "leads to this policy itself, 10 times at most: use repeat to go round, or "
        "name another policy"
    )

    return _found(policy, Code.ENTERS_ITSELF, path, text)


def _nothing_after_wait(policy: Policy, policies: Policies) -> Iterator[Finding]:
    """Find a wait behind which nothing comes; a catch-all policy would come."""
    steps = policy.steps
    is_last = steps_run(policy, policies) == len(steps) > 0
    if not is_last or policy.repeat.count or policy.fallback is not None:
        return
    if isinstance(steps[-1], WaitStep) or is_gate(steps[-1]):
        text = "nothing comes after it: add a step, repeat or fallback, or remove it"
        path = f"steps[{len(steps) - 1}]"
        yield _found(policy, Code.NOTHING_AFTER_WAIT, path, text)


def _found(policy: Policy, code: Code, path: str, text: str) -> Finding:
    return Finding(code=code, policy=policy.id, path=path, text=text)
