"""A webhook from a rung of its own: what the environment allows is what it asks."""

from pathlib import Path

import anyio.to_thread
import httpx2
import orjson

from engine.directory import Directory, Place
from policies.policy import Policy
from policies.steps import WebhookStep
from tests.support.journeys import Installed, seed, until_accepted
from tests.support.processes import eventually
from tests.support.receiver import LOOPBACK, Receiver, receiving, status
from workers.demo import demo_directory, read_secrets

ENDED = {"webhook_answered", "webhook_failed"}
ALERT = {"status": "firing", "labels": {"alertname": "DiskFull"}}


def with_webhook(directory: Directory, url: str) -> Directory:
    """Return a directory whose only policy calls a webhook."""
    hook = Place(id="hook", name="Hook", kind="chat", channel="webhook", address=url)
    policy = Policy(id="default", steps=(WebhookStep(webhook="hook"),))

    return directory.model_copy(
        update={"places": {"hook": hook}, "policies": {policy.id: policy}}
    )


def called(directory: Path, receiver: Receiver, **environment: str) -> list[str]:
    """Let an alert fire; return the reasons in its incident's timeline after the call."""
    rung = Installed(directory)
    url = receiver.url(host=LOOPBACK, scheme="http")
    seed(rung.data, with_webhook(demo_directory(read_secrets(rung.data)), url))
    with rung.start(RUNG_PUBLIC_URL=rung.address, **environment) as process:
        process.wait_until_ready()
        until_accepted(lambda: httpx2.post(rung.ingest, json={"alerts": [ALERT]}))
        eventually(lambda: not ENDED.isdisjoint(reasons(rung)))

        return reasons(rung)


def reasons(rung: Installed) -> list[str]:
    """Return the reasons in the timelines of all incidents."""
    return [
        entry["reason"]
        for incident in rung.ask("GET", "/v1/incidents")["incidents"]
        for entry in rung.ask("GET", f"/v1/incidents/{incident['id']}/timeline")[
            "entries"
        ]
    ]


async def test_allowed(tmp_path: Path) -> None:
    """A network in RUNG_WEBHOOK_ALLOW is asked, with a link to the incident."""
    async with receiving(status(204), tls=False) as receiver:
        recorded = await anyio.to_thread.run_sync(
            lambda: called(tmp_path, receiver, RUNG_WEBHOOK_ALLOW="127.0.0.0/8")
        )

    [received] = receiver.received
    data = orjson.loads(received.body)["data"]
    assert data["url"].endswith(f"/v1/incidents/{data['incident']}")
    assert "webhook_answered" in recorded


async def test_not_allowed(tmp_path: Path) -> None:
    """Without it nothing on this machine is asked; the timeline has the failure."""
    async with receiving(status(204), tls=False) as receiver:
        recorded = await anyio.to_thread.run_sync(lambda: called(tmp_path, receiver))

    assert "webhook_failed" in recorded
    assert 0 == receiver.connections
