"""
The step kinds of a policy, a union on `kind`.

A new kind starts here: the type checker then lists every `match` that has to
learn it.
"""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from policies.durations import Duration
from policies.targets import Name, Target

NO_TIME = timedelta(0)
WAIT_MAX = timedelta(days=7)
TARGETS_MAX = 50

Pause = Annotated[Duration, Field(ge=NO_TIME, le=WAIT_MAX)]


class _Step(BaseModel):
    """What every step has: `wait_before` counts from when the previous step ran."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wait_before: Pause = NO_TIME


class WaitStep(_Step):
    """
    Do nothing for a while.

    The wait ends early when somebody acknowledges or resolves the incident.
    """

    kind: Literal["wait"] = "wait"
    duration: Annotated[Duration, Field(gt=NO_TIME, le=WAIT_MAX)]


class NotifyStep(_Step):
    """
    Page every responder that the targets stand for when the step runs.

    Attributes:
        urgency: The id of the urgency whose channels and rules are used.
    """

    kind: Literal["notify"] = "notify"
    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=TARGETS_MAX)]
    urgency: Name = "high"


Step = Annotated[WaitStep | NotifyStep, Field(discriminator="kind")]


def pause_of(step: Step) -> timedelta:
    """Return how long a step waits, from when the previous one ran to its own turn."""
    match step:
        case WaitStep():
            return step.wait_before + step.duration
        case NotifyStep():
            return step.wait_before


def can_page(step: Step) -> bool:
    """Tell whether a step can ever page anybody (SEMANTICS 3, the end of a policy)."""
    return isinstance(step, NotifyStep)
