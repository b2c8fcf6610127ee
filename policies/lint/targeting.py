"""What is odd about whom a policy notifies: nobody is there, or cannot be reached."""

from collections.abc import Collection, Iterator

from policies.lint.course import Policies, runs
from policies.lint.finding import Code, Finding
from policies.lint.surroundings import Behind, Surroundings
from policies.policy import Policy
from policies.steps import NotifyStep, WebhookStep
from policies.targets import AnyTarget, ScheduleTarget

NOT_CONFIGURED = "goes by a channel that is not configured here: nobody is told"


def check_targets(
    policy: Policy,
    policies: Policies,
    around: Surroundings,
    teams: Collection[str | None],
) -> Iterator[Finding]:
    """Find targets that stand for nobody, or for people that cannot be reached."""
    for index, step in runs(policy, policies):
        path = f"steps[{index}]"
        match step:
            case NotifyStep():
                check = _Check(policy=policy.id, step=step, around=around)
                yield from check.of_step(path, teams)
            case WebhookStep(webhook=str(name)) if name in around.rooms:
                if not around.rooms[name].is_reachable:
                    yield Finding(
                        code=Code.TARGET_UNREACHABLE,
                        policy=policy.id,
                        path=f"{path}.webhook",
                        text=f"channel {name!r} {NOT_CONFIGURED}",
                    )
            case _:
                pass


class _Check:
    """Checks the targets of one step."""

    def __init__(self, *, policy: str, step: NotifyStep, around: Surroundings) -> None:
        self._policy = policy
        self._step = step
        self._around = around

    def of_step(self, path: str, teams: Collection[str | None]) -> Iterator[Finding]:
        step = self._step
        if not step.targets:
            text = "there is no target, so nobody is reached: add one"
            yield self._found(Code.NOBODY_BEHIND_TARGET, f"{path}.targets", text)
        for number, channel in enumerate(step.channels):
            if channel not in self._around.channels:
                text = f"channel {channel!r} is not configured here: use another one"
                where = f"{path}.channels[{number}]"
                yield self._found(Code.CHANNEL_NOT_CONFIGURED, where, text)
        for number, target in enumerate(step.targets):
            where = f"{path}.targets[{number}]"
            # Two teams may have one and the same schedule.
            behind = dict.fromkeys(self._around.behind(target, teams))
            for one in behind:
                yield from self._of_target(where, target, one)

    def _of_target(
        self, path: str, target: AnyTarget, behind: Behind
    ) -> Iterator[Finding]:
        nobody = self._why_nobody(behind)
        if nobody is not None:
            yield self._found(Code.NOBODY_BEHIND_TARGET, path, nobody)
            return
        text = self._why_unreachable(target, behind)
        if text is not None:
            yield self._found(Code.TARGET_UNREACHABLE, path, text)

    def _why_nobody(self, behind: Behind) -> str | None:
        if behind.nobody is not None:
            return behind.nobody
        if not behind.people and not behind.rooms:
            return f"{behind.words} has nobody in it: add somebody, or name another"
        people, known = self._around.people, self._known(behind)
        if not known or any(people[one].is_active for one in known):
            return None
        if behind.words.startswith("user "):
            return f"{behind.words} is deactivated: name somebody else"

        return f"{behind.words} has only deactivated people: add somebody"

    def _why_unreachable(self, target: AnyTarget, behind: Behind) -> str | None:
        if behind.rooms:
            return self._why_no_room(behind)
        step, people = self._step, self._around.people
        if not step.channels and step.urgency not in self._around.urgencies:
            return None
        active = [one for one in self._known(behind) if people[one].is_active]
        cut_off = [
            one
            for one in active
            if not people[one].is_reachable(step.urgency, step.channels)
        ]
        # Of whoever can be reached in no way at all it is said once, not at each step.
        told = [one for one in cut_off if people[one].channels]
        if not active:
            return None
        if len(cut_off) == len(active):
            return self._cut_off(behind, active)
        if isinstance(target, ScheduleTarget) and told:
            return self._cut_off(behind, told)

        return None

    def _why_no_room(self, behind: Behind) -> str | None:
        if any(self._around.rooms[room].is_reachable for room in behind.rooms):
            return None

        return f"{behind.words} {NOT_CONFIGURED}"

    def _cut_off(self, behind: Behind, people: Collection[str]) -> str:
        step = self._step
        how = (
            f"by {', '.join(step.channels)}"
            if step.channels
            else f"with urgency {step.urgency!r}"
        )
        who = "" if behind.words.startswith("user ") else f" ({', '.join(people)})"

        return (
            f"{behind.words}{who} cannot be reached {how}: add a contact method on a "
            f"configured channel ({', '.join(sorted(self._around.channels))})"
        )

    def _known(self, behind: Behind) -> list[str]:
        return [one for one in behind.people if one in self._around.people]

    def _found(self, code: Code, path: str, text: str) -> Finding:
        return Finding(code=code, policy=self._policy, path=path, text=text)
