"""
The bodies of commands, as they are read and described.

They are read by hand, with the bounds of bodies.py; so the OpenAPI document is told
what they look like (`described`).
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from policies.durations import Duration
from policies.metadata import VALUE_MAX, VALUES_MAX, Reference
from policies.steps import CHANNELS_MAX, TARGETS_MAX
from policies.targets import (
    AnyTarget,
    EverybodyTarget,
    Name,
    PolicyTarget,
    ScheduleTarget,
    Target,
    TeamTarget,
    UserTarget,
)
from workers.web.problems import documented

BY_MAX, TEXT_MAX = 200, 10_000
BOXES_MAX = 1_000
RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}")


def _is_written(value: object) -> object:
    """Take a time as RFC 3339 only: of a number nobody knows the unit."""
    if not (isinstance(value, str) and RFC_3339.match(value)):
        message = "write it as RFC 3339, like 2026-11-24T18:00:00Z"
        raise ValueError(message)

    return value


def _is_step(value: object) -> object:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not (is_number or isinstance(value, str)) or value in {0, ""}:
        message = "give the step's number, from 1, or its id"
        raise ValueError(message)

    return value


def _are_some(value: tuple[AnyTarget, ...]) -> tuple[AnyTarget, ...]:
    if not value:
        message = "name at least one target, or leave it out"
        raise ValueError(message)

    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, int) else value


At = Annotated[AwareDatetime, BeforeValidator(_is_written)]
By = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=BY_MAX),
]
Said = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT_MAX)
]
Boxes = Annotated[
    tuple[Annotated[int, Strict(), Field(ge=1, le=BOXES_MAX)], ...],
    BeforeValidator(_listed, json_schema_input_type=int | list[int]),
    Field(min_length=1, max_length=BOXES_MAX),
]
Step = Annotated[int | str, BeforeValidator(_is_step)]
WrittenTarget = Annotated[
    Target, WithJsonSchema({"type": "string", "examples": ["user:alice"]})
]
Targets = Annotated[
    tuple[WrittenTarget, ...], Field(max_length=TARGETS_MAX), AfterValidator(_are_some)
]


class CommandBody(BaseModel):
    """
    Who gives a command.

    Attributes:
        by: A user's id or any name; the token's user, else its name, if left out.
    """

    model_config = ConfigDict(extra="forbid")

    by: By | None = None


class SnoozeBody(CommandBody):
    """
    How long nobody shall be paged: until a time, for a while, or neither: for ever.

    Attributes:
        until: When it ends, RFC 3339.
        duration: Or how long it lasts, like `2h`; a number is seconds.
    """

    until: At | None = None
    duration: Duration | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.until is not None and self.duration is not None:
            message = "give until or duration, not both"
            raise ValueError(message)

        return self


class EscalateBody(CommandBody):
    """
    Where to escalate to: nothing more than now, or exactly one of these.

    Attributes:
        step: The main walk goes on here: the step's number, from 1, or its id.
        policy: This policy is walked beside the main walk.
        user: This person is paged.
        team: Everybody in this team is.
        schedule: Whoever is on call in it is.
        everybody: Everybody is.
        targets: All of these are, written like `user:alice`.
        urgency: How they are paged; `high` if left out.
        channels: Exactly these channels, in place of the urgency's.
    """

    step: Step | None = None
    policy: Name | None = None
    user: Name | None = None
    team: Name | None = None
    schedule: Name | None = None
    everybody: Literal[True] | None = None
    targets: Targets | None = None
    urgency: Name | None = None
    channels: Annotated[tuple[Name, ...], Field(max_length=CHANNELS_MAX)] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = [name for name in _WHERE if getattr(self, name) is not None]
        if len(named) > 1:
            message = f"give only one of {', '.join(named)}"
            raise ValueError(message)
        if (self.urgency or self.channels) and not self.named():
            message = "urgency and channels say how somebody is paged: name whom"
            raise ValueError(message)

        return self

    def named(self) -> dict[str, AnyTarget]:
        """Return whom it names, by the name of the field."""
        found: Mapping[str, AnyTarget | None] = {
            "policy": PolicyTarget(id=self.policy) if self.policy else None,
            "user": UserTarget(id=self.user) if self.user else None,
            "team": TeamTarget(id=self.team) if self.team else None,
            "schedule": ScheduleTarget(id=self.schedule) if self.schedule else None,
            "everybody": EverybodyTarget() if self.everybody else None,
        }
        listed = {
            f"targets[{index}]": target
            for index, target in enumerate(self.targets or ())
        }

        return {name: one for name, one in found.items() if one is not None} | listed


_WHERE = ("step", "policy", "user", "team", "schedule", "everybody", "targets")


class ReassignBody(CommandBody):
    """
    Who is to take it over.

    Attributes:
        to: A user's id.
        urgency: How they are paged; `high` if left out.
    """

    to: Name
    urgency: Name | None = None


class AttachBody(CommandBody):
    """
    What to make it a part of.

    Attributes:
        parent: An incident's id.
    """

    parent: Name


class MetadataBody(CommandBody):
    """
    The values of a key; none of either kind removes it.

    Attributes:
        texts: Values that are text.
        references: Values that name an object: a User, Schedule, Team, Policy or
            UserGroup, or whatever another system has.
    """

    texts: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=VALUE_MAX)], ...],
        Field(max_length=VALUES_MAX),
    ] = ()
    references: Annotated[tuple[Reference, ...], Field(max_length=VALUES_MAX)] = ()


class CommentBody(CommandBody):
    """
    Something to say.

    Attributes:
        text: Boxes are written as `- [ ] look at the disk`.
    """

    text: Said


class CommentEditBody(CommandBody):
    """
    How a comment changes: a new text, or boxes by their numbers.

    Attributes:
        text: All of its text.
        tick: Boxes that are done: a number, or several, counted from 1.
        untick: Boxes that are not, after all.
    """

    text: Said | None = None
    tick: Boxes | None = None
    untick: Boxes | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        has_boxes = bool(self.tick or self.untick)
        if (self.text is not None) == has_boxes:
            message = "give either text, or tick and untick"
            raise ValueError(message)
        if set(self.tick or ()) & set(self.untick or ()):
            message = "one box is in both tick and untick"
            raise ValueError(message)

        return self


READING = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_COMMANDING = documented(
    *READING,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def described(
    body: type[BaseModel],
    *,
    is_required: bool = False,
    **examples: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe a command for the OpenAPI document: its body, its refusals."""
    schema = _inlined(body.model_json_schema())
    if not is_required:
        schema["type"] = ["object", "null"]
    content = {
        "schema": schema,
        "examples": {name: {"value": one} for name, one in examples.items()},
    }

    return {
        "responses": _COMMANDING,
        "openapi_extra": {
            "requestBody": {
                "required": is_required,
                "content": {"application/json": content},
            }
        },
    }


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without references: in the document they would lead nowhere."""
    definitions = schema.pop("$defs", {})

    def inline(value: Any) -> Any:
        match value:
            case {"$ref": str(reference)}:
                return inline(definitions[reference.rpartition("/")[2]])
            case dict():
                return {key: inline(one) for key, one in value.items()}
            case list():
                return [inline(one) for one in value]
            case _:
                return value

    inlined: dict[str, Any] = inline(schema)

    return inlined
