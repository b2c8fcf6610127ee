"""Lookups and channels of others: whatever they do, it harms nobody but themselves."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from engine.core.events import DeliveryReported, Outcome
from engine.core.reasons import Reason
from engine.errors import LookUpFailedError
from engine.ports import DeliveryResult, Notification, OnCall, OnCallReason
from engine.service.guests import GuestError, ask, read_on_call, read_result
from policies.policy import Policy
from policies.steps import NotifyStep, WaitStep
from policies.targets import ScheduleTarget, Target, UserTarget
from tests.support.driver import Driver
from tests.support.impatience import for_ever
from tests.support.look_ups import Rota

MINUTE = timedelta(minutes=1)
PRIMARY, BOB = ScheduleTarget(id="primary"), UserTarget(id="bob")
GOOD = OnCall(people=("alice",), reason=OnCallReason.ROTATION, source="rota")
SENT = DeliveryResult(outcome=Outcome.SENT)
POLICY = Policy(
    id="root",
    steps=(
        NotifyStep(targets=(PRIMARY,)),
        WaitStep(duration=MINUTE),
        NotifyStep(targets=(BOB,)),
    ),
)


def odd(one: Any, **fields: Any) -> Any:
    """Return a value with fields of types that nobody may give them."""
    return replace(one, **fields)


def fails(error: BaseException) -> Callable[..., Any]:
    """Return something to ask that raises."""

    async def question(*_: object) -> None:
        raise error

    return question


def answers(answer: object) -> Callable[..., Any]:
    """Return something to ask that answers."""

    async def question(*_: object) -> object:
        return answer

    return question


async def exits(*_: object) -> None:
    """Try to end the process."""
    sys.exit(1)


async def hangs(*_: object) -> None:
    """Never answer."""
    await for_ever()


def at_once(*_: object) -> object:
    """Answer without being awaited."""
    return GOOD


MISDEEDS = {
    "raises": (fails(ValueError("https://token@host")), "ValueError"),
    "cannot tell": (fails(LookUpFailedError("no such rota")), "no such rota"),
    "raises many": (fails(ExceptionGroup("", [OSError()])), "ExceptionGroup"),
    "is cancelled": (fails(asyncio.CancelledError()), "CancelledError"),
    "exits": (exits, "SystemExit"),
    "exits in a group": (
        fails(BaseExceptionGroup("", [OSError(), SystemExit(1)])),
        "BaseExceptionGroup",
    ),
    "is closed": (fails(GeneratorExit()), "GeneratorExit"),
    "is not async": (at_once, "answered at once: write `async def`"),
}
NO_PEOPLE = "answered OnCall with people that are no list of user ids"
NO_ANSWERS = {
    "nothing": (None, "answered nothing in place of OnCall"),
    "people": (("alice",), "answered tuple in place of OnCall"),
    "no people": (odd(GOOD, people=None), NO_PEOPLE),
    "one text": (odd(GOOD, people="alice"), NO_PEOPLE),
    "a number": (odd(GOOD, people=("alice", 7)), NO_PEOPLE),
    "no id": (odd(GOOD, people=("",)), NO_PEOPLE),
    "half a letter": (odd(GOOD, people=("\ud800",)), NO_PEOPLE),
}
NO_OUTCOME = "answered DeliveryResult with an outcome that is none"
NO_RESULTS = {
    "nothing": (None, "answered nothing in place of DeliveryResult"),
    "yes": (True, "answered bool in place of DeliveryResult"),
    "done": (odd(SENT, outcome="done"), NO_OUTCOME),
    "a list": (odd(SENT, outcome=["sent"]), NO_OUTCOME),
}
MISLEADING = {
    **{name: question for name, (question, _) in MISDEEDS.items()},
    **{name: answers(answer) for name, (answer, _) in NO_ANSWERS.items()},
    "hangs": hangs,
    "nobody's id": answers(odd(GOOD, people=("zoe",))),
}
FAILING = {
    **MISDEEDS,
    **{name: (answers(answer), said) for name, (answer, said) in NO_RESULTS.items()},
}


@pytest.mark.parametrize(("question", "expected"), MISDEEDS.values(), ids=MISDEEDS)
async def test_misdeed(question: Callable[[], object], expected: str) -> None:
    """Whatever is raised is a failure; of a stranger's error only its kind is told."""
    with pytest.raises(GuestError) as caught:
        await ask(question, 1)

    assert expected == str(caught.value)


async def test_keyboard() -> None:
    """Whoever sits at the terminal is obeyed, also while a guest is asked."""
    with pytest.raises(KeyboardInterrupt):
        await ask(fails(KeyboardInterrupt()), 1)


async def test_cancelled() -> None:
    """Who asks and is cancelled meanwhile is cancelled, however the guest takes it."""
    ended: list[str] = []

    async def waits() -> None:
        await anyio.sleep_forever()

    async def asks() -> None:
        await ask(waits, 60)
        ended.append("went on")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asks)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert [] == ended


@pytest.mark.parametrize(("answer", "expected"), NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_no_answer(answer: object, expected: str) -> None:
    """What does not say who is on call is told by its kind."""
    with pytest.raises(GuestError, match=f"^{expected}$"):
        read_on_call(answer)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, GOOD),
        ({"people": ["bob", "alice", "bob"]}, odd(GOOD, people=("bob", "alice"))),
        ({"reason": "override"}, odd(GOOD, reason=OnCallReason.OVERRIDE)),
        ({"reason": "on duty"}, odd(GOOD, reason=OnCallReason.EVENT)),
        ({"reason": []}, odd(GOOD, reason=OnCallReason.EVENT)),
        (
            {"reason": None, "people": ()},
            odd(GOOD, reason=OnCallReason.NONE, people=()),
        ),
        ({"source": None}, odd(GOOD, source="")),
        ({"until": datetime(2026, 3, 2)}, GOOD),  # noqa: DTZ001 - that is what is odd
        ({"until": "Monday"}, GOOD),
        ({"until": datetime.min.replace(tzinfo=timezone(timedelta(hours=9)))}, GOOD),
        (
            {"until": datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=1)))},
            odd(GOOD, until=datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ),
    ],
)
def test_odd_answer(fields: dict[str, object], expected: OnCall) -> None:
    """Who was named is paged, though the rest of the answer is odd."""
    assert expected == read_on_call(odd(GOOD, **fields))


@pytest.mark.parametrize(("result", "expected"), NO_RESULTS.values(), ids=NO_RESULTS)
def test_no_result(result: object, expected: str) -> None:
    """What does not say what became of a notification is a failure that may pass."""
    read = read_result(result)

    assert Outcome.FAILED is read.outcome
    assert not read.is_final
    assert read.detail.startswith(expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, SENT),
        ({"outcome": "sent"}, SENT),
        ({"detail": None}, SENT),
        ({"detail": "caf\ud800"}, odd(SENT, detail="caf?")),
        ({"retry_after": 30}, SENT),
        ({"retry_after": MINUTE}, odd(SENT, retry_after=MINUTE)),
        ({"retry_after": -MINUTE}, odd(SENT, retry_after=0 * MINUTE)),
        ({"retry_after": timedelta.min}, odd(SENT, retry_after=0 * MINUTE)),
        ({"retry_after": timedelta.max}, odd(SENT, retry_after=60 * MINUTE)),
    ],
)
def test_odd_result(fields: dict[str, object], expected: DeliveryResult) -> None:
    """An outcome counts, though the rest of the result is odd."""
    assert expected == read_result(odd(SENT, **fields))


@dataclass
class Lookup:
    """A lookup that answers as it was told to."""

    question: Callable[..., Any]

    def who(self, target: Target, at: datetime) -> Any:
        """Answer."""
        return self.question(target, at)


@pytest.mark.parametrize("is_here", [True, False])
@pytest.mark.parametrize("question", MISLEADING.values(), ids=MISLEADING)
async def test_walk(question: Callable[..., Any], is_here: bool) -> None:  # noqa: FBT001 - a table's column
    """A lookup that misbehaves reaches nobody: that is recorded, and the walk goes on."""
    driver = Driver(POLICY)
    driver.rota = Rota(Lookup(question))
    driver.rota.is_here = is_here
    driver.process = driver.assembled()
    with capture_logs() as lines:
        await driver.alert("db", "db", fires=True)
        await driver.pass_time(10 * timedelta(seconds=1))

    assert ["bob"] == [person for _, person in driver.sent()]
    assert Reason.NOBODY_REACHED in await driver.timeline("db")
    assert "incident.parked" not in {line["event"] for line in lines}


class HandedOver:
    """A channel that answers as it was told to."""

    def __init__(self, question: Callable[..., Any]) -> None:
        self.attempts: list[int] = []
        self._question = question

    def send(self, notification: Notification) -> Any:
        """Answer."""
        self.attempts.append(notification.attempt)

        return self._question(notification)


@pytest.mark.parametrize(("question", "expected"), FAILING.values(), ids=FAILING)
async def test_attempt(question: Callable[..., Any], expected: str) -> None:
    """A channel that misbehaves has failed an attempt: recorded, and tried again."""
    driver = Driver(POLICY)
    channel = HandedOver(question)
    driver.use("console", channel)
    with capture_logs() as lines:
        await driver.alert("db", "db", fires=True)
        await driver.pass_time(MINUTE)
    tried = [line for line in lines if line["event"] == "notification.tried"]
    history = await driver.store.history(driver.incidents["db"])
    reported = [
        (one.event.outcome, one.event.detail)
        for one in history
        if isinstance(one.event, DeliveryReported)
    ]

    assert {(Outcome.FAILED, expected)} == {
        (line["outcome"], line["detail"]) for line in tried
    }
    assert [1, 2, 3, 4] == channel.attempts[:4]
    assert (Outcome.FAILED, expected) == reported[0]
    assert ["alice", "bob"] == list(dict.fromkeys(line["person"] for line in tried))


async def test_hanging_channel() -> None:
    """A channel that hangs leaves it unknown whether it was sent: once, not again."""
    driver = Driver(POLICY)
    channel = HandedOver(hangs)
    driver.use("console", channel)
    await driver.alert("db", "db", fires=True)

    assert [1] == channel.attempts


async def test_endless_wait() -> None:
    """A channel that wants to be left alone for ever is: the attempt is recorded."""
    driver = Driver(POLICY)
    channel = HandedOver(
        answers(DeliveryResult(outcome=Outcome.FAILED, retry_after=timedelta.max))
    )
    driver.use("console", channel)
    with capture_logs() as lines:
        await driver.alert("db", "db", fires=True)

    tried = [line["person"] for line in lines if line["event"] == "notification.tried"]

    assert ["alice", "bob"] == tried
    assert [1, 1] == channel.attempts
    assert "delivery.left_to_its_lease" not in {line["event"] for line in lines}
