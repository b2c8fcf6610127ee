"""
YAML 1.2 texts, read into plain values, with the line of everything in them.

`10:00`, `NO`, `007` and `2026-01-01` are text without quotes: a number is one only if
it is written as numbers are, and nothing else is guessed. What would make a file mean
something that nobody sees in it is refused: a key that is there twice, anchors and
aliases, tags, more than one document.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.reader import ReaderError

# A second or so to read; a directory of files may hold more.
TEXT_MAX = 1 << 18
# The deepest thing that can be written, a target of a step, is half as deep.
DEPTH_MAX = 20
QUOTED_MAX = 100
# The longest id; of a longer key that much is shown.
KEY_MAX = 200

WORDS: Mapping[str, bool | None] = {
    word: value
    for name, value in (("null", None), ("true", True), ("false", False))
    for word in (name, name.capitalize(), name.upper())
} | {"~": None, "": None}
NO_CHARACTER = "not YAML: an escape like \\u0041 here stands for no character"
SURROGATE = re.compile("[\ud800-\udfff]")
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
FRACTION = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,15}")

Path = tuple[str | int, ...]


class YamlError(ValueError):
    """
    A text that is not read.

    Attributes:
        problem: What is wrong with it, and what to do.
        line: Where, counted from 1; None: with the text as a whole.
        path: What it is part of.
    """

    def __init__(self, problem: str, line: int | None = None, path: Path = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """
    What a text says.

    Attributes:
        value: Mappings, lists, texts, numbers, truths, None; an empty text is None.
        lines: The line of each path, counted from 1.
    """

    value: Any
    lines: Mapping[Path, int]

    def line_of(self, path: Path) -> int:
        """Return the line of a path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]

        return self.lines.get(path, 1)


def load_yaml(text: str) -> Loaded:
    """
    Read one text.

    Raises:
        YamlError: If it is not YAML, or holds what could mean something unseen.
    """
    if len(text) > TEXT_MAX:
        problem = f"is larger than {TEXT_MAX >> 10} KiB: split it"
        raise YamlError(problem)
    builder = _Builder()
    for event in _events(text):
        builder.take(event)

    return Loaded(value=builder.value, lines=builder.lines)


def write_path(path: Iterable[str | int]) -> str:
    """Write a path like `policies.default.steps[2]`."""
    parts = (
        f"[{part}]" if isinstance(part, int) else f".{_cut(part)}" for part in path
    )

    return "".join(parts).removeprefix(".")


def _cut(key: str) -> str:
    return key if len(key) <= KEY_MAX else f"{key[:KEY_MAX]}…"


def _events(text: str) -> Iterator[Event]:
    """Yield what is in a text, one after the other; nothing is held or resolved."""
    line = 1
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            yield event
            line = event.end_mark.line + 1
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"not YAML: {error.problem}"
        raise YamlError(problem, mark.line + 1 if mark else line) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = "not YAML: there is a character that is no text: remove it"
        raise YamlError(problem, line) from error
    except YAMLError as error:
        raise YamlError(f"not YAML: {error}", line) from error  # noqa: EM102, TRY003 - no other words for it
    except (ValueError, OverflowError) as error:
        raise YamlError(NO_CHARACTER, line) from error


class _NoKey:
    """In the place of a key that has not come yet."""


NO_KEY = _NoKey()


@dataclass(slots=True)
class _Open:
    """A mapping or a list that has not ended yet."""

    path: Path
    value: dict[str, Any] | list[Any]
    key: str | _NoKey = NO_KEY


@dataclass(slots=True)
class _Builder:
    """Puts together what is read, event by event: no depth of a text is a recursion."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict[Path, int])
    _open: list[_Open] = field(default_factory=list[_Open])
    _documents: int = 0

    def take(self, event: Event) -> None:
        line = event.start_mark.line + 1
        match event:
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    problem = "a second document begins: put it into another file"
                    raise YamlError(problem, line)
            case NodeEvent():
                self._refuse(event, line)
                self._take_node(event, line)
            case CollectionEndEvent():
                self._open.pop()
            case _:
                return

    def _take_node(self, event: NodeEvent, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top and isinstance(top.value, dict) and isinstance(top.key, _NoKey):
            self._take_key(top, event, line)
            return
        path = self._next_path(top)
        value = _value_of(event)
        self.lines.setdefault(path, line)
        if top is None:
            self.value = value
        elif isinstance(top.value, list):
            top.value.append(value)
        else:
            assert isinstance(top.key, str)  # noqa: S101 - it was just looked at
            top.value[top.key] = value
            top.key = NO_KEY
        if isinstance(event, CollectionStartEvent):
            self._open.append(_Open(path, value))

    def _take_key(self, top: _Open, event: NodeEvent, line: int) -> None:
        key = _value_of(event)
        if not isinstance(key, str) or not isinstance(event, ScalarEvent):
            problem = "a key that is no text: put it in quotes"
            if not isinstance(event, ScalarEvent):
                problem = "a key that is no text: write a name before the colon"
            raise YamlError(problem, line, top.path)
        path = (*top.path, key)
        if key in top.value:
            problem = f"is there twice, first in line {self.lines[path]}: remove one"
            raise YamlError(problem, line, path)
        self.lines[path] = line
        top.key = key

    def _next_path(self, top: _Open | None) -> Path:
        if top is None:
            return ()
        if isinstance(top.value, list):
            return (*top.path, len(top.value))
        assert isinstance(top.key, str)  # noqa: S101 - a value comes after its key

        return (*top.path, top.key)

    def _refuse(self, event: NodeEvent, line: int) -> None:
        """Refuse what could mean something that is not to be seen here."""
        path = self._open[-1].path if self._open else ()
        if isinstance(event, ScalarEvent) and SURROGATE.search(event.value):
            raise YamlError(NO_CHARACTER, line, path)
        if isinstance(event, AliasEvent) or event.anchor is not None:
            sign = "*" if isinstance(event, AliasEvent) else "&"
            # What stands behind the sign may be a secret that lacks its quotes.
            problem = (
                f"`{sign}`: anchors and aliases are not read: write out what is "
                "meant, and put text in quotes"
            )
            raise YamlError(problem, line, path)
        tag = getattr(event, "tag", None)
        if tag is not None:
            problem = (
                f"the tag {str(tag)[:QUOTED_MAX]!r} is not read: remove it, and put "
                "text in quotes"
            )
            raise YamlError(problem, line, path)
        if isinstance(event, CollectionStartEvent) and len(self._open) >= DEPTH_MAX:
            problem = f"is deeper than {DEPTH_MAX} levels: nothing here needs that"
            raise YamlError(problem, line, path)


def _value_of(event: NodeEvent) -> Any:
    """Return a value as it is read; a mapping or a list is empty at its start."""
    match event:
        case MappingStartEvent():
            return {}
        case ScalarEvent():
            return _scalar(event.value) if event.implicit[0] else event.value
        case _:
            return []


def _scalar(text: str) -> Any:
    """Read a scalar without quotes: text, unless it says clearly that it is not."""
    if text in WORDS:
        return WORDS[text]
    if WHOLE.fullmatch(text):
        return int(text)
    if FRACTION.fullmatch(text) and str(float(text)) == text:
        return float(text)

    return text
