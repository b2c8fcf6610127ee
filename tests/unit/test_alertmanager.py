"""What is read of a notice from Alertmanager, and what is made of any other body."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from engine.core.alerts import Alert, AlertStatus
from engine.directory import Grouping, Integration, Route
from engine.directory.matchers import read_matcher
from engine.ports import RoutedAlert
from workers.web.bodies import Json
from workers.web.ingest.alertmanager import ALERTS_MAX, read_alerts
from workers.web.ingest.fields import KEY_BYTES_MAX

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text() | st.sampled_from(["alerts", "labels", "status", "startsAt"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def an_integration(grouping: Grouping = Grouping.PER_ALERT) -> Integration:
    """Make the integration that the bodies of these tests are sent to."""
    return Integration(
        id="prometheus",
        name="Prometheus",
        source="alertmanager",
        key_hash="-",
        grouping=grouping,
        routes=(Route(policy="default"),),
    )


def a_notice(**changes: Json) -> dict[str, Json]:
    """Make one alert as Alertmanager 0.34 writes it."""
    return {
        "status": "firing",
        "labels": {"alertname": "DiskFull", "instance": "db1:9100"},
        "annotations": {"summary": "Disk of db1 is full"},
        "startsAt": "2026-11-22T00:41:10.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph?g0=up",
        "fingerprint": "c1f1a2b3d4e5f607",
        **changes,
    }


def a_body(*notices: Json, **changes: Json) -> Json:
    """Make the body of a webhook, version 4."""
    return {
        "version": "4",
        "groupKey": '{}/{severity="critical"}:{alertname="DiskFull"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "rung",
        "groupLabels": {"alertname": "DiskFull"},
        "commonLabels": {"alertname": "DiskFull"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(notices),
        **changes,
    }


def read(body: Json, grouping: Grouping = Grouping.PER_ALERT) -> list[RoutedAlert]:
    """Read a body that was sent to the integration."""
    return read_alerts(body, an_integration(grouping), "d1")


def read_one(**changes: Json) -> Alert:
    """Read the alert of a body with one notice."""
    [routed] = read(a_body(a_notice(**changes)))

    return routed.alert


def test_alert() -> None:
    """Every field that rung uses of an alert is read."""
    [routed] = read(a_body(a_notice()))

    expected = Alert(
        id="d1.0",
        fingerprint="c1f1a2b3d4e5f607",
        status=AlertStatus.FIRING,
        title="Disk of db1 is full",
        starts_at=datetime(2026, 11, 22, 0, 41, 10, 123_000, tzinfo=UTC),
        labels={"alertname": "DiskFull", "instance": "db1:9100"},
        link="http://prometheus/graph?g0=up",
    )

    assert expected == routed.alert
    assert ("prometheus", "c1f1a2b3d4e5f607") == (routed.integration, routed.key)


def test_statuses_stand_alone() -> None:
    """A group may be firing while one of its alerts is resolved."""
    over = a_notice(status="resolved", fingerprint="f2")

    statuses = [routed.alert.status for routed in read(a_body(a_notice(), over))]

    assert [AlertStatus.FIRING, AlertStatus.RESOLVED] == statuses


@pytest.mark.parametrize("status", ["resolved", "Resolved", " RESOLVED "])
def test_status_in_any_case(status: str) -> None:
    """Resolved is resolved, however it is written."""
    alert = read_one(status=status)

    assert AlertStatus.RESOLVED is alert.status
    assert () == alert.unread


def test_firing_first() -> None:
    """What fires in a group comes before what ended: the group is not over."""
    over = a_notice(status="resolved", fingerprint="f2")
    per_group = read(a_body(over, a_notice(), groupKey="g"), Grouping.PER_GROUP)

    assert [AlertStatus.FIRING, AlertStatus.RESOLVED] == [
        routed.alert.status for routed in per_group
    ]


def test_told_twice() -> None:
    """Where a request tells of one alert twice, its order counts."""
    over = a_notice(status="resolved")
    per_group = read(a_body(over, a_notice(), groupKey="g"), Grouping.PER_GROUP)

    assert [AlertStatus.RESOLVED, AlertStatus.FIRING] == [
        routed.alert.status for routed in per_group
    ]


def test_labels_that_cannot_be_shown() -> None:
    """Labels that cannot be shown still tell two alerts apart."""
    first, second = (
        read_one(fingerprint=None, labels={"a": {"b": number}}) for number in (1, 2)
    )

    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize("status", ["suppressed", "fire", "", None, 1, []])
def test_unclear_status_fires(status: Json) -> None:
    """An alert of which it is not clear whether it fires, fires, and says so."""
    alert = read_one(status=status)

    assert AlertStatus.FIRING is alert.status
    assert ("alerts[0].status",) == alert.unread


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2026-11-22T00:41:10Z", datetime(2026, 11, 22, 0, 41, 10, tzinfo=UTC)),
        ("2026-11-22t00:41:10z", datetime(2026, 11, 22, 0, 41, 10, tzinfo=UTC)),
        ("2026-11-22T02:11:10+01:30", datetime(2026, 11, 22, 0, 41, 10, tzinfo=UTC)),
        ("2026-11-21T12:41:10-12:00", datetime(2026, 11, 22, 0, 41, 10, tzinfo=UTC)),
        (
            "2026-11-22T00:41:10.999999999Z",
            datetime(2026, 11, 22, 0, 41, 10, 999_000, tzinfo=UTC),
        ),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("", None),
        (None, None),
    ],
)
def test_start(sent: Json, expected: datetime | None) -> None:
    """A start is read in any offset, cut to milliseconds; the year 1 means none."""
    alert = read_one(startsAt=sent)

    assert expected == alert.starts_at
    assert () == alert.unread


@pytest.mark.parametrize(
    "sent",
    [
        "yesterday",
        "2026-11-22",
        "2026-11-22T00:41:10",
        "2026-13-22T00:41:10Z",
        "2026-11-22T00:41:60Z",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "12026-11-22T00:41:10Z",
        "２026-11-22T00:41:10Z",  # noqa: RUF001 - a full-width digit
        1_763_772_070,
        {"seconds": 1},
    ],
)
def test_unreadable_start(sent: Json) -> None:
    """A start that cannot be read is none, and its field is named."""
    alert = read_one(startsAt=sent)

    assert alert.starts_at is None
    assert ("alerts[0].startsAt",) == alert.unread


def test_missing_fingerprint() -> None:
    """Without a fingerprint the labels name an alert, whatever their order."""
    one = a_notice(labels={"a": "1", "b": "2"}, startsAt=None)
    same = a_notice(labels={"b": "2", "a": "1"})
    other = a_notice(labels={"a": "1", "b": "3"})
    for notice in (one, same, other):
        del notice["fingerprint"]

    keys = [routed.key for routed in read(a_body(one, same, other))]

    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_per_group() -> None:
    """Alerts of a group share the group's key and keep their own fingerprints."""
    body = a_body(a_notice(), a_notice(fingerprint="f2"))

    routed = read(body, Grouping.PER_GROUP)

    assert {'{}/{severity="critical"}:{alertname="DiskFull"}'} == {
        r.key for r in routed
    }
    assert ["c1f1a2b3d4e5f607", "f2"] == [r.alert.fingerprint for r in routed]


def test_long_group_key() -> None:
    """A group key of more than 512 bytes becomes its hash: equal keys stay equal."""
    long = "k" * (KEY_BYTES_MAX + 1)

    [one] = read(a_body(a_notice(), groupKey=long), Grouping.PER_GROUP)
    [same] = read(a_body(a_notice(), groupKey=long), Grouping.PER_GROUP)
    [other] = read(a_body(a_notice(), groupKey=long + "k"), Grouping.PER_GROUP)

    assert 32 == len(one.key)
    assert one.key == same.key != other.key


@pytest.mark.parametrize("sent", [None, 7, "", []])
def test_missing_group_key(sent: Json) -> None:
    """Without a group key the group's labels make one, and the field is named."""
    body = a_body(a_notice(), a_notice(fingerprint="f2"), groupKey=sent)

    routed = read(body, Grouping.PER_GROUP)

    assert 1 == len({one.key for one in routed})
    assert ("groupKey",) == routed[0].alert.unread


@pytest.mark.parametrize(
    ("annotations", "labels", "expected"),
    [
        ({"summary": "Full"}, {"alertname": "DiskFull"}, "Full"),
        ({"summary": " \n "}, {"alertname": "DiskFull"}, "DiskFull"),
        ({}, {"alertname": "DiskFull"}, "DiskFull"),
        ({}, {}, "Alert from Prometheus"),
        ({"summary": "a\r\nb\x00c\u202edcba"}, {}, "a b c dcba"),
        ({"summary": "x" * 300}, {}, "x" * 254 + "…"),
        ({"summary": "🔥" * 255}, {}, "🔥" * 255),
        ({"summary": 5}, {}, "5"),
    ],
)
def test_title(annotations: Json, labels: Json, expected: str) -> None:
    """A title is one line of at most 255 characters; there always is one."""
    assert expected == read_one(annotations=annotations, labels=labels).title


def test_message() -> None:
    """The message is the description, else the message; cut, it says so."""
    described = read_one(annotations={"description": "a\nb", "message": "c"})
    told = read_one(annotations={"message": "c"})
    long = read_one(annotations={"description": "x" * 5_000})

    assert ("a\nb", "c") == (described.message, told.message)
    assert "x" * 3_999 + "…" == long.message


@pytest.mark.parametrize(
    "sent",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://a b",
        "http://a/\nb",
        1,
        "http://",
    ],
)
def test_unsafe_link(sent: Json) -> None:
    """Only links over http and https are kept."""
    alert = read_one(generatorURL=sent)

    assert "" == alert.link
    assert ("alerts[0].generatorURL",) == alert.unread


def test_labels_are_bounded() -> None:
    """A megabyte of labels becomes 64 labels of 1,000 characters, and says so."""
    labels: dict[str, Json] = {f"label{number}": "v" * 2_000 for number in range(70)}

    alert = read_one(labels=labels)

    assert 64 == len(alert.labels)
    assert {"v" * 999 + "…"} == set(alert.labels.values())
    assert ("alerts[0].labels: 6 left out",) == alert.unread


def test_labels_of_other_types() -> None:
    """Numbers and booleans are read as JSON writes them; the rest is named."""
    alert = read_one(labels={"a": 1, "b": True, "c": 0.5, "d": None, "e": ["x"]})

    assert {"a": "1", "b": "true", "c": "0.5"} == alert.labels
    assert ("alerts[0].labels.d", "alerts[0].labels.e") == alert.unread


def test_unread_is_bounded() -> None:
    """Of many unreadable fields twenty are named and the rest is counted."""
    labels: dict[str, Json] = {f"label{number}": None for number in range(30)}

    unread = read_one(labels=labels).unread

    assert 21 == len(unread)
    assert "10 more" == unread[-1]


def test_truncated_group() -> None:
    """Alerts that the sender left out are counted, with the first alert."""
    routed = read(a_body(a_notice(), a_notice(fingerprint="f2"), truncatedAlerts=7))

    assert ("7 alerts not shown by the sender",) == routed[0].alert.unread
    assert () == routed[1].alert.unread


def test_too_many_alerts() -> None:
    """More elements than a body of real alerts can hold are counted, never ignored."""
    routed = read(a_body(*range(ALERTS_MAX + 5)))

    assert ALERTS_MAX == len(routed)
    assert "5 alerts beyond the first 6000" in routed[0].alert.unread


@pytest.mark.parametrize(
    "body",
    [
        {"status": "resolved"},
        {"status": "resolved", "alerts": []},
        {"state": "ok", "title": "[OK] disk", "evalMatches": []},
    ],
)
def test_only_over(body: Json) -> None:
    """What only says that something is over is no reason to page anybody."""
    [routed] = read(body)

    assert AlertStatus.RESOLVED is routed.alert.status


@pytest.mark.parametrize(
    "body",
    [
        None,
        True,
        5,
        "disk full",
        [],
        [a_notice()],
        {},
        {"alerts": None},
        {"alerts": {}},
        {"alerts": []},
        {"alerts": "x"},
        {"status": "resolved", "state": "alerting", "alerts": []},
        {"alerts": [1]},
        {"alerts": [None, "x"]},
        {"alerts": [{}]},
        {"alerts": [{"labels": 1, "annotations": 1, "startsAt": 1, "fingerprint": 1}]},
    ],
)
def test_other_shapes_fire(body: Json) -> None:
    """Any body fires an alert that can be told apart and says what is missing."""
    for routed in read(body):
        alert = routed.alert

        assert AlertStatus.FIRING is alert.status
        assert "Alert from Prometheus" == alert.title
        assert alert.fingerprint
        assert alert.unread


def test_shapeless_body_is_read_as_far_as_possible() -> None:
    """A body that somebody made up still tells what it is about."""
    [routed] = read({"title": "Disk full", "message": "on db1", "labels": {"a": "b"}})
    alert = routed.alert

    assert ("Disk full", "on db1") == (alert.title, alert.message)
    assert {"a": "b"} == alert.labels
    assert ("alerts",) == alert.unread


def test_shapeless_body_shows_itself() -> None:
    """A body without any known field is shown, so that somebody can read it."""
    [routed] = read({"b": 1, "a": [2]})
    [same] = read({"a": [2], "b": 1})

    assert '{"a":[2],"b":1}' == routed.alert.message
    assert routed.key == same.key


def a_grafana_body(*notices: Json, **changes: Json) -> Json:
    """Make the body of Grafana's webhook, version 1."""
    values: dict[str, Json] = {
        "version": "1",
        "orgId": 1,
        "title": "[FIRING:1] DiskFull",
        "state": "alerting",
        "message": "the whole group",
        "appVersion": "12.0.0",
    }

    return a_body(*notices, **(values | changes))


def a_grafana_notice(**changes: Json) -> dict[str, Json]:
    """Make one alert as Grafana 12 writes it."""
    values: dict[str, Json] = {
        "generatorURL": "http://grafana/alerting/1",
        "silenceURL": "http://grafana/silence",
        "dashboardURL": "http://grafana/d/1",
        "panelURL": "http://grafana/d/1?viewPanel=2",
        "imageURL": None,
        "ruleUID": "r1",
        "values": {"A": 97.5},
        "valueString": "[ var='A' value=97.5 ]",
        "orgId": 1,
    }

    return a_notice(**(values | changes))


def test_grafana() -> None:
    """Of Grafana's version 1 its link to the panel, values and organisation are read."""
    [routed] = read(a_grafana_body(a_grafana_notice()))
    alert = routed.alert

    assert "Disk of db1 is full" == alert.title
    assert "http://grafana/d/1?viewPanel=2" == alert.link
    assert (
        "the whole group\n[ var='A' value=97.5 ]\nSilence it: http://grafana/silence"
        == alert.message
    )
    assert "1" == alert.labels["grafana_org"]
    assert "DiskFull" == alert.labels["alertname"]
    assert () == alert.unread


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"panelURL": ""}, "http://grafana/d/1"),
        ({"panelURL": None, "dashboardURL": None}, "http://grafana/alerting/1"),
    ],
)
def test_grafana_link(changes: dict[str, Json], expected: str) -> None:
    """Without a panel the link is the dashboard's, without that the rule's."""
    [routed] = read(a_grafana_body(a_grafana_notice(**changes)))

    assert expected == routed.alert.link


def test_grafana_group() -> None:
    """What tells of a whole group is no alert's message; its title is one as a last resort."""
    bare = a_grafana_notice(labels={}, annotations={}, silenceURL="", valueString="")
    routed = read(a_grafana_body(bare, a_grafana_notice(fingerprint="f2")))

    assert ("[FIRING:1] DiskFull", "") == (
        routed[0].alert.title,
        routed[0].alert.message,
    )


@pytest.mark.parametrize("state", ["no data", "no_data", "NoData", "error", "Alerting"])
def test_grafana_states(state: str) -> None:
    """No data, and a rule that fails, are alerts like any other."""
    [routed] = read(a_grafana_body(a_grafana_notice(status=state)))

    assert AlertStatus.FIRING is routed.alert.status
    assert () == routed.alert.unread


def test_not_grafana() -> None:
    """What Alertmanager's users put beside its own fields is not taken for Grafana's."""
    [routed] = read(a_body(a_notice(valueString="x"), title="y", message="z"))

    assert "" == routed.alert.message
    assert "grafana_org" not in routed.alert.labels


def test_routed_labels_come_first() -> None:
    """Among 5,000 labels those that routes look at are kept: they decide who is paged."""
    matchers = [read_matcher('team="db"'), read_matcher("zone!=test")]
    routes = (Route(match=tuple(matchers), policy="db"), Route(policy="default"))
    routed_by = an_integration().model_copy(update={"routes": routes})
    labels: dict[str, Json] = {f"label{number}": "v" for number in range(5_000)}
    sent = a_body(a_notice(labels={**labels, "zone": "a", "team": "db", "team\n": "x"}))

    [routed] = read_alerts(sent, routed_by, "d1")
    kept = routed.alert.labels

    assert 64 == len(kept)
    assert ("db", "a") == (kept["team"], kept["zone"])
    assert routes[0] == routed_by.route_for(kept)
    assert ("alerts[0].labels: 4939 left out",) == routed.alert.unread


def test_label_that_reads_like_another() -> None:
    """A label whose name only reads like that of another does not take its place."""
    labels: dict[str, Json] = {"team": "db", "team\x00": "web", "\x00team": "web"}

    assert {"team": "db"} == read_one(labels=labels).labels


def test_ids_are_unique() -> None:
    """Each alert of a request has an id of its own."""
    ids = [routed.alert.id for routed in read(a_body(a_notice(), a_notice(), 1))]

    assert ["d1.0", "d1.1", "d1.2"] == ids


@given(body=ANY_JSON, grouping=st.sampled_from(Grouping))
@settings(deadline=None)
def test_any_json(body: Json, grouping: Grouping) -> None:
    """Any JSON value gives at least one alert, bounded in all that it holds."""
    routed = read(body, grouping)

    assert routed
    for one in routed:
        assert one.key
        assert len(one.key.encode()) <= KEY_BYTES_MAX
        assert 1 <= len(one.alert.title) <= 255
        assert "\n" not in one.alert.title
        assert len(one.alert.message) <= 4_000
        assert len(one.alert.labels) <= 64


@given(notice=st.dictionaries(st.sampled_from(list(a_notice())), ANY_JSON, max_size=7))
@settings(deadline=None)
def test_any_fields(notice: dict[str, Json]) -> None:
    """Fields of any type give an alert, and each one that is no text is named."""
    [routed] = read(a_body({**a_notice(), **notice}))

    texts = {"status", "startsAt", "generatorURL", "fingerprint"}
    wrong = {
        f"alerts[0].{name}"
        for name in texts & set(notice)
        if not isinstance(notice[name], str | None)
    }

    assert wrong <= set(routed.alert.unread)
