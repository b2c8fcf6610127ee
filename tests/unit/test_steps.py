"""The step kinds: what each of them takes, what it may leave out, and where."""

from datetime import time, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from policies.metadata import ListedValue
from policies.steps import (
    KNOWN,
    LENIENT,
    AnyStep,
    Each,
    InstructionsStep,
    MetadataBranchStep,
    NotifyStep,
    Outcome,
    RemoveStep,
    RepeatStep,
    ResolveStep,
    Step,
    TimeBranchStep,
    TimeGateStep,
    UnknownStep,
    Verb,
    VolumeGateStep,
    WaitStep,
    WaitUntil,
    WebhookStep,
    can_page,
    duration_of,
)
from policies.targets import UserTarget
from policies.windows import Window

STEP: TypeAdapter[AnyStep] = TypeAdapter(Step)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
LONG_NAME = "n" * 200
ESCALATE = {"verb": "escalate_to", "policy": "night"}

# Of every kind: the least that it takes everywhere, and the step that this is.
SMALLEST: dict[str, tuple[dict[str, object], AnyStep]] = {
    "wait": ({"duration": "1m"}, WaitStep(duration=MINUTE)),
    "notify": (
        {"targets": ["user:alice"]},
        NotifyStep(
            targets=(UserTarget(id="alice"),),
            each=Each.ALL,
            urgency="high",
            channels=(),
        ),
    ),
    "time_branch": (
        {"window": {}},
        TimeBranchStep(window=Window(), outcome=Outcome(verb=Verb.STOP)),
    ),
    "metadata_branch": (
        {"key": "service", "values": ["db"]},
        MetadataBranchStep(
            key="service",
            values=(ListedValue(value="db"),),
            outcome=Outcome(verb=Verb.STOP),
        ),
    ),
    "time_gate": ({"window": {}}, TimeGateStep(window=Window(), is_instant=False)),
    "volume_gate": (
        {"notices": 0, "within": "1m"},
        VolumeGateStep(notices=0, within=MINUTE),
    ),
    "instructions": ({"text": "Do."}, InstructionsStep(text="Do.", remind_every=None)),
    "webhook": ({"webhook": "deploys"}, WebhookStep(webhook="deploys")),
    "repeat": ({}, RepeatStep(times=5)),
    "resolve": ({}, ResolveStep()),
    "remove": ({}, RemoveStep()),
}
# What some surface may leave open, by kind.
OPEN = [
    ("wait", "duration", None),
    ("notify", "targets", ()),
    ("time_gate", "window", None),
    ("volume_gate", "notices", None),
    ("volume_gate", "within", None),
    ("webhook", "webhook", None),
]
kinds = pytest.mark.parametrize("kind", sorted(KNOWN))


def written(kind: str, **parts: object) -> dict[str, object]:
    """Write the smallest step of a kind, with these fields."""
    return {"kind": kind, **SMALLEST[kind][0], **parts}


def places(error: ValidationError) -> list[str]:
    """Return where the faults are, as a path."""
    return [".".join(map(str, fault["loc"])) for fault in error.errors()]


def sized(part: object) -> object:
    """Return a part of a step, of a list only how long it is."""
    return len(part) if isinstance(part, list) else part


def test_kinds() -> None:
    """There are eleven kinds of step, and the tables of these tests hold them all."""
    assert 11 == len(KNOWN)
    assert set(SMALLEST) == KNOWN


@kinds
def test_defaults(kind: str) -> None:
    """A step of a kind needs no more than this, and what is left out is as told here."""
    step = STEP.validate_python(written(kind))

    assert SMALLEST[kind][1] == step
    assert kind == step.kind
    assert (None, timedelta(0), None) == (step.id, step.wait_before, step.wait_until)


@kinds
def test_round_trip(kind: str) -> None:
    """What was stored of a step is read as the same step, whatever comes before it."""
    for parts in (
        {},
        {"id": "s1", "wait_before": "1h"},
        {"wait_until": {"time": "07:45", "zone": "Europe/Prague"}},
    ):
        step = STEP.validate_python(written(kind, **parts))

        assert step == STEP.validate_json(STEP.dump_json(step))
        assert step == STEP.validate_python(step)


@kinds
def test_wait_before(kind: str) -> None:
    """Every step may wait before it runs: up to a week, or until a clock time."""
    step = STEP.validate_python(written(kind, wait_before="7d"))
    until = STEP.validate_python(written(kind, wait_until={"time": "07:45:30"}))
    both = written(kind, wait_before="0s", wait_until={"time": "07:45"})

    assert timedelta(days=7) == step.wait_before
    assert WaitUntil(time=time(7, 45, 30), zone="UTC") == until.wait_until
    assert STEP.validate_python(both).wait_until == WaitUntil(time=time(7, 45))


@kinds
def test_wait_before_or_until(kind: str) -> None:
    """A step waits for a time or until one, not both: the error says to leave one out."""
    both = written(kind, wait_before="1ms", wait_until={"time": "07:45"})
    with pytest.raises(
        ValidationError,
        match="wait_before and wait_until exclude each other: leave one out",
    ) as caught:
        STEP.validate_python(both, context=LENIENT)

    assert [kind] == places(caught.value)


@kinds
@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ({"wait_before": -1}, "wait_before"),
        ({"wait_before": "7d1ms"}, "wait_before"),
        ({"wait_before": None}, "wait_before"),
        ({"wait_until": {}}, "wait_until.time"),
        ({"wait_until": "07:45"}, "wait_until"),
        ({"wait_until": {"time": 465}}, "wait_until.time"),
        ({"wait_until": {"time": "07:45", "zone": "Prague"}}, "wait_until.zone"),
        ({"wait_until": {"time": "07:45", "day": "mon"}}, "wait_until.day"),
        ({"id": 7}, "id"),
        ({"after": "1m"}, "after"),
    ],
)
def test_fault_of_any_step(kind: str, parts: dict[str, object], place: str) -> None:
    """What no step takes is refused with its place, also of what is stored."""
    for context in ({}, LENIENT):
        with pytest.raises(ValidationError) as caught:
            STEP.validate_python(written(kind, **parts), context=context)

        assert [f"{kind}.{place}"] == places(caught.value)


@pytest.mark.parametrize(
    ("kind", "parts", "place"),
    [
        ("wait", {"duration": "0s"}, "duration"),
        ("wait", {"duration": "7d1ms"}, "duration"),
        ("notify", {"targets": ["user:alice"] * 51}, "targets"),
        ("notify", {"targets": ["user:alice", "bob"]}, "targets.1"),
        ("notify", {"targets": ["user:"]}, "targets.0.user.id"),
        ("notify", {"targets": ["everybody:x"]}, "targets.0.everybody.id"),
        ("notify", {"targets": [{"kind": "layer", "id": "x"}]}, "targets.0.layer.id"),
        ("notify", {"each": "second"}, "each"),
        ("notify", {"urgency": ""}, "urgency"),
        ("notify", {"urgency": LONG_NAME + "n"}, "urgency"),
        ("notify", {"urgency": None}, "urgency"),
        ("notify", {"channels": ["sms"] * 21}, "channels"),
        ("notify", {"channels": ["sms", ""]}, "channels.1"),
        ("time_branch", {"window": None}, "window"),
        ("time_branch", {"window": {"to": "7:00"}}, "window.to"),
        ("time_branch", {"window": {"days": ["mon", "tu"]}}, "window.days.1"),
        ("time_branch", {"outcome": None}, "outcome"),
        ("time_branch", {"outcome": {"verb": "snooze"}}, "outcome.verb"),
        ("time_branch", {"outcome": {"verb": "escalate_to"}}, "outcome"),
        ("metadata_branch", {"key": ""}, "key"),
        ("metadata_branch", {"key": None}, "key"),
        ("metadata_branch", {"values": []}, "values"),
        ("metadata_branch", {"values": ["db"] * 51}, "values"),
        ("metadata_branch", {"values": ["db", {"type": "User"}]}, "values.1"),
        ("metadata_branch", {"outcome": {**ESCALATE, "policy": ""}}, "outcome.policy"),
        ("time_gate", {"window": {"zone": "Mars"}}, "window.zone"),
        ("time_gate", {"is_instant": "perhaps"}, "is_instant"),
        ("volume_gate", {"notices": -1}, "notices"),
        ("volume_gate", {"notices": 1_001}, "notices"),
        ("volume_gate", {"notices": 1.5}, "notices"),
        ("volume_gate", {"within": "0s"}, "within"),
        ("volume_gate", {"within": "7d1ms"}, "within"),
        ("instructions", {"text": ""}, "text"),
        ("instructions", {"text": None}, "text"),
        ("instructions", {"text": "t" * 10_001}, "text"),
        ("instructions", {"remind_every": "0s"}, "remind_every"),
        ("instructions", {"remind_every": "7d1ms"}, "remind_every"),
        ("webhook", {"webhook": ""}, "webhook"),
        ("webhook", {"webhook": LONG_NAME + "n"}, "webhook"),
        ("repeat", {"times": 0}, "times"),
        ("repeat", {"times": 101}, "times"),
        ("repeat", {"times": None}, "times"),
    ],
)
def test_fault(kind: str, parts: dict[str, object], place: str) -> None:
    """What a step of a kind cannot be is refused with its place, also of what is stored."""
    for context in ({}, LENIENT):
        with pytest.raises(ValidationError) as caught:
            STEP.validate_python(written(kind, **parts), context=context)

        assert [f"{kind}.{place}"] == places(caught.value)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("wait", {"duration": "1ms"}),
        ("wait", {"duration": "7d"}),
        ("notify", {"targets": ["user:alice"] * 50, "channels": ["sms"] * 20}),
        ("notify", {"each": "next_each_time", "urgency": LONG_NAME}),
        ("notify", {"targets": ["everybody", "schedule", "team", "policy:night"]}),
        ("metadata_branch", {"key": LONG_NAME, "values": ["db"] * 50}),
        ("time_gate", {"is_instant": True}),
        ("volume_gate", {"notices": 1_000, "within": "7d"}),
        ("volume_gate", {"notices": 0, "within": "1ms"}),
        ("instructions", {"text": "t" * 10_000, "remind_every": "7d"}),
        ("instructions", {"text": "- [ ] {service}", "remind_every": "1ms"}),
        ("webhook", {"webhook": LONG_NAME}),
        ("repeat", {"times": 1}),
        ("repeat", {"times": 100}),
    ],
)
def test_bounds(kind: str, parts: dict[str, object]) -> None:
    """The bounds themselves are allowed."""
    step = STEP.validate_python(written(kind, **parts))
    stored = STEP.dump_python(step, mode="json")

    assert kind == step.kind
    for name, part in parts.items():
        assert sized(part) == sized(stored[name])


@pytest.mark.parametrize(("kind", "field", "empty"), OPEN)
def test_left_open(kind: str, field: str, empty: object) -> None:
    """What a surface may leave open is refused elsewhere, left out or empty alike."""
    without = {name: part for name, part in written(kind).items() if name != field}
    for step in (without, {**without, field: empty}):
        with pytest.raises(
            ValidationError, match=f"{field} is required here"
        ) as caught:
            STEP.validate_python(step)

        assert [f"{kind}.{field}"] == places(caught.value)


@pytest.mark.parametrize(("kind", "field", "empty"), OPEN)
def test_stored_open(kind: str, field: str, empty: object) -> None:
    """What was left open is stored and read as it is: it is not filled in on the way."""
    without = {name: part for name, part in written(kind).items() if name != field}
    step = STEP.validate_python(without, context=LENIENT)
    given = STEP.validate_python({**without, field: empty}, context=LENIENT)

    assert empty == getattr(step, field)
    assert step == given
    assert step == STEP.validate_json(STEP.dump_json(step), context=LENIENT)


@kinds
def test_required_everywhere(kind: str) -> None:
    """What no surface may leave open is refused also of what is stored."""
    can_be_open = {field for one, field, _ in OPEN if one == kind}
    for field in SMALLEST[kind][0].keys() - can_be_open:
        without = {name: part for name, part in written(kind).items() if name != field}
        with pytest.raises(ValidationError) as caught:
            STEP.validate_python(without, context=LENIENT)

        assert [f"{kind}.{field}"] == places(caught.value)


@kinds
def test_lenient_is_said(kind: str) -> None:
    """Only who says so is lenient: another context is as strict as none."""
    for field in (field for one, field, _ in OPEN if one == kind):
        step = written(kind, **{field: () if field == "targets" else None})
        for context in (None, {}, {"lenient": False}, {"other": True}):
            with pytest.raises(ValidationError):
                STEP.validate_python(step, context=context)


@pytest.mark.parametrize("kind", ["dance", "Wait", "", "unknown", "notify "])
def test_unknown_kind(kind: str) -> None:
    """An unknown kind is refused, and the known ones are listed."""
    with pytest.raises(ValidationError) as caught:
        STEP.validate_python({"kind": kind})

    assert ["unknown.kind"] == places(caught.value)
    assert f"{kind!r} is no kind of step: use one of {', '.join(sorted(KNOWN))}" in str(
        caught.value
    )


@pytest.mark.parametrize("kind", ["dance", "Wait", "unknown"])
def test_stored_unknown_kind(kind: str) -> None:
    """A kind that a newer version stored is read as it is, with all it had, and kept."""
    stored = {
        "kind": kind,
        "id": "s1",
        "wait_before": "5m",
        "wait_until": None,
        "partners": ["alice", {"id": "bob"}],
        "duration": 7,
    }
    step = STEP.validate_python(stored, context=LENIENT)

    assert isinstance(step, UnknownStep)
    assert 5 * MINUTE == step.wait_before
    assert stored == STEP.dump_python(step, mode="json")
    assert step == STEP.validate_json(STEP.dump_json(step), context=LENIENT)


@pytest.mark.parametrize("kind", [None, 7, True])
def test_kind_that_is_no_text(kind: object) -> None:
    """A kind is a text, also of what is stored."""
    for context in ({}, LENIENT):
        with pytest.raises(ValidationError) as caught:
            STEP.validate_python({"kind": kind}, context=context)

        assert ["unknown.kind"] == places(caught.value)


@pytest.mark.parametrize("step", ["wait", 7, None, [], [{"kind": "wait"}]])
def test_no_step(step: object) -> None:
    """A step is written as fields; its kind alone is none."""
    for context in ({}, LENIENT):
        with pytest.raises(ValidationError):
            STEP.validate_python(step, context=context)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ({}, Outcome(verb=Verb.STOP)),
        ({"verb": "stop"}, Outcome(verb=Verb.STOP)),
        ({"verb": "resolve"}, Outcome(verb=Verb.RESOLVE)),
        ({"verb": "remove"}, Outcome(verb=Verb.REMOVE)),
        (ESCALATE, Outcome(verb=Verb.ESCALATE_TO, policy="night")),
        (
            {"verb": "escalate_to", "policy_metadata_key": "team"},
            Outcome(verb=Verb.ESCALATE_TO, policy_metadata_key="team"),
        ),
    ],
)
def test_outcome(outcome: dict[str, object], expected: Outcome) -> None:
    """A branch that matches stops the walk, unless it says otherwise."""
    found = Outcome.model_validate(outcome)

    assert expected == found
    assert found == Outcome.model_validate_json(found.model_dump_json())


@pytest.mark.parametrize(
    "outcome",
    [
        {"verb": "escalate_to"},
        {"verb": "escalate_to", "policy": None},
        {"verb": "escalate_to", "policy": "night", "policy_metadata_key": "team"},
    ],
)
def test_escalate_to(outcome: dict[str, object]) -> None:
    """Escalating takes a policy or the metadata key that names it: exactly one of them."""
    with pytest.raises(
        ValidationError, match="takes either policy or policy_metadata_key"
    ):
        Outcome.model_validate(outcome, context=LENIENT)


@pytest.mark.parametrize("field", ["policy", "policy_metadata_key"])
@pytest.mark.parametrize("verb", ["resolve", "remove", "stop"])
def test_outcome_without_policy(verb: str, field: str) -> None:
    """Only escalating takes a policy: whoever gives one elsewhere is told what to do."""
    with pytest.raises(
        ValidationError, match=f"{verb} takes no policy: remove it, or use escalate_to"
    ):
        Outcome.model_validate({"verb": verb, field: "night"})


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"verb": "escalate"}, "verb"),
        ({"verb": None}, "verb"),
        ({"policy": ""}, "policy"),
        ({"policy": LONG_NAME + "n"}, "policy"),
        ({"policy": 7}, "policy"),
        ({"policy": None, "policy_metadata_key": ""}, "policy_metadata_key"),
        ({"to": "day"}, "to"),
    ],
)
def test_no_outcome(part: dict[str, object], place: str) -> None:
    """What an outcome cannot be is refused with its place."""
    with pytest.raises(ValidationError) as caught:
        Outcome.model_validate({**ESCALATE, **part})

    assert [place] == places(caught.value)


@kinds
def test_duration(kind: str) -> None:
    """Only a wait has a duration of its own; what comes before it is not part of it."""
    step = STEP.validate_python(written(kind, wait_before="1h"))

    assert (MINUTE if kind == "wait" else timedelta(0)) == duration_of(step)


def test_duration_left_open() -> None:
    """A wait without a duration lasts five minutes; a step of an unknown kind, nothing."""
    wait = STEP.validate_python({"kind": "wait"}, context=LENIENT)
    other = STEP.validate_python({"kind": "dance", "duration": "1m"}, context=LENIENT)

    assert 300 * SECOND == duration_of(wait)
    assert timedelta(0) == duration_of(other)


@kinds
def test_who_can_page(kind: str) -> None:
    """A step that notifies can page; none of the others can by itself."""
    assert (kind == "notify") is can_page(STEP.validate_python(written(kind)))


@pytest.mark.parametrize("kind", ["time_branch", "metadata_branch"])
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (ESCALATE, True),
        ({"verb": "escalate_to", "policy_metadata_key": "team"}, True),
        ({"verb": "stop"}, False),
        ({"verb": "resolve"}, False),
        ({"verb": "remove"}, False),
    ],
)
def test_branch_that_can_page(
    kind: str, outcome: dict[str, object], *, expected: bool
) -> None:
    """A branch can page if it escalates, also to a policy that is not known yet."""
    step = STEP.validate_python(written(kind, outcome=outcome))

    assert expected is can_page(step)


def test_unknown_kind_cannot_page() -> None:
    """A kind that this version does not know pages nobody, whatever it names."""
    stored = {"kind": "page_all", "targets": ["user:alice"], "outcome": ESCALATE}

    assert not can_page(STEP.validate_python(stored, context=LENIENT))


@kinds
def test_frozen(kind: str) -> None:
    """An escalation under way is not changed by anybody who holds its steps."""
    with pytest.raises(ValidationError, match="frozen"):
        SMALLEST[kind][1].id = "other"  # type: ignore[misc]
