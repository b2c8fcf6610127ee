"""
Who or what a step may name.

In files and answers a target is written as `kind:id`: `user:alice`,
`schedule:primary`. Who that is at a moment is asked of the on-call lookup.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from typing_extensions import override

Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Target(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UserTarget(_Target):
    """One person, whether on call or not."""

    kind: Literal["user"] = "user"
    id: Name

    @override
    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class ScheduleTarget(_Target):
    """Everybody who is on call in a schedule at the moment the step runs."""

    kind: Literal["schedule"] = "schedule"
    id: Name

    @override
    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def _read(value: object) -> object:
    if not isinstance(value, str):
        return value
    kind, colon, named = value.partition(":")
    if not colon:
        message = f"{value!r} names no kind: write user:{value} or schedule:{value}"
        raise ValueError(message)

    return {"kind": kind, "id": named}


Target = Annotated[
    Annotated[UserTarget | ScheduleTarget, Field(discriminator="kind")],
    BeforeValidator(_read),
]
