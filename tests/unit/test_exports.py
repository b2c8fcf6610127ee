"""Exports: histories that any program can read, and that lead to the same incident."""

import json
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from engine.codec import encode_entry, encode_incident
from engine.codec.exports import (
    KINDS,
    export_entry,
    export_snapshot,
    import_entry,
    import_snapshot,
    snapshots_named,
)
from engine.core.effects import Comment
from engine.core.events import Escalated, Event, WokeUp
from engine.core.reasons import Reason
from engine.errors import UnreadableError
from engine.ports import Entry
from policies.targets import UserTarget
from tests.replays.test_golden import GOLDEN, Golden
from tests.unit.test_codec import NOW, unhurried, values


@pytest.mark.parametrize("kind", get_args(Event))
@given(data=st.data())
@settings(unhurried, max_examples=30)
def test_entry(kind: Any, data: st.DataObject) -> None:
    """Whatever happened is read back from its export as it was, byte for byte."""
    entry = Entry(
        event=data.draw(values(kind)),
        reason=data.draw(values(Reason)),
        comments=data.draw(values(tuple[Comment, ...])),
    )
    written = orjson.dumps(export_entry(1, entry))
    read = import_entry(json.loads(written))

    assert entry == read
    assert encode_entry(entry) == encode_entry(read)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_replayed(path: Path) -> None:
    """A history that was exported and read back leads to the same incident."""
    golden = Golden.read(path)
    exported = json.loads(
        orjson.dumps([export_entry(n, one) for n, one in enumerate(golden.entries)])
    )
    snapshots = json.loads(
        orjson.dumps(
            [
                export_snapshot(golden.snapshots[hashed])
                for hashed in snapshots_named(golden.entries)
            ]
        )
    )
    read = Golden(
        entries=[import_entry(one) for one in exported],
        snapshots={one["hash"]: import_snapshot(one) for one in snapshots},
        incident=golden.incident,
    )

    assert golden.incident == encode_incident(read.decisions()[-1].incident).hex()


def test_words() -> None:
    """An export spells out what happened: names, times, targets."""
    event = Escalated(at=NOW, id="c", by="bob", targets=(UserTarget(id="alice"),))
    entry = Entry(event=event, reason=Reason.ESCALATED)

    assert {
        "number": 7,
        "what": "escalated",
        "reason": "escalated",
        "event": {
            "at": "2026-11-24T03:00:00.001000Z",
            "id": "c",
            "by": "bob",
            "step": None,
            "targets": [{"kind": "user", "id": "alice"}],
            "urgency": "high",
            "channels": [],
            "snapshot": None,
        },
        "comments": [],
    } == export_entry(7, entry)


def test_every_kind() -> None:
    """Every kind of event has a name of its own."""
    assert set(get_args(Event)) == set(KINDS.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"what": "dreamt"},
        {"event": {}},
        {"event": {"at": "yesterday"}},
        {"reason": "because"},
        {"comments": [{}]},
        {"event": None},
    ],
)
def test_damaged(changes: dict[str, Any]) -> None:
    """What cannot be read says so."""
    exported = export_entry(1, Entry(event=WokeUp(at=NOW), reason=Reason.WAIT_OVER))
    with pytest.raises(UnreadableError):
        import_entry({**exported, **changes})


def test_damaged_snapshot() -> None:
    """So does a snapshot."""
    with pytest.raises(UnreadableError):
        import_snapshot({"hash": "x"})
