"""
What every lookup and every channel promises, to be tested by whoever writes one.

Await these in a test of your own. They raise `AssertionError` with what is wrong.
"""

# ruff: noqa: S101 - assertions are what a test is told by

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio

from rung.channels import Channel, DeliveryResult, Notification, Outcome, Status
from rung.oncall import (
    LayerTarget,
    LookUpFailedError,
    OnCall,
    OnCallLookup,
    OnCallReason,
    ScheduleTarget,
    Target,
)

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
TIMES = (NOW, NOW + timedelta(days=200, hours=9), NOW - timedelta(days=365))
# Nobody has these: nobody on call, or a look-up that fails.
UNKNOWN: tuple[Target, ...] = (
    ScheduleTarget(id="no such schedule"),
    ScheduleTarget(id="../../☎\u202e"),
    LayerTarget(id="no such schedule/no such layer"),
)
# What people write into the field of an address.
BAD_ADDRESSES = ("", " ", "\x00", "☎\u202e", "../../etc", "https://[", "x" * 2_000)
SECONDS_MAX = 3.0
MOMENT = timedelta(milliseconds=1)


async def check_lookup(
    lookup: OnCallLookup,
    *targets: Target,
    times: Sequence[datetime] = TIMES,
) -> None:
    """
    Check a lookup with targets that it knows, and some that nobody does.

    It answers within three seconds, or says by `LookUpFailedError` that it cannot. Who
    is on call does not change before the time that it says itself.
    """
    for target in (*targets, *UNKNOWN):
        for at in times:
            answer = await _answer(lookup, target, at)
            if answer is None or answer.until is None:
                continue
            last = answer.until - MOMENT
            later = await _answer(lookup, target, last)
            assert later is None or later.people == answer.people, (
                f"{target} at {at}: {answer.people} until {answer.until}, but "
                f"{later.people} at {last}"
            )


async def _answer(lookup: OnCallLookup, target: Target, at: datetime) -> OnCall | None:
    """Return an answer, looked at; None if it cannot tell."""
    try:
        with anyio.fail_after(SECONDS_MAX):
            answer = await lookup.who(target, at)
    except LookUpFailedError:
        return None
    _check_answer(answer, f"{target} at {at}", at)

    return answer


def _check_answer(answer: object, asked: str, at: datetime) -> None:
    assert isinstance(answer, OnCall), f"{asked}: {answer!r} is no OnCall"
    people: object = answer.people
    assert isinstance(people, tuple), f"{asked}: people are no tuple: {people!r}"
    for person in people:
        assert isinstance(person, str), f"{asked}: {person!r} is no text"
        assert person, f"{asked}: somebody has no id"
    assert len(set(people)) == len(people), (
        f"{asked}: somebody is there twice: {people}"
    )
    reason: object = answer.reason
    assert isinstance(reason, OnCallReason), f"{asked}: {reason!r} is no OnCallReason"
    source: object = answer.source
    assert isinstance(source, str), f"{asked}: {source!r} is no source"
    until: object = answer.until
    if until is not None:
        assert isinstance(until, datetime), f"{asked}: until {until!r}"
        assert until.utcoffset() == timedelta(0), f"{asked}: until {until}: not in UTC"
        assert until > at, f"{asked}: until {until}: that is over already"


async def check_channel(channel: Channel, *addresses: str) -> None:
    """
    Check a channel with addresses that it takes, and some that are none.

    What is sent twice has the same key twice. Whatever it is given, it answers by a
    result and raises nothing, and its result quotes no address: that may be a secret.
    """
    for number, address in enumerate((*addresses, *BAD_ADDRESSES)):
        for attempt in (1, 2):
            notification = a_notification(number, address, attempt)
            with anyio.fail_after(SECONDS_MAX):
                result = await channel.send(notification)
            _check_result(result, notification)


def a_notification(number: int, address: str, attempt: int = 1) -> Notification:
    """Return a notification, as a channel gets it."""
    return Notification(
        key=f"{number:020x}",
        incident_id="01J0000000",
        title="DiskFull on db1 ☎ \x1b[31m\n" + "x" * 5_000,
        status=Status.TRIGGERED,
        person="alice",
        name="Alice",
        address=address,
        attempt=attempt,
        labels={"alertname": "DiskFull", "host": "db1"},
    )


def _check_result(result: object, notification: Notification) -> None:
    asked = f"{notification.address[:20]!r}, attempt {notification.attempt}"
    assert isinstance(result, DeliveryResult), f"{asked}: {result!r} is no result"
    outcome: object = result.outcome
    assert isinstance(outcome, Outcome), f"{asked}: {outcome!r} is no Outcome"
    detail: object = result.detail
    assert isinstance(detail, str), f"{asked}: {detail!r} is no text"
    address = notification.address
    is_quoted = len(address) > len("https://[") and address in detail
    assert not is_quoted, f"{asked}: its detail quotes the address"
    wait: object = result.retry_after
    assert wait is None or isinstance(wait, timedelta), f"{asked}: retry after {wait!r}"
