"""Values for contract tests, and the few moves that most of them begin with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from engine.core.alerts import Alert, AlertRecord, AlertStatus
from engine.core.effects import Send, Withdraw
from engine.core.events import WokeUp
from engine.core.incident import Incident, Status, Walk
from engine.core.reasons import Reason
from engine.ports import (
    Claimed,
    Commit,
    Delivery,
    Entry,
    Lane,
    Room,
    RoutedAlert,
    Stored,
    UnderWay,
)
from policies.policy import Policy, Snapshot
from policies.steps import WaitStep

if TYPE_CHECKING:
    from tests.contract.backends import Backend

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
LEASE = 2 * SECOND
SEND_LEASE = 3 * SECOND
KEY = "db-full"
SNAPSHOT = Snapshot.of(
    Policy(id="first", steps=(WaitStep(duration=timedelta(minutes=5)),))
)


def an_alert(
    fingerprint: str = "db1",
    status: AlertStatus = AlertStatus.FIRING,
    starts_at: datetime | None = None,
) -> Alert:
    """Return a notice from a source."""
    return Alert(
        id=f"notice-{fingerprint}-{status}",
        fingerprint=fingerprint,
        status=status,
        title="Database full",
        starts_at=starts_at,
        labels={"host": fingerprint},
    )


def a_firing(
    key: str = KEY,
    fingerprint: str = "db1",
    starts_at: datetime | None = None,
    integration: str = "prometheus",
) -> RoutedAlert:
    """Return a firing alert that was routed."""
    alert = an_alert(fingerprint, starts_at=starts_at)

    return RoutedAlert(alert=alert, integration=integration, key=key)


def a_resolve(
    key: str = KEY, fingerprint: str = "db1", starts_at: datetime | None = None
) -> RoutedAlert:
    """Return a resolved alert that was routed."""
    alert = an_alert(fingerprint, AlertStatus.RESOLVED, starts_at)

    return RoutedAlert(alert=alert, integration="prometheus", key=key)


def an_incident(
    claimed: Claimed,
    due: datetime | None = None,
    key: str = KEY,
    snapshot: Snapshot = SNAPSHOT,
) -> Incident:
    """Return the incident that a claim's first mail opens, due at a time."""
    at = claimed.claimed_at
    record = AlertRecord(
        status=AlertStatus.FIRING, title="Database full", changed_at=at
    )

    return Incident(
        id=claimed.incident_id,
        title="Database full",
        key=key,
        integration="prometheus",
        snapshot=snapshot,
        walks=walks(due, at),
        alerts={"db1": record},
        alert_count=1,
        firing_count=1,
        opened_at=at,
        last_at=at,
    )


def walks(due: datetime | None, at: datetime = START) -> tuple[Walk, ...]:
    """Return what makes an incident due at a time; nothing if it is never due."""
    if due is None:
        return ()

    return (
        Walk(id=1, policy="first", round_began_at=at, left_at=at, due=due, order=1),
    )


def resolved(incident: Incident, at: datetime = START) -> Incident:
    """Return the incident after somebody closed it."""
    return replace(
        incident, status=Status.RESOLVED, walks=(), resolved_at=at, resolved_by="alice"
    )


def an_entry(at: datetime = START, reason: Reason = Reason.WAIT_OVER) -> Entry:
    """Return a line of history."""
    return Entry(event=WokeUp(at=at), reason=reason)


def a_send(
    page: str = "1.0.1.1.alice",
    rule: int = 0,
    *,
    due: datetime = START,
    channel: str = "sms",
    by_timer: bool = True,
    provider: str = "",
) -> Send:
    """Return a notification to be sent."""
    return Send(
        page=page,
        rule=rule,
        person="alice",
        method="phone",
        channel=channel,
        key=f"key-{page}-{rule}",
        due=due,
        give_up_at=due + timedelta(minutes=1),
        caused_by_timer=by_timer,
        provider=provider,
    )


def a_room(
    channel: str = "sms",
    each: int = 9,
    slots: int = 10_000,
    under_way: Mapping[str, UnderWay] | None = None,
) -> Room:
    """Return room for so many with each provider of a channel."""
    return Room(channel=channel, slots=slots, each=each, under_way=under_way or {})


def a_withdrawal(send: Send) -> Withdraw:
    """Return the wish to take a notification back."""
    return Withdraw(page=send.page, rule=send.rule)


def a_commit(claimed: Claimed, incident: Incident | None = None, **more: Any) -> Commit:
    """Return a commit of all the mail that was claimed, with one line of history."""
    stored = incident or claimed.incident
    assert stored is not None
    read = claimed.mail[-1].number if claimed.mail else 0
    fields: dict[str, Any] = {"read_up_to": read, "history": (an_entry(),)} | more

    return Commit(claimed=claimed, incident=stored, **fields)


async def done(backend: "Backend", *commits: Commit) -> None:
    """Commit, and see it done."""
    assert [Stored.DONE] * len(commits) == list(await backend.store.commit(commits))


async def claimed_by_mail(backend: "Backend") -> Claimed:
    """Claim the one incident that has mail."""
    [claimed] = await backend.store.claim(Lane.MAIL)

    return claimed


async def an_open_one(
    backend: "Backend",
    due: datetime | None = None,
    key: str = KEY,
    sends: Sequence[Send] = (),
) -> Claimed:
    """Open an incident with one alert; return it as it is stored."""
    [receipt] = await backend.mailbox.append([a_firing(key)])
    claimed = await claimed_by_mail(backend)
    assert receipt.incident_id == claimed.incident_id
    incident = an_incident(claimed, due, key)
    await done(backend, a_commit(claimed, incident, sends=tuple(sends)))

    return await backend.store.load(claimed.incident_id)


async def with_deliveries(
    backend: "Backend", *sends: Send
) -> tuple[Claimed, list[Delivery]]:
    """Open an incident that sends these; return it and what was claimed of them."""
    claimed = await an_open_one(backend, sends=sends)

    return claimed, list(await backend.outbox.claim([a_room("sms", len(sends))]))
