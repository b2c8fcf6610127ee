"""PagerDuty's published client, with its URL changed, against a rung of its own."""

import json
import subprocess
import sys
from os import environ
from pathlib import Path

import httpx2
import pytest
from pagerduty import EventsApiV2Client, HttpError
from typing_extensions import override

from tests.support.journeys import WAIT, Installed, seed_with_pagerduty
from tests.support.processes import eventually, holds_for

SUMMARY = "Disk of db1 is full"


class EndsTls(httpx2.HTTPTransport):
    """Stands for the proxy that ends TLS before rung: the client wants https."""

    @override
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(scheme="http")

        return super().handle_request(request)


def client_of(rung: Installed, routing_key: str) -> EventsApiV2Client:
    """Return the client; all that differs from its documentation is the URL."""
    address = rung.address.replace("http:", "https:")

    return EventsApiV2Client(routing_key, base_url=address, transport=EndsTls())


def test_whole_way(tmp_path: Path) -> None:
    """It triggers and pages, acknowledges and stops that, resolves and closes."""
    rung = Installed(tmp_path)
    routing_key = seed_with_pagerduty(rung.data)
    with rung.start() as process, client_of(rung, routing_key) as client:
        process.wait_until_ready()
        told = client.trigger(SUMMARY, "db1", dedup_key="disk/db1")
        eventually(lambda: rung.people() == ["alice"])
        [page] = rung.pages()
        repeated = client.trigger(SUMMARY, "db1", dedup_key="disk/db1")
        taken = client.acknowledge("disk/db1")
        eventually(lambda: rung.status(page.incident) == "acknowledged")
        holds_for(2 * WAIT, lambda: "carol" not in rung.people())
        incident = rung.ask("GET", f"/v1/incidents/{page.incident}")
        closed = client.resolve("disk/db1")
        eventually(lambda: rung.status(page.incident) == "resolved")
        code = process.end()

    assert {"disk/db1"} == {told, repeated, taken, closed}
    assert SUMMARY == incident["title"]
    assert "PagerDuty events" == incident["acknowledged_by"]
    assert {"critical"} == set(incident["metadata"]["severity"])
    assert 0 == code


def test_key_that_is_made(tmp_path: Path) -> None:
    """A trigger without a key learns the one that acknowledges and resolves it."""
    rung = Installed(tmp_path)
    routing_key = seed_with_pagerduty(rung.data)
    with rung.start() as process, client_of(rung, routing_key) as client:
        process.wait_until_ready()
        first = client.trigger(SUMMARY, "db1", custom_details={"free": "2 GB"})
        second = client.trigger(SUMMARY, "db1")
        incidents = [rung.incident_with(key) for key in (first, second)]
        client.resolve(first)
        eventually(lambda: rung.status(incidents[0]) == "resolved")
        unknown = client.acknowledge("nobody/knows")
        other = rung.status(incidents[1])

    assert first != second
    assert incidents[0] != incidents[1]
    assert "nobody/knows" == unknown
    assert "triggered" == other


def test_refused(tmp_path: Path) -> None:
    """A wrong key is an error for the client, and is listed for who looks for it."""
    rung = Installed(tmp_path)
    seed_with_pagerduty(rung.data)
    with rung.start() as process, client_of(rung, "f" * 32) as client:
        process.wait_until_ready()
        with pytest.raises(HttpError) as refused:
            client.trigger(SUMMARY, "db1")
        httpx2.post(rung.ingest, content=b"{")
        eventually(lambda: len(rejected(rung)) == 2)
        process.wait_for("ingest.unknown_key")
        listed = command_line(rung, "event", "rejected")
        whole = command_line(rung, "event", "rejected", "--json")
        of_one = command_line(
            rung, "event", "rejected", "--integration", "alertmanager"
        )
        shown = rejected(rung)
        log = process.text()

    response = refused.value.response
    assert isinstance(response, httpx2.Response)

    assert 400 == response.status_code
    assert "invalid event" == response.json()["status"]
    assert "f" * 32 not in log + listed + whole
    assert shown == json.loads(whole)
    assert [
        "AT",
        "INTEGRATION",
        "SOURCE",
        "REASON",
        "SIZE",
        "DETAIL",
    ] == listed.split()[:6]
    assert 3 == len(listed.splitlines())
    assert "unknown_key" in listed
    assert "invalid_json" in of_one
    assert "unknown_key" not in of_one


def rejected(rung: Installed) -> list[dict[str, object]]:
    """Return what the API lists as rejected."""
    found: list[dict[str, object]] = rung.ask("GET", "/v1/rejected-events")[
        "rejected_events"
    ]

    return found


def command_line(rung: Installed, *arguments: str) -> str:
    """Run a command on the data of a rung; return what it wrote."""
    result = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "rung", *arguments],
        env={**environ, "RUNG_DATA_DIR": str(rung.data)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    return result.stdout
