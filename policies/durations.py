"""
Spans of time, as people write them: `90s`, `5m`, `1h30m`, `2d`.

A number is taken as seconds. Everything is rounded to whole milliseconds, the
unit the whole engine counts in.
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
WRITTEN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
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

    return timedelta(**{unit: int(number) for unit, number in parts if number})


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


def _read(value: object) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)

    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_read, json_schema_input_type=str | float),
    PlainSerializer(write_duration, return_type=str),
]
