"""What an incident remembers of its alerts, and how much of it."""

from typing import Any

from engine.core.alerts import AlertRecord, AlertStatus
from engine.core.reasons import Reason
from tests.core.making import MINUTE, START, World, a_firing, a_policy, a_resolved

BODIES_MAX = 500


def told(fingerprint: str, **fields: Any) -> dict[str, Any]:
    """Return what a source tells of an alert."""
    return {
        "title": f"{fingerprint} is full",
        "labels": {"host": fingerprint},
        "message": "99 %",
        "link": "https://graph",
        **fields,
    }


def test_body() -> None:
    """Of an alert is remembered what its source said of it last."""
    world = World.opened(a_policy(), alert=a_firing("a", **told("a")))
    first = world.incident.alerts["a"]
    world.advance(MINUTE)
    world.alert(a_firing("b", **told("b")))
    world.alert(a_resolved("b", **told("b", message="12 %"), starts_at=START))

    assert ("a is full", "99 %", "https://graph", {"host": "a"}) == body_of(first)
    assert ("b is full", "12 %", "https://graph", {"host": "b"}) == body_of(
        world.incident.alerts["b"]
    )
    assert START == world.incident.alerts["b"].starts_at


def test_bounded() -> None:
    """Of the 501st alert on only what decides is remembered; it counts as before."""
    world = World.opened(a_policy(), alert=a_firing("0", **told("0")))
    for number in range(1, BODIES_MAX + 5):
        world.alert(a_firing(str(number), **told(str(number)), starts_at=START))
    records = world.incident.alerts
    last = records[str(BODIES_MAX)]

    assert [False] * BODIES_MAX + [True] * 5 == [
        one.is_bare for one in records.values()
    ]
    assert ("", "", "", {}) == body_of(last)
    assert (AlertStatus.FIRING, START) == (last.status, last.starts_at)
    assert BODIES_MAX + 5 == world.incident.firing_count == world.incident.alert_count


def test_stays_as_it_was() -> None:
    """One that had room keeps it, and one that had none gets none, fire as they may."""
    world = World.opened(a_policy(), alert=a_firing("0", **told("0")))
    for number in range(1, BODIES_MAX + 1):
        world.alert(a_firing(str(number), **told(str(number))))
    reasons = [
        world.alert(a_resolved(name, **told(name))) for name in ("0", str(BODIES_MAX))
    ]
    records = world.incident.alerts

    assert [Reason.ALERT_ENDED] * 2 == reasons
    assert "0 is full" == records["0"].title
    assert "" == records[str(BODIES_MAX)].title
    assert records[str(BODIES_MAX)].is_bare
    assert not records[str(BODIES_MAX)].is_firing


def body_of(record: AlertRecord) -> tuple[str, str, str, dict[str, str]]:
    """Return what a record says beside what decides."""
    return record.title, record.message, record.link, dict(record.labels)
