"""Policies, and the snapshots of them that incidents keep."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from policies.durations import Duration
from policies.steps import (
    NO_TIME,
    WAIT_MAX,
    AnyStep,
    MetadataBranchStep,
    NotifyStep,
    Step,
    TimeBranchStep,
    VolumeGateStep,
    can_page,
)
from policies.targets import Name, PolicyTarget, ScheduleTarget, TeamTarget

STEPS_MAX = 100
REPEATS_MAX = 100
HASH_BYTES = 16
IMPROVISED = "improvised"


class Repeat(BaseModel):
    """
    How often the steps are walked again when nobody took the incident.

    Attributes:
        count: Further rounds, beside the first.
        delay: The pause between the last step of a round and the next round.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Annotated[int, Field(ge=0, le=REPEATS_MAX)] = 0
    delay: Annotated[Duration, Field(ge=NO_TIME, le=WAIT_MAX)] = timedelta(0)


class WhenNobody(StrEnum):
    """What a step that reaches nobody does to the waits after it."""

    NEXT_STEP = "next_step"
    WAIT = "wait"


class Policy(BaseModel):
    """
    An ordered walk through steps.

    It is data: it knows nothing of incidents, queues or people's phones. One
    without steps is legal; its incidents are collected and nobody is told.

    Attributes:
        fallback: The policy that follows when every round is over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name
    name: str = ""
    steps: Annotated[tuple[Step, ...], Field(max_length=STEPS_MAX)] = ()
    repeat: Repeat = Repeat()
    fallback: Name | None = None
    when_nobody: WhenNobody = WhenNobody.NEXT_STEP

    @cached_property
    def can_page(self) -> bool:
        """Whether any step of it can page anybody."""
        return any(can_page(step) for step in self.steps)

    def named(self) -> Iterator[str]:
        """Yield the ids of the policies that it can reach without metadata."""
        for step in self.steps:
            yield from _named_by(step)
        if self.fallback is not None:
            yield self.fallback


def improvised(
    channels: tuple[str, ...] = (), team_wait: timedelta | None = None
) -> Policy:
    """
    Return the policy of an incident that was opened without one.

    Whoever is on call in the team's default schedule is paged at once, the whole team
    after a while, if that is wanted (SEMANTICS 2).

    Args:
        channels: Exactly these channels, in place of the urgency's.
        team_wait: How long the team waits; None: it is not paged.
    """
    on_call = NotifyStep(targets=(ScheduleTarget(),), channels=channels)
    if team_wait is None:
        return Policy(id=IMPROVISED, steps=(on_call,))
    team = NotifyStep(targets=(TeamTarget(),), channels=channels, wait_before=team_wait)

    return Policy(id=IMPROVISED, steps=(on_call, team))


class Snapshot(BaseModel):
    """
    A policy and all it can reach, as they were when an incident opened.

    An edit never changes an escalation that is under way. The hash is taken of
    the content, so that incidents of one policy share one snapshot.

    Attributes:
        root: The policy that the incident starts with.
        catch_all: The one that the installation starts for an exhausted incident.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hash: str
    root: str
    catch_all: str | None = None
    policies: Mapping[str, Policy]

    @classmethod
    def of(
        cls,
        policy: Policy,
        policies: Mapping[str, Policy] | None = None,
        catch_all: str | None = None,
    ) -> Self:
        """
        Take a snapshot of the policy that an incident starts with.

        Args:
            policy: The root.
            policies: Where the others are looked up; what is not there is missing.
            catch_all: The installation's; left out if it is not there.
        """
        known = {**(policies or {}), policy.id: policy}
        first = [policy.id, *([catch_all] if catch_all in known else [])]
        reached = _reached(first, known)

        return cls._made(policy.id, catch_all if catch_all in known else None, reached)

    def extended(self, policy: str, policies: Mapping[str, Policy]) -> Self:
        """Return this snapshot with a policy that was named later; known ones stay."""
        if policy in self.policies or policy not in policies:
            return self
        reached = _reached([policy], {**policies, **self.policies})

        return self._made(self.root, self.catch_all, {**reached, **self.policies})

    @cached_property
    def notices_kept(self) -> int:
        """How many notices a volume gate in it has to look back on; 0 without one."""
        return max(
            (
                step.notices + 1
                for policy in self.policies.values()
                for step in policy.steps
                if isinstance(step, VolumeGateStep) and step.notices is not None
            ),
            default=0,
        )

    @classmethod
    def _made(
        cls, root: str, catch_all: str | None, policies: Mapping[str, Policy]
    ) -> Self:
        ordered = dict(sorted(policies.items()))
        content = CONTENT.dump_json(ordered)
        named = "\0".join([root, catch_all or "", ""]).encode()
        digest = hashlib.sha256(named + content).hexdigest()

        return cls(
            hash=digest[: 2 * HASH_BYTES],
            root=root,
            catch_all=catch_all,
            policies=ordered,
        )


CONTENT = TypeAdapter(Mapping[str, Policy])


def _named_by(step: AnyStep) -> Iterator[str]:
    match step:
        case TimeBranchStep() | MetadataBranchStep():
            if step.outcome.policy is not None:
                yield step.outcome.policy
        case NotifyStep():
            for target in step.targets:
                if isinstance(target, PolicyTarget):
                    yield target.id
        case _:
            return


def _reached(first: list[str], known: Mapping[str, Policy]) -> dict[str, Policy]:
    """Return all policies that can be reached from these, without metadata."""
    found: dict[str, Policy] = {}
    left = list(first)
    while left:
        policy = known.get(left.pop())
        if policy is not None and policy.id not in found:
            found[policy.id] = policy
            left += policy.named()

    return found
