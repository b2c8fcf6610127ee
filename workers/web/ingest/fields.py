"""
Fields of a notice: read what can be read, and name what cannot.

No notice is refused for a field of the wrong type. The names of such fields travel
with the alert, so that its incident's timeline shows what is missing and where.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from workers.web.bodies import Json
from workers.web.text import clean, one_line

LABELS_MAX = 64
LABEL_NAME_MAX = 200
LABEL_VALUE_MAX = 1_000
LINK_MAX = 2_000
KEY_BYTES_MAX = 512
UNREAD_MAX = 20
_HASH_LETTERS = 32
_YEAR_MIN = 1970
_LINK = re.compile(r"https?://[^\s\x00-\x1f\x7f<>\"]+", re.IGNORECASE)
# RFC 3339; Python's own reading of ISO 8601 takes much that no sender means.
_TIME = re.compile(
    r"(\d{4})-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_NO_TIME_YEAR = "0001"


@dataclass(slots=True)
class Fields:
    """
    Reads the fields of one object of a notice.

    Attributes:
        source: The object.
        place: Where it is in the body, as in `alerts[2].`.
        unread: Names of the fields that could not be read, so far.
    """

    source: Mapping[str, Json]
    place: str = ""
    unread: list[str] = field(default_factory=list[str])

    def text(self, name: str) -> str:
        """Return a text as it was sent; empty if there is none."""
        match self.source.get(name):
            case None:
                return ""
            case str() as text:
                return text
            case _:
                self.mark(name)
                return ""

    def scalar(self, name: str) -> str:
        """Return a text; a number or a boolean as JSON writes it."""
        found = self.source.get(name)
        text = _scalar(found)
        if text is None and found is not None:
            self.mark(name)

        return text or ""

    def texts(self, name: str) -> Mapping[str, str]:
        """Return texts by their names; numbers and booleans as JSON writes them."""
        match self.source.get(name):
            case None:
                return {}
            case dict() as found:
                texts = {key: _scalar(value) for key, value in found.items()}
                for key, text in texts.items():
                    if text is None:
                        self.mark(f"{name}.{key}")
                return {key: text for key, text in texts.items() if text is not None}
            case _:
                self.mark(name)
                return {}

    def count(self, name: str) -> int:
        """Return a number of things; 0 if there is none."""
        match self.source.get(name):
            case None:
                return 0
            case int() as number if number >= 0 and not isinstance(number, bool):
                return number
            case _:
                self.mark(name)
                return 0

    def time(self, name: str) -> datetime | None:
        """Return an RFC 3339 time in UTC and whole milliseconds; year 1 means none."""
        text = self.text(name)
        if not text or text.startswith(f"{_NO_TIME_YEAR}-"):
            return None
        at = _read_time(text)
        if at is None:
            self.mark(name)

        return at

    def link(self, name: str) -> str:
        """Return a link that is safe to show: http or https, in full or not at all."""
        text = self.text(name).strip()
        if not text:
            return ""
        if len(text) > LINK_MAX or not _LINK.fullmatch(text):
            self.mark(name)
            return ""

        return text

    def mark(self, name: str) -> None:
        """Note that a field could not be read."""
        self.unread.append(one_line(f"{self.place}{name}", LABEL_NAME_MAX))

    def note(self, remark: str) -> None:
        """Note something else that is missing."""
        self.unread.append(remark)

    def told(self) -> tuple[str, ...]:
        """Return what could not be read, at most 20 names and how many more."""
        if len(self.unread) <= UNREAD_MAX:
            return tuple(self.unread)
        more = len(self.unread) - UNREAD_MAX

        return (*self.unread[:UNREAD_MAX], f"{more} more")


def bounded_labels(
    labels: Mapping[str, str], fields: Fields, routed: Collection[str] = ()
) -> Mapping[str, str]:
    """
    Return the first 64 labels, fit to show; how many were left out is noted.

    Those that routes look at come first, so that however many others there are, they do
    not change the route; nor does one whose name only reads like that of another.
    """
    ordered = {
        **{name: labels[name] for name in sorted(routed) if name in labels},
        **labels,
    }
    kept: dict[str, str] = {}
    for name, value in list(ordered.items())[:LABELS_MAX]:
        kept.setdefault(one_line(name, LABEL_NAME_MAX), clean(value, LABEL_VALUE_MAX))
    if len(labels) > LABELS_MAX:
        fields.note(f"{fields.place}labels: {len(labels) - LABELS_MAX} left out")

    return kept


def bounded_key(text: str) -> str:
    """Return a key as it was sent, or its hash if it is long or cannot be shown."""
    if len(text.encode()) <= KEY_BYTES_MAX and one_line(text, KEY_BYTES_MAX) == text:
        return text

    return hash_of(text)


def hash_of(content: Json | Mapping[str, str]) -> str:
    """Hash JSON by its content: the order of an object's fields does not matter."""
    return hashlib.sha256(canonical(content)).hexdigest()[:_HASH_LETTERS]


def canonical(content: Json | Mapping[str, str]) -> bytes:
    """Write JSON so that the same content is always the same bytes."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _scalar(value: Json) -> str | None:
    match value:
        case str():
            return value
        case bool() | int() | float():
            return orjson.dumps(value).decode()
        case _:
            return None


def _read_time(text: str) -> datetime | None:
    shape = _TIME.fullmatch(text)
    if shape is None or int(shape[1]) < _YEAR_MIN:
        return None
    try:
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

    return at.replace(microsecond=at.microsecond // 1_000 * 1_000)
