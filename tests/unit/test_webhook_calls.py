"""Webhooks from the alert on: what a receiver gets of a policy's steps and of pages."""

from datetime import timedelta
from ipaddress import ip_network

import orjson
import pytest
from standardwebhooks import Webhook

from engine.adapters.channels.webhook import WebhookChannel
from engine.adapters.http import Limits, OutboundHttp
from engine.core.events import Acknowledged, DeliveryReported, Outcome
from engine.core.reasons import Reason
from engine.directory import ContactMethod, Place, User
from engine.ids import show_incident_id
from engine.ports import DeliveryResult
from policies.policy import Policy
from policies.steps import NotifyStep, WaitStep, WebhookStep
from policies.targets import UserTarget
from tests.support.driver import MIDNIGHT, Driver
from tests.support.receiver import (
    LOOPBACK,
    Receiver,
    receiving,
    silence,
    status,
    trusting,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - a fake one
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
CALL = Policy(id="root", steps=(WebhookStep(webhook="hook"),))
PAGE = Policy(id="root", steps=(NotifyStep(targets=(UserTarget(id="erin"),)),))


async def loopback(_: str, __: int) -> list[str]:
    """Take every name for this machine's."""
    return [LOOPBACK]


def a_driver(policy: Policy, receiver: Receiver, *secrets: str) -> Driver:
    """Return an engine whose place `hook` and person erin are the receiver."""
    driver = Driver(policy)
    http = OutboundHttp(
        allowed=(ip_network("127.0.0.0/8"),),
        resolve=loopback,
        ssl_context=trusting(),
        limits=Limits(total_seconds=0.3),
    )
    driver.use("webhook", WebhookChannel(http, driver.clock))
    place = Place(
        id="hook",
        name="Hook",
        kind="webhook",
        channel="webhook",
        address=receiver.url("/place"),
        secrets=secrets,
    )
    method = ContactMethod(
        id="erin-hook",
        channel="webhook",
        address=receiver.url("/person"),
        secrets=secrets,
    )
    erin = User(id="erin", name="Erin", contact_methods=(method,))
    urgency = driver.directory.urgencies["high"].model_copy(
        update={"channels": ("webhook",)}
    )
    driver.change(
        places={"hook": place}, users={"erin": erin}, urgencies={"high": urgency}
    )

    return driver


async def reports(driver: Driver, key: str) -> list[DeliveryReported]:
    """Return what the history of an incident says of deliveries."""
    history = await driver.store.history(driver.incidents[key])
    events = [entry.event for entry in history]

    return [event for event in events if isinstance(event, DeliveryReported)]


async def test_call() -> None:
    """A webhook step posts to its place, signed, with a link to the incident."""
    async with receiving() as receiver:
        driver = a_driver(CALL, receiver, SECRET)
        await driver.alert("db", "db", fires=True)

    [received] = receiver.received
    shown = show_incident_id(driver.incidents["db"])
    data = orjson.loads(received.body)["data"]
    signature = Webhook(SECRET).sign(
        received.headers["webhook-id"], MIDNIGHT, received.body.decode()
    )
    assert "POST /place HTTP/1.1" == received.line
    assert signature == received.headers["webhook-signature"]
    assert ("channel:hook", "db", shown) == (
        data["person"],
        data["title"],
        data["incident"],
    )
    assert f"https://rung.example.com/v1/incidents/{shown}" == data["url"]
    assert Reason.WEBHOOK_ANSWERED in await driver.timeline("db")


async def test_page() -> None:
    """A person is paged at the URL of their contact method, signed with its secret."""
    async with receiving() as receiver:
        driver = a_driver(PAGE, receiver, SECRET)
        await driver.alert("db", "db", fires=True)

    [received] = receiver.received
    assert "POST /person HTTP/1.1" == received.line
    assert "webhook-signature" in received.headers
    assert "erin" == orjson.loads(received.body)["data"]["person"]
    assert Reason.DELIVERED in await driver.timeline("db")


@pytest.mark.parametrize("policy", [CALL, PAGE], ids=["step", "page"])
async def test_time_out(policy: Policy) -> None:
    """What timed out is sent again under its id, and has arrived when that is answered."""
    async with receiving(silence, silence, status(204)) as receiver:
        driver = a_driver(policy, receiver)
        await driver.alert("db", "db", fires=True)
        await driver.pass_time(10 * SECOND)

    ids = {each.headers["webhook-id"] for each in receiver.received}
    attempts = [
        orjson.loads(each.body)["data"]["attempt"] for each in receiver.received
    ]
    assert 1 == len(ids)
    assert [1, 2, 3] == attempts
    assert [Outcome.SENT] == [each.outcome for each in await reports(driver, "db")]


async def test_never_answered() -> None:
    """In the end nobody knows: that is recorded, and counts as reached."""
    async with receiving(silence) as receiver:
        driver = a_driver(PAGE, receiver)
        await driver.alert("db", "db", fires=True)
        await driver.pass_time(MINUTE + SECOND)
        count = len(receiver.received)
        await driver.pass_time(MINUTE)

    assert 2 < count == len(receiver.received)
    assert [Outcome.UNKNOWN] == [each.outcome for each in await reports(driver, "db")]
    assert Reason.DELIVERY_UNKNOWN in await driver.timeline("db")


async def test_next_step_ends_it() -> None:
    """A page that nobody answers for is tried until the next step, and no longer."""
    steps = (*PAGE.steps, WaitStep(duration=10 * SECOND), WaitStep(duration=MINUTE))
    async with receiving(silence) as receiver:
        driver = a_driver(PAGE.model_copy(update={"steps": steps}), receiver)
        await driver.alert("db", "db", fires=True)
        await driver.pass_time(10 * SECOND)
        count = len(receiver.received)
        await driver.pass_time(MINUTE)

    assert 1 < count == len(receiver.received)


async def test_retry_after() -> None:
    """A receiver that asks for time gets it."""
    async with receiving(status(429, "Retry-After: 30"), status(200)) as receiver:
        driver = a_driver(PAGE, receiver)
        await driver.alert("db", "db", fires=True)
        await driver.pass_time(30 * SECOND - timedelta(milliseconds=1))
        early = len(receiver.received)
        await driver.pass_time(timedelta(milliseconds=1))

    assert 1 == early
    assert 2 == len(receiver.received)


async def test_retry_after_the_end() -> None:
    """One that asks for more than there is has failed at once: others are paged."""
    async with receiving(status(503, "Retry-After: 61")) as receiver:
        driver = a_driver(PAGE, receiver)
        await driver.alert("db", "db", fires=True)

    [report] = await reports(driver, "db")
    assert (Outcome.FAILED, "answered 503") == (report.outcome, report.detail)


async def test_acknowledged_meanwhile() -> None:
    """What timed out is not sent again once somebody has acknowledged."""
    async with receiving(silence) as receiver:
        driver = a_driver(PAGE, receiver)
        await driver.alert("db", "db", fires=True)
        await driver.command("db", Acknowledged, by="erin")
        await driver.pass_time(MINUTE)

    assert 1 == len(receiver.received)


async def test_not_repeatable() -> None:
    """An unknown outcome of a channel that cannot tell repeats is left at that."""
    async with receiving() as receiver:
        driver = a_driver(PAGE, receiver)
        driver.use("webhook", None)
        driver.channels["webhook"].answers["erin"] = DeliveryResult(
            outcome=Outcome.UNKNOWN
        )
        await driver.alert("db", "db", fires=True)
        await driver.pass_time(MINUTE)

    assert 1 == len(driver.channels["webhook"].sent)
    assert [Outcome.UNKNOWN] == [each.outcome for each in await reports(driver, "db")]


async def test_secrets_are_not_shown() -> None:
    """A notification in a log or a traceback shows no secret."""
    async with receiving() as receiver:
        driver = a_driver(PAGE, receiver, SECRET)
        driver.use("webhook", None)
        await driver.alert("db", "db", fires=True)

    [notification] = driver.channels["webhook"].sent
    assert (SECRET,) == notification.secrets
    assert SECRET not in repr(notification)
    assert notification.address
    assert notification.address not in repr(notification)
    assert notification.address not in repr(driver.directory)
