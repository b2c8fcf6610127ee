"""Policies, people, alerts and commands, of every kind there is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter

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
    Snoozed,
    Unacknowledged,
    Unsnoozed,
)
from engine.directory import Rule
from policies.metadata import Reference
from policies.policy import Policy, Repeat, Snapshot, WhenNobody
from policies.steps import LENIENT, AnyStep, Step
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

SPANS = [timedelta(0), timedelta(milliseconds=1), SECOND, 5 * SECOND, 10 * SECOND]
spans = st.sampled_from([*SPANS, MINUTE, 5 * MINUTE, 60 * MINUTE, timedelta(days=1)])
ids = st.sampled_from([*NAMES, *NAMES, GONE])

TARGETS = (
    *(f"policy:{name}" for name in NAMES),
    *("user:alice", "user:bob", "schedule:primary", "schedule", "everybody", "team"),
    *("channel:ops", "metadata:owner", "user:gone", "policy:gone"),
)
WINDOWS = (
    {"start": "22:31", "end": "23:00"},
    {"start": "00:00", "end": "00:00", "days": ["sun"]},
    {"start": "01:30", "end": "02:30", "zone": "Europe/Prague"},
    {"start": "02:30", "end": "02:45", "zone": "Europe/Prague", "days": ["sun"]},
    {"start": "23:00", "end": "23:00", "zone": "America/New_York", "days": ["mon"]},
    {"start": "18:00", "end": "03:00", "zone": "America/New_York"},
)
OUTCOMES = (
    *({"verb": "escalate_to", "policy": name} for name in (*NAMES, GONE)),
    *({"verb": verb} for verb in ("resolve", "remove", "stop", "stop")),
    {"verb": "escalate_to", "policy_metadata_key": "owner"},
)
LISTED = (
    [{"value": "high"}, {"value": "low"}],
    [{"type": "no_value"}],
    [{"type": "User", "id": "second"}],
)
TIMES: tuple[dict[str, Any], ...] = (
    *[{}] * 4,
    *({"wait_before": pause} for pause in ("1ms", "5s", "30s", "5m", "1h")),
    {"wait_until": {"time": "02:30", "zone": "Europe/Prague"}},
    {"wait_until": {"time": "22:31"}},
)
KINDS: dict[str, list[dict[str, Any]]] = {
    "notify": [
        *({"targets": [name]} for name in TARGETS),
        *({"targets": [one, two]} for one, two in pairwise(TARGETS)),
        {"targets": []},
        {"targets": ["user:alice", "user:bob"], "each": "next_each_time"},
        {"targets": ["everybody", "policy:second"], "each": "next_each_time"},
    ],
    "wait": [{"duration": each} for each in (None, "1ms", "5s", "1m", "1h", "3d")],
    "time_branch": [
        {"window": window, "outcome": outcome}
        for window in WINDOWS
        for outcome in OUTCOMES
    ],
    "metadata_branch": [
        {"key": key, "values": listed, "outcome": outcome}
        for key in KEYS
        for listed in LISTED
        for outcome in OUTCOMES
    ],
    "time_gate": [
        {"window": window, "is_instant": is_instant}
        for window in (None, *WINDOWS)
        for is_instant in (False, True)
    ],
    "volume_gate": [
        {"notices": notices, "within": within}
        for notices in (None, 0, 1, 3)
        for within in (None, "1ms", "1m", "1h")
    ],
    "instructions": [
        {"text": text, "remind_every": every}
        for text in TEXTS
        for every in (None, "5s", "1m", "1h")
    ],
    "webhook": [{"webhook": None}, {"webhook": "hook"}],
    "repeat": [{"times": times} for times in (1, 2, 3)],
    "resolve": [{}],
    "remove": [{}],
    "dance": [{"partner": "bob"}],
}
STEP: TypeAdapter[AnyStep] = TypeAdapter(Step)
# So often does each kind come: most of what is worth seeing begins with a page.
DRAWN = ("notify",) * 8 + ("time_branch", "metadata_branch", "wait") * 2 + tuple(KINDS)
BY_KIND = {
    kind: [
        STEP.validate_python({"kind": kind, **fields, **time}, context=LENIENT)
        for fields in written
        for time in TIMES
    ]
    for kind, written in KINDS.items()
}
steps = st.sampled_from(DRAWN).flatmap(lambda kind: st.sampled_from(BY_KIND[kind]))
REPEATS = [
    Repeat(count=count, delay=delay)
    for count in (0, 0, 1, 2)
    for delay in (timedelta(0), SECOND, 5 * MINUTE)
]


def some(each: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw at most so many."""
    return st.lists(each, max_size=most).map(tuple)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Draw policies that go to each other, back, nowhere, and round in circles."""
    policies = {
        name: Policy(
            id=name,
            steps=draw(some(steps, 4)),
            repeat=draw(st.sampled_from(REPEATS)),
            fallback=draw(st.none() | ids),
            when_nobody=draw(st.sampled_from(WhenNobody)),
        )
        for name in NAMES
    }
    catch_all = draw(st.none() | st.sampled_from(NAMES))

    return Snapshot.of(policies[NAMES[0]], policies, catch_all)


DELAYS = (timedelta(0), SECOND, MINUTE, 5 * MINUTE)
ONE_RULE = [
    Rule(delay=delay, method=method, channel=method)
    for method in METHODS
    for delay in DELAYS
]
RULES = [
    (),
    *((one,) for one in ONE_RULE),
    *((one, two) for one in ONE_RULE[::2] for two in ONE_RULE[1::3]),
    tuple(ONE_RULE[::3]),
]
RESPONDERS = [
    (person, own) for person in PEOPLE for own in ((), *RULES[1:4], *RULES[13::7])
]
people = some(st.sampled_from(RESPONDERS), 4)
NOTICES = [
    Alert(
        id="",
        fingerprint=fingerprint,
        status=status,
        title="Database full",
        starts_at=starts_at,
        labels=labels,
    )
    for starts_at in (None, START, START + MINUTE)
    for fingerprint in ("db1", "db2")
    for status in (AlertStatus.FIRING, AlertStatus.FIRING, AlertStatus.RESOLVED)
    for labels in ({}, {"severity": "high"}, {"severity": "low", "owner": "second"})
]
notices = st.sampled_from(NOTICES)
Done = Callable[[datetime, str], Command]


def done(kind: Callable[..., Command], **more: object) -> Done:
    """Return what somebody does, but for when and under which id."""
    return lambda at, name: kind(at=at, id=name, by="dora", **more)


def snoozed(span: timedelta) -> Done:
    """Return a snooze that lasts so long."""
    return lambda at, name: Snoozed(at=at, id=name, by="dora", until=at + span)


def told(kind: Callable[..., Command], child: str) -> Done:
    """Return what is told of a child."""
    return lambda at, name: kind(at=at, id=name, child=child)


AIMS = [target_of(text) for text in TARGETS]
GENTLE: list[Done] = [
    *[done(Acknowledged), done(Unacknowledged), done(Reopened), done(Unsnoozed)] * 4,
    *[done(Detached), done(Snoozed), done(Escalated)] * 3,
    *(snoozed(span) for span in (timedelta(0), SECOND, 60 * MINUTE)),
    *(done(Escalated, step=step) for step in range(-1, 5)),
    *(done(Escalated, targets=(aim,)) for aim in AIMS),
    done(Escalated, targets=tuple(AIMS[:2]), channels=("sms",)),
    *(done(Reassigned, to=to) for to in ("alice", "bob", GONE)),
    *(told(ChildAttached, child) for child in ("child", "incident")),
    *(done(ParentMoved, what=what) for what in Following for _ in range(3)),
    *(
        done(MetadataSet, key=key, texts=texts)
        for key in KEYS
        for texts in ((), ("high",), ("second", "low"))
    ),
    done(MetadataSet, key="owner", references=(Reference(type="User", id="bob"),)),
]
FINAL: list[Done] = [
    done(Resolved),
    done(Removed),
    done(Attached, parent="parent"),
    done(Attached, parent="incident"),
    told(ChildDetached, "child"),
    done(Commented, text="on it"),
]
commands = st.sampled_from(GENTLE * 3 + FINAL)
texts = st.sampled_from(TEXTS)


def edited(at: datetime, name: str, comment: str, text: str) -> Command:
    """Return the edit of a comment."""
    return CommentEdited(at=at, id=name, by="dora", comment=comment, text=text)
