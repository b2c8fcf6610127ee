"""What a process knows of incidents, for as long as nobody else has written them."""

from engine.adapters.redis.recent import RecentIncidents
from engine.core.alerts import AlertRecord, AlertStatus
from engine.core.changing import changed
from engine.core.incident import Incident
from tests.contract.making import SNAPSHOT, START

INCIDENT = Incident(
    id="05HNN48A0C5",
    title="Database full",
    key="db-full",
    integration="prometheus",
    snapshot=SNAPSHOT,
    opened_at=START,
    last_at=START,
)
RECORD = AlertRecord(status=AlertStatus.FIRING, title="Full", changed_at=START)


def test_revision() -> None:
    """An incident is known by the revision that was kept, without its alerts."""
    recent = RecentIncidents()
    recent.keep("1-00000001", changed(INCIDENT, alerts={"db1": RECORD}))

    assert INCIDENT == recent.find(INCIDENT.id, "1-00000001")
    assert recent.find(INCIDENT.id, "1-00000002") is None
    assert recent.find("05HNN48A0C6", "1-00000001") is None


def test_newer() -> None:
    """What was kept last is what is known."""
    recent = RecentIncidents()
    recent.keep("1-00000001", INCIDENT)
    recent.keep("2-00000002", changed(INCIDENT, title="again"))
    found = recent.find(INCIDENT.id, "2-00000002")

    assert found
    assert "again" == found.title
    assert recent.find(INCIDENT.id, "1-00000001") is None


def test_bounded() -> None:
    """What was stored the longest ago makes room."""
    recent = RecentIncidents(kept_max=2)
    for name in ("a", "b", "a", "c"):
        recent.keep("1-0", changed(INCIDENT, id=name))

    assert [True, False, True] == [
        recent.find(name, "1-0") is not None for name in ("a", "b", "c")
    ]
