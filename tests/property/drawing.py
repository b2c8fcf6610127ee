"""Policies, people, alerts and commands, of every kind there is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from engine.core.alerts import Alert, AlertStatus
from engine.core.effects import Following
from engine.core.events import (
    Acknowledged,
    Attached,
    ChildAttached,
    ChildDetached,
    Command,
    Commented,
    CommentEdited,
    Detached,
    Escalated,
    MetadataSet,
    ParentMoved,
    Reassigned,
    Removed,
    Reopened,
    Resolved,
    Responder,
    Snoozed,
    Unacknowledged,
    Unsnoozed,
)
from engine.directory import Rule
from policies.metadata import Reference
from policies.policy import Policy, Snapshot
from policies.steps import LENIENT
from policies.targets import target_of

# The evening before the clocks of Prague go forward.
START = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NAMES = ("first", "second", "third", "fourth")
GONE = "gone"
KEYS = ("severity", "owner")
WORDS = ("high", "low", " ", "second", GONE)
PEOPLE = ("alice", "bob", "carol", "channel:ops")
METHODS = ("console", "sms", "call")
TEXTS = ("look at {severity}", "- [ ] one\n- [x] two", "1. [ ] {owner}", "- [x] all")
IDS = 6

pauses = st.sampled_from(["0s", "0s", "1ms", "5s", "30s", "5m", "1h"])
lasting = st.sampled_from(["1ms", "5s", "1m", "1h", "3d"])
clocks = st.sampled_from(["00:00", "01:30", "02:30", "03:00", "22:31", "23:00"])
zones = st.sampled_from(["UTC", "Europe/Prague", "America/New_York"])
ids = st.sampled_from([*NAMES, *NAMES, GONE])
spans = st.sampled_from(
    [timedelta(0), timedelta(milliseconds=1), SECOND, 5 * SECOND, 10 * SECOND]
    + [MINUTE, 5 * MINUTE, 60 * MINUTE, timedelta(days=1)]
)
references = st.builds(
    Reference, type=st.sampled_from(["User", "Policy"]), id=st.sampled_from(WORDS)
)


def some(each: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw at most so many."""
    return st.lists(each, max_size=most).map(tuple)


targets = st.sampled_from(
    ["user:alice", "user:bob", "schedule:primary", "schedule", "everybody", "team"]
    + ["channel:ops", "metadata:owner", "user:gone", "policy:gone"]
    + [f"policy:{name}" for name in NAMES]
)
windows = st.fixed_dictionaries(
    {"start": clocks, "end": clocks, "zone": zones},
    optional={"days": st.sampled_from([["sun"], ["mon", "fri"], ["sat", "sun"]])},
)
outcomes = st.one_of(
    st.builds(lambda policy: {"verb": "escalate_to", "policy": policy}, ids),
    st.sampled_from(
        [
            {"verb": "escalate_to", "policy_metadata_key": "owner"},
            {"verb": "resolve"},
            {"verb": "remove"},
            {"verb": "stop"},
        ]
    ),
)
listed = st.one_of(
    st.sampled_from(["high", "low"]).map(lambda value: {"value": value}),
    st.just({"type": "no_value"}),
    st.just({"type": "User", "id": "second"}),
)
times = st.one_of(
    st.builds(lambda pause: {"wait_before": pause}, pauses),
    st.builds(
        lambda clock, zone: {"wait_until": {"time": clock, "zone": zone}}, clocks, zones
    ),
)


def a_kind(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a step of one kind."""
    return st.fixed_dictionaries({"kind": st.just(kind), **fields})


notifies = a_kind(
    "notify",
    targets=some(targets, 3),
    each=st.sampled_from(["all", "all", "next_each_time"]),
)
kinds = st.one_of(
    notifies,
    notifies,
    a_kind("wait", duration=st.none() | lasting),
    a_kind("time_branch", window=windows, outcome=outcomes),
    a_kind(
        "metadata_branch",
        key=st.sampled_from(KEYS),
        values=st.lists(listed, min_size=1, max_size=2),
        outcome=outcomes,
    ),
    a_kind("time_gate", window=st.none() | windows, is_instant=st.booleans()),
    a_kind(
        "volume_gate",
        notices=st.none() | st.integers(0, 3),
        within=st.none() | lasting,
    ),
    a_kind(
        "instructions",
        text=st.sampled_from(TEXTS),
        remind_every=st.none() | lasting,
    ),
    a_kind("webhook", webhook=st.none() | st.just("hook")),
    a_kind("repeat", times=st.integers(1, 3)),
    a_kind("resolve"),
    a_kind("remove"),
    a_kind("dance", partner=st.just("bob")),
)
steps = st.builds(lambda kind, time: {**kind, **time}, kinds, times)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Draw policies that go to each other, back, nowhere, and round in circles."""
    policies = {}
    for name in NAMES:
        fields = {
            "id": name,
            "steps": draw(st.lists(steps, max_size=4)),
            "repeat": {"count": draw(st.integers(0, 2)), "delay": draw(pauses)},
            "fallback": draw(st.none() | ids),
            "when_nobody": draw(st.sampled_from(["next_step", "wait"])),
        }
        policies[name] = Policy.model_validate(fields, context=LENIENT)
    catch_all = draw(st.none() | st.sampled_from(NAMES))

    return Snapshot.of(policies[NAMES[0]], policies, catch_all)


rules = st.builds(
    lambda delay, method: Rule(delay=delay, method=method, channel=method),
    st.sampled_from([timedelta(0), timedelta(0), SECOND, MINUTE, 5 * MINUTE]),
    st.sampled_from(METHODS),
)


def responders(names: tuple[str, ...]) -> st.SearchStrategy[tuple[Responder, ...]]:
    """Draw whom these targets stand for; some of them cannot be reached."""
    return some(
        st.builds(
            Responder,
            person=st.sampled_from(PEOPLE),
            target=st.sampled_from(names or ("user:alice",)),
            rules=some(rules, 3),
        ),
        4,
    )


def alerts(count: int) -> st.SearchStrategy[Alert]:
    """Draw a notice; one of so many ids, so that some come again."""
    return st.builds(
        Alert,
        id=st.integers(0, count + 1).map("a{}".format),
        fingerprint=st.sampled_from(["db1", "db2"]),
        status=st.sampled_from(AlertStatus),
        title=st.just("Database full"),
        starts_at=st.none() | st.sampled_from([START, START + MINUTE]),
        labels=st.fixed_dictionaries(
            {}, optional={key: st.sampled_from(WORDS) for key in KEYS}
        ),
    )


def commands(
    at: datetime, command_id: str, comments: tuple[str, ...]
) -> st.SearchStrategy[Command]:
    """Draw something that somebody does."""
    said: dict[str, Any] = {"at": st.just(at), "id": st.just(command_id)}
    done = {**said, "by": st.just("dora")}
    plain: list[Callable[..., Command]] = [
        Acknowledged, Unacknowledged, Resolved, Reopened, Unsnoozed, Removed, Detached,
    ]  # fmt: skip

    return st.one_of(
        *(st.builds(kind, **done) for kind in plain),
        st.builds(
            Snoozed, **done, until=st.none() | spans.map(lambda span: at + span)
        ),
        st.builds(
            Escalated,
            **done,
            step=st.none() | st.integers(-1, 4),
            targets=some(targets.map(target_of), 2),
            channels=some(st.sampled_from(METHODS), 1),
        ),
        st.builds(Escalated, **done),
        st.builds(Reassigned, **done, to=st.sampled_from([*PEOPLE[:3], GONE])),
        st.builds(Attached, **done, parent=st.sampled_from(["parent", "incident"])),
        st.builds(ChildAttached, **said, child=st.sampled_from(["child", "incident"])),
        st.builds(ChildDetached, **said, child=st.just("child")),
        st.builds(ParentMoved, **done, what=st.sampled_from(Following)),
        st.builds(
            MetadataSet,
            **done,
            key=st.sampled_from(KEYS),
            texts=some(st.sampled_from(WORDS), 2),
            references=some(references, 1),
        ),
        st.builds(Commented, **done, text=st.just("on it")),
        st.builds(
            CommentEdited,
            **done,
            comment=st.sampled_from(comments or ("none",)),
            text=st.sampled_from(TEXTS),
        ),
    )
