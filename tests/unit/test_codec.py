"""What is stored: compact, versioned, and read exactly as it was written."""

import pickle
import types
import zlib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import BaseModel, ValidationError

from engine.codec import (
    DEFLATE_OVER_BYTES,
    WINDOW_BITS,
    decode_answer,
    decode_directory,
    decode_entry,
    decode_history,
    decode_incident,
    decode_mail,
    decode_record,
    decode_send,
    decode_snapshot,
    decode_summary,
    encode_answer,
    encode_directory,
    encode_entry,
    encode_history,
    encode_incident,
    encode_mail,
    encode_record,
    encode_send,
    encode_snapshot,
    encode_summary,
    read_incident,
)
from engine.codec.schema import CONTENTS, DICTIONARY, LETTERS
from engine.core.alerts import Alert, AlertRecord, AlertStatus
from engine.core.effects import Comment, Send
from engine.core.events import AlertsReceived, Commented, Escalated, Event, WokeUp
from engine.core.incident import Incident
from engine.core.reasons import Reason
from engine.directory import Directory, Integration, Place, Team, User, UserGroup
from engine.errors import UnreadableError
from engine.ports import (
    Entry,
    KeptAnswer,
    Routed,
    Summary,
)
from policies.policy import Policy, Repeat, Snapshot
from policies.steps import LENIENT, NotifyStep, UnknownStep, WaitStep
from policies.targets import AnyTarget, target_of

NOW = datetime(2026, 11, 24, 3, 0, 0, 1_000, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLAIN = Snapshot.of(Policy(id="root"))
# How many milliseconds there are from 1970 to the year 2100, and in a century.
UP_TO, SPAN = 4_102_444_800_000, 3_155_760_000_000

texts = st.text(max_size=8)
names = st.text(min_size=1, max_size=8)
times = st.integers(0, UP_TO).map(lambda number: EPOCH + number * MILLISECOND)
targets = st.one_of(
    st.sampled_from(["everybody", "schedule", "team", "layer:a:b/c d"]).map(target_of),
    st.builds(
        lambda kind, name: target_of(f"{kind}:{name}"),
        st.sampled_from(
            [
                "user",
                "team",
                "user_group",
                "schedule",
                "channel",
                "channels",
                "policy",
                "metadata",
            ]
        ),
        names,
    ),
)
SIMPLE: Mapping[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(-(2**53), 2**53),
    bool: st.booleans(),
    datetime: times,
    timedelta: st.integers(0, SPAN).map(lambda number: number * MILLISECOND),
    type(None): st.none(),
    Snapshot: st.just(PLAIN),
    AnyTarget: targets,
}


@cache
def values(hint: Any) -> st.SearchStrategy[Any]:
    """Draw any value of a type, so that a field added later is drawn too."""
    if hint in SIMPLE:
        return SIMPLE[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return st.one_of(*[values(each) for each in arguments])
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(texts, values(arguments[1]), max_size=2)
    if issubclass(hint, Enum):
        return st.sampled_from(hint)

    return _records(hint)


def _records(kind: Any) -> st.SearchStrategy[Any]:
    """Draw a dataclass or a model by the types of its fields."""
    hints: dict[str, Any] = get_type_hints(kind)
    if issubclass(kind, BaseModel):
        return st.builds(kind, **dict.fromkeys(kind.model_fields, names))

    return st.builds(
        kind, **{one.name: values(hints[one.name]) for one in fields(kind)}
    )


unhurried = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_every_kind_has_a_letter() -> None:
    """Every kind of event can be stored, each under a letter of its own."""
    assert {*get_args(Event), *get_args(Routed)} == set(LETTERS)
    assert len(CONTENTS) == len(LETTERS)


@pytest.mark.parametrize("kind", get_args(Event))
@given(data=st.data())
@settings(unhurried, max_examples=30)
def test_event(kind: Any, data: st.DataObject) -> None:
    """An event is read as it was written, from the mailbox and from history."""
    event: Event = data.draw(values(kind))
    entry = Entry(
        event=event,
        reason=data.draw(values(Reason)),
        comments=data.draw(values(tuple[Comment, ...])),
    )

    assert event == decode_mail(encode_mail(event))
    assert entry == decode_entry(encode_entry(entry))


@given(values(Routed))
@unhurried
def test_routed(routed: Routed) -> None:
    """What a source says is read from the mailbox as it was written."""
    assert routed == decode_mail(encode_mail(routed))


@given(
    incident=values(Incident),
    alerts=values(Mapping[str, AlertRecord]),
    deflated=st.booleans(),
)
@unhurried
def test_incident(
    incident: Incident, alerts: dict[str, AlertRecord], *, deflated: bool
) -> None:
    """An incident is read as it was written; snapshot and alerts are kept apart."""
    whole = replace(incident, alerts=alerts)
    written = encode_incident(whole, deflated=deflated)

    assert whole == decode_incident(written, PLAIN, alerts)
    assert PLAIN.hash == read_incident(written).snapshot


@given(values(KeptAnswer))
@unhurried
def test_kept_answer(answer: KeptAnswer) -> None:
    """What a request was answered with is read as it was written."""
    assert answer == decode_answer(encode_answer(answer))


@given(values(Send), values(AlertRecord), values(Summary))
@unhurried
def test_small_things(send: Send, record: AlertRecord, summary: Summary) -> None:
    """Outbox entries, alerts and summaries are read as they were written."""
    assert send == decode_send(encode_send(send))
    assert record == decode_record(encode_record(record))
    assert summary == decode_summary(encode_summary(summary))
    assert summary == decode_summary(encode_summary(summary, deflated=True))


def test_defaults_take_no_room() -> None:
    """What a value does not say is not written."""
    written = encode_mail(Escalated(at=NOW, id="c", by="bob"))

    assert {"t": "x", "@": 1_795_489_200_001, "i": "c", "b": "bob"} == orjson.loads(
        written[1:]
    )


@pytest.mark.parametrize("length", [0, 50, 200, 10_000])
def test_packed(length: int) -> None:
    """Short pieces stay plain, long ones are deflated; both are read alike."""
    said = Commented(at=NOW, id="c", by="bob", text="ž" * length)
    written = encode_mail(said)

    assert (length >= DEFLATE_OVER_BYTES) == written.startswith(b"1z")
    assert len(written) <= DEFLATE_OVER_BYTES + len(b"1")
    assert said == decode_mail(written)


@given(st.lists(st.one_of(values(AlertsReceived), values(Commented)), max_size=20))
@unhurried
def test_history(events: list[Event]) -> None:
    """A packed history gives back each line, long or short, in its order."""
    lines = [encode_entry(Entry(event=e, reason=Reason.LATE)) for e in events]
    unpacked = decode_history(encode_history(lines))

    assert events == [decode_entry(line).event for line in unpacked]
    assert unpacked == decode_history(encode_history(unpacked))


@pytest.mark.parametrize("line", [b"9{}", b"9zabc", b"broken", b"", b"1z\xff"])
def test_history_of_others(line: bytes) -> None:
    """A line that cannot be read now is kept as it is, for a version that can."""
    assert [line] == decode_history(encode_history([line]))


@pytest.mark.parametrize("body", [b"5:abc", b"abc", b":abc", b"-1:a", b"1:a1", b"3"])
def test_damaged_history(body: bytes) -> None:
    """A packed history that does not add up is damaged; nothing of it is guessed."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, WINDOW_BITS, zdict=DICTIONARY)
    with pytest.raises(UnreadableError, match="damaged"):
        decode_history(b"1z" + deflate.compress(body) + deflate.flush())


def test_record() -> None:
    """A long record is deflated; a bare one takes a few bytes."""
    alert = Alert(
        id="i",
        fingerprint="f",
        status=AlertStatus.FIRING,
        title="High latency",
        labels={"alertname": "High", "description": "x" * 300},
    )
    full = AlertRecord.of(alert, NOW, is_bare=False)
    bare = AlertRecord.of(alert, NOW, is_bare=True)

    assert encode_record(full).startswith(b"1z")
    assert full == decode_record(encode_record(full))
    assert len(encode_record(bare)) < 50


STEPS: list[dict[str, Any]] = [
    {"kind": "wait", "duration": "5m", "id": "s1", "wait_before": "1ms"},
    {"kind": "notify", "targets": ["schedule", "layer:a/b"], "each": "next_each_time"},
    {"kind": "notify", "targets": ["metadata:owner"], "urgency": "low", "channels": ["sms"]},
    {"kind": "time_branch", "window": {"start": "22:00", "end": "06:30", "days": ["sat"]}},
    {
        "kind": "metadata_branch",
        "key": "severity",
        "values": ["high", {"type": "no_value"}, {"type": "User", "id": "bob"}],
        "outcome": {"verb": "escalate_to", "policy_metadata_key": "plan"},
    },
    {"kind": "time_gate", "window": {"start": "09:00", "end": "17:00", "zone": "Europe/Prague"}},
    {"kind": "volume_gate", "notices": 0, "within": "1h"},
    {"kind": "instructions", "text": "- [ ] {host}", "remind_every": "10m"},
    {"kind": "webhook", "webhook": "hook"},
    {"kind": "repeat", "times": 3},
    {"kind": "resolve", "wait_until": {"time": "09:00", "zone": "Europe/Prague"}},
    {"kind": "remove"},
]  # fmt: skip
LEFT_OPEN: list[dict[str, Any]] = [
    {"kind": "wait"},
    {"kind": "notify"},
    {"kind": "time_gate"},
    {"kind": "volume_gate"},
    {"kind": "webhook"},
]
DANCE = {"kind": "dance", "partner": {"name": "bob"}, "wait_before": "5s"}


def a_snapshot(*steps: dict[str, Any]) -> Snapshot:
    """Take a snapshot of a policy with these steps, as a surface may leave them."""
    record = {"id": "root", "steps": steps, "repeat": {"count": 2, "delay": "1m"}}
    policy = Policy.model_validate(record, context=LENIENT)
    other = Policy(id="other", fallback="root")

    return Snapshot.of(policy, {"other": other}, "other")


@pytest.mark.parametrize("step", [*STEPS, *LEFT_OPEN, DANCE])
def test_snapshot(step: dict[str, Any]) -> None:
    """A step of any kind is read as it was written, also one that was left open."""
    snapshot = a_snapshot(step)
    read = decode_snapshot(encode_snapshot(snapshot))

    assert snapshot == read
    assert step["kind"] == read.policies["root"].steps[0].kind
    assert "other" == read.catch_all


def test_unknown_step() -> None:
    """A step that only a newer version knows is read, and kept in full."""
    snapshot = a_snapshot(STEPS[0], DANCE, STEPS[1])
    read = decode_snapshot(encode_snapshot(snapshot))
    before, dance, after = read.policies["root"].steps

    assert isinstance(before, WaitStep)
    assert isinstance(dance, UnknownStep)
    assert isinstance(after, NotifyStep)
    assert ("dance", timedelta(seconds=5)) == (dance.kind, dance.wait_before)
    assert {"partner": {"name": "bob"}} == dance.model_extra
    assert encode_snapshot(snapshot) == encode_snapshot(read)


@pytest.mark.parametrize("step", [*LEFT_OPEN, DANCE])
def test_only_what_is_stored(step: dict[str, Any]) -> None:
    """What is read of the store is refused from anybody else."""
    with pytest.raises(ValidationError, match=r"is required here|is no kind of step"):
        Policy.model_validate({"id": "root", "steps": [step]})


def test_hash_of_what_was_read() -> None:
    """A snapshot that was read still has the hash of its content."""
    read = decode_snapshot(encode_snapshot(a_snapshot(*STEPS, *LEFT_OPEN, DANCE)))
    again = Snapshot.of(read.policies["root"], read.policies, read.catch_all)

    assert read.hash == again.hash


def test_directory() -> None:
    """A directory is read as it was written, with steps that were left open too."""
    policies = {
        "root": a_snapshot(*STEPS, *LEFT_OPEN, DANCE).policies["root"],
        "other": Policy(id="other", repeat=Repeat(count=1, delay=MILLISECOND)),
    }
    directory = Directory(
        version=7,
        users={"a": User(id="a", name="A", username="aa", email="a@example.com")},
        teams={"t": Team(id="t", name="T", members=("a",), schedule="s")},
        default_team="t",
        groups={"g": UserGroup(id="g", name="G", members=("a",))},
        places={"p": Place(id="p", name="P", kind="slack", channel="slack")},
        policies=policies,
        integrations={
            "i": Integration(
                id="i",
                name="I",
                source="alertmanager",
                key_hash="h",
                team="t",
                acknowledged_for=timedelta(hours=1),
            )
        },
        on_call={"s": ("a",)},
        catch_all="other",
    )

    assert directory == decode_directory(directory.version, encode_directory(directory))


Decode = Callable[[bytes], object]
DECODERS: Mapping[str, Decode] = {
    "incident": lambda data: decode_incident(data, PLAIN, {}),
    "snapshot of": read_incident,
    "mail": decode_mail,
    "history": decode_entry,
    "outbox": decode_send,
    "alert": decode_record,
    "summary": decode_summary,
    "snapshot": decode_snapshot,
    "directory": lambda data: decode_directory(1, {"policies": {"p": data}}),
}
each_decoder = pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)


@each_decoder
@pytest.mark.parametrize("data", [b"2{}", b"2z\x00", b'10{"t":"w"}', b"2"])
def test_newer(decode: Decode, data: bytes) -> None:
    """What a newer version wrote is refused by name, for a process that knows it."""
    with pytest.raises(UnreadableError, match="newer version") as caught:
        decode(data)

    assert caught.value.is_newer


@each_decoder
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1",
        b"{}",
        b"0{}",
        b"1{",
        b"1[]",
        b"1{}x",
        b"1z\xff\xff\xff",
        b'1{"t":5,"@":"noon","h":7,"hash":1,"users":[]}',
        b'1{"t":[],"@":{},"h":[],"hash":{},"users":5}',
        b"1{\xff}",
        pickle.dumps("gift"),
    ],
)
def test_damaged(decode: Decode, data: bytes) -> None:
    """What is damaged is refused, and not taken for something newer."""
    with pytest.raises(UnreadableError) as caught:
        decode(data)

    assert not caught.value.is_newer


@pytest.mark.parametrize(
    "data",
    [
        b'1{"t":"?","@":0,"y":"opened"}',
        b'1{"@":0,"y":"opened"}',
        b'1{"t":"w","@":0,"y":"danced"}',
        b'1{"t":"w","@":0}',
        b'1{"t":"w","@":null,"y":"opened"}',
        b'1{"t":"w","y":"opened"}',
        b'1{"t":"w","@":0,"y":"opened","yc":[{"i":"c"}]}',
        b'1{"t":"x","@":0,"i":"c","b":"bob","r":["alice"],"y":"escalated"}',
        b'1{"t":"d","@":0,"g":"p","r":0,"n":1,"o":"lost","y":"delivered"}',
    ],
)
def test_unknown_words(data: bytes) -> None:
    """A line of history with a word that is not known is refused."""
    with pytest.raises(UnreadableError):
        decode_entry(data)


def test_added_field() -> None:
    """A field that a later release has added is passed over."""
    woke = decode_mail(b'1{"t":"w","@":1,"new":[1]}')

    assert WokeUp(at=EPOCH + MILLISECOND) == woke
