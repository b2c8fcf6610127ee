"""
The tables of schema version 1: each field and its short name.

A name here is for ever: golden histories of every release are read with it. A
field may be added with a default; anything else is a new version.
"""

from typing import Any

from engine.codec.shapes import Shape
from engine.core.alerts import Alert, AlertRecord
from engine.core.effects import Send
from engine.core.events import (
    Acknowledged,
    AlertsReceived,
    DeliveryReported,
    Opened,
    Resolved,
    Responder,
    TargetsResolved,
    WokeUp,
)
from engine.core.incident import Incident, Page, Walk
from engine.directory import Rule
from engine.ports import RoutedAlert, Summary

VERSION = 1

RULE = Shape(Rule, delay="d", method="m", channel="c")
ALERT = Shape(
    Alert,
    id="i",
    fingerprint="f",
    status="s",
    title="t",
    starts_at="b",
    labels="l",
    message="m",
    link="u",
    unread="x",
)
RECORD = Shape(AlertRecord, status="s", title="t", starts_at="b", changed_at="c")
RESPONDER = Shape(Responder, (RULE,), person="p", why="w", rules="r")
WALK = Shape(
    Walk,
    id="i",
    policy="p",
    step="s",
    round="r",
    round_began_at="b",
    generation="g",
    due="d",
    order="o",
    asked_at="a",
)
PAGE = Shape(
    Page,
    (RULE,),
    id="i",
    person="p",
    urgency="u",
    rules="l",
    step_due="e",
    started_at="b",
    rule="r",
    due="d",
    order="o",
    under_way="w",
    reached="h",
)
INCIDENT = Shape(
    Incident,
    (WALK, PAGE),
    apart=("snapshot", "alerts"),
    id="i",
    title="t",
    status="s",
    key="k",
    integration="n",
    team="m",
    resolve_when="y",
    start="z",
    walks="w",
    pages="p",
    metadata="l",
    alert_count="c",
    firing_count="f",
    opened_at="b",
    last_at="a",
    last_order="o",
    last_sent_at="e",
    acknowledged_at="ka",
    acknowledged_by="kb",
    resolved_at="ra",
    resolved_by="rb",
    exhausts_at="xa",
    exhausted_at="xb",
    seen="q",
)
SEND = Shape(
    Send,
    page="g",
    rule="r",
    person="p",
    method="m",
    channel="c",
    key="k",
    due="d",
    give_up_at="u",
    caused_by_timer="t",
)
ROUTED = Shape(RoutedAlert, (ALERT,), alert="a", integration="n", key="k")
SUMMARY = Shape(
    Summary,
    id="i",
    title="t",
    status="s",
    integration="n",
    opened_at="b",
    alert_count="c",
    firing_count="f",
    acknowledged_by="k",
    exhausted_at="x",
    resolved_at="r",
)

# The letter in field `t` says which of these a piece of mail or history is.
CONTENTS: dict[str, Shape[Any]] = {
    "o": Shape(
        Opened,
        (ALERT,),
        at="@",
        incident_id="i",
        key="k",
        integration="n",
        team="m",
        snapshot="s",
        resolve_when="e",
        alert="a",
    ),
    "a": Shape(AlertsReceived, (ALERT,), at="@", alerts="a"),
    "w": Shape(WokeUp, at="@"),
    "r": Shape(
        TargetsResolved,
        (RESPONDER,),
        at="@",
        walk="w",
        generation="g",
        responders="p",
        missing="m",
        until="u",
    ),
    "d": Shape(
        DeliveryReported,
        at="@",
        page="g",
        rule="r",
        attempt="n",
        outcome="o",
        detail="x",
    ),
    "k": Shape(Acknowledged, at="@", id="i", by="b"),
    "e": Shape(Resolved, at="@", id="i", by="b"),
    "m": ROUTED,
}
LETTERS = {shape.cls: letter for letter, shape in CONTENTS.items()}

# Deflate finds here what typical events say. Part of version 1: never changed.
DICTIONARY = (
    b'{"t":"e","@":1795312887000,"i":"","b":"","y":"resolved"}'
    b'{"t":"k","@":1795312887000,"i":"","b":"","y":"acknowledged"}'
    b'{"t":"d","@":1795312887000,"g":"1.0.1.1.","r":0,"n":1,"o":"sent","y":"delivered"}'
    b'"o":"failed","x":"","y":"method_failed"}{"t":"w","@":1795312887000,"y":"wait_over"}'
    b'"y":"looking_up"}"y":"rule_due"}"y":"exhausted"}'
    b'{"t":"r","@":1795312887000,"w":1,"g":2,"p":[{"p":"alice","w":"schedule:primary '
    b'rotation","r":[{"d":0,"m":"","c":"console"},{"d":60000,"m":"","c":"sms"},'
    b'{"d":120000,"m":"","c":"call"},{"d":300000,"m":"","c":"push"},{"d":0,"m":"",'
    b'"c":"email"}]}],"m":{"":"nobody on call"},"u":1795312887000},"y":"paged"}'
    b'"y":"nobody_reached"}{"t":"a","@":1795312887000,"a":[{"i":"","f":"","s":"resolved",'
    b'"t":"","b":1795312887000,"l":{"alertname":"High","severity":"critical","warning":"",'
    b'"service":"","instance":"","job":"","cluster":"eu-west-1","us-east-1","namespace":'
    b'"default","pod":"","container":"","team":"","env":"production","host":"","summary":"",'
    b'"description":""},"m":"Error rate of is above for 5 minutes","u":"https://'
    b'prometheus/graph?g0.expr="}],"n":1},"y":"alert_joined"}"y":"alerts_resolved"}'
    b'{"t":"o","@":1795312887000,"i":"","k":"","n":"","s":"","a":{"i":"","f":"","s":'
    b'"firing","t":"","b":1795312887000,"l":{"alertname":""},"y":"opened"}'
)
