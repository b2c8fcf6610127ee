"""The whole way of one alert, from a real Alertmanager to a page and back."""

from pathlib import Path

import pytest

from tests.support.alertmanager import found_alertmanager, running_alertmanager
from tests.support.journeys import WAIT, Installed, seed_quick_demo
from tests.support.processes import eventually, holds_for

pytestmark = pytest.mark.skipif(
    found_alertmanager() is None,
    reason="no Alertmanager here (Debian: apt-get install prometheus-alertmanager)",
)


def test_whole_way(tmp_path: Path) -> None:
    """Firing pages one after the other, acknowledging stops that, resolved closes."""
    rung = Installed(tmp_path)
    seed_quick_demo(rung.data)
    with (
        rung.start() as process,
        running_alertmanager(tmp_path, rung.ingest) as alertmanager,
    ):
        process.wait_until_ready()
        alertmanager.fire(alertname="DiskFull", instance="db1")
        eventually(lambda: rung.people() == ["alice"])
        eventually(lambda: rung.people() == ["alice", "bob"])
        [incident] = {page.incident for page in rung.pages()}
        rung.ask("POST", f"/v1/incidents/{incident}/acknowledge")
        acknowledged = rung.status(incident)
        holds_for(2 * WAIT, lambda: rung.people() == ["alice", "bob"])
        alertmanager.end(alertname="DiskFull", instance="db1")
        eventually(lambda: rung.status(incident) == "resolved")
        code = process.end()

    assert "acknowledged" == acknowledged
    assert 2 == len({page.key for page in rung.pages()})
    assert 0 == code
