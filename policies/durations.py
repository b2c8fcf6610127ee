"""
Spans of time, as people write them: `90s`, `5m`, `1h30m`, `2d`.

A number is taken as seconds. Everything is rounded up to whole milliseconds, the
unit the whole engine counts in: a wait may be longer than written, never shorter.
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

UNITS = {
    "d": "days",
    "h": "hours",
    "m": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
}
WRITTEN = re.compile(
    r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?"
)
MILLISECOND = timedelta(milliseconds=1)


def parse_duration(text: str) -> timedelta:
    """
    Read a duration such as `1h30m`.

    Raises:
        ValueError: If it is not one; the message shows how to write it.
    """
    found = WRITTEN.fullmatch(text.strip())
    if not found or not any(found.groups()):
        message = f"{text!r} is not a duration: write it like 90s, 5m, 1h30m or 2d"
        raise ValueError(message)
    parts = zip(UNITS.values(), found.groups(), strict=True)

    return _span(**{unit: float(number) for unit, number in parts if number})


def write_duration(duration: timedelta) -> str:
    """Write a duration the way people do; the opposite of `parse_duration`."""
    left = duration // MILLISECOND
    written = ""
    for unit, size in (
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ):
        count, left = divmod(left, size)
        written += f"{count}{unit}" if count else ""
    written += f"{left}ms" if left else ""

    return written or "0s"


def _span(**parts: float) -> timedelta:
    try:
        return timedelta(**parts)
    except (OverflowError, ValueError):
        message = "the duration is too long"
        raise ValueError(message) from None


def _read(value: object) -> object:
    match value:
        case bool():
            message = "a duration is a text like 5m, or a number of seconds"
            raise ValueError(message)
        case str():
            return parse_duration(value)
        case int() | float():
            return _rounded_up(_span(seconds=value))
        case timedelta():
            return _rounded_up(value)
        case _:
            return value


def _rounded_up(duration: timedelta) -> timedelta:
    """Round up, but never up to nothing: less than nothing stays refused."""
    if duration < timedelta(0):
        return duration

    return -(-duration // MILLISECOND) * MILLISECOND


Duration = Annotated[
    timedelta,
    BeforeValidator(_read, json_schema_input_type=str | float),
    PlainSerializer(write_duration, return_type=str),
]
