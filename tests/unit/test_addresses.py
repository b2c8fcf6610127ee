"""Whom a notification is for, where that is, and who takes it there."""

from dataclasses import replace

import pytest

from engine.adapters.memory import MemoryOutbox
from engine.core.alerts import Alert, AlertStatus
from engine.directory import ContactMethod, Directory, Place, User
from engine.ports import Lane, Room, RoutedAlert
from engine.service.addresses import Reached, reached, with_provider
from policies.policy import Policy
from tests.contract.making import a_send
from tests.support.driver import SOURCE, Driver

HOOK = "https://Hooks.Example.com:8443/services/secret"
METHODS = (
    ContactMethod(id="hook", channel="webhook", address=HOOK),
    ContactMethod(id="phone", channel="sms", address="+4930123"),
)
DIRECTORY = Directory(
    users={
        "alice": User(id="alice", name="Alice", contact_methods=METHODS),
        "gone": User(id="gone", name="G", contact_methods=METHODS, is_active=False),
    },
    places={
        "room": Place(
            id="room", name="Room", kind="chat", channel="webhook", address=HOOK
        )
    },
)


@pytest.mark.parametrize(
    ("person", "method", "expected"),
    [
        ("alice", "hook", Reached(name="Alice", address=HOOK)),
        ("alice", "phone", Reached(name="Alice", address="+4930123")),
        ("alice", "other", None),
        ("gone", "hook", None),
        ("nobody", "hook", None),
        ("channel:room", "room", Reached(name="Room", address=HOOK)),
        ("channel:other", "other", None),
    ],
)
def test_reached(person: str, method: str, expected: Reached | None) -> None:
    """A person is reached by a contact method, a place by its own address."""
    send = replace(a_send(), person=person, method=method)

    assert expected == reached(DIRECTORY, send)


@pytest.mark.parametrize(
    ("person", "method", "channel", "expected"),
    [
        ("alice", "hook", "webhook", "hooks.example.com"),
        ("channel:room", "room", "webhook", "hooks.example.com"),
        ("alice", "phone", "sms", ""),
        ("alice", "other", "webhook", ""),
        ("carol", "resolve:child", "incident", ""),
    ],
)
def test_provider(person: str, method: str, channel: str, expected: str) -> None:
    """Only webhooks have providers that differ by address."""
    send = replace(a_send(channel=channel), person=person, method=method)

    assert replace(send, provider=expected) == with_provider(DIRECTORY, send)


async def test_settled() -> None:
    """What is stored to be sent says who takes it: of a page, and of a step's call."""
    policy = Policy.model_validate(
        {
            "id": "first",
            "steps": [
                {"kind": "webhook", "webhook": "room"},
                {"kind": "notify", "targets": ["user:alice"], "channels": ["webhook"]},
            ],
        }
    )
    driver = Driver(policy)
    driver.change(users=DIRECTORY.users, places=DIRECTORY.places)
    alert = Alert(
        id="a", fingerprint="db", status=AlertStatus.FIRING, title="db", labels={}
    )
    await driver.engine.ingest([RoutedAlert(alert=alert, integration=SOURCE, key="db")])
    await driver.engine.drain(Lane.MAIL)
    outbox = MemoryOutbox(driver.store, driver.clock)
    found = await outbox.claim([Room(channel="webhook", slots=9, each=9)])

    assert {("room", "hooks.example.com"), ("hook", "hooks.example.com")} == {
        (one.send.method, one.send.provider) for one in found
    }
