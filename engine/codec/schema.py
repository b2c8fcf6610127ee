"""
The tables of schema version 1: each field and its short name.

A name here is for ever: golden histories of every release are read with it. A
field may be added with a default; anything else is a new version.
"""

from typing import Any

from engine.codec.shapes import Shape
from engine.core.alerts import Alert, AlertRecord
from engine.core.effects import Comment, Send
from engine.core.events import (
    Acknowledged,
    AlertsReceived,
    Attached,
    ChildAttached,
    ChildDetached,
    Commented,
    CommentEdited,
    DeliveryReported,
    Detached,
    Escalated,
    MetadataSet,
    Opened,
    ParentMoved,
    PolicyNamed,
    Reassigned,
    Removed,
    Reopened,
    Resolved,
    Responder,
    SnapshotTaken,
    Snoozed,
    TargetsResolved,
    TurnTaken,
    Unacknowledged,
    Unsnoozed,
    WokeUp,
)
from engine.core.incident import (
    Awaited,
    Call,
    Checklist,
    Incident,
    LastRound,
    Page,
    Restart,
    StepRef,
    Walk,
)
from engine.directory import Rule
from engine.ports import (
    KeptAnswer,
    KnownOnCall,
    OnCall,
    RejectedEvent,
    RoutedAcknowledgement,
    RoutedAlert,
    Summary,
)

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
RECORD = Shape(
    AlertRecord,
    status="s",
    title="t",
    starts_at="b",
    changed_at="c",
    labels="l",
    message="m",
    link="u",
    is_bare="x",
)
RESPONDER = Shape(Responder, (RULE,), person="p", target="t", why="w", rules="r")
COMMENT = Shape(Comment, id="i", text="x")
STEP = Shape(StepRef, policy="p", step="s")
AWAITED = Shape(Awaited, (STEP,), step="s", round="r", pages="p")
LAST_ROUND = Shape(LastRound, (STEP, AWAITED), walk="w", awaited="a", unreached="u")
WALK = Shape(
    Walk,
    (STEP, AWAITED, RESPONDER),
    id="i",
    policy="p",
    step="s",
    round="r",
    round_began_at="b",
    generation="g",
    due="d",
    order="o",
    left_at="l",
    pause="z",
    asked_at="a",
    recalls="k",
    candidates="c",
    is_waited="w",
    entered="e",
    further="f",
    repeats="n",
    is_loud="y",
    is_waiving="v",
    awaited="x",
    unreached="u",
    has_reached="h",
    late_by="lb",
    round_late_by="rl",
)
PAGE = Shape(
    Page,
    (RULE,),
    id="i",
    walk="k",
    person="p",
    urgency="u",
    rules="l",
    step_due="e",
    started_at="b",
    rule="r",
    due="d",
    order="o",
    under_way="w",
)
CALL = Shape(
    Call,
    (STEP,),
    id="i",
    generation="g",
    due="d",
    order="o",
    asked_at="a",
    recalls="k",
    targets="t",
    urgency="u",
    channels="c",
    step="s",
    late_by="lb",
)
CHECKLIST = Shape(
    Checklist, id="i", source="s", text="x", every="e", due="d", order="o"
)
RESTART = Shape(Restart, generation="g", due="d", order="o", at="a", late_by="lb")
INCIDENT = Shape(
    Incident,
    (WALK, PAGE, LAST_ROUND, CALL, CHECKLIST, RESTART),
    apart=("snapshot", "alerts"),
    id="i",
    title="t",
    kind="j",
    status="s",
    key="k",
    integration="n",
    team="m",
    resolve_when="y",
    start="z",
    main="mw",
    walks="w",
    pages="p",
    last_rounds="lr",
    calls="cl",
    checklists="ch",
    restart="rs",
    metadata="l",
    references="lo",
    pinned="lp",
    alert_count="c",
    firing_count="f",
    notices="v",
    opened_at="b",
    last_at="a",
    last_order="o",
    last_sent_at="e",
    paged_at="ea",
    paged="eb",
    acknowledged_for="kf",
    acknowledged_at="ka",
    acknowledged_by="kb",
    snoozed_by="sb",
    returns_at="kr",
    resolved_at="ra",
    resolved_by="rb",
    parent="pa",
    children="pc",
    has_reached="xh",
    has_run_out="xo",
    exhausts_at="xa",
    exhausted_at="xb",
    started_again_at="xr",
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
    provider="v",
    owed_since="o",
)
ON_CALL = Shape(OnCall, people="p", reason="r", source="s", until="u")
KNOWN_ON_CALL = Shape(KnownOnCall, (ON_CALL,), answer="a", at="@")
KEPT_ANSWER = Shape(KeptAnswer, status="s", headers="h", body="b")
ROUTED = Shape(RoutedAlert, (ALERT,), alert="a", integration="n", key="k")
ROUTED_ACKNOWLEDGEMENT = Shape(RoutedAcknowledgement, id="i", integration="n", key="k")
REJECTED = Shape(
    RejectedEvent,
    at="@",
    source="s",
    integration="n",
    reason="y",
    detail="x",
    size="z",
    body="b",
)
SUMMARY = Shape(
    Summary,
    id="i",
    title="t",
    status="s",
    integration="n",
    team="m",
    opened_at="b",
    alert_count="c",
    firing_count="f",
    acknowledged_by="k",
    exhausted_at="x",
    resolved_at="r",
    severity="v",
    policy="p",
)

# What field `t` says tells which of these a piece of mail or history is.
CONTENTS: dict[str, Shape[Any]] = {
    "o": Shape(
        Opened,
        (ALERT,),
        at="@",
        incident_id="i",
        kind="j",
        key="k",
        integration="n",
        team="m",
        snapshot="s",
        resolve_when="e",
        acknowledged_for="f",
        alert="a",
        title="h",
        metadata="l",
        references="lo",
        after="b",
        route="r",
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
        order="o",
        policies="l",
        snapshot="s",
        until="u",
        owed_since="d",
    ),
    "rp": Shape(
        PolicyNamed, at="@", walk="w", generation="g", policy="p", snapshot="s"
    ),
    "rt": Shape(TurnTaken, at="@", walk="w", generation="g", target="r", why="x"),
    "rs": Shape(SnapshotTaken, at="@", generation="g", snapshot="s"),
    "d": Shape(
        DeliveryReported,
        at="@",
        page="g",
        rule="r",
        person="p",
        channel="c",
        attempt="n",
        outcome="o",
        detail="x",
    ),
    "k": Shape(Acknowledged, at="@", id="i", by="b"),
    "ku": Shape(Unacknowledged, at="@", id="i", by="b"),
    "e": Shape(Resolved, at="@", id="i", by="b"),
    "eo": Shape(Reopened, at="@", id="i", by="b"),
    "s": Shape(Snoozed, at="@", id="i", by="b", until="u"),
    "su": Shape(Unsnoozed, at="@", id="i", by="b"),
    "x": Shape(
        Escalated,
        at="@",
        id="i",
        by="b",
        step="n",
        targets="r",
        urgency="u",
        channels="c",
        snapshot="s",
    ),
    "xr": Shape(Reassigned, at="@", id="i", by="b", to="r", urgency="u"),
    "c": Shape(Attached, at="@", id="i", by="b", parent="p"),
    "cd": Shape(Detached, at="@", id="i", by="b"),
    "ca": Shape(ChildAttached, at="@", id="i", child="c"),
    "cx": Shape(ChildDetached, at="@", id="i", child="c"),
    "cp": Shape(ParentMoved, at="@", id="i", what="w", by="b", parent="p"),
    "z": Shape(Removed, at="@", id="i", by="b"),
    "l": Shape(MetadataSet, at="@", id="i", by="b", key="k", texts="x", references="r"),
    "n": Shape(Commented, at="@", id="i", by="b", text="x"),
    "ne": Shape(
        CommentEdited,
        at="@",
        id="i",
        by="b",
        comment="c",
        text="x",
        ticked="v",
        unticked="w",
    ),
    "m": ROUTED,
    "mk": ROUTED_ACKNOWLEDGEMENT,
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
