"""Taking alerts in: what is answered, what is stored, and what is never shown."""

import anyio
import httpx2
import orjson
import pytest
from hypothesis import given, settings, strategies as st
from structlog.typing import EventDict

from engine.directory import Directory, Grouping, Source
from engine.errors import OverloadedError, StoreUnavailableError
from engine.ports import Posting
from tests.unit.test_alertmanager import ANY_JSON, a_body, a_notice
from tests.web.asgi import RawRequest, chunks
from tests.web.fakes import (
    ALICE_SECRET,
    INGEST_KEY,
    INGEST_PATH,
    INGEST_SECRET,
    SHOWN_ID,
    WRITE_SECRET,
    World,
    a_directory,
    an_integration,
)
from tests.web.senders import KEYS, with_all_senders
from workers.web.app import create_app
from workers.web.bodies import DEPTH_MAX, Json
from workers.web.context import BODY_BYTES_MAX
from workers.web.ingest import pagerduty
from workers.web.ingest.addresses import SENDERS

NOTICE = orjson.dumps(a_body(a_notice()))


async def test_accepted(client: httpx2.AsyncClient, world: World) -> None:
    """An alert that is stored is answered with its incident."""
    answer = await client.post(INGEST_PATH, content=NOTICE)

    expected = {
        "status": "accepted",
        "event_id": "evt_id2",
        "incidents": [
            {"id": SHOWN_ID, "dedup_key": "c1f1a2b3d4e5f607", "posting": "opened"}
        ],
    }

    assert 202 == answer.status_code
    assert expected == answer.json()
    assert ["id2.0"] == [routed.alert.id for routed in world.engine.received]


async def test_late(client: httpx2.AsyncClient, world: World) -> None:
    """An alert that came late is accepted and belongs to no incident."""
    world.engine.posting = Posting.LATE

    answer = await client.post(INGEST_PATH, content=NOTICE)

    assert 202 == answer.status_code
    assert [(None, "late")] == [
        (incident["id"], incident["posting"]) for incident in answer.json()["incidents"]
    ]


async def test_incident_is_named_once(client: httpx2.AsyncClient, world: World) -> None:
    """However many alerts of a group come in one request, their incident is one."""
    grouped = an_integration(grouping=Grouping.PER_GROUP)
    world.configuration.directory = a_directory(integrations={"prometheus": grouped})
    body = a_body(a_notice(), a_notice(fingerprint="f2"))

    answer = await client.post(INGEST_PATH, content=orjson.dumps(body))

    assert 1 == len(answer.json()["incidents"])
    assert 2 == len(world.engine.received)


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "x"])
async def test_ways_to_send(
    client: httpx2.AsyncClient, method: str, slash: str, media_type: str
) -> None:
    """A slash at the end, PUT, or another media type lose no alert."""
    answer = await client.request(
        method,
        INGEST_PATH + slash,
        content=NOTICE,
        headers={"Content-Type": media_type},
    )

    assert 202 == answer.status_code


NASTY_BODIES = {
    "nothing": b"",
    "no JSON": b"disk full",
    "half": NOTICE[: len(NOTICE) // 2],
    "two values": b"{}{}",
    "NaN": b'{"value": NaN}',
    "infinity": b'{"value": Infinity}',
    "a number too large": b'{"value": 1e999}',
    "an endless integer": b"1" * 500_000,
    "invalid UTF-8": b'{"value": "\xff"}',
    "UTF-16": "{}".encode("utf-16"),
    "a control character": b'{"value": "\x00"}',
    "one level too deep": b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1),
    "objects too deep": b'{"a":' * (DEPTH_MAX + 1) + b"1" + b"}" * (DEPTH_MAX + 1),
    "a bottomless body": b"[" * 100_000,
    "a thousand levels": b"[" * 1_000 + b"]" * 1_000,
    "deep and wide": b"[" + b"[]," * 1_000 + b"[" * 64 + b"]" * 64 + b"]",
}


@pytest.mark.parametrize("name", NASTY_BODIES)
async def test_nasty_body(
    client: httpx2.AsyncClient, world: World, logged: list[EventDict], name: str
) -> None:
    """What does not parse, or is too deep, is refused in full and logged."""
    body = NASTY_BODIES[name]

    answer = await client.post(INGEST_PATH, content=body)

    code = answer.json()["code"]

    assert 400 == answer.status_code
    assert "application/problem+json" == answer.headers["content-type"]
    assert code in {"invalid_json", "too_deep"}
    assert [] == world.engine.received
    assert [("prometheus", code, len(body))] == [
        (line["integration"], line["reason"], line["size"])
        for line in logged
        if line["event"] == "ingest.rejected"
    ]


ODD_BODIES = {
    "as deep as may be": b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
    "wide and as deep as may be": b"[" + b"[]," * 1_000 + b"[" * 63 + b"]" * 64,
    "many brackets": b"[" + b"[]," * 1_000 + b"[]]",
    "many keys": orjson.dumps({f"k{number}": 0 for number in range(60_000)}),
    "the same key twice": b'{"alerts": 1, "alerts": []}',
    "an escaped NUL": b'{"alerts": [{"labels": {"alertname": "a\\u0000b"}}]}',
    "a number beyond 64 bits": b"123456789012345678901234567890",
    "a label of nearly a megabyte": orjson.dumps(
        a_body(a_notice(labels={"alertname": "x" * 1_000_000}))
    ),
    "5,000 alerts": orjson.dumps(
        {
            "alerts": [
                {"fingerprint": f"f{number}", "status": "firing"}
                for number in range(5_000)
            ]
        }
    ),
}


@pytest.mark.parametrize("name", ODD_BODIES)
async def test_odd_body(client: httpx2.AsyncClient, world: World, name: str) -> None:
    """Whatever parses is accepted and gives an alert."""
    answer = await client.post(INGEST_PATH, content=ODD_BODIES[name])

    assert 202 == answer.status_code
    assert world.engine.received


@given(body=ANY_JSON)
@settings(deadline=None, max_examples=50)
async def test_any_json_is_accepted(body: Json) -> None:
    """Any JSON value that is posted gives an alert."""
    world = World()
    transport = httpx2.ASGITransport(app=create_app(world.context()))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://rung"
    ) as client:
        answer = await client.post(INGEST_PATH, content=orjson.dumps(body))

    assert 202 == answer.status_code
    assert world.engine.received


@given(body=st.binary() | st.text().map(str.encode))
@settings(deadline=None, max_examples=50)
async def test_any_bytes_are_answered(body: bytes) -> None:
    """Any bytes are accepted or refused; they are never our mistake."""
    world = World()
    transport = httpx2.ASGITransport(app=create_app(world.context()))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://rung"
    ) as client:
        answer = await client.post(INGEST_PATH, content=body)

    assert answer.status_code in {202, 400}
    assert (202 == answer.status_code) == bool(world.engine.received)


async def test_empty_store(client: httpx2.AsyncClient, world: World) -> None:
    """While the store knows no integration nobody is told to give up: it lost its data."""
    world.configuration.directory = Directory()
    answer = await client.post(f"/ingest/alertmanager/{INGEST_KEY}", content=NOTICE)

    assert 503 == answer.status_code
    assert "retry-after" in answer.headers
    assert [] == world.engine.received


@pytest.mark.parametrize(
    "path",
    [
        "/ingest/alertmanager/wrong",
        f"/ingest/opsgenie/{INGEST_KEY}",
        "/ingest/x/y",
        "/ingest/alertmanager/%ff%00",
    ],
)
async def test_unknown_address(
    client: httpx2.AsyncClient, world: World, path: str
) -> None:
    """A wrong source and a wrong key get the very same answer."""
    other = await client.post("/ingest/alertmanager/no", content=NOTICE)
    answer = await client.post(path, content=NOTICE)

    assert 404 == answer.status_code
    assert "unknown_ingest_address" == answer.json()["code"]
    assert other.content == answer.content
    assert [] == world.engine.received


async def test_source_without_reader(client: httpx2.AsyncClient, world: World) -> None:
    """An integration of a source that cannot be read yet has no address."""
    later = an_integration(source="sentry")
    world.configuration.directory = a_directory(integrations={"sentry": later})

    answer = await client.post(f"/ingest/sentry/{INGEST_KEY}", content=NOTICE)

    assert "unknown_ingest_address" == answer.json()["code"]


@pytest.mark.parametrize(
    ("source", "written_for"),
    [
        ("alertmanager", "alertmanager"),
        ("alertmanager", "grafana"),
        ("grafana", "grafana"),
        ("grafana", "alertmanager"),
    ],
)
async def test_either_address(
    client: httpx2.AsyncClient, world: World, source: str, written_for: str
) -> None:
    """Alertmanager's and Grafana's keys open the addresses of both."""
    world.configuration.directory = with_all_senders()
    answer = await client.post(f"/ingest/{source}/{KEYS[written_for]}", content=NOTICE)

    assert 202 == answer.status_code
    assert [written_for] == [routed.integration for routed in world.engine.received]


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("generic", KEYS["alertmanager"]),
        ("alertmanager", KEYS["generic"]),
        ("grafana", KEYS["pagerduty"]),
        ("pagerduty", KEYS["pagerduty"]),
    ],
)
async def test_no_other_address(
    client: httpx2.AsyncClient, world: World, source: str, key: str
) -> None:
    """Other keys open only the addresses of their source; PagerDuty's are in bodies."""
    world.configuration.directory = with_all_senders()
    answer = await client.post(f"/ingest/{source}/{key}", content=NOTICE)

    assert 404 == answer.status_code


@pytest.mark.parametrize(
    ("source", "named"),
    [("alertmanager", "alertmanager"), ("alertmanager", "grafana"), ("generic",) * 2],
)
async def test_token(
    client: httpx2.AsyncClient, world: World, source: str, named: str
) -> None:
    """With a token for ingest the address has the integration's id, and no secret."""
    world.configuration.directory = with_all_senders()
    answer = await client.post(
        f"/ingest/{source}/{named}",
        content=NOTICE,
        headers={"Authorization": f"Bearer {INGEST_SECRET}"},
    )

    assert 202 == answer.status_code
    assert {named} == {routed.integration for routed in world.engine.received}


@pytest.mark.parametrize(
    ("path", "authorization"),
    [
        ("/ingest/alertmanager/alertmanager", ""),
        ("/ingest/alertmanager/alertmanager", INGEST_SECRET),
        ("/ingest/alertmanager/alertmanager", f"Basic {INGEST_SECRET}"),
        ("/ingest/alertmanager/alertmanager", "Bearer "),
        ("/ingest/alertmanager/alertmanager", "Bearer wrong"),
        ("/ingest/alertmanager/alertmanager", f"Bearer {ALICE_SECRET}"),
        ("/ingest/alertmanager/alertmanager", f"Bearer {WRITE_SECRET}"),
        ("/ingest/alertmanager/generic", f"Bearer {INGEST_SECRET}"),
        ("/ingest/alertmanager/nobody", f"Bearer {INGEST_SECRET}"),
        ("/ingest/pagerduty/pagerduty", f"Bearer {INGEST_SECRET}"),
    ],
)
async def test_wrong_token(
    client: httpx2.AsyncClient, world: World, path: str, authorization: str
) -> None:
    """A token that is wrong, or may not do it, is answered as a key that is wrong is."""
    world.configuration.directory = with_all_senders()
    wrong_key = await client.post("/ingest/alertmanager/no", content=NOTICE)
    answer = await client.post(
        path, content=NOTICE, headers={"Authorization": authorization}
    )

    assert 404 == answer.status_code
    assert wrong_key.content == answer.content
    assert [] == world.engine.received


async def test_key_beside_a_token(client: httpx2.AsyncClient, world: World) -> None:
    """A key opens its address whatever else is sent along, as for a proxy."""
    world.configuration.directory = with_all_senders()
    answer = await client.post(
        INGEST_PATH, content=NOTICE, headers={"Authorization": "Bearer other"}
    )

    assert 202 == answer.status_code


async def test_announced_size(world: World) -> None:
    """A body that is announced as too large is not read at all."""
    length = str(BODY_BYTES_MAX + 1).encode()
    request = RawRequest(
        INGEST_PATH, chunks(b"x" * 1_000), headers=[(b"content-length", length)]
    )

    await request.to(create_app(world.context()))

    assert (413, "body_too_large") == (request.status, request.code)
    assert 0 == request.taken


async def test_chunked_size(world: World) -> None:
    """A body without a length is read up to the limit and no further."""
    request = RawRequest(INGEST_PATH, chunks(b"x" * 100_000, count=1_000))

    await request.to(create_app(world.context()))

    assert (413, "body_too_large") == (request.status, request.code)
    assert 11 == request.taken
    assert [] == world.engine.received


@pytest.mark.parametrize("length", [b"10", b"-1", b"many", b"\xb2"])
async def test_wrong_length(world: World, length: bytes) -> None:
    """A false Content-Length does not lift the limit."""
    request = RawRequest(
        INGEST_PATH,
        chunks(b"x" * 100_000, count=1_000),
        headers=[(b"content-length", length)],
    )

    await request.to(create_app(world.context()))

    assert 413 == request.status


async def test_largest_body(client: httpx2.AsyncClient) -> None:
    """A body of exactly the limit is taken, one byte more is not."""
    exact = b'"' + b"x" * (BODY_BYTES_MAX - 2) + b'"'

    taken = await client.post(INGEST_PATH, content=exact)
    refused = await client.post(INGEST_PATH, content=exact + b" ")

    assert (202, 413) == (taken.status_code, refused.status_code)


async def test_half_a_body(world: World) -> None:
    """Of a body that breaks off nothing is stored."""
    request = RawRequest(INGEST_PATH, list(chunks(NOTICE))[:1])

    await request.to(create_app(world.context()))

    assert (400, "incomplete_body") == (request.status, request.code)
    assert [] == world.engine.received


async def test_compressed(client: httpx2.AsyncClient) -> None:
    """A compressed body is refused, never inflated; `identity` is no compression."""
    refused = await client.post(
        INGEST_PATH, content=NOTICE, headers={"Content-Encoding": "gzip"}
    )
    taken = await client.post(
        INGEST_PATH, content=NOTICE, headers={"Content-Encoding": "identity"}
    )

    assert (415, "encoded_body") == (refused.status_code, refused.json()["code"])
    assert "identity" == refused.headers["accept-encoding"]
    assert 202 == taken.status_code


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StoreUnavailableError("redis://:secret@host"), "store_unavailable"),
        (OverloadedError("mailbox full"), "overloaded"),
    ],
)
async def test_not_written(
    client: httpx2.AsyncClient, world: World, failure: Exception, code: str
) -> None:
    """What was not written is 503 with Retry-After, so that the sender tries again."""
    world.engine.failure = failure

    answer = await client.post(INGEST_PATH, content=NOTICE)

    assert (503, code) == (answer.status_code, answer.json()["code"])
    assert "5" == answer.headers["retry-after"]
    assert "secret" not in answer.text


async def test_no_configuration(client: httpx2.AsyncClient, world: World) -> None:
    """While it cannot be told whose key it is, the sender is asked to try again."""
    world.configuration.failure = StoreUnavailableError("down")

    answer = await client.post(INGEST_PATH, content=NOTICE)

    assert 503 == answer.status_code


async def test_admission(world: World) -> None:
    """What waited too long to be admitted is told to come back; nothing is stored."""
    world.engine.held_up = anyio.Event()
    app = create_app(world.context(ingests_at_once_max=1, patience_seconds=0.05))
    first, second, third = (RawRequest(INGEST_PATH, chunks(NOTICE)) for _ in range(3))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.to, app)
        await anyio.wait_all_tasks_blocked()
        await second.to(app)
        world.engine.held_up.set()
    await third.to(app)

    assert (503, "overloaded") == (second.status, second.code)
    assert (202, 202) == (first.status, third.status)
    assert 2 == len(world.engine.received)


async def test_slow_body(world: World) -> None:
    """A sender that dawdles does not hold its place for ever."""
    sent: list[dict[str, object]] = []
    app = create_app(world.context(ingests_at_once_max=1, patience_seconds=0.05))

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = RawRequest(INGEST_PATH).scope
    await app(scope, anyio.sleep_forever, send)  # type: ignore[arg-type] # it never returns
    after = RawRequest(INGEST_PATH, chunks(NOTICE))
    await after.to(app)

    assert 503 == sent[0]["status"]
    assert 202 == after.status


async def test_key_is_never_logged(
    client: httpx2.AsyncClient, world: World, logged: list[EventDict]
) -> None:
    """No line of the log shows an ingest key, whatever goes wrong."""
    for body in (NOTICE, b"{"):
        await client.post(INGEST_PATH, content=body)
    await client.get(INGEST_PATH)
    await client.post(f"{INGEST_PATH}/more", content=NOTICE)
    await client.post(f"/ingest/wrong/{INGEST_KEY}", content=NOTICE)
    for failure in (StoreUnavailableError("down"), RuntimeError("a bug")):
        world.engine.failure = failure
        await client.post(INGEST_PATH, content=NOTICE)

    assert 7 == sum(line["event"] == "request.answered" for line in logged)
    assert not [line for line in logged if "canary" in repr(line)]


@pytest.mark.parametrize(
    "body", [b'{"title": "half of a pair: \\ud800"}', b"\xef\xbb\xbf" + NOTICE]
)
async def test_odd_text(client: httpx2.AsyncClient, world: World, body: bytes) -> None:
    """Half of a surrogate pair, or a byte order mark, loses no alert."""
    answer = await client.post(INGEST_PATH, content=body)

    assert 202 == answer.status_code
    assert 1 == len(world.engine.received)


async def test_encoded_twice(client: httpx2.AsyncClient) -> None:
    """A compressed body is refused, however many headers say how it is encoded."""
    headers = [("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]

    answer = await client.post(INGEST_PATH, content=NOTICE, headers=headers)

    assert 415 == answer.status_code


def test_every_source_is_read() -> None:
    """Whatever source an integration may have, there is an address that reads it."""
    assert set(Source) == {*SENDERS, pagerduty.SOURCE}
