"""
Exports: histories in words that any program can read, and that can be replayed.

Unlike what is stored, an export spells every field out, in JSON: times as RFC 3339,
spans as ISO 8601, targets by kind and id. It is lossless: what is read back is what was
written. A field may be added with a default; anything else is a new schema.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from engine.codec.schema import VERSION
from engine.core.effects import Comment
from engine.core.events import Event
from engine.core.reasons import Reason
from engine.errors import UnreadableError
from engine.ports import Entry
from policies.policy import Snapshot
from policies.steps import LENIENT

FORMAT = "rung-history"
EXPORTED = "exported history"
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
Exported = dict[str, Any]
COMMENTS: TypeAdapter[tuple[Comment, ...]] = TypeAdapter(tuple[Comment, ...])


def event_name(kind: type) -> str:
    """Name a kind of event as programs do: `comment_edited`."""
    return _CAPITAL.sub("_", kind.__name__).lower()


KINDS: Mapping[str, type[Event]] = {event_name(kind): kind for kind in get_args(Event)}


def export_head(incident_id: str) -> Exported:
    """Say what follows, and in which schema."""
    return {"format": FORMAT, "schema": VERSION, "incident_id": incident_id}


def export_entry(number: int, entry: Entry) -> Exported:
    """Write one line of history in full; the number counts from 1."""
    what = event_name(type(entry.event))

    return {
        "number": number,
        "what": what,
        "reason": entry.reason.value,
        "event": _adapter(what).dump_python(entry.event, mode="json"),
        "comments": COMMENTS.dump_python(entry.comments, mode="json"),
    }


def import_entry(exported: Mapping[str, Any]) -> Entry:
    """
    Read one line of history.

    Raises:
        UnreadableError: If it is damaged, or of a kind that is not known.
    """
    try:
        return Entry(
            event=_adapter(exported["what"]).validate_python(exported["event"]),
            reason=Reason(exported["reason"]),
            comments=COMMENTS.validate_python(exported["comments"]),
        )
    except (KeyError, TypeError, ValidationError, ValueError) as error:
        raise UnreadableError(EXPORTED, str(error)) from error


def export_snapshot(snapshot: Snapshot) -> Exported:
    """Write a policy snapshot that events name by its hash."""
    return snapshot.model_dump(mode="json")


def import_snapshot(exported: Mapping[str, Any]) -> Snapshot:
    """
    Read a policy snapshot.

    Raises:
        UnreadableError: If it is damaged.
    """
    try:
        return Snapshot.model_validate(exported, context=LENIENT)
    except ValidationError as error:
        raise UnreadableError(EXPORTED, str(error)) from error


def snapshots_named(history: Sequence[Entry]) -> list[str]:
    """Return the hashes of all snapshots that a history names, each once."""
    named = (getattr(entry.event, "snapshot", None) for entry in history)

    return list(dict.fromkeys(hashed for hashed in named if hashed))


@cache
def _adapter(what: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[what])
