"""What a decision costs, and what it costs to write it down and read it again."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.options import Figures, Options
from engine.codec import (
    decode_incident,
    encode_entry,
    encode_incident,
    encode_send,
)
from engine.core.alerts import Alert, AlertStatus
from engine.core.effects import LookUp, Send
from engine.core.events import (
    Acknowledged,
    AlertsReceived,
    DeliveryReported,
    Event,
    Opened,
    Outcome,
    Responder,
    TargetsResolved,
    WokeUp,
)
from engine.core.incident import Decision, Incident
from engine.core.machine import decide, open_incident
from engine.directory import Rule
from engine.ports import Entry
from policies.policy import Policy, Snapshot

AT = datetime(2026, 11, 24, 3, tzinfo=UTC)
# So many in a row between two looks at the clock.
BATCH = 200
PART_SECONDS = 1.0
POLICY = Policy.model_validate(
    {
        "id": "default",
        "name": "Primary, secondary, manager",
        "steps": [
            {"kind": "notify", "targets": ["schedule:primary"]},
            {"kind": "wait", "duration": "5m"},
            {"kind": "notify", "targets": ["schedule:secondary"]},
            {"kind": "wait", "duration": "10m"},
            {"kind": "notify", "targets": ["schedule:manager"]},
        ],
        "repeat": {"count": 2, "delay": "15m"},
    }
)
RULES = (
    Rule(delay=timedelta(0), method="alice-push", channel="push"),
    Rule(delay=timedelta(minutes=2), method="alice-sms", channel="sms"),
    Rule(delay=timedelta(minutes=4), method="alice-call", channel="call"),
)
LABELS = {
    "alertname": "HighErrorRate",
    "severity": "critical",
    "service": "checkout",
    "instance": "10.1.2.3:9100",
    "job": "checkout-api",
    "cluster": "eu-west-1",
    "namespace": "production",
    "team": "payments",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A decision that is made again and again: nothing remembers the one before."""

    incident: Incident
    event: Event

    def decide(self) -> Decision:
        """Decide it once more."""
        return decide(self.incident, self.event)


def measure(options: Options) -> Figures:
    """
    Measure decisions and codec.

    Args:
        options: How long each part runs.

    Returns:
        Decisions a second of a typical step; microseconds of a decision by kind, of the
        codec by part, and of a typical step with all of it; bytes of what is stored.
    """
    seconds = options.seconds_or(PART_SECONDS)
    cases = _cases()
    decisions = {
        name: microseconds(case.decide, seconds) for name, case in cases.items()
    }
    paging = cases["page"].decide()
    state, entry, send = _written(paging, cases["page"].event)
    snapshot = paging.incident.snapshot
    codec = {
        "encode_incident": microseconds(
            lambda: encode_incident(paging.incident), seconds
        ),
        "decode_incident": microseconds(
            lambda: decode_incident(state, snapshot, {}), seconds
        ),
        "encode_entry": microseconds(
            lambda: _written_entry(paging, cases["page"].event), seconds
        ),
        "encode_send": microseconds(lambda: encode_send(_send_of(paging)), seconds),
    }
    step = microseconds(lambda: _step(state, snapshot, cases), seconds)

    return {
        "decisions_per_second": round(1e6 / decisions["page"]),
        "decide_us": decisions,
        "codec_us": codec,
        "typical_step_us": step,
        "bytes": {"incident": len(state), "entry": len(entry), "send": len(send)},
    }


def _step(state: bytes, snapshot: Snapshot, cases: dict[str, Case]) -> bytes:
    """Do what a step costs: read, ask, page, and write all of it."""
    decode_incident(state, snapshot, {})
    asked = cases["look_up"].decide()
    encode_entry(Entry(event=cases["look_up"].event, reason=asked.reason))
    paged = cases["page"].decide()
    _written_entry(paged, cases["page"].event)
    encode_send(_send_of(paged))

    return encode_incident(paged.incident)


def _written(decision: Decision, event: Event) -> tuple[bytes, bytes, bytes]:
    return (
        encode_incident(decision.incident),
        _written_entry(decision, event),
        encode_send(_send_of(decision)),
    )


def _written_entry(decision: Decision, event: Event) -> bytes:
    return encode_entry(Entry(event=event, reason=decision.reason))


def _send_of(decision: Decision) -> Send:
    [send] = [effect for effect in decision.effects if isinstance(effect, Send)]

    return send


def _cases() -> dict[str, Case]:
    """Return an incident at each point of its way, with what happens to it there."""
    alert = Alert(
        id="d1.0",
        fingerprint="8e1f2ac1",
        status=AlertStatus.FIRING,
        title="High error rate on checkout",
        starts_at=AT,
        labels=LABELS,
    )
    snapshot = Snapshot.of(POLICY)
    opened = Opened(
        at=AT,
        incident_id="05HNN48A0C5",
        key="8e1f2ac1",
        integration="alertmanager",
        snapshot=snapshot.hash,
        alert=alert,
    )
    first = open_incident(opened, snapshot).incident
    woke = WokeUp(at=AT)
    asked = decide(first, woke)
    [question] = [effect for effect in asked.effects if isinstance(effect, LookUp)]
    answer = TargetsResolved(
        at=AT,
        walk=question.walk,
        generation=question.generation,
        responders=(
            Responder(
                person="alice", target="schedule:primary", why="rotation", rules=RULES
            ),
        ),
        order=("schedule:primary",),
        until=AT + timedelta(hours=5),
    )
    paged = decide(asked.incident, answer)
    report = DeliveryReported(
        at=AT, page=_send_of(paged).page, rule=0, attempt=1, outcome=Outcome.SENT
    )
    later = AT + timedelta(minutes=5)
    joining = AlertsReceived(at=AT, alerts=(alert,))
    taking = Acknowledged(at=AT, id="c1", by="alice")

    return {
        "look_up": Case(incident=first, event=woke),
        "page": Case(incident=asked.incident, event=answer),
        "report": Case(incident=paged.incident, event=report),
        "wait_over": Case(incident=paged.incident, event=WokeUp(at=later)),
        "repeated_alert": Case(incident=paged.incident, event=joining),
        "acknowledge": Case(incident=paged.incident, event=taking),
    }


def microseconds(work: Callable[[], object], seconds: float) -> float:
    """Return what one call takes, the median over batches, without the collector."""
    gc.collect()
    gc.disable()
    try:
        batches = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            began = time.perf_counter()
            for _ in range(BATCH):
                work()
            batches.append((time.perf_counter() - began) / BATCH)
    finally:
        gc.enable()

    return round(statistics.median(batches) * 1e6, 1)
