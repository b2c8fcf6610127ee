"""
Changing frozen values: a copy that differs in some fields.

`dataclasses.replace` runs through `__init__` and sets each field by name; a decision
makes a dozen copies of an incident with forty fields. What has no slots is copied as a
dict, which takes a microsecond; what has, slot by slot (`python -m benchmarks core`).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
Slot = tuple[Callable[[Any], Any], Callable[[Any, Any], None]]


def changed(value: T, **fields: Any) -> T:
    """
    Return a copy of a frozen dataclass, with fields changed.

    Raises:
        TypeError: If it has no such field.
    """
    cls = type(value)
    copy = object.__new__(cls)
    known = getattr(value, "__dict__", None)
    if known is None:
        return _with_slots(value, copy, fields)
    if not fields.keys() <= known.keys():
        raise _no_field(cls, fields.keys() - known.keys())
    copy.__dict__.update(known)
    copy.__dict__.update(fields)

    return copy


def _with_slots(value: T, copy: T, fields: dict[str, Any]) -> T:
    slots = _slots(type(value))  # type: ignore[arg-type] # a type is hashable
    for read, write in slots.values():
        write(copy, read(value))
    for name, field in fields.items():
        if name not in slots:
            raise _no_field(type(value), {name})
        slots[name][1](copy, field)

    return copy


@cache
def _slots(cls: type) -> Mapping[str, Slot]:
    names: tuple[str, ...] = cls.__slots__  # type: ignore[attr-defined]
    found = {name: getattr(cls, name) for name in names}

    return {name: (slot.__get__, slot.__set__) for name, slot in found.items()}


def _no_field(cls: type, names: set[str]) -> TypeError:
    return TypeError(f"{cls.__name__} has no {', '.join(sorted(names))}")
