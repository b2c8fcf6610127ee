"""What a sender of any JSON is read as."""

from urllib.parse import urlencode

import httpx2
import orjson
import pytest
from hypothesis import given, settings

from engine.core.alerts import Alert, AlertStatus
from tests.unit.test_alertmanager import ANY_JSON, a_body, a_notice, an_integration
from tests.web.fakes import World
from tests.web.senders import GENERIC_PATH, with_all_senders
from workers.web.bodies import Json
from workers.web.ingest.fields import KEY_BYTES_MAX
from workers.web.ingest.generic import read_alerts

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


@pytest.fixture(autouse=True)
def _directory(world: World) -> None:
    world.configuration.directory = with_all_senders()


def read(body: Json) -> Alert:
    """Read a body of one alert."""
    [routed] = read_alerts(body, an_integration(), "d1")

    return routed.alert


def test_known_fields() -> None:
    """What it knows it reads; what else is on the same level are labels."""
    body: Json = {
        "alert_uid": "08d6891a",
        "title": "Disk full",
        "state": "alerting",
        "message": "of db1",
        "link_to_upstream_details": "https://upstream",
        "image_url": "https://images/1.png",
        "severity": "critical",
        "count": 3,
        "labels": {"team": "db"},
    }
    expected = Alert(
        id="d1.0",
        fingerprint="08d6891a",
        status=AlertStatus.FIRING,
        title="Disk full",
        labels={"severity": "critical", "count": "3", "team": "db"},
        message="of db1\nImage: https://images/1.png",
        link="https://upstream",
    )

    assert expected == read(body)


@pytest.mark.parametrize(
    ("state", "expected", "unread"),
    [
        ("alerting", AlertStatus.FIRING, ()),
        ("FIRING", AlertStatus.FIRING, ()),
        ("no data", AlertStatus.FIRING, ()),
        ("triggered", AlertStatus.FIRING, ()),
        ("ok", AlertStatus.RESOLVED, ()),
        ("OK ", AlertStatus.RESOLVED, ()),
        ("resolved", AlertStatus.RESOLVED, ()),
        ("recovered", AlertStatus.RESOLVED, ()),
        (None, AlertStatus.FIRING, ()),
        ("", AlertStatus.FIRING, ()),
        ("perhaps", AlertStatus.FIRING, ("state",)),
        (0, AlertStatus.FIRING, ("state",)),
        (["ok"], AlertStatus.FIRING, ("state",)),
    ],
)
def test_state(state: Json, expected: AlertStatus, unread: tuple[str, ...]) -> None:
    """A state is read however it is written; what is unclear fires, and says so."""
    alert = read({"title": "x", "state": state})

    assert (expected, unread) == (alert.status, alert.unread)


def test_status_for_state() -> None:
    """Where there is no state, what is called status is one."""
    assert AlertStatus.RESOLVED is read({"title": "x", "status": "resolved"}).status


@pytest.mark.parametrize(
    ("began", "ended"),
    [
        ({"alert_uid": 7, "title": "a"}, {"alert_uid": "7", "title": "b"}),
        ({"title": "a", "load": 9}, {"title": "a", "load": 1}),
        ({"check": "http", "host": "a"}, {"host": "a", "check": "http"}),
    ],
)
def test_ends_what_began(began: dict[str, Json], ended: dict[str, Json]) -> None:
    """Its id names an alert, else its title, else what it says beside its state."""
    first = read({**began, "state": "alerting"})
    last = read({**ended, "state": "ok"})

    assert first.fingerprint == last.fingerprint
    assert first.fingerprint != read({"title": "c", "state": "ok"}).fingerprint


def test_anything_else() -> None:
    """What says nothing that is known is shown as it came."""
    alert = read({"check": "http", "tags": ["a"]})

    assert "Alert from Prometheus" == alert.title
    assert '{"check":"http","tags":["a"]}' == alert.message
    assert {"check": "http"} == alert.labels
    assert ("tags",) == alert.unread


@pytest.mark.parametrize("body", [None, 7, "disk full", [], [{"title": "a"}], {}])
def test_no_object(body: Json) -> None:
    """Whatever parses fires."""
    assert AlertStatus.FIRING is read(body).status


def test_group() -> None:
    """What Alertmanager or Grafana wrote is read as theirs, also when it ends."""
    ended = a_notice(status="resolved", fingerprint="f2")
    routed = read_alerts(a_body(a_notice(), ended), an_integration(), "d1")

    assert [AlertStatus.FIRING, AlertStatus.RESOLVED] == [
        one.alert.status for one in routed
    ]


@given(body=ANY_JSON)
@settings(deadline=None)
def test_any_json(body: Json) -> None:
    """Any JSON value gives an alert, bounded in all that it holds."""
    for routed in read_alerts(body, an_integration(), "d1"):
        assert 1 <= len(routed.key.encode()) <= KEY_BYTES_MAX
        assert 1 <= len(routed.alert.title) <= 255
        assert len(routed.alert.message) <= 4_000
        assert len(routed.alert.labels) <= 64


async def test_answer(client: httpx2.AsyncClient, world: World) -> None:
    """It is answered like every other address for alerts."""
    sent = {"alert_uid": "u", "title": "Disk full", "state": "alerting"}
    answer = await client.post(GENERIC_PATH, json=sent)

    assert (202, "u") == (
        answer.status_code,
        answer.json()["incidents"][0]["dedup_key"],
    )
    assert ["Disk full"] == [routed.alert.title for routed in world.engine.received]


SENT = {"title": "Disk full", "state": "ok", "team": "db & web"}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (orjson.dumps(SENT), "text/plain"),
        # What curl says of whatever it is given with -d.
        (orjson.dumps(SENT), "application/x-www-form-urlencoded"),
        (urlencode(SENT).encode(), "application/x-www-form-urlencoded"),
        (urlencode(SENT).encode(), "Application/X-WWW-Form-URLEncoded; charset=UTF-8"),
        (
            urlencode({"payload": orjson.dumps(SENT)}).encode(),
            "application/x-www-form-urlencoded",
        ),
    ],
)
async def test_ways_to_write_it(
    client: httpx2.AsyncClient, world: World, body: bytes, media_type: str
) -> None:
    """JSON by any name, a form, and JSON in a form's field are the same notice."""
    answer = await client.post(
        GENERIC_PATH, content=body, headers={"Content-Type": media_type}
    )
    [routed] = world.engine.received

    assert 202 == answer.status_code
    assert ("Disk full", AlertStatus.RESOLVED) == (
        routed.alert.title,
        routed.alert.status,
    )
    assert {"team": "db & web"} == routed.alert.labels


@pytest.mark.parametrize(
    "body",
    [
        b"disk full",
        b"\xff=1",
        b"a=1&b",
        b"&".join(b"f%d=1" % number for number in range(1_001)),
        b"payload={",
        b"payload=" + b"[" * 65 + b"]" * 65,
    ],
)
async def test_no_form(client: httpx2.AsyncClient, world: World, body: bytes) -> None:
    """What is neither JSON nor a form is refused."""
    answer = await client.post(GENERIC_PATH, content=body, headers=FORM)

    assert 400 == answer.status_code
    assert answer.json()["code"] in {"invalid_json", "too_deep"}
    assert [] == world.engine.received


async def test_form_by_no_name(client: httpx2.AsyncClient) -> None:
    """What only looks like a form is none."""
    answer = await client.post(GENERIC_PATH, content=urlencode(SENT).encode())

    assert (400, "invalid_json") == (answer.status_code, answer.json()["code"])


async def test_get(client: httpx2.AsyncClient, world: World) -> None:
    """Looking at an address sends nothing: browsers and previews do that."""
    answer = await client.get(GENERIC_PATH, params=SENT)

    assert 405 == answer.status_code
    assert [] == world.engine.received
