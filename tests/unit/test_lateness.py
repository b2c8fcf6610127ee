"""What a page says of how late it is."""

from datetime import timedelta

from engine.adapters.memory import MemoryOutbox
from engine.core.alerts import Alert, AlertStatus
from engine.core.asking import LOOK_UP_PATIENCE
from engine.core.events import Escalated
from engine.ports import Lane, Room, RoutedAlert
from policies.policy import Policy
from policies.targets import UserTarget
from tests.support.driver import SOURCE, Driver

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
POLICY = Policy.model_validate(
    {
        "id": "late",
        "steps": [
            {"kind": "notify", "targets": ["schedule:primary"]},
            {"kind": "wait", "duration": "5m"},
            {"kind": "notify", "targets": ["user:bob"]},
            {"kind": "wait", "duration": "5m"},
            {"kind": "notify", "targets": ["user:carol"]},
        ],
    }
)
ALERT = Alert(
    id="a", fingerprint="db", status=AlertStatus.FIRING, title="db", labels={}
)


def said(driver: Driver) -> list[tuple[str, timedelta]]:
    """Return who was told, and how late that is said to be."""
    return [
        (sent.person, timedelta(seconds=sent.late_by_seconds))
        for sent in driver.channels["console"].sent
    ]


async def test_after_an_outage() -> None:
    """A page says how long its step has been due; those after it are in time again."""
    driver = Driver(POLICY)
    await driver.alert("db", "db", fires=True)
    driver.clock.advance(26 * HOUR)
    await driver.settle()
    await driver.pass_time(HOUR)

    assert said(driver) == [
        ("alice", timedelta(0)),
        ("bob", 26 * HOUR - 5 * MINUTE),
        ("carol", timedelta(0)),
    ]


async def test_opened_late() -> None:
    """An alert that waited for a worker is late by all the time it has waited."""
    driver = Driver(POLICY)
    routed = RoutedAlert(alert=ALERT, integration=SOURCE, key="db")
    await driver.engine.ingest([routed])
    driver.clock.advance(3 * MINUTE)
    await driver.settle()

    assert [("alice", 3 * MINUTE)] == said(driver)


async def test_little_late() -> None:
    """What is late by less than 2 s is decided as of its time, and says so too."""
    driver = Driver(POLICY)
    await driver.alert("db", "db", fires=True)
    driver.clock.advance(5 * MINUTE + SECOND)
    await driver.settle()

    assert ("bob", SECOND) == said(driver)[-1]


async def test_several() -> None:
    """Of several walks that are late together, each page says what the first one does."""
    waits = ["1h", "90m"]
    policies = [
        Policy.model_validate(
            {
                "id": f"after-{wait}",
                "steps": [
                    {"kind": "wait", "duration": wait},
                    {"kind": "notify", "targets": [f"user:{person}"]},
                ],
            }
        )
        for wait, person in zip(waits, ["bob", "carol"], strict=True)
    ]
    both = Policy.model_validate(
        {
            "id": "both",
            "steps": [
                {
                    "kind": "notify",
                    "targets": [f"policy:after-{wait}" for wait in waits],
                }
            ],
        }
    )
    driver = Driver(both, *policies)
    await driver.alert("db", "db", fires=True)
    driver.clock.advance(2 * HOUR)
    await driver.settle()

    assert [("bob", HOUR), ("carol", HOUR)] == said(driver)


async def test_opened_late_is_an_opening() -> None:
    """What an opening pages that was read late takes no turn of what timers page."""
    driver = Driver(POLICY)
    routed = RoutedAlert(alert=ALERT, integration=SOURCE, key="db")
    await driver.engine.ingest([routed])
    driver.clock.advance(3 * MINUTE)
    await driver.engine.drain(Lane.MAIL)
    outbox = MemoryOutbox(driver.store, driver.clock)
    [delivery] = await outbox.claim([Room(channel="console", slots=9, each=9)])

    assert not delivery.send.caused_by_timer
    assert driver.clock.now() - 3 * MINUTE == delivery.send.owed_since


async def test_asked_outside() -> None:
    """It counts from when the step was due, however long the answer takes to come."""
    driver = Driver(POLICY)
    driver.rota.is_here = False
    routed = RoutedAlert(alert=ALERT, integration=SOURCE, key="db")
    await driver.engine.ingest([routed])
    driver.clock.advance(3 * MINUTE)
    await driver.settle()
    await driver.pass_time(5 * MINUTE)

    assert [("alice", 3 * MINUTE), ("bob", timedelta(0))] == said(driver)


async def test_asker_died() -> None:
    """If whoever asked has died, it counts from when an answer was due at the latest."""
    driver = Driver(POLICY)
    driver.rota.is_here, driver.rota.is_silent = False, True
    await driver.alert("db", "db", fires=True)
    driver.clock.advance(3 * MINUTE)
    driver.rota.is_silent = False
    await driver.settle()

    assert [("alice", 3 * MINUTE - LOOK_UP_PATIENCE)] == said(driver)


async def test_somebody_else() -> None:
    """Whom people page beside a late step is not paged late."""
    driver = Driver(POLICY)
    await driver.alert("db", "db", fires=True)
    driver.clock.advance(26 * HOUR)
    escalated = Escalated(
        at=driver.clock.now(), id="now", by="dora", targets=(UserTarget(id="carol"),)
    )
    await driver.engine.obey(driver.incidents["db"], escalated)
    await driver.settle()

    assert ("carol", timedelta(0)) in said(driver)
    assert {"alice", "bob", "carol"} == {person for person, _ in said(driver)}


async def test_after_an_answer() -> None:
    """A wait that was over while nobody answered is late by its own time."""
    driver = Driver(POLICY)
    driver.rota.is_here, driver.rota.is_silent = False, True
    await driver.alert("db", "db", fires=True)
    driver.clock.advance(HOUR)
    driver.rota.is_silent = False
    await driver.settle()

    assert {
        "alice": HOUR - LOOK_UP_PATIENCE,
        "bob": HOUR - 5 * MINUTE,
    } == dict(said(driver))
