"""The policy language: whom a step names, how long it waits, what a snapshot keeps."""

from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError

from policies.policy import Policy, Repeat, Snapshot, WhenNobody, improvised
from policies.steps import LENIENT, AnyStep, NotifyStep, Step, WaitStep
from policies.targets import (
    ALONE,
    AnyTarget,
    ChannelsTarget,
    ChannelTarget,
    EverybodyTarget,
    LayerTarget,
    MetadataTarget,
    PolicyTarget,
    ScheduleTarget,
    Target,
    TeamTarget,
    UserGroupTarget,
    UserTarget,
    target_of,
)

TARGET: TypeAdapter[AnyTarget] = TypeAdapter(Target)
STEP: TypeAdapter[AnyStep] = TypeAdapter(Step)
MINUTE = timedelta(minutes=1)
LONG_NAME = "n" * 200

names = st.text(min_size=1, max_size=10)
targets = st.one_of(
    st.just(EverybodyTarget()),
    st.builds(UserTarget, id=names),
    st.builds(UserGroupTarget, id=names),
    st.builds(TeamTarget, id=st.none() | names),
    st.builds(ScheduleTarget, id=st.none() | names),
    st.from_regex(r"\A[^/\n]{1,5}/[^\n]{1,5}\Z").map(lambda id_: LayerTarget(id=id_)),
    st.builds(ChannelTarget, id=names),
    st.builds(ChannelsTarget, id=names),
    st.builds(PolicyTarget, id=names),
    st.builds(MetadataTarget, id=names),
)
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
    fallback=st.none() | names,
    when_nobody=st.sampled_from(WhenNobody),
)


def a_policy(*steps: AnyStep, **repeat: object) -> Policy:
    """Make a policy of these steps."""
    return Policy(id="default", steps=steps, repeat=Repeat.model_validate(repeat))


def a_wait(duration: timedelta = MINUTE) -> WaitStep:
    """Make a step that waits."""
    return WaitStep(duration=duration)


def a_notify(user: str = "alice") -> NotifyStep:
    """Make a step that pages one person."""
    return NotifyStep(targets=(UserTarget(id=user),))


def a_branch(policy: str | None = None, kind: str = "time_branch") -> AnyStep:
    """Make a branch to a policy, or one that stops."""
    outcome = {"verb": "escalate_to", "policy": policy} if policy else {}
    match kind:
        case "time_branch":
            what: dict[str, object] = {"window": {}}
        case _:
            what = {"key": "service", "values": ["db"]}

    return STEP.validate_python({"kind": kind, "outcome": outcome, **what})


def a_volume_gate(notices: int | None) -> AnyStep:
    """Make a gate that opens when more than so many notices came."""
    written = {"kind": "volume_gate", "notices": notices, "within": "5m"}

    return STEP.validate_python(written, context=LENIENT)


def named(name: str, *steps: AnyStep, fallback: str | None = None) -> Policy:
    """Make a policy of some id."""
    return Policy(id=name, steps=steps, fallback=fallback)


def by_id(*policies: Policy) -> dict[str, Policy]:
    """Lay policies out the way that they are looked up."""
    return {policy.id: policy for policy in policies}


def places(error: ValidationError) -> list[str]:
    """Return where the faults are, as a path."""
    return [".".join(map(str, problem["loc"])) for problem in error.errors()]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("user:alice", UserTarget(id="alice")),
        ("user_group:sre", UserGroupTarget(id="sre")),
        ("schedule:primary", ScheduleTarget(id="primary")),
        ("schedule", ScheduleTarget(id=None)),
        ("team:db", TeamTarget(id="db")),
        ("team", TeamTarget(id=None)),
        ("layer:primary/night", LayerTarget(id="primary/night")),
        ("layer:primary/a/b", LayerTarget(id="primary/a/b")),
        ("everybody", EverybodyTarget()),
        ("channel:slack:C042", ChannelTarget(id="slack:C042")),
        ("channels:slack", ChannelsTarget(id="slack")),
        ("policy:night", PolicyTarget(id="night")),
        ("metadata:owner", MetadataTarget(id="owner")),
        ("schedule:eu:night", ScheduleTarget(id="eu:night")),
        (f"user:{LONG_NAME}", UserTarget(id=LONG_NAME)),
        ({"kind": "user", "id": "alice"}, UserTarget(id="alice")),
        ({"kind": "schedule", "id": "primary"}, ScheduleTarget(id="primary")),
        (UserTarget(id="alice"), UserTarget(id="alice")),
    ],
)
def test_target(written: object, expected: AnyTarget) -> None:
    """A target is `kind:id`, the first colon parts them; written out is the same."""
    assert expected == TARGET.validate_python(written)


@pytest.mark.parametrize(
    "written",
    [
        "crowd:everybody",
        "User:alice",
        ":alice",
        "user:",
        "schedule:",
        "team:",
        "everybody:",
        "everybody:alice",
        "Everybody",
        "layer:primary",
        "layer:/night",
        "layer:primary/",
        "",
        ":",
        f"user:{LONG_NAME}n",
        {"id": "alice"},
        {"kind": "user"},
        {"kind": "user", "id": None},
        {"kind": "layer", "id": "primary"},
        {"kind": "user", "id": "alice", "name": "Alice"},
        {"kind": [], "id": "alice"},
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


@pytest.mark.parametrize("kind", ["user", "policy", "channel", "metadata", "layer"])
def test_kind_alone(kind: str) -> None:
    """Only everybody, and what the incident's team has, go without an id."""
    assert {"everybody", "schedule", "team"} == ALONE
    with pytest.raises(ValidationError, match=f"'{kind}' names no kind"):
        TARGET.validate_python(kind)


@given(targets)
@settings(deadline=None)
def test_target_round_trip(target: AnyTarget) -> None:
    """A target that was shown is read as the target it is, whatever its id."""
    assert target == TARGET.validate_python(str(target))
    assert target == target_of(str(target))
    assert target == TARGET.validate_json(TARGET.dump_json(target))


def test_same_id() -> None:
    """A person and a schedule of one name are two targets."""
    assert 2 == len({UserTarget(id="alice"), ScheduleTarget(id="alice")})


def test_targets_keep_their_order() -> None:
    """Targets stay in the order in which they are listed, also named twice."""
    written = ["schedule:primary", "user:bob", "user:alice", "user:bob"]
    step = STEP.validate_python({"kind": "notify", "targets": written})

    assert isinstance(step, NotifyStep)
    assert written == [str(target) for target in step.targets]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (a_policy(), False),
        (a_policy(a_wait(), count=3), False),
        (a_policy(a_wait(), a_wait(), a_notify()), True),
        (a_policy(a_notify(), a_wait()), True),
        (a_policy(a_branch("night"), a_wait()), True),
        (a_policy(a_branch()), False),
        (Policy(id="default", steps=(a_wait(),), fallback="night"), False),
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
    assert policy.fallback is None
    assert WhenNobody.NEXT_STEP is policy.when_nobody
    assert "" == policy.name


@pytest.mark.parametrize("written", ["next_step", "wait"])
def test_when_nobody(written: str) -> None:
    """What reaches nobody goes on to the next step at once, or keeps every pause."""
    policy = Policy.model_validate({"id": "default", "when_nobody": written})

    assert WhenNobody(written) is policy.when_nobody
    assert {"next_step", "wait"} == set(WhenNobody)


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
        ({"fallback": LONG_NAME + "n"}, "fallback"),
        ({"fallback": 7}, "fallback"),
        ({"when_nobody": "stop"}, "when_nobody"),
        ({"when_nobody": None}, "when_nobody"),
        ({"steps": [{"kind": "resolve"}, {"kind": "dance"}]}, "steps.1.unknown.kind"),
        (
            {"steps": [{"kind": "notify", "targets": ["user:a", "user:"]}]},
            "steps.0.notify.targets.1.user.id",
        ),
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
        a_policy(a_notify(), a_wait()).model_copy(update={"fallback": "other"}),
        a_policy(a_notify(), a_wait()).model_copy(
            update={"when_nobody": WhenNobody.WAIT}
        ),
        a_policy(a_notify(), a_wait(), a_branch()),
        a_policy(a_notify(), a_wait(), a_volume_gate(3)),
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


def test_named() -> None:
    """A policy names others by its branches, its targets and its fallback, in this order."""
    steps = (
        a_notify(),
        a_branch("night"),
        NotifyStep(targets=(PolicyTarget(id="managers"), PolicyTarget(id="legal"))),
        a_branch("databases", "metadata_branch"),
        a_branch(),
        NotifyStep(targets=(ScheduleTarget(id="x"), MetadataTarget(id="y"))),
    )
    policy = named("default", *steps, fallback="last")

    expected = ["night", "managers", "legal", "databases", "last"]
    assert expected == list(policy.named())
    assert [] == list(named("default", a_notify(), a_wait()).named())


def test_branch_by_metadata_names_nobody() -> None:
    """A policy that metadata will name is not known before the branch runs."""
    outcome = {"verb": "escalate_to", "policy_metadata_key": "night"}
    branch = {"kind": "time_branch", "window": {}, "outcome": outcome}

    assert [] == list(named("default", STEP.validate_python(branch)).named())


@pytest.mark.parametrize(
    "first",
    [
        named("first", a_branch("second")),
        named("first", a_branch("second", "metadata_branch")),
        named("first", a_notify(), a_wait(), a_branch("second")),
        named("first", NotifyStep(targets=(PolicyTarget(id="second"),))),
        named(
            "first",
            NotifyStep(targets=(UserTarget(id="bob"), PolicyTarget(id="second"))),
        ),
        named("first", fallback="second"),
    ],
)
def test_reached(first: Policy) -> None:
    """A snapshot holds what can be reached, over any number of policies; nothing else."""
    second, third = named("second", fallback="third"), named("third", a_branch("first"))
    other = named("other", fallback="first")
    known = by_id(first, second, third, other)
    snapshot = Snapshot.of(first, known)

    assert "first" == snapshot.root
    assert by_id(first, second, third) == snapshot.policies


def test_reached_by_many_ways() -> None:
    """What is named twice is there once, and a policy may name itself."""
    both = named("both", a_branch("both"), a_branch("end"), a_branch("end"))
    snapshot = Snapshot.of(both, by_id(both, named("end", fallback="both")))

    assert ["both", "end"] == list(snapshot.policies)


def test_missing_policy() -> None:
    """What is named and not there is left out: who comes to it is told it is missing."""
    first = named("first", a_branch("gone"), fallback="gone too")

    assert by_id(first) == Snapshot.of(first, {}).policies
    assert by_id(first) == Snapshot.of(first).policies


def test_root_wins() -> None:
    """The policy that an incident starts with is the one given, not an older one of its id."""
    older, newer = named("first", a_wait()), named("first", a_notify())
    way_back = named("second", fallback="first")
    snapshot = Snapshot.of(
        newer.model_copy(update={"fallback": "second"}), by_id(older, way_back)
    )

    assert (a_notify(),) == snapshot.policies["first"].steps


def test_catch_all() -> None:
    """The catch-all policy is in the snapshot, with all that it can reach."""
    first, last = named("first", a_notify()), named("last", fallback="end")
    known = by_id(first, last, named("end"), named("other"))
    snapshot = Snapshot.of(first, known, "last")

    assert "first" == snapshot.root
    assert "last" == snapshot.catch_all
    assert ["end", "first", "last"] == list(snapshot.policies)


@pytest.mark.parametrize("catch_all", [None, "gone"])
def test_without_catch_all(catch_all: str | None) -> None:
    """A catch-all that is not there is none; nor is one that nobody named."""
    first = named("first")
    snapshot = Snapshot.of(first, by_id(first, named("last")), catch_all)

    assert snapshot.catch_all is None
    assert Snapshot.of(first) == snapshot


def test_root_as_catch_all() -> None:
    """An incident may start with the catch-all itself, also with one not stored yet."""
    first = named("first")

    assert "first" == Snapshot.of(first, {}, "first").catch_all
    assert by_id(first) == Snapshot.of(first, {}, "first").policies


def test_hash_of_all() -> None:
    """The hash is of everything: what is reached, where it starts, and the catch-all."""
    first, second = named("first", fallback="second"), named("second", fallback="first")
    known = by_id(first, second)
    edited = by_id(first, named("second", a_wait(), fallback="first"))
    hashes = {
        Snapshot.of(first, known).hash,
        Snapshot.of(second, known).hash,
        Snapshot.of(first, known, "first").hash,
        Snapshot.of(first, known, "second").hash,
        Snapshot.of(first, edited).hash,
        Snapshot.of(first, {}).hash,
    }

    assert 6 == len(hashes)


def test_hash_without_order() -> None:
    """The order in which policies are stored, and those out of reach, change nothing."""
    first, second = named("first", fallback="second"), named("second", fallback="third")
    third, other = named("third"), named("other")
    one = Snapshot.of(first, by_id(first, second, third), "third")
    two = Snapshot.of(first, by_id(other, third, second, first), "third")

    assert one == two
    assert one.model_dump_json() == two.model_dump_json()


def test_extended() -> None:
    """A policy that metadata named joins the snapshot, with all that it can reach."""
    first, night = named("first", a_notify()), named("night", fallback="later")
    known = by_id(first, night, named("later"), named("other"))
    before = Snapshot.of(first, known, "other")
    after = before.extended("night", known)

    assert ["first", "later", "night", "other"] == list(after.policies)
    assert ("first", "other") == (after.root, after.catch_all)
    assert before.hash != after.hash
    assert ["first", "other"] == list(before.policies)


def test_extended_keeps_what_it_knows() -> None:
    """An edit of a policy that the snapshot knows does not come in by one that names it."""
    first = named("first", a_notify(), fallback="second")
    before = Snapshot.of(first, by_id(first, named("second", fallback="gone")))
    edited = by_id(
        named("first", a_wait()),
        named("second", a_wait(), fallback="new"),
        named("new"),
        named("night", fallback="second"),
    )
    after = before.extended("night", edited)

    assert {**before.policies, "night": edited["night"]} == after.policies


@pytest.mark.parametrize("policy", ["first", "gone"])
def test_not_extended(policy: str) -> None:
    """A policy that is known already, or that is not there, changes nothing."""
    first = named("first", a_notify())
    snapshot = Snapshot.of(first)

    assert snapshot == snapshot.extended(policy, by_id(named("first", a_wait())))


def test_extended_is_as_if_reached() -> None:
    """Whichever way a policy came in, a snapshot of the same content has the same hash."""
    first, night = named("first"), named("night")
    known = by_id(first, night)

    assert Snapshot.of(first, known, "night").extended("first", known) == Snapshot.of(
        first, known, "night"
    )
    assert (
        Snapshot.of(first, known).extended("night", known).policies
        == Snapshot.of(first, known, "night").policies
    )


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), 0),
        ((a_notify(), a_wait()), 0),
        ((a_volume_gate(None),), 0),
        ((a_volume_gate(0),), 1),
        ((a_volume_gate(5),), 6),
        ((a_volume_gate(5), a_wait(), a_volume_gate(2)), 6),
        ((a_volume_gate(None), a_volume_gate(1_000)), 1_001),
    ],
)
def test_notices_kept(steps: tuple[AnyStep, ...], expected: int) -> None:
    """A gate for more than N looks back on one notice more; the widest one counts."""
    assert expected == Snapshot.of(named("first", *steps)).notices_kept


def test_notices_kept_anywhere() -> None:
    """A gate counts wherever the incident can come to: also in its catch-all, or later."""
    first, far = named("first", a_volume_gate(2)), named("far", a_volume_gate(7))
    known = by_id(first, far)
    alone = Snapshot.of(first, known)

    assert 3 == alone.notices_kept
    assert 8 == Snapshot.of(first, known, "far").notices_kept
    assert 8 == alone.extended("far", known).notices_kept


def test_stored_policy() -> None:
    """A snapshot that a newer version or the Grafana surface wrote is read as it is."""
    steps = [{"kind": "wait"}, {"kind": "dance", "partners": 2}, {"kind": "notify"}]
    written = {"id": "default", "steps": steps}
    with pytest.raises(ValidationError) as caught:
        Policy.model_validate(written)
    snapshot = Snapshot.of(Policy.model_validate(written, context=LENIENT))
    stored = snapshot.model_dump_json()

    expected = [
        "steps.0.wait.duration",
        "steps.1.unknown.kind",
        "steps.2.notify.targets",
    ]
    assert expected == places(caught.value)
    assert snapshot == Snapshot.model_validate_json(stored, context=LENIENT)
    assert 2 == snapshot.model_dump()["policies"]["default"]["steps"][1]["partners"]


def test_equal_whatever_was_asked() -> None:
    """What was asked of a policy or a snapshot before makes no difference between two."""
    first, second = Snapshot.of(a_policy(a_notify())), Snapshot.of(a_policy(a_notify()))
    asked = (first.notices_kept, first.policies["default"].can_page)

    assert (0, True) == asked
    assert first == second
    assert first.model_dump_json() == second.model_dump_json()


@pytest.mark.parametrize(
    ("team_wait", "expected"),
    [
        (None, [("schedule", timedelta(0))]),
        (3 * MINUTE, [("schedule", timedelta(0)), ("team", 3 * MINUTE)]),
    ],
)
def test_improvised(
    team_wait: timedelta | None, expected: list[tuple[str, timedelta]]
) -> None:
    """Without a policy whoever is on call is paged, and the team if that is wanted."""
    policy = improvised(("sms",), team_wait)
    steps = [step for step in policy.steps if isinstance(step, NotifyStep)]

    assert expected == [(str(step.targets[0]), step.wait_before) for step in steps]
    assert {("sms",)} == {step.channels for step in steps}
