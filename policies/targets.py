"""
Who or what a step may name.

In files and answers a target is written as `kind:id`: `user:alice`,
`schedule:primary`; some kinds go without an id, as `everybody` and `schedule`, which is
the one of the incident's team. Who that is at a moment is asked of the on-call look-up.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter
from typing_extensions import override

Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Target(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    id: str | None

    @override
    def __str__(self) -> str:
        return self.kind if self.id is None else f"{self.kind}:{self.id}"


class UserTarget(_Target):
    """One person, whether on call or not."""

    kind: Literal["user"] = "user"
    id: Name


class TeamTarget(_Target):
    """Everybody in a team; without an id, the incident's."""

    kind: Literal["team"] = "team"
    id: Name | None = None


class UserGroupTarget(_Target):
    """Everybody in a group of users."""

    kind: Literal["user_group"] = "user_group"
    id: Name


class ScheduleTarget(_Target):
    """
    Everybody who is on call in a schedule at the moment the step runs.

    Without an id it is the default schedule of the incident's team.
    """

    kind: Literal["schedule"] = "schedule"
    id: Name | None = None


class LayerTarget(_Target):
    """Who is on call in one layer of a schedule: `layer:schedule/layer`."""

    kind: Literal["layer"] = "layer"
    id: Annotated[str, Field(pattern=r"^[^/]{1,200}/.{1,200}$")]


class EverybodyTarget(_Target):
    """Everybody there is."""

    kind: Literal["everybody"] = "everybody"
    id: None = None


class ChannelTarget(_Target):
    """A place that many read: a chat room, a webhook."""

    kind: Literal["channel"] = "channel"
    id: Name


class ChannelsTarget(_Target):
    """Every such place of a kind: `channels:slack`."""

    kind: Literal["channels"] = "channels"
    id: Name


class PolicyTarget(_Target):
    """Another policy, walked beside this one."""

    kind: Literal["policy"] = "policy"
    id: Name


class MetadataTarget(_Target):
    """Whoever or whatever the incident's metadata names under a key."""

    kind: Literal["metadata"] = "metadata"
    id: Name


AnyTarget = (
    UserTarget
    | TeamTarget
    | UserGroupTarget
    | ScheduleTarget
    | LayerTarget
    | EverybodyTarget
    | ChannelTarget
    | ChannelsTarget
    | PolicyTarget
    | MetadataTarget
)


# These go without an id too.
ALONE = frozenset({"everybody", "schedule", "team"})


def _read(value: object) -> object:
    return _fields(value) if isinstance(value, str) else value


def _fields(text: str) -> dict[str, str]:
    """Turn the text of a target into its fields."""
    kind, colon, named = text.partition(":")
    if not colon and kind not in ALONE:
        message = f"{text!r} names no kind: write user:{text} or schedule:{text}"
        raise ValueError(message)

    return {"kind": kind, "id": named} if colon else {"kind": kind}


_Fields = Annotated[AnyTarget, Field(discriminator="kind")]
Target = Annotated[
    _Fields, BeforeValidator(_read, json_schema_input_type=str | _Fields)
]


def target_of(text: str) -> AnyTarget:
    """
    Read a target that was written by `str`.

    Raises:
        ValueError: If it is none.
    """
    return ADAPTER.validate_python(text)


ADAPTER: TypeAdapter[AnyTarget] = TypeAdapter(Target)
