"""Durations as people write them, and as the engine counts them."""

from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError

from policies.durations import Duration, parse_duration, write_duration

DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)
WRITTEN = [
    ("0s", timedelta(0)),
    ("1ms", timedelta(milliseconds=1)),
    ("90ms", timedelta(milliseconds=90)),
    ("1s", timedelta(seconds=1)),
    ("5m", timedelta(minutes=5)),
    ("1h30m", timedelta(hours=1, minutes=30)),
    ("2d", timedelta(days=2)),
    ("1m500ms", timedelta(minutes=1, milliseconds=500)),
    ("1d2h3m4s5ms", timedelta(1, 4, milliseconds=5, minutes=3, hours=2)),
]
READ_ONLY = [
    ("90s", timedelta(minutes=1, seconds=30)),
    ("120m", timedelta(hours=2)),
    ("1000ms", timedelta(seconds=1)),
    ("0d5m", timedelta(minutes=5)),
    ("007s", timedelta(seconds=7)),
    (" 5m\n", timedelta(minutes=5)),
    ("0ms", timedelta(0)),
]
NOT_DURATIONS = [
    "",
    " ",
    "5",
    "m",
    "5M",
    "5 m",
    "5min",
    "1m1h",
    "1m1m",
    "1.5h",
    "-5m",
    "+5m",
    "PT5M",
    "0:05:00",
    "five minutes",
    "5m later",
]
spans = st.integers(0, 10**12).map(lambda count: timedelta(milliseconds=count))


@pytest.mark.parametrize(("text", "expected"), WRITTEN + READ_ONLY)
def test_parse(text: str, expected: timedelta) -> None:
    """Days to milliseconds, the larger unit first, each of them at most once."""
    assert expected == parse_duration(text)


@pytest.mark.parametrize("text", NOT_DURATIONS)
def test_not_a_duration(text: str) -> None:
    """What is no duration is shown, and so is how to write one."""
    with pytest.raises(ValueError, match="write it like 90s, 5m, 1h30m or 2d") as told:
        parse_duration(text)

    assert str(told.value).startswith(repr(text))


@pytest.mark.parametrize(("expected", "duration"), WRITTEN)
def test_write(expected: str, duration: timedelta) -> None:
    """A duration is written in the largest units it fills; nothing is `0s`."""
    assert expected == write_duration(duration)


@given(spans)
@settings(deadline=None)
def test_round_trip(duration: timedelta) -> None:
    """What was written is read as the same duration, to the millisecond."""
    assert duration == parse_duration(write_duration(duration))


@given(spans)
@settings(deadline=None)
def test_json_round_trip(duration: timedelta) -> None:
    """What was stored is read as the same duration."""
    assert duration == DURATION.validate_json(DURATION.dump_json(duration))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (90, timedelta(seconds=90)),
        (0, timedelta(0)),
        (1.5, timedelta(milliseconds=1_500)),
        ("5m", timedelta(minutes=5)),
        (timedelta(minutes=5), timedelta(minutes=5)),
    ],
)
def test_field(value: object, expected: timedelta) -> None:
    """In a field a number is seconds; text and spans are what they say."""
    assert expected == DURATION.validate_python(value)


@pytest.mark.parametrize("value", [None, [], {}, float("nan"), "5", "soon"])
def test_field_refuses(value: object) -> None:
    """A field that holds no duration is an error of that field, not a crash."""
    with pytest.raises(ValidationError):
        DURATION.validate_python(value)


def test_field_is_written() -> None:
    """Files and answers show a duration the way people write it."""
    assert b'"1h30m"' == DURATION.dump_json(timedelta(minutes=90))
    assert "1h30m" == DURATION.dump_python(timedelta(minutes=90))


def test_schema() -> None:
    """The API's description says that text and numbers are read and text is given."""
    read = DURATION.json_schema(mode="validation")
    given_out = DURATION.json_schema(mode="serialization")

    assert {"anyOf": [{"type": "string"}, {"type": "number"}]} == read
    assert {"type": "string"} == given_out
