"""Histories of earlier releases are read as they were written, and mean the same."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.codec import decode_entry, decode_snapshot, encode_incident
from engine.core.events import Opened
from engine.core.incident import Decision
from engine.core.machine import decide, open_incident
from engine.core.reasons import Reason
from engine.ports import Entry
from policies.policy import Snapshot

GOLDEN = sorted(Path(__file__).parent.glob("*.json"))


@dataclass(frozen=True, kw_only=True)
class Golden:
    """
    A history as a release wrote it.

    Attributes:
        snapshots: Those that its events name, by hash.
        incident: What the release stored of the incident at the end, in hex.
    """

    entries: list[Entry]
    snapshots: dict[str, Snapshot]
    incident: str

    @classmethod
    def read(cls, path: Path) -> "Golden":
        """Read one file."""
        written = json.loads(path.read_text())
        snapshots = [decode_snapshot(bytes.fromhex(s)) for s in written["snapshots"]]

        return cls(
            entries=[decode_entry(bytes.fromhex(line)) for line in written["history"]],
            snapshots={snapshot.hash: snapshot for snapshot in snapshots},
            incident=written["incident"],
        )

    def decisions(self, without: int | None = None) -> list[Decision]:
        """Decide each event again, but for one of them."""
        opened = self.entries[0].event
        assert isinstance(opened, Opened)
        decisions = [open_incident(opened, self.snapshots[opened.snapshot])]
        for number, entry in enumerate(self.entries[1:], start=1):
            if number != without:
                named = getattr(entry.event, "snapshot", None)
                snapshot = self.snapshots[named] if named else None
                decisions.append(decide(decisions[-1].incident, entry.event, snapshot))

        return decisions


@pytest.fixture(params=GOLDEN, ids=lambda path: str(path.stem))
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return each history that some release wrote."""
    return Golden.read(request.param)


def test_same_incident(golden: Golden) -> None:
    """A golden history leads to the same incident, byte for byte."""
    incident = golden.decisions()[-1].incident

    assert golden.incident == encode_incident(incident).hex()


def test_same_reasons(golden: Golden) -> None:
    """Every event of a golden history means what it meant then."""
    reasons = [entry.reason for entry in golden.entries]

    assert reasons == [decision.reason for decision in golden.decisions()]


def test_gap(golden: Golden) -> None:
    """A history that lacks the answer to a question leads elsewhere."""
    reasons = [entry.reason for entry in golden.entries]
    decisions = golden.decisions(without=reasons.index(Reason.PAGED))

    assert golden.incident != encode_incident(decisions[-1].incident).hex()


def test_there_are_some() -> None:
    """Golden histories tell of pages, acknowledgements, turns and new starts."""
    reasons = {entry.reason for path in GOLDEN for entry in Golden.read(path).entries}

    assert {
        Reason.PAGED,
        Reason.ACKNOWLEDGED,
        Reason.TAKING_TURN,
        Reason.RESTARTED,
    } <= reasons
