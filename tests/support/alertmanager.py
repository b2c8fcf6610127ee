"""A real Alertmanager on loopback, for as long as a test needs it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which
from typing import Any

import httpx2

from tests.support.processes import eventually
from tests.support.servers import free_port

PROGRAMS = ("prometheus-alertmanager", "alertmanager")
# It groups and repeats in hours by default; nobody wants to wait for that here.
QUICKLY = {"group_wait": "100ms", "group_interval": "1s", "repeat_interval": "1h"}


def found_alertmanager() -> str | None:
    """Return the program, or None if it is not installed."""
    return next((found for name in PROGRAMS if (found := which(name))), None)


@dataclass(frozen=True)
class Alertmanager:
    """A running Alertmanager; what fires there began when it did."""

    address: str
    began_at: datetime

    def fire(self, **labels: str) -> None:
        """Tell it of an alert that fires, as Prometheus does: with its start."""
        self._post(labels, ends_at=datetime.now(UTC) + timedelta(hours=1))

    def end(self, **labels: str) -> None:
        """Tell it that the alert is over."""
        self._post(labels, ends_at=datetime.now(UTC) - timedelta(milliseconds=1))

    def _post(self, labels: dict[str, str], ends_at: datetime) -> None:
        alert = {
            "labels": labels,
            "startsAt": self.began_at.isoformat(),
            "endsAt": ends_at.isoformat(),
        }
        httpx2.post(f"{self.address}/api/v2/alerts", json=[alert]).raise_for_status()


def by_webhook(address: str) -> dict[str, Any]:
    """Return a receiver that posts to a webhook."""
    return {"webhook_configs": [{"url": address}]}


def by_pagerduty(address: str, routing_key: str) -> dict[str, Any]:
    """Return a receiver that sends events as to PagerDuty, to another address."""
    config = {"url": f"{address}/v2/enqueue", "routing_key": routing_key}

    return {"pagerduty_configs": [config]}


@contextmanager
def running_alertmanager(
    directory: Path, receiver: dict[str, Any]
) -> Iterator[Alertmanager]:
    """Run one that tells of its alerts as a receiver says, all on loopback."""
    receiver = {"name": "rung", **receiver}
    route = {"receiver": "rung", "group_by": ["alertname"]} | QUICKLY
    # JSON is YAML too.
    config = directory / "alertmanager.yml"
    config.write_text(json.dumps({"route": route, "receivers": [receiver]}))
    port = free_port()
    with (directory / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the program found above
            [
                str(found_alertmanager()),
                f"--config.file={config}",
                f"--storage.path={directory / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    running = Alertmanager(f"http://127.0.0.1:{port}", datetime.now(UTC))
    try:
        eventually(lambda: _is_ready(running.address))
        yield running
    finally:
        process.terminate()
        process.wait(timeout=10)


def _is_ready(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/-/ready").is_success
    except httpx2.TransportError:
        return False
