"""Histories of earlier releases are read as they were written, and mean the same."""

import json
from pathlib import Path

from engine.codec import decode_entry, decode_snapshot, encode_incident
from engine.core.events import Opened
from engine.core.incident import Incident
from engine.core.machine import decide, open_incident

GOLDEN = Path(__file__).parent / "0.1.0-acknowledged.json"


def _fold(golden: dict[str, object], skip: int | None = None) -> Incident:
    lines = golden["history"]
    assert isinstance(lines, list)
    snapshot = decode_snapshot(bytes.fromhex(str(golden["snapshot"])))
    entries = [decode_entry(bytes.fromhex(line)) for line in lines]
    opened = entries[0].event
    assert isinstance(opened, Opened)
    incident = open_incident(opened, snapshot).incident
    for number, entry in enumerate(entries[1:]):
        if number != skip:
            incident = decide(incident, entry.event).incident

    return incident


def test_golden_history() -> None:
    """The first golden history leads to the same incident, byte for byte."""
    golden = json.loads(GOLDEN.read_text())

    assert golden["incident"] == encode_incident(_fold(golden)).hex()


def test_a_history_with_a_gap() -> None:
    """A history that lacks an event leads elsewhere."""
    golden = json.loads(GOLDEN.read_text())

    assert golden["incident"] != encode_incident(_fold(golden, skip=1)).hex()
