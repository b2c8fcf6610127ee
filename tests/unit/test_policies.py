"""The policy language: whom a step names, how long it waits, what a snapshot keeps."""

from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError

from policies.policy import Policy, Repeat, Snapshot
from policies.steps import AnyStep, NotifyStep, Step, WaitStep, can_page, duration_of
from policies.targets import AnyTarget, ScheduleTarget, Target, UserTarget

TARGET: TypeAdapter[AnyTarget] = TypeAdapter(Target)
STEP: TypeAdapter[AnyStep] = TypeAdapter(Step)
MINUTE = timedelta(minutes=1)
LONG_NAME = "n" * 200

names = st.text(min_size=1, max_size=10)
targets = st.builds(UserTarget, id=names) | st.builds(ScheduleTarget, id=names)
pauses = st.integers(0, 604_800_000).map(lambda count: timedelta(milliseconds=count))
steps = st.builds(
    WaitStep, wait_before=pauses, duration=pauses.filter(bool)
) | st.builds(
    NotifyStep,
    wait_before=pauses,
    targets=st.lists(targets, min_size=1, max_size=3).map(tuple),
    urgency=names,
)
policies = st.builds(
    Policy,
    id=names,
    name=st.text(max_size=10),
    steps=st.lists(steps, max_size=4).map(tuple),
    repeat=st.builds(Repeat, count=st.integers(0, 100), delay=pauses),
)


def a_policy(*steps: WaitStep | NotifyStep, **repeat: object) -> Policy:
    """Make a policy of these steps."""
    return Policy(id="default", steps=steps, repeat=Repeat.model_validate(repeat))


def a_wait(duration: timedelta = MINUTE) -> WaitStep:
    """Make a step that waits."""
    return WaitStep(duration=duration)


def a_notify(user: str = "alice") -> NotifyStep:
    """Make a step that pages one person."""
    return NotifyStep(targets=(UserTarget(id=user),))


def places(error: ValidationError) -> list[str]:
    """Return where the faults are, as a path."""
    return [".".join(map(str, problem["loc"])) for problem in error.errors()]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("user:alice", UserTarget(id="alice")),
        ("schedule:primary", ScheduleTarget(id="primary")),
        ("schedule:eu:night", ScheduleTarget(id="eu:night")),
        (f"user:{LONG_NAME}", UserTarget(id=LONG_NAME)),
        ({"kind": "user", "id": "alice"}, UserTarget(id="alice")),
        ({"kind": "schedule", "id": "primary"}, ScheduleTarget(id="primary")),
        (UserTarget(id="alice"), UserTarget(id="alice")),
    ],
)
def test_target(written: object, expected: UserTarget | ScheduleTarget) -> None:
    """A target is `kind:id`, the first colon parts them; written out is the same."""
    assert expected == TARGET.validate_python(written)


@pytest.mark.parametrize(
    "written",
    [
        "crowd:everybody",
        "User:alice",
        ":alice",
        "user:",
        f"user:{LONG_NAME}n",
        {"id": "alice"},
        {"kind": "user"},
        {"kind": "user", "id": "alice", "name": "Alice"},
        7,
        None,
    ],
)
def test_no_target(written: object) -> None:
    """An unknown kind, an empty or endless id, a key too many: none is a target."""
    with pytest.raises(ValidationError):
        TARGET.validate_python(written)


def test_target_without_kind() -> None:
    """Who forgets the kind is shown both ways to write it."""
    with pytest.raises(
        ValidationError, match="'alice' names no kind: write user:alice or schedule:"
    ):
        TARGET.validate_python("alice")


@given(targets)
@settings(deadline=None)
def test_target_round_trip(target: UserTarget | ScheduleTarget) -> None:
    """A target that was shown is read as the target it is, whatever its id."""
    assert target == TARGET.validate_python(str(target))


def test_same_id() -> None:
    """A person and a schedule of one name are two targets."""
    assert 2 == len({UserTarget(id="alice"), ScheduleTarget(id="alice")})


def test_notify_step() -> None:
    """A step pages with high urgency and at once, unless it says otherwise."""
    step = STEP.validate_python({"kind": "notify", "targets": ["user:alice"]})

    expected = NotifyStep(
        targets=(UserTarget(id="alice"),), urgency="high", wait_before=timedelta(0)
    )
    assert expected == step


def test_targets_keep_their_order() -> None:
    """Targets stay in the order in which they are listed, also named twice."""
    written = ["schedule:primary", "user:bob", "user:alice", "user:bob"]
    step = STEP.validate_python({"kind": "notify", "targets": written})

    assert isinstance(step, NotifyStep)
    assert written == [str(target) for target in step.targets]


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ({"kind": "wait"}, "wait.duration"),
        ({"kind": "wait", "duration": "0s"}, "wait.duration"),
        ({"kind": "wait", "duration": -1}, "wait.duration"),
        ({"kind": "wait", "duration": "7d1ms"}, "wait.duration"),
        ({"kind": "wait", "duration": "soon"}, "wait.duration"),
        ({"kind": "wait", "duration": "1m", "wait_before": -1}, "wait.wait_before"),
        ({"kind": "wait", "duration": "1m", "wait_before": "8d"}, "wait.wait_before"),
        ({"kind": "wait", "duration": "1m", "targets": []}, "wait.targets"),
        ({"kind": "notify"}, "notify.targets"),
        ({"kind": "notify", "targets": []}, "notify.targets"),
        ({"kind": "notify", "targets": ["user:a", "b"]}, "notify.targets.1"),
        ({"kind": "notify", "targets": ["user:a"] * 51}, "notify.targets"),
        ({"kind": "notify", "targets": ["user:a"], "urgency": ""}, "notify.urgency"),
        ({"kind": "notify", "targets": ["user:a"], "after": "1m"}, "notify.after"),
        ({"kind": "dance"}, "unknown.kind"),
        ({"duration": "1m"}, "unknown.kind"),
    ],
)
def test_no_step(step: dict[str, object], place: str) -> None:
    """What a step cannot be is refused, with the place of the fault."""
    with pytest.raises(ValidationError) as caught:
        STEP.validate_python(step)

    assert [place] == places(caught.value)


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "wait", "duration": "1ms"},
        {"kind": "wait", "duration": "7d", "wait_before": "7d"},
        {"kind": "notify", "targets": ["user:a"] * 50, "wait_before": "0s"},
    ],
)
def test_bounds_of_a_step(step: dict[str, object]) -> None:
    """The bounds themselves are allowed: a millisecond, a week, fifty targets."""
    assert step["kind"] == STEP.validate_python(step).kind


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (WaitStep(duration=MINUTE), MINUTE),
        (WaitStep(duration=MINUTE, wait_before=2 * MINUTE), MINUTE),
        (a_notify(), timedelta(0)),
    ],
)
def test_duration(step: WaitStep | NotifyStep, expected: timedelta) -> None:
    """Only a wait has a duration of its own; what comes before it is not part of it."""
    assert expected == duration_of(step)


def test_who_can_page() -> None:
    """Only a step that notifies can page anybody."""
    assert can_page(a_notify())
    assert not can_page(a_wait())


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (a_policy(), False),
        (a_policy(a_wait(), count=3), False),
        (a_policy(a_wait(), a_wait(), a_notify()), True),
        (a_policy(a_notify(), a_wait()), True),
    ],
)
def test_policy_that_can_page(policy: Policy, expected: bool) -> None:  # noqa: FBT001
    """A policy can page if any one of its steps can; one without steps cannot."""
    assert expected is policy.can_page


def test_smallest_policy() -> None:
    """A policy needs an id alone: it has no steps, and no further rounds."""
    policy = Policy.model_validate({"id": "collect"})

    assert () == policy.steps
    assert Repeat(count=0, delay=timedelta(0)) == policy.repeat


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"id": ""}, "id"),
        ({"id": LONG_NAME + "n"}, "id"),
        ({"steps": [{"kind": "wait", "duration": "1m"}] * 101}, "steps"),
        ({"steps": [{"kind": "wait", "duration": "x"}]}, "steps.0.wait.duration"),
        ({"steps": {}}, "steps"),
        ({"repeat": {"count": -1}}, "repeat.count"),
        ({"repeat": {"count": 101}}, "repeat.count"),
        ({"repeat": {"count": 1.5}}, "repeat.count"),
        ({"repeat": {"delay": -1}}, "repeat.delay"),
        ({"repeat": {"delay": "7d1ms"}}, "repeat.delay"),
        ({"repeat": {"times": 3}}, "repeat.times"),
        ({"fallback": ""}, "fallback"),
        ({"next": "other"}, "next"),
    ],
)
def test_no_policy(part: dict[str, object], place: str) -> None:
    """What a policy cannot be is refused, with the path of the fault."""
    with pytest.raises(ValidationError) as caught:
        Policy.model_validate({"id": "default", **part})

    assert [place] == places(caught.value)


def test_bounds_of_a_policy() -> None:
    """A hundred steps and a hundred further rounds, a week apart, are allowed."""
    policy = a_policy(*[a_wait()] * 100, count=100, delay="7d")

    assert 100 == len(policy.steps)
    assert Repeat(count=100, delay=timedelta(days=7)) == policy.repeat


@given(policies)
@settings(deadline=None)
def test_policy_round_trip(policy: Policy) -> None:
    """What was stored of a policy is read as the same policy."""
    assert policy == Policy.model_validate_json(policy.model_dump_json())


def test_snapshot() -> None:
    """A snapshot knows where an incident starts and holds all it can reach."""
    policy = a_policy(a_notify())
    snapshot = Snapshot.of(policy)

    assert "default" == snapshot.root
    assert {"default": policy} == snapshot.policies


@given(policies)
@settings(deadline=None)
def test_snapshot_round_trip(policy: Policy) -> None:
    """What was stored of a snapshot is read as the same snapshot, hash and all."""
    snapshot = Snapshot.of(policy)

    assert snapshot == Snapshot.model_validate_json(snapshot.model_dump_json())


def test_shared_snapshot() -> None:
    """Incidents of one policy share a snapshot: the hash is of what it says."""
    written = {"id": "default", "steps": [{"kind": "wait", "duration": "60s"}]}

    assert Snapshot.of(Policy.model_validate(written)) == Snapshot.of(
        a_policy(a_wait(MINUTE))
    )


def test_hash() -> None:
    """The hash is 32 small hexadecimal digits: it stands in keys of Redis."""
    digits = Snapshot.of(a_policy()).hash

    assert 32 == len(digits)
    assert set(digits) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "edited",
    [
        a_policy(a_notify("bob"), a_wait()),
        a_policy(a_wait(), a_notify()),
        a_policy(a_notify(), a_wait(timedelta(milliseconds=60_001))),
        a_policy(a_notify(), a_wait(), count=1),
        a_policy(a_notify(), a_wait(), delay=1),
        a_policy(a_notify(), a_wait()).model_copy(update={"id": "other"}),
        a_policy(a_notify(), a_wait()).model_copy(update={"name": "Night"}),
    ],
)
def test_edited(edited: Policy) -> None:
    """Any edit makes another snapshot: no incident is moved to a plan it did not have."""
    before = Snapshot.of(a_policy(a_notify(), a_wait()))

    assert before.hash != Snapshot.of(edited).hash


@pytest.mark.parametrize(
    ("value", "name", "new"),
    [
        (a_policy(), "steps", (a_wait(),)),
        (Repeat(), "count", 3),
        (a_wait(), "duration", 2 * MINUTE),
        (a_notify(), "targets", ()),
        (UserTarget(id="alice"), "id", "bob"),
        (Snapshot.of(a_policy()), "root", "other"),
    ],
)
def test_frozen(value: object, name: str, new: object) -> None:
    """An escalation under way is not changed by anybody who holds its policy."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, name, new)
