"""PagerDuty's Events API: what is stored of an event, and what its senders are told."""

import httpx2
import orjson
import pytest
from hypothesis import given, settings, strategies as st
from structlog.typing import EventDict

from engine.core.alerts import Alert, AlertStatus
from engine.directory import Route
from engine.directory.matchers import read_matcher
from engine.errors import OverloadedError, StoreUnavailableError
from engine.ports import Posting, RoutedAcknowledgement, RoutedAlert
from tests.unit.test_alertmanager import ANY_JSON, an_integration
from tests.web.fakes import ROUTING_KEY, World
from tests.web.senders import KEYS, with_all_senders
from tests.web.test_metrics import at, scrape
from workers.web.bodies import Json
from workers.web.context import BODY_BYTES_MAX
from workers.web.ingest.pagerduty_events import Event, read_event

ENQUEUE = "/v2/enqueue"


@pytest.fixture(autouse=True)
def _directory(world: World) -> None:
    world.configuration.directory = with_all_senders()


def an_event(**changes: Json) -> dict[str, Json]:
    """Make an event that triggers, as PagerDuty's documentation shows it."""
    return {
        "routing_key": ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": "db1/disk",
        "payload": {
            "summary": "Disk of db1 is full",
            "source": "db1",
            "severity": "critical",
            "timestamp": "2026-11-22T00:41:10Z",
            "component": "postgres",
            "group": "prod",
            "class": "disk",
            "custom_details": {"free": "2 GB", "inodes": 7, "top": ["a", "b"]},
        },
        "links": [{"href": "https://runbooks/disk", "text": "Runbook"}],
        "client": "Monitoring",
        "client_url": "https://monitoring",
        **changes,
    }


async def test_trigger(client: httpx2.AsyncClient, world: World) -> None:
    """A trigger is stored with all that routes and people look at."""
    answer = await client.post(ENQUEUE, json=an_event())
    [routed] = world.engine.received

    expected = Alert(
        id="id2.0",
        fingerprint="db1/disk",
        status=AlertStatus.FIRING,
        title="Disk of db1 is full",
        labels={
            "severity": "critical",
            "source": "db1",
            "component": "postgres",
            "group": "prod",
            "class": "disk",
            "free": "2 GB",
            "inodes": "7",
            "top": '["a","b"]',
        },
        link="https://runbooks/disk",
    )

    assert 202 == answer.status_code
    assert {
        "status": "success",
        "message": "Event processed",
        "dedup_key": "db1/disk",
    } == answer.json()
    assert ("pagerduty", "db1/disk") == (routed.integration, routed.key)
    assert expected == routed.alert


@pytest.mark.parametrize("key", [None, ""])
async def test_no_dedup_key(
    client: httpx2.AsyncClient, world: World, key: Json
) -> None:
    """A trigger without a key is given one, another each time, and is told which."""
    answers = [await client.post(ENQUEUE, json=an_event(dedup_key=key)) for _ in "12"]
    keys = [answer.json()["dedup_key"] for answer in answers]

    assert keys == [routed.key for routed in world.engine.received]
    assert 2 == len(set(keys))


async def test_long_dedup_key(client: httpx2.AsyncClient, world: World) -> None:
    """A key of any length is answered as it was sent; all three actions mean the same."""
    long = "k" * 2_000
    answers = [
        await client.post(ENQUEUE, json=an_event(event_action=action, dedup_key=long))
        for action in ("trigger", "acknowledge", "resolve")
    ]

    [taken] = world.engine.acknowledged

    assert [long] * 3 == [answer.json()["dedup_key"] for answer in answers]
    assert {taken.key} == {routed.key for routed in world.engine.received}


async def test_acknowledge(client: httpx2.AsyncClient, world: World) -> None:
    """An acknowledge is stored as one, for the incident of its key."""
    sent = {
        "routing_key": ROUTING_KEY,
        "event_action": "acknowledge",
        "dedup_key": "db1/disk",
    }
    answer = await client.post(ENQUEUE, json=sent)

    assert (202, "db1/disk") == (answer.status_code, answer.json()["dedup_key"])
    assert [
        RoutedAcknowledgement(id="id2.0", integration="pagerduty", key="db1/disk")
    ] == world.engine.acknowledged
    assert [] == world.engine.received


async def test_resolve(client: httpx2.AsyncClient, world: World) -> None:
    """A resolve ends the alert that its trigger began."""
    await client.post(ENQUEUE, json=an_event())
    await client.post(ENQUEUE, json=an_event(event_action="resolve", payload=None))
    began, ended = world.engine.received

    assert AlertStatus.RESOLVED is ended.alert.status
    assert (began.key, began.alert.fingerprint) == (ended.key, ended.alert.fingerprint)


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
async def test_unknown_dedup_key(
    client: httpx2.AsyncClient, world: World, action: str
) -> None:
    """What is for an unknown key is accepted: it is recorded, and that is all."""
    world.engine.posting = Posting.LATE
    answer = await client.post(ENQUEUE, json=an_event(event_action=action))

    assert (202, "success") == (answer.status_code, answer.json()["status"])


@pytest.mark.parametrize(
    ("changes", "unread"),
    [
        ({"payload": None}, ("payload",)),
        ({"payload": {}}, ("payload",)),
        ({"payload": "disk full"}, ("payload",)),
        (
            {"payload": {"source": "db1"}},
            ("payload.summary", "payload.severity"),
        ),
        (
            {"payload": {"summary": ["x"], "source": "", "severity": "critical"}},
            ("payload.source", "payload.summary"),
        ),
        ({"dedup_key": ["x"]}, ("dedup_key",)),
        ({"links": [7, {"href": "javascript:alert(1)"}]}, ("links[1].href",)),
        ({"event_action": " Trigger "}, ()),
    ],
)
async def test_incomplete_trigger(
    client: httpx2.AsyncClient,
    world: World,
    changes: dict[str, Json],
    unread: tuple[str, ...],
) -> None:
    """A trigger with a key of ours opens an incident, and tells what was missing."""
    answer = await client.post(ENQUEUE, json=an_event(**changes))
    [routed] = world.engine.received

    assert 202 == answer.status_code
    assert unread == routed.alert.unread
    assert routed.alert.title
    assert ROUTING_KEY not in repr(routed)


async def test_nothing_to_read(client: httpx2.AsyncClient, world: World) -> None:
    """Of a trigger that says nothing people see what was sent, without its key."""
    sent = {"routing_key": ROUTING_KEY, "event_action": "trigger", "service": "db"}
    await client.post(ENQUEUE, json=sent)
    [routed] = world.engine.received

    assert "Alert from Pagerduty" == routed.alert.title
    assert '{"event_action":"trigger","service":"db"}' == routed.alert.message


async def test_text_as_details(client: httpx2.AsyncClient, world: World) -> None:
    """Details that are one text are the message; without links the client's is followed."""
    payload: Json = {"summary": "s", "source": "a", "severity": "b"}
    assert isinstance(payload, dict)
    sent = an_event(links=None, payload={**payload, "custom_details": "line\nline"})
    await client.post(ENQUEUE, json=sent)
    [routed] = world.engine.received

    assert "line\nline" == routed.alert.message
    assert "https://monitoring" == routed.alert.link


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"routing_key": None}, "'routing_key' is missing or unknown: "),
        ({"routing_key": "wrong"}, "'routing_key' is missing or unknown: "),
        ({"routing_key": 7}, "'routing_key' is missing or unknown: "),
        ({"routing_key": KEYS["generic"]}, "'routing_key' is missing or unknown: "),
        ({"event_action": None}, "'event_action' is none of trigger, "),
        ({"event_action": "page"}, "'event_action' is none of trigger, "),
        (
            {"event_action": "acknowledge", "dedup_key": None},
            "'dedup_key' is missing or no text: acknowledge needs one",
        ),
        (
            {"event_action": "resolve", "dedup_key": {}},
            "'dedup_key' is missing or no text: resolve needs one",
        ),
    ],
)
async def test_invalid(
    client: httpx2.AsyncClient, world: World, changes: dict[str, Json], error: str
) -> None:
    """What PagerDuty calls invalid is answered as PagerDuty does, and is not stored."""
    answer = await client.post(ENQUEUE, json=an_event(**changes))
    told = answer.json()

    assert 400 == answer.status_code
    assert ("invalid event", "Event object is invalid") == (
        told["status"],
        told["message"],
    )
    assert 1 == len(told["errors"])
    assert told["errors"][0].startswith(error)
    assert [] == [*world.engine.received, *world.engine.acknowledged]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"[" * 100 + b"]" * 100])
async def test_no_object(client: httpx2.AsyncClient, body: bytes) -> None:
    """Nor is what is no JSON, too deep, or no object."""
    answer = await client.post(ENQUEUE, content=body)

    assert (400, "invalid event") == (answer.status_code, answer.json()["status"])


async def test_too_large(client: httpx2.AsyncClient) -> None:
    """A body may be larger than PagerDuty's 512 KB, up to our limit."""
    fits = await client.post(ENQUEUE, json=an_event(client="x" * 600_000))
    answer = await client.post(ENQUEUE, content=b" " * (BODY_BYTES_MAX + 1))

    assert 202 == fits.status_code
    assert (413, "invalid event") == (answer.status_code, answer.json()["status"])
    assert "close" == answer.headers["connection"]


@pytest.mark.parametrize("failure", [StoreUnavailableError("x"), OverloadedError("y")])
async def test_not_written(
    client: httpx2.AsyncClient, world: World, failure: Exception
) -> None:
    """What was not written is 503, so that the sender tries again; never 429."""
    world.engine.failure = failure
    answer = await client.post(ENQUEUE, json=an_event())

    assert 503 == answer.status_code
    assert "retry-after" in answer.headers


async def test_empty_store(client: httpx2.AsyncClient, world: World) -> None:
    """While the store knows no integration, no key is called unknown."""
    world.configuration.directory = with_all_senders().model_copy(
        update={"integrations": {}}
    )
    answer = await client.post(ENQUEUE, json=an_event())

    assert 503 == answer.status_code


async def test_key_is_never_logged(
    client: httpx2.AsyncClient, logged: list[EventDict]
) -> None:
    """No line of the log shows a routing key, whatever is wrong with the event."""
    for changes in ({}, {"event_action": 1}, {"dedup_key": [ROUTING_KEY]}):
        await client.post(ENQUEUE, json=an_event(**changes))
    await client.post(ENQUEUE, content=orjson.dumps(an_event())[:-1])
    await client.post(ENQUEUE, json=an_event(routing_key=ROUTING_KEY + "x"))

    assert 5 == sum(line["event"] == "request.answered" for line in logged)
    assert not [line for line in logged if "canary" in repr(line)]


@pytest.mark.parametrize(
    ("changes", "result"), [({}, "opened"), ({"event_action": "page"}, "invalid_event")]
)
async def test_counted(
    client: httpx2.AsyncClient, world: World, changes: dict[str, Json], result: str
) -> None:
    """An event counts once: as what became of it, or as what was wrong with it."""
    await client.post(ENQUEUE, json=an_event(**changes))
    found = await scrape(client, world)

    assert 1 == at(
        found, "rung_alerts_received_total", source="pagerduty", result=result
    )
    assert 1 == sum(name == "rung_alerts_received_total" for name, _ in found)


async def test_other_methods(client: httpx2.AsyncClient) -> None:
    """An event is posted: a GET sends none."""
    answer = await client.get(ENQUEUE)

    assert (405, "method_not_allowed") == (answer.status_code, answer.json()["code"])


def test_details_cannot_hide_what_routes_look_at() -> None:
    """Neither many details nor one of the same name change what a route sees."""
    routes = (Route(match=(read_matcher("zone=a"),), policy="a"), Route(policy="b"))
    routed_by = an_integration().model_copy(update={"routes": routes})
    details: dict[str, Json] = {f"d{number}": "x" for number in range(5_000)}
    payload: Json = {
        "severity": "critical",
        "custom_details": {**details, "severity": "info", "zone": "a"},
    }
    event = read_event(an_event(payload=payload), routed_by, "d1")
    assert isinstance(event, Event)
    assert isinstance(event.notice, RoutedAlert)
    labels = event.notice.alert.labels

    assert 64 == len(labels)
    assert ("critical", "a") == (labels["severity"], labels["zone"])


@given(
    changes=st.dictionaries(
        st.sampled_from([name for name in an_event() if name != "event_action"]),
        ANY_JSON,
        max_size=8,
    )
)
@settings(deadline=None)
def test_any_trigger(changes: dict[str, Json]) -> None:
    """A trigger with whatever in its fields is an alert, bounded in all that it holds."""
    event = read_event(an_event(**changes), an_integration(), "d1")
    assert isinstance(event, Event)
    assert isinstance(event.notice, RoutedAlert)
    alert = event.notice.alert

    assert event.dedup_key
    assert 1 <= len(alert.title) <= 255
    assert len(alert.message) <= 4_000
    assert len(alert.labels) <= 64
