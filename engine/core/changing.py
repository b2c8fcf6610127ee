"""
Changing frozen values: a copy that differs in some fields.

`dataclasses.replace` runs through `__init__` and sets each field by name; a decision
makes a dozen copies of an incident with forty fields. Copying slot by slot is five
times faster (measured: `python -m benchmarks core`).
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
Slot = tuple[str, Callable[[Any], Any], Callable[[Any, Any], None]]


def changed(value: T, **fields: Any) -> T:
    """
    Return a copy of a frozen dataclass with slots, with these fields changed.

    Raises:
        TypeError: If it has no such field.
    """
    cls = type(value)
    copy = object.__new__(cls)
    for name, read, write in _slots(cls):  # type: ignore[arg-type] # a type is hashable
        write(copy, fields.pop(name) if name in fields else read(value))
    if fields:
        message = f"{cls.__name__} has no {', '.join(fields)}"
        raise TypeError(message)

    return copy


@cache
def _slots(cls: type) -> tuple[Slot, ...]:
    names: tuple[str, ...] = cls.__slots__  # type: ignore[attr-defined]
    descriptors = [(name, getattr(cls, name)) for name in names]

    return tuple((name, slot.__get__, slot.__set__) for name, slot in descriptors)
