"""How many notifications one process sends at once, and with whom."""

from engine.ports import Delivery, Room, UnderWay
from engine.service.slots import PROVIDERS, Slots
from tests.contract.making import a_send

ALL = 2 * PROVIDERS


def a_delivery(number: int, provider: str = "", *, by_timer: bool = True) -> Delivery:
    """Return a notification that is under way."""
    send = a_send(f"page-{number}", provider=provider, by_timer=by_timer)

    return Delivery(incident_id="one", send=send, attempt=1)


def test_empty() -> None:
    """With nothing under way, each channel has all its slots."""
    rooms = Slots(["sms", "call"], each=2).rooms()

    assert [
        Room(channel=name, slots=ALL, each=2, under_way={}) for name in ("sms", "call")
    ] == rooms


def test_counted() -> None:
    """What is under way is counted by provider and cause, until it is over."""
    slots = Slots(["sms"], each=2)
    deliveries = [
        a_delivery(1, "one"),
        a_delivery(2, "one", by_timer=False),
        a_delivery(3, "two"),
    ]
    for delivery in deliveries:
        slots.take(delivery)
    [full] = slots.rooms()
    slots.free(deliveries[0])
    slots.free(deliveries[0])
    [less] = slots.rooms()

    assert {
        "one": UnderWay(by_timer=1, by_opening=1),
        "two": UnderWay(by_timer=1),
    } == full.under_way
    assert {
        "one": UnderWay(by_opening=1),
        "two": UnderWay(by_timer=1),
    } == less.under_way
    assert (ALL - 3, ALL - 2) == (full.slots, less.slots)
    assert tuple(deliveries[1:]) == slots.taken


def test_full() -> None:
    """A channel without a free slot has no room; the others have theirs."""
    slots = Slots(["sms", "call"], each=2)
    for number in range(ALL):
        slots.take(a_delivery(number, f"provider-{number}"))

    assert ["call"] == [room.channel for room in slots.rooms()]


def test_channel_of_nobody() -> None:
    """What came on a channel that is none of ours takes no slot of another."""
    slots = Slots(["call"], each=2)
    slots.take(a_delivery(1))
    [room] = slots.rooms()

    assert Room(channel="call", slots=ALL, each=2) == room
