"""The whole way of one alert, from a real Alertmanager to a page and back."""

from pathlib import Path

import pytest

from tests.support.alertmanager import (
    by_pagerduty,
    by_webhook,
    found_alertmanager,
    running_alertmanager,
)
from tests.support.journeys import WAIT, Installed, seed_with_pagerduty
from tests.support.processes import eventually, holds_for

pytestmark = pytest.mark.skipif(
    found_alertmanager() is None,
    reason="no Alertmanager here (Debian: apt-get install prometheus-alertmanager)",
)
ALERT = {"alertname": "DiskFull", "instance": "db1", "severity": "critical"}


@pytest.mark.parametrize("receiver", ["webhook_configs", "pagerduty_configs"])
def test_whole_way(tmp_path: Path, receiver: str) -> None:
    """Firing pages one after the other, acknowledging stops that, resolved closes."""
    rung = Installed(tmp_path)
    routing_key = seed_with_pagerduty(rung.data)
    way = {
        "webhook_configs": by_webhook(rung.ingest),
        "pagerduty_configs": by_pagerduty(rung.address, routing_key),
    }[receiver]
    with (
        rung.start() as process,
        running_alertmanager(tmp_path, way) as alertmanager,
    ):
        process.wait_until_ready()
        alertmanager.fire(**ALERT)
        eventually(lambda: rung.people() == ["alice"])
        eventually(lambda: rung.people() == ["alice", "bob"])
        [incident] = {page.incident for page in rung.pages()}
        opened = rung.ask("GET", f"/v1/incidents/{incident}")
        rung.ask("POST", f"/v1/incidents/{incident}/acknowledge")
        acknowledged = rung.status(incident)
        holds_for(2 * WAIT, lambda: rung.people() == ["alice", "bob"])
        alertmanager.end(**ALERT)
        eventually(lambda: rung.status(incident) == "resolved")
        code = process.end()

    assert "DiskFull" in opened["title"]
    assert opened["metadata"]["severity"]
    assert "acknowledged" == acknowledged
    assert 2 == len({page.key for page in rung.pages()})
    assert 0 == code
