"""
Changing frozen values: a copy that differs in some fields.

`dataclasses.replace` runs through `__init__` and sets each field by name; a decision
makes a dozen copies of an incident with forty fields. What has no slots is copied as a
dict, which takes a microsecond; what has, slot by slot (`python -m benchmarks core`).
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields as fields_of
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
    inside = copy.__dict__
    inside.update(known)
    inside.update(fields)
    if len(inside) != len(known):
        raise _no_field(cls, fields.keys() - known.keys())

    return copy


def maker(cls: type[T]) -> Callable[[dict[str, Any]], T]:
    """
    Return what makes such a frozen dataclass of its fields, as its `__init__` would.

    Defaults are shared, as frozen values may. It raises TypeError if a field without a
    default is not given, or one that it does not have.
    """
    declared = fields_of(cls)  # type: ignore[arg-type] # a dataclass
    defaults = {one.name: _default(one) for one in declared}
    known = {name: value for name, value in defaults.items() if value is not MISSING}
    slots = getattr(cls, "__slots__", None)

    def make(given: dict[str, Any]) -> T:
        merged = known | given
        if len(merged) != len(defaults):
            raise _wrong_fields(cls, merged.keys() ^ defaults.keys())
        made = object.__new__(cls)
        made.__dict__.update(merged)

        return made

    def make_with_slots(given: dict[str, Any]) -> T:
        merged = known | given
        if len(merged) != len(defaults):
            raise _wrong_fields(cls, merged.keys() ^ defaults.keys())
        made = object.__new__(cls)
        for name, (_, write) in setters.items():
            write(made, merged[name])

        return made

    setters = _slots(cls) if slots is not None else {}  # type: ignore[arg-type]

    return make if slots is None else make_with_slots


def _default(one: Field[Any]) -> Any:
    if one.default_factory is not MISSING:
        return one.default_factory()

    return one.default


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


def _wrong_fields(cls: type, names: set[str]) -> TypeError:
    return TypeError(f"{cls.__name__}: {', '.join(sorted(names))} missing or unknown")


def _no_field(cls: type, names: set[str]) -> TypeError:
    return TypeError(f"{cls.__name__} has no {', '.join(sorted(names))}")
