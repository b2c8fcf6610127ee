"""What is odd about when a policy pages: late, all at once, again and again."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from policies.durations import write_duration
from policies.lint.course import (
    Policies,
    comes_to_end,
    is_gate,
    outcome_of,
    pauses,
    runs,
)
from policies.lint.finding import Code, Finding
from policies.lint.surroundings import Surroundings
from policies.policy import Policy
from policies.steps import (
    NO_TIME,
    AnyStep,
    Each,
    InstructionsStep,
    NotifyStep,
    RepeatStep,
    VolumeGateStep,
    WaitStep,
    WebhookStep,
    duration_of,
)
from policies.targets import (
    LayerTarget,
    ScheduleTarget,
    TeamTarget,
    UserGroupTarget,
    UserTarget,
)

FIRST_PAGE_WITHIN = timedelta(minutes=15)
ANSWER_WITHIN = timedelta(seconds=30)
PEOPLE = (UserTarget, TeamTarget, UserGroupTarget, ScheduleTarget, LayerTarget)


def check_timing(
    policy: Policy, policies: Policies, around: Surroundings
) -> Iterator[Finding]:
    """Find pages that come late, all at once, or again and again."""
    yield from _rounds(policy, policies)
    yield from _no_time_to_answer(policy, policies)
    if policy.id in around.starts or policy.id == around.catch_all:
        yield from _first_page(policy, policies, around)


def _rounds(policy: Policy, policies: Policies) -> Iterator[Finding]:
    for index, step in runs(policy, policies):
        if isinstance(step, RepeatStep) and _is_hasty(policy.steps[: index + 1]):
            yield _hasty(policy, f"steps[{index}]", "a wait before the repeat step")
    is_repeated = policy.repeat.count > 0 and not policy.repeat.delay
    is_hasty = is_repeated and _is_hasty(policy.steps)
    if is_hasty and comes_to_end(policy, policies):
        yield _hasty(policy, "repeat", "a delay to repeat, or a wait to the steps")


def _is_hasty(steps: Sequence[AnyStep]) -> bool:
    """Tell whether a round of these steps pages, and waits nowhere."""
    return any(isinstance(step, NotifyStep) for step in steps) and not any(
        pauses(step) for step in steps
    )


def _hasty(policy: Policy, path: str, remedy: str) -> Finding:
    text = f"a round has no wait, so its pages go out again every 10 s: add {remedy}"

    return Finding(code=Code.ROUND_WITHOUT_WAIT, policy=policy.id, path=path, text=text)


def _no_time_to_answer(policy: Policy, policies: Policies) -> Iterator[Finding]:
    """Find people who are paged before those ahead of them can have answered."""
    ahead: tuple[int, NotifyStep] | None = None
    waited = NO_TIME
    for index, step in runs(policy, policies):
        waited += step.wait_before + duration_of(step)
        if step.wait_until:
            ahead = None
        if isinstance(step, NotifyStep) and _pages_people(step):
            if ahead and waited < ANSWER_WITHIN and _pages_alike(ahead[1], step):
                yield _too_soon(policy, index, ahead[0], waited)
            ahead, waited = (index, step), NO_TIME
        elif not isinstance(step, WaitStep | InstructionsStep | WebhookStep):
            ahead = None


def _pages_people(step: NotifyStep) -> bool:
    is_of_people = any(isinstance(target, PEOPLE) for target in step.targets)

    return is_of_people and step.each is Each.ALL


def _pages_alike(ahead: NotifyStep, step: NotifyStep) -> bool:
    """Tell whether the two could be one step, so that there is no reason but time."""
    return ahead.urgency == step.urgency and ahead.channels == step.channels


def _too_soon(policy: Policy, index: int, ahead: int, waited: timedelta) -> Finding:
    when = f"only {write_duration(waited)} after" if waited else "at the same moment as"
    text = (
        f"pages {when} steps[{ahead}], before anybody can have answered: wait longer, "
        "or make one step of the two"
    )
    path = f"steps[{index}]"

    return Finding(code=Code.NO_TIME_TO_ANSWER, policy=policy.id, path=path, text=text)


def _first_page(
    policy: Policy, policies: Policies, around: Surroundings
) -> Iterator[Finding]:
    """Find what keeps the first important page of a new incident."""
    waited = NO_TIME
    gate: int | None = None
    for index, step in runs(policy, policies):
        waited += step.wait_before + duration_of(step)
        if isinstance(step, NotifyStep):
            if around.urgencies.get(step.urgency, False):
                yield from _kept(policy, index, waited, gate)
            return
        if isinstance(step, VolumeGateStep):
            gate = index if step.notices and gate is None else gate
        elif is_gate(step) or step.wait_until or outcome_of(step):
            # Somebody has thought of a reason to wait.
            return


def _kept(
    policy: Policy, index: int, waited: timedelta, gate: int | None
) -> Iterator[Finding]:
    if gate is not None:
        text = (
            "holds back the first page: what is told only once pages nobody; notify "
            "somebody before it, or leave it out"
        )
        path = f"steps[{gate}]"
        yield Finding(
            code=Code.VOLUME_GATE_FIRST, policy=policy.id, path=path, text=text
        )
    elif waited > FIRST_PAGE_WITHIN:
        text = (
            f"is the first page, {write_duration(waited)} after the incident opened: "
            "wait less, or page with an urgency that is not important"
        )
        path = f"steps[{index}]"
        yield Finding(code=Code.LATE_FIRST_PAGE, policy=policy.id, path=path, text=text)
