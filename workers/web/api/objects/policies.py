"""Policies, written as in docs/policies.md, and the fixed table of who is on call."""

from typing import Annotated, Any, Self

from pydantic import Field, JsonValue
from typing_extensions import override

from engine.directory import ObjectKind
from policies.policy import STEPS_MAX, Policy, Repeat, WhenNobody
from policies.steps import AnyStep, NotifyStep, Step
from policies.targets import Name
from workers.web.api.objects.people import Members
from workers.web.api.objects.resource import ObjectAnswer, ObjectBody, Resource, Text


class PolicyBody(ObjectBody):
    """A policy, as in docs/policies.md."""

    name: Text = ""
    steps: Annotated[tuple[Step, ...], Field(max_length=STEPS_MAX)] = ()
    repeat: Repeat = Repeat()
    fallback: Name | None = None
    when_nobody: WhenNobody = WhenNobody.NEXT_STEP

    @override
    def record(self, object_id: str, current: Any, secret: str) -> Policy:
        return Policy(
            id=object_id,
            name=self.name,
            steps=self.steps,
            repeat=self.repeat,
            fallback=self.fallback,
            when_nobody=self.when_nobody,
        )


class PolicyAnswer(ObjectAnswer):
    """
    A policy.

    Attributes:
        steps: As they are sent; what was left out has the value that holds.
    """

    name: str
    steps: list[dict[str, JsonValue]]
    repeat: Repeat
    fallback: str | None
    when_nobody: WhenNobody

    @classmethod
    @override
    def of(cls, object_id: str, value: Policy, origin: str | None) -> Self:
        return cls(
            id=object_id,
            name=value.name,
            steps=[_written(step) for step in value.steps],
            repeat=value.repeat,
            fallback=value.fallback,
            when_nobody=value.when_nobody,
            origin=origin,
        )


class ScheduleBody(ObjectBody):
    """Who is on call in a schedule, as a fixed table says."""

    people: Members = ()

    @override
    def record(self, object_id: str, current: Any, secret: str) -> tuple[str, ...]:
        return self.people


class ScheduleAnswer(ObjectAnswer):
    """Who is on call in a schedule, as a fixed table says."""

    people: list[str]

    @classmethod
    @override
    def of(cls, object_id: str, value: tuple[str, ...], origin: str | None) -> Self:
        return cls(id=object_id, people=list(value), origin=origin)


def _written(step: AnyStep) -> dict[str, JsonValue]:
    """Return a step as people write it: its kind first, targets as text."""
    written = step.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(step, NotifyStep):
        written["targets"] = [str(target) for target in step.targets]

    return {"kind": step.kind, **written}


POLICIES = Resource(
    path="policies",
    kind=ObjectKind.POLICIES,
    body=PolicyBody,
    answer=PolicyAnswer,
    example={
        "name": "Checkout",
        "steps": [
            {"kind": "notify", "targets": ["schedule:primary"]},
            {"kind": "notify", "targets": ["user:bob"], "wait_before": "5m"},
        ],
        "repeat": {"count": 2, "delay": "15m"},
    },
)
SCHEDULES = Resource(
    path="schedules",
    kind=ObjectKind.ON_CALL,
    body=ScheduleBody,
    answer=ScheduleAnswer,
    example={"id": "primary", "people": ["alice"]},
)
