"""
Shapes: how a dataclass becomes a small JSON object and comes back.

A shape is a table from field names to short names. The conversions follow from
the field types; fields that have their default are left out. Naming every field
is required, so a field added later cannot be forgotten here.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from engine.core.changing import maker
from policies.targets import AnyTarget, target_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
# An incident names the same few times again and again.
INSTANTS_MAX = 4_096

T = TypeVar("T")
# None stands for "as it is": the fastest conversion is none at all.
Convert = Callable[[Any], Any] | None


def milliseconds(at: datetime) -> int:
    """Return a time as whole milliseconds since 1970."""
    return (at - EPOCH) // MILLISECOND


@lru_cache(INSTANTS_MAX)
def instant(number: int) -> datetime:
    """Return the time that is this many milliseconds after 1970."""
    return EPOCH + timedelta(milliseconds=number)


class Shape(Generic[T]):
    """
    Writes and reads one dataclass.

    Attributes:
        write: Returns the JSON object for a value.

    Args:
        cls: The dataclass.
        known: Shapes of the dataclasses that appear in its fields.
        apart: Fields that are not written; `read` is handed them.
        names: Field name to short name, for every other field.
    """

    def __init__(
        self,
        cls: type[T],
        known: "tuple[Shape[Any], ...]" = (),
        apart: tuple[str, ...] = (),
        **names: str,
    ) -> None:
        self.cls = cls
        shapes = {shape.cls: shape for shape in known}
        hints = get_type_hints(cls)
        all_fields: tuple[Field[Any], ...] = fields(cls)  # type: ignore[arg-type]
        declared = {field.name: _default(field) for field in all_fields}
        if set(declared) != {*names, *apart} or len(set(names.values())) != len(names):
            message = f"the shape of {cls.__name__} must name each field once"
            raise TypeError(message)
        self.write = _compiled(
            [
                (name, short, _writer(hints[name], shapes), declared[name])
                for name, short in names.items()
            ]
        )
        self._readers = {
            short: (name, _reader(hints[name], shapes)) for name, short in names.items()
        }
        self._make = maker(cls)

    def read(self, data: Mapping[str, Any], **apart: Any) -> T:
        """
        Return the value of a JSON object.

        Raises:
            TypeError: If a field is not there that has no default.
        """
        readers = self._readers
        for short, field in data.items():
            reader = readers.get(short)
            if reader is not None:
                name, convert = reader
                apart[name] = convert(field) if convert else field

        return self._make(apart)


def _compiled(
    columns: Sequence[tuple[str, str, Convert, Any]],
) -> Callable[[Any], dict[str, Any]]:
    """
    Return what writes the fields of a value, those that do not have their default.

    It is made as text and compiled, as dataclasses make their `__init__`: a decision is
    written with a hundred fields, and a loop over them takes twice as long.

    Args:
        columns: Field name, short name, conversion and default of each field.
    """
    lines = ["def write(value):", " written = {}"]
    names: dict[str, Any] = {}
    for number, (name, short, convert, default) in enumerate(columns):
        names |= {f"convert_{number}": convert, f"default_{number}": default}
        written = f"convert_{number}(field)" if convert else "field"
        lines += [
            f" field = value.{name}",
            # Most have their default, and most of those the very object.
            f" if field is not default_{number} and field != default_{number}:",
            f"  written[{short!r}] = {written}",
        ]
    lines.append(" return written")
    exec("\n".join(lines), names)  # noqa: S102 - of the names in schema.py, and no others
    compiled: Callable[[Any], dict[str, Any]] = names["write"]

    return compiled


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()

    return MISSING


def _writer(hint: Any, shapes: Mapping[type, Shape[Any]]) -> Convert:
    if hint == AnyTarget:
        return str
    hint = _without_none(hint)
    if hint is datetime:
        return milliseconds
    if hint is timedelta:
        return lambda value: value // MILLISECOND
    if hint in shapes:
        return shapes[hint].write
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return lambda value: value.model_dump()
    inner = _inner(hint)
    convert = _writer(inner, shapes) if inner else None
    if get_origin(hint) is tuple and convert:
        return lambda value: [convert(item) for item in value]
    if get_origin(hint) is Mapping and convert:
        return lambda value: {key: convert(item) for key, item in value.items()}

    return None


def _reader(  # noqa: C901 - one arm for each kind of type
    hint: Any, shapes: Mapping[type, Shape[Any]]
) -> Convert:
    if hint == AnyTarget:
        return target_of
    hint = _without_none(hint)
    if hint is datetime:
        return instant
    if hint is timedelta:
        return lambda value: timedelta(milliseconds=value)
    if hint in shapes:
        return shapes[hint].read
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint.model_validate
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    inner = _inner(hint)
    convert = _reader(inner, shapes) if inner else None
    if get_origin(hint) is tuple:
        return _tuple_reader(convert)
    if get_origin(hint) is Mapping and convert:
        return lambda value: {key: convert(item) for key, item in value.items()}

    return None


def _tuple_reader(convert: Convert) -> Convert:
    if convert is None:
        return tuple

    return lambda value: tuple([convert(item) for item in value])


def _without_none(hint: Any) -> Any:
    if get_origin(hint) is not types.UnionType:
        return hint
    [kept] = [part for part in get_args(hint) if part is not type(None)]

    return kept


def _inner(hint: Any) -> Any:
    """Return the type of a tuple's items or of a mapping's values."""
    match get_origin(hint), get_args(hint):
        case (origin, (item, _)) if origin is tuple:
            return item
        case (origin, (_, value)) if origin is Mapping:
            return value

    return None
