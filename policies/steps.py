"""
The step kinds of a policy, a union on `kind`.

A new kind starts here: the type checker then lists every `match` that has to
learn it. What may be left open on some surface (a wait without a duration, a step
without targets) is refused everywhere else; what is stored is read as it is, also
where a newer version wrote a kind that this one does not know.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from policies.durations import Duration
from policies.localtime import ClockTime, ZoneName
from policies.metadata import ListedValues
from policies.targets import Name, Target
from policies.windows import Window

NO_TIME = timedelta(0)
WAIT_MAX = timedelta(days=7)
# What a wait without a duration lasts; only the Grafana surface can leave it out.
WAIT_UNSET = timedelta(minutes=5)
TARGETS_MAX = 50
CHANNELS_MAX = 20
TEXT_MAX = 10_000
REPEATS_MAX = 100
NOTICES_MAX = 1_000
# Context of a validation that takes what is stored, or what a surface may leave open.
LENIENT = {"lenient": True}

Pause = Annotated[Duration, Field(ge=NO_TIME, le=WAIT_MAX)]


def _filled_in(value: Any, info: ValidationInfo) -> Any:
    if value in (None, ()) and not (info.context and info.context.get("lenient")):
        message = f"{info.field_name} is required here"
        raise ValueError(message)

    return value


# Of a field that some surface may leave open, and everybody else has to fill in.
FilledIn = AfterValidator(_filled_in)
OPEN = Field(validate_default=True)


class Each(StrEnum):
    """Whom of its targets a step pages: all of them, or one after the other in turn."""

    ALL = "all"
    NEXT_EACH_TIME = "next_each_time"


class Verb(StrEnum):
    """What a branch does when it matches."""

    ESCALATE_TO = "escalate_to"
    RESOLVE = "resolve"
    REMOVE = "remove"
    STOP = "stop"


class WaitUntil(BaseModel):
    """A clock time in a zone: the first one later than when the step before ran."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: ClockTime
    zone: ZoneName = "UTC"


class Outcome(BaseModel):
    """
    What follows when a branch matches.

    Attributes:
        policy: The policy that replaces the rest of the walk.
        policy_metadata_key: Or the metadata key that names it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verb: Verb = Verb.STOP
    policy: Name | None = None
    policy_metadata_key: Name | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = (self.policy is not None) + (self.policy_metadata_key is not None)
        if named != (self.verb is Verb.ESCALATE_TO):
            message = (
                "escalate_to takes either policy or policy_metadata_key"
                if self.verb is Verb.ESCALATE_TO
                else f"{self.verb} takes no policy: remove it, or use escalate_to"
            )
            raise ValueError(message)

        return self


class _Step(BaseModel):
    """
    What every step has.

    Attributes:
        id: Given when the step is made; turns are kept under it.
        wait_before: Counts from when the previous step ran.
        wait_until: Or the clock time at which it runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str | None = None
    wait_before: Pause = NO_TIME
    wait_until: WaitUntil | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.wait_before and self.wait_until:
            message = "wait_before and wait_until exclude each other: leave one out"
            raise ValueError(message)

        return self


class WaitStep(_Step):
    """
    Do nothing for a while.

    The wait ends early when somebody acknowledges or resolves the incident.
    """

    kind: Literal["wait"] = "wait"
    duration: Annotated[
        Annotated[Duration, Field(gt=NO_TIME, le=WAIT_MAX)] | None, OPEN, FilledIn
    ] = None


class NotifyStep(_Step):
    """
    Page every responder that the targets stand for when the step runs.

    Attributes:
        urgency: The id of the urgency whose channels and rules are used.
        channels: Exactly these channels, in place of the urgency's.
    """

    kind: Literal["notify"] = "notify"
    targets: Annotated[
        tuple[Target, ...],
        Field(max_length=TARGETS_MAX, validate_default=True),
        FilledIn,
    ] = ()
    each: Each = Each.ALL
    urgency: Name = "high"
    channels: Annotated[tuple[Name, ...], Field(max_length=CHANNELS_MAX)] = ()


class TimeBranchStep(_Step):
    """Go elsewhere if it runs inside a window; else the next step follows."""

    kind: Literal["time_branch"] = "time_branch"
    window: Window
    outcome: Outcome = Outcome()


class MetadataBranchStep(_Step):
    """Go elsewhere if any value under a key is one of these."""

    kind: Literal["metadata_branch"] = "metadata_branch"
    key: Name
    values: ListedValues
    outcome: Outcome = Outcome()


class TimeGateStep(_Step):
    """
    Hold until a window opens, then pass without a second look.

    Attributes:
        is_instant: A window whose ends are equal is that one second, not a day; only
            the Grafana surface says so.
    """

    kind: Literal["time_gate"] = "time_gate"
    window: Annotated[Window | None, OPEN, FilledIn] = None
    is_instant: bool = False


class VolumeGateStep(_Step):
    """Hold until strictly more than so many notices came within so many minutes."""

    kind: Literal["volume_gate"] = "volume_gate"
    notices: Annotated[
        Annotated[int, Field(ge=0, le=NOTICES_MAX)] | None, OPEN, FilledIn
    ] = None
    within: Annotated[
        Annotated[Duration, Field(gt=NO_TIME, le=WAIT_MAX)] | None, OPEN, FilledIn
    ] = None


class InstructionsStep(_Step):
    """
    Post a comment; boxes in it are a checklist.

    Attributes:
        text: Markdown; `{key}` is filled in from the metadata.
        remind_every: Post again this often while boxes are open; None: never.
    """

    kind: Literal["instructions"] = "instructions"
    text: Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]
    remind_every: Annotated[Duration, Field(gt=NO_TIME, le=WAIT_MAX)] | None = None


class WebhookStep(_Step):
    """Call a webhook, and do not wait for it."""

    kind: Literal["webhook"] = "webhook"
    webhook: Annotated[Name | None, OPEN, FilledIn] = None


class RepeatStep(_Step):
    """Go back to step 1, at most so many times."""

    kind: Literal["repeat"] = "repeat"
    times: Annotated[int, Field(ge=1, le=REPEATS_MAX)] = 5


class ResolveStep(_Step):
    """Resolve the incident."""

    kind: Literal["resolve"] = "resolve"


class RemoveStep(_Step):
    """Remove the incident."""

    kind: Literal["remove"] = "remove"


def _known_kind(kind: str, info: ValidationInfo) -> str:
    if not (info.context and info.context.get("lenient")):
        message = f"{kind!r} is no kind of step: use one of {', '.join(sorted(KNOWN))}"
        raise ValueError(message)

    return kind


class UnknownStep(_Step):
    """A step of a kind that this version does not know: it is recorded and passed."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: Annotated[str, AfterValidator(_known_kind)]


UNKNOWN = "unknown"
KNOWN = frozenset(
    {
        "wait",
        "notify",
        "time_branch",
        "metadata_branch",
        "time_gate",
        "volume_gate",
        "instructions",
        "webhook",
        "repeat",
        "resolve",
        "remove",
    }
)


def _tag(value: Any) -> str:
    kind = (
        value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    )

    return kind if isinstance(kind, str) and kind in KNOWN else UNKNOWN


AnyStep = (
    WaitStep
    | NotifyStep
    | TimeBranchStep
    | MetadataBranchStep
    | TimeGateStep
    | VolumeGateStep
    | InstructionsStep
    | WebhookStep
    | RepeatStep
    | ResolveStep
    | RemoveStep
    | UnknownStep
)
Step = Annotated[
    Annotated[WaitStep, Tag("wait")]
    | Annotated[NotifyStep, Tag("notify")]
    | Annotated[TimeBranchStep, Tag("time_branch")]
    | Annotated[MetadataBranchStep, Tag("metadata_branch")]
    | Annotated[TimeGateStep, Tag("time_gate")]
    | Annotated[VolumeGateStep, Tag("volume_gate")]
    | Annotated[InstructionsStep, Tag("instructions")]
    | Annotated[WebhookStep, Tag("webhook")]
    | Annotated[RepeatStep, Tag("repeat")]
    | Annotated[ResolveStep, Tag("resolve")]
    | Annotated[RemoveStep, Tag("remove")]
    # Nobody may write one, so no schema offers it.
    | Annotated[SkipJsonSchema[UnknownStep], Tag(UNKNOWN)],
    Discriminator(_tag),
]


def duration_of(step: AnyStep) -> timedelta:
    """Return how long a step itself waits: only a wait does."""
    if isinstance(step, WaitStep):
        return WAIT_UNSET if step.duration is None else step.duration

    return NO_TIME


def can_page(step: AnyStep) -> bool:
    """Tell whether a step can page: a notify step, or a branch that escalates."""
    match step:
        case NotifyStep():
            return True
        case TimeBranchStep() | MetadataBranchStep():
            return step.outcome.verb is Verb.ESCALATE_TO
        case _:
            return False
