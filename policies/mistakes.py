"""
Mistakes in files: where each is, what is wrong, and what to do about it.

What pydantic finds is said in the words of whoever writes files, with the path as they
see it. Values are not quoted: they may be secrets.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from typing_extensions import override

from policies.durations import write_duration
from policies.loading import Path

Schema = Mapping[str, Any]

NAMED_MAX = 20
# Some problems quote what was written, however long it is.
PROBLEM_MAX = 500
# What is written in a file, in the place of what a program would call it.
PROBLEMS: Mapping[str, str] = {
    "missing": "is missing: add it",
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "tuple_type": "should be a list: write it like [one, another]",
    "dict_type": "should be names with values: write it like {name: value}",
    "mapping_type": "should be names with values: write it like {name: value}",
    "model_type": "should be names with values: write it like {name: value}",
    "model_attributes_type": "should be names with values: write it like {name: value}",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "string_too_short": "is empty: write something, or leave the key out",
    "time_delta_type": "should be a duration: write it like 90s, 5m, 1h30m or 2d",
    "union_tag_not_found": "should be a text like user:alice",
}
LIMITS: Mapping[str, tuple[str, str]] = {
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
}
LENGTHS: Mapping[str, tuple[str, str]] = {
    "too_long": ("max_length", "have at most {} entries"),
    "too_short": ("min_length", "have at least {} entries"),
    "string_too_long": ("max_length", "be at most {} characters long"),
}
SPAN = "datetime.timedelta("
TAGGED_BY = "kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """
    One thing that is wrong in a file.

    Attributes:
        file: The name of the file, as it was given.
        line: Counted from 1; None: the file as a whole.
        path: What is wrong, like `policies.default.steps[2]`; empty: all of it.
        problem: What is wrong with it, and what to do.
    """

    file: str
    line: int | None = None
    path: str = ""
    problem: str

    @override
    def __str__(self) -> str:
        has_line = self.file and self.line is not None
        place = f"{self.file}:{self.line}" if has_line else self.file

        return ": ".join(part for part in (place, self.path, self.problem) if part)


def problems_of(
    error: ValidationError, schema: Schema, value: Any
) -> Iterator[tuple[Path, str]]:
    """
    Yield the path and the problem of everything that does not fit a model.

    Args:
        error: What pydantic says.
        schema: The JSON Schema of what the value should have been.
        value: What was read.
    """
    found = error.errors(include_url=False, include_input=False)
    paths = [_path_in(value, one["loc"]) for one in found]
    for path, one in zip(paths, found, strict=True):
        kind, context = one["type"], one.get("ctx", {})
        if kind == "too_short" and any(_is_inside(other, path) for other in paths):
            # Entries that are wrong are not counted; that they are wrong is said.
            continue
        if kind == "extra_forbidden":
            known = _keys_at(schema, value, path[:-1])
            yield path, not_known(str(path[-1]), known)
        else:
            at = _value_at(value, path)
            yield path, _problem(kind, one["msg"], context, at)[:PROBLEM_MAX]


def not_known(name: str, known: Collection[str]) -> str:
    """Say that there is no such key, and which one may have been meant."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"there is no such key; did you mean {close[0]!r}?"
    listed = ", ".join(sorted(known)[:NAMED_MAX])

    return f"there is no such key: use one of {listed}"


def _problem(kind: str, message: str, context: Mapping[str, Any], value: Any) -> str:
    match kind:
        case "string_type":
            is_value = isinstance(value, int | float)
            return "should be text" + (": put it in quotes" if is_value else "")
        case "value_error":
            return message.removeprefix("Value error, ")
        case "enum" | "literal_error":
            return f"should be {context['expected']}"
        case "union_tag_invalid":
            kinds = context["expected_tags"]
            return f"{context['tag'][:NAMED_MAX]!r} is no kind: use one of {kinds}"
        case _ if kind in LIMITS:
            key, words = LIMITS[kind]
            return f"should be {words} {_limit(str(context[key]))}"
        case _ if kind in LENGTHS:
            key, words = LENGTHS[kind]
            return "should " + words.format(context[key])
        case _:
            return PROBLEMS.get(kind) or message.replace("Input should", "should", 1)


def _limit(text: str) -> str:
    """Return a limit as it is written; pydantic quotes a duration as Python has it."""
    if not text.startswith(SPAN):
        return text
    parts = {unit: int(number) for unit, number in re.findall(r"(\w+)=(\d+)", text)}

    return write_duration(timedelta(**parts))


def _is_inside(path: Path, around: Path) -> bool:
    return len(path) > len(around) and path[: len(around)] == around


def _path_in(value: Any, location: tuple[str | int, ...]) -> Path:
    """
    Return where something is in what was written.

    Pydantic names the kind of a step or target too, as if it were a key, and goes on
    inside what was written as one text.
    """
    path: list[str | int] = []
    is_entered = False
    for index, part in enumerate(location):
        if isinstance(value, dict):
            if not is_entered and part == value.get(TAGGED_BY):
                is_entered = True
                continue
            if part not in value and index < len(location) - 1:
                continue
        elif not isinstance(value, list) or not isinstance(part, int):
            break
        path.append(part)
        value, is_entered = _value_at(value, (part,)), False

    return tuple(path)


def _value_at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None

    return value


def _keys_at(schema: Schema, value: Any, path: Path) -> list[str]:
    """Return the keys that a schema has at a path."""
    shapes = list(_shapes(schema, schema, value))
    for part in path:
        value = _value_at(value, (part,))
        shapes = [
            shape
            for around in shapes
            for below in _below(around, part)
            for shape in _shapes(schema, below, value)
        ]

    return [key for shape in shapes for key in shape.get("properties", {})]


def _below(shape: Schema, part: str | int) -> Iterator[Schema]:
    if isinstance(part, int):
        found = shape.get("items")
    else:
        found = shape.get("properties", {}).get(part, shape.get("additionalProperties"))
    if isinstance(found, dict):
        yield found


def _shapes(schema: Schema, one: Schema, value: Any) -> Iterator[Schema]:
    """Yield what a value may look like here; of several kinds, its own."""
    if "$ref" in one:
        one = schema["$defs"][one["$ref"].rpartition("/")[2]]
    for alternative in (*one.get("anyOf", ()), *one.get("oneOf", ())):
        yield from _shapes(schema, alternative, value)
    kind = one.get("properties", {}).get(TAGGED_BY, {}).get("const")
    if kind is None or not isinstance(value, dict) or value.get(TAGGED_BY) == kind:
        yield one
