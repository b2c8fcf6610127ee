"""`/metrics`: figures of the whole installation, for Prometheus, and for nobody's eyes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.core.incident import Status
from engine.errors import OverloadedError, StoreUnavailableError
from engine.ids import mint
from engine.ports import Counter, Due, Mark, Posting, Span
from policies.policy import Policy
from tests.web.fakes import INGEST_PATH, NOW, World, a_summary
from workers.web.app import create_app
from workers.web.figures import KEPT_SECONDS, OPEN_AT_ONCE, FigureCache

ALERTS = {"alerts": [{"status": "firing", "labels": {"alertname": "x"}}] * 2}
SENT = ("console", "delivered")
SECOND = timedelta(seconds=1)
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """Read what is shown, as Prometheus does."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def at(found: Samples, name: str, **labels: str) -> float:
    """Return one value."""
    return found[name, frozenset(labels.items())]


async def scrape(client: httpx2.AsyncClient, world: World) -> Samples:
    """Return what is shown, of all that was counted so far."""
    await world.tally.hand_in()
    answer = await client.get("/metrics")
    assert 200 == answer.status_code

    return samples(answer.text)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
async def test_open_to_all(client: httpx2.AsyncClient, path: str) -> None:
    """It needs no token, and is what every Prometheus reads."""
    answer = await client.get(path)

    assert 200 == answer.status_code
    assert "text/plain; version=0.0.4; charset=utf-8" == answer.headers["Content-Type"]


async def test_before_anything(client: httpx2.AsyncClient, world: World) -> None:
    """What can be zero is shown before anything happens, so that the first one shows."""
    found = await scrape(client, world)

    assert 0 == at(found, "rung_escalations_exhausted_total")
    assert 0 == at(found, "rung_step_lateness_seconds_count")
    assert 0 == at(found, "rung_incidents_open", state="snoozed", severity="none")
    assert 0 == at(found, "rung_due_steps")
    assert 18 == sum(name == "rung_incidents_open" for name, _ in found)


async def test_counted(client: httpx2.AsyncClient, world: World) -> None:
    """What was counted is shown with its labels."""
    tally = world.tally
    tally.add(Counter.NOTIFICATIONS, *SENT, count=3)
    tally.add(Counter.EXHAUSTED)
    tally.add(Counter.REPAIRS, "mail")
    tally.mark(Mark.AUDIT, NOW)
    tally.mark(Mark.HEARTBEAT, NOW, "host:1:ab")
    found = await scrape(client, world)

    assert 3 == at(
        found, "rung_notifications_total", channel="console", outcome="delivered"
    )
    assert 1 == at(found, "rung_escalations_exhausted_total")
    assert 1 == at(found, "rung_reconciler_repairs_total", kind="mail")
    assert NOW.timestamp() == at(found, "rung_audit_last_success_timestamp_seconds")
    assert NOW.timestamp() == at(
        found, "rung_worker_last_heartbeat_timestamp_seconds", worker="host:1:ab"
    )


async def test_timed(client: httpx2.AsyncClient, world: World) -> None:
    """Buckets hold all up to their bound, the last one all there is."""
    for milliseconds in (1, 2, 30, 30, 5_000_000):
        world.tally.time(Span.LATENESS, timedelta(milliseconds=milliseconds))
    world.tally.time(Span.SENDING, timedelta(milliseconds=20), "console")
    found = await scrape(client, world)
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "rung_step_lateness_seconds_bucket"
    }

    assert 2 == buckets["0.002"]
    assert 2 == buckets["0.02"]
    assert 4 == buckets["0.05"]
    assert 4 == buckets["3600"]
    assert 5 == buckets["+Inf"]
    assert 5 == at(found, "rung_step_lateness_seconds_count")
    assert 5000.063 == at(found, "rung_step_lateness_seconds_sum")
    assert 1 == at(
        found,
        "rung_notification_duration_seconds_bucket",
        channel="console",
        le="0.025",
    )


async def test_open_incidents(client: httpx2.AsyncClient, world: World) -> None:
    """Open incidents are counted over pages; severities that nobody knows are other."""
    severities = ["critical", "CRITICAL ", "", "page-me", "x" * 50]
    world.reader.listed = [
        replace(
            a_summary(number),
            id=mint(NOW + number * SECOND, 0, 0),
            severity=severities[number % 5],
        )
        for number in range(OPEN_AT_ONCE + 5)
    ]
    world.reader.listed[0] = replace(world.reader.listed[0], status=Status.RESOLVED)
    world.reader.listed[1] = replace(world.reader.listed[1], status=Status.SNOOZED)
    found = await scrape(client, world)
    shown = {
        (dict(labels)["state"], dict(labels)["severity"]): value
        for (name, labels), value in found.items()
        if name == "rung_incidents_open" and value
    }

    assert {
        ("triggered", "critical"): 400,
        ("triggered", "none"): 201,
        ("triggered", "other"): 402,
        ("snoozed", "critical"): 1,
    } == shown


async def test_what_waits(client: httpx2.AsyncClient, world: World) -> None:
    """What is due and what is overdue is what the store says."""
    world.backlog.waits = Due(count=7, overdue=2)
    found = await scrape(client, world)

    assert 7 == at(found, "rung_due_steps")
    assert 2 == at(found, "rung_overdue_steps")


async def test_policy_info(world: World) -> None:
    """The hash is another one if a policy is, and the same if something else is."""
    cache = FigureCache(world.context(), elapsed=iter(range(0, 90, 10)).__next__)
    first = await cache.figures()
    directory = world.configuration.directory
    world.configuration.directory = directory.model_copy(update={"version": 9})
    same = await cache.figures()
    policies = {"a": Policy(id="a", steps=())}
    world.configuration.directory = directory.model_copy(update={"policies": policies})
    other = await cache.figures()

    assert first.sha == same.sha
    assert 9 == same.directory.version
    assert first.sha != other.sha


async def test_kept(world: World) -> None:
    """Who asks again within a few seconds costs the store nothing."""
    now = [0.0]
    cache = FigureCache(world.context(), elapsed=lambda: now[0])
    await cache.figures()
    now[0] = KEPT_SECONDS - 0.1
    await cache.figures()
    asked_soon = len(world.reader.asked)
    now[0] = KEPT_SECONDS
    await cache.figures()

    assert 1 == asked_soon
    assert 2 == len(world.reader.asked)


async def test_redis_down(client: httpx2.AsyncClient, world: World) -> None:
    """While the store cannot be asked it is a problem, and no figures of before."""
    world.backlog.failure = StoreUnavailableError("redis://:secret@host is down")
    answer = await client.get("/metrics")

    assert 503 == answer.status_code
    assert "application/problem+json" == answer.headers["Content-Type"]
    assert "store_unavailable" == answer.json()["code"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("posting", list(Posting))
async def test_accepted(
    client: httpx2.AsyncClient, world: World, posting: Posting
) -> None:
    """Each alert that is stored is counted by what became of it."""
    world.engine.posting = posting
    await client.post(INGEST_PATH, json=ALERTS)
    found = await scrape(client, world)

    assert 2 == at(
        found, "rung_alerts_received_total", source="alertmanager", result=posting
    )


@pytest.mark.parametrize(
    ("path", "body", "source", "result"),
    [
        (INGEST_PATH, b"{", "alertmanager", "invalid_json"),
        (INGEST_PATH, b"[" * 100 + b"]" * 100, "alertmanager", "too_deep"),
        ("/ingest/alertmanager/x", b"{}", "alertmanager", "unknown_ingest_address"),
        ("/ingest/%22made-up/x", b"{}", "other", "unknown_ingest_address"),
        ("/v2/enqueue", b"{", "pagerduty", "invalid_json"),
        ("/v2/enqueue", b"{}", "pagerduty", "unknown_ingest_address"),
    ],
)
async def test_refused(
    client: httpx2.AsyncClient,
    world: World,
    path: str,
    body: bytes,
    source: str,
    result: str,
) -> None:
    """A request that is refused counts once, by its code; sources are not made up."""
    await client.post(path, content=body)
    found = await scrape(client, world)

    assert {"alerts": 1} == {
        "alerts": at(found, "rung_alerts_received_total", source=source, result=result)
    }
    assert 1 == sum(name == "rung_alerts_received_total" for name, _ in found)


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        (StoreUnavailableError("down"), "store_unavailable"),
        (OverloadedError("full"), "overloaded"),
    ],
)
async def test_not_stored(
    client: httpx2.AsyncClient, world: World, failure: Exception, result: str
) -> None:
    """What could not be stored counts as that, and not as received."""
    world.engine.failure = failure
    await client.post(INGEST_PATH, json=ALERTS)
    found = await scrape(client, world)

    assert [("alertmanager", result, 1.0)] == [
        (dict(labels)["source"], dict(labels)["result"], value)
        for (name, labels), value in found.items()
        if name == "rung_alerts_received_total"
    ]


async def test_same_everywhere(client: httpx2.AsyncClient, world: World) -> None:
    """Another web process on the same store shows the same."""
    world.tally.add(Counter.NOTIFICATIONS, *SENT)
    await world.tally.hand_in()
    here = (await client.get("/metrics")).text
    transport = httpx2.ASGITransport(app=create_app(world.context()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://b") as other:
        there = (await other.get("/metrics")).text

    assert here == there
