"""What couriers promise on every outbox: of providers that hang, and of who sends."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import anyio
import pytest

from engine.adapters.memory import MemoryConfiguration, MemoryTotals
from engine.core.effects import Send
from engine.core.events import DeliveryReported, Outcome
from engine.core.incident import Incident
from engine.directory import ContactMethod, Directory, User
from engine.errors import StoreUnavailableError
from engine.ports import Delivery, DeliveryResult, Notification, Outbox, Room
from engine.service import Couriers, Tally
from engine.service.addresses import with_provider
from tests.contract.backends import Backend
from tests.contract.making import (
    MILLISECOND,
    SECOND,
    SEND_LEASE,
    a_commit,
    a_send,
    a_withdrawal,
    an_open_one,
    done,
)
from tests.contract.test_outbox import reports

PATIENCE_SECONDS = 5
HUNG = [f"hung-{number}" for number in range(12)]
METHODS = tuple(
    ContactMethod(id=name, channel="webhook", address=f"https://{name}.example/x?key=1")
    for name in ("good", *HUNG)
)
DIRECTORY = Directory(
    users={"alice": User(id="alice", name="Alice", contact_methods=METHODS)}
)


@dataclass
class Watched:
    """Something that tests wait for."""

    _changed: anyio.Event = field(default_factory=anyio.Event)

    def say(self) -> None:
        """Say that something changed."""
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as something holds."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not holds():
                await self._changed.wait()


@dataclass
class HandChannel(Watched):
    """
    A channel of many providers, some of which hang until a test lets them answer.

    Attributes:
        begun: What was begun, by contact method.
    """

    begun: list[str] = field(default_factory=list[str])
    result: DeliveryResult = field(
        default_factory=lambda: DeliveryResult(outcome=Outcome.SENT)
    )
    answers: anyio.Event = field(default_factory=anyio.Event)

    async def send(self, notification: Notification) -> DeliveryResult:
        """Send at once to who is good, else when told to."""
        name = notification.address.removeprefix("https://").partition(".")[0]
        self.begun.append(name)
        self.say()
        if name != "good":
            await self.answers.wait()

        return self.result

    def count(self, name: str) -> int:
        """Return how many were begun with a provider."""
        return self.begun.count(name)


@dataclass
class HandOutbox(Watched):
    """
    A process's way to the outbox.

    Attributes:
        runs: Not set while the process is stopped, as by SIGSTOP.
        answers: What claims wait for.
        meanwhile: What happens before the first answer to *begin* comes in.
        failures: So many outcomes and renewals cannot be written.
    """

    outbox: Outbox | None = None
    runs: anyio.Event = field(default_factory=anyio.Event)
    answers: anyio.Event | None = None
    meanwhile: Callable[[], object] | None = None
    failures: int = 0
    asked: int = 0
    claims: int = 0
    finished: list[Delivery] = field(default_factory=list[Delivery])
    renewed: list[int] = field(default_factory=list[int])

    async def until_renewed(self, times: int) -> None:
        """Return as soon as leases were renewed so often."""
        await self.until(lambda: len(self.renewed) == times)

    def of(self) -> Outbox:
        """Return what is behind it."""
        assert self.outbox is not None

        return self.outbox

    async def claim(self, rooms: Sequence[Room]) -> Sequence[Delivery]:
        """Claim, as soon as it is answered."""
        self.claims += 1
        self.say()
        if self.answers is not None:
            await self.answers.wait()

        return await self.of().claim(rooms)

    async def renew(self, deliveries: Sequence[Delivery]) -> None:
        """Renew, unless the process is stopped."""
        await self.runs.wait()
        self._fail()
        await self.of().renew(deliveries)
        self.renewed.append(len(deliveries))
        self.say()

    async def begin(self, delivery: Delivery) -> Incident | None:
        """Begin as soon as the process runs."""
        self.asked += 1
        self.say()
        await self.runs.wait()
        incident = await self.of().begin(delivery)
        if self.meanwhile is not None and self.asked == 1:
            self.meanwhile()

        return incident

    async def finish(
        self,
        delivery: Delivery,
        outcome: Outcome,
        detail: str,
        retry_at: datetime | None,
    ) -> None:
        """Note an outcome."""
        self._fail()
        await self.of().finish(delivery, outcome, detail, retry_at)
        self.finished.append(delivery)
        self.say()

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            message = "no connection"
            raise StoreUnavailableError(message)


@dataclass
class Process:
    """One process that delivers."""

    backend: Backend
    slots: int = 20
    channel: HandChannel = field(default_factory=HandChannel)

    def __post_init__(self) -> None:
        self.outbox = HandOutbox(outbox=self.backend.outbox)
        self.outbox.runs.set()
        self.totals = MemoryTotals()
        self.tally = Tally(self.totals, "one")
        self.couriers = Couriers(
            outbox=self.outbox,
            mailbox=self.backend.mailbox,
            channels={"webhook": self.channel},
            configuration=MemoryConfiguration(DIRECTORY),
            clock=self.backend.clock,
            slots=self.slots,
            measures=self.tally,
        )
        self._life = anyio.CancelScope()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it, and deliver what is due; after the block it is dead."""
        with self._life:
            async with self.couriers:
                await self.couriers.deliver()
                yield
                self._life.cancel()

    async def tries(self) -> dict[tuple[str, ...], int]:
        """Return what it counted of its tries, by channel and outcome."""
        await self.tally.hand_in()
        counts = (await self.totals.read()).counts

        return {labels: count for (_, labels), count in counts.items() if count}

    def stop(self) -> None:
        """Let it get no further than where it is."""
        self.outbox.runs = anyio.Event()

    def go_on(self) -> None:
        """Let it go on where it stopped."""
        self.outbox.runs.set()


def to(method: str, number: int = 0) -> Send:
    """Return a notification to a contact method, as the shell stores it."""
    send = a_send(f"1.0.1.1.alice.{method}.{number}", channel="webhook")

    return with_provider(DIRECTORY, replace(send, method=method))


async def withdraw(backend: Backend, incident_id: str, send: Send) -> None:
    """Take a notification back, as an acknowledgement does."""
    loaded = await backend.store.load(incident_id)
    await done(backend, a_commit(loaded, withdrawals=(a_withdrawal(send),)))


async def outcomes(backend: Backend, incident_id: str) -> list[tuple[int, Outcome]]:
    """Return which attempts were reported, and as what."""
    found: list[DeliveryReported] = await reports(backend, incident_id)

    return [(one.attempt, one.outcome) for one in found]


async def nothing_is_left(backend: Backend) -> bool:
    """Tell whether nothing is claimed any more, however long one waits."""
    await backend.advance(timedelta(minutes=1))
    room = Room(channel="webhook", slots=99, each=99)

    return not await backend.another().outbox.claim([room])


class TestProviders:
    """A provider that hangs stops nobody else."""

    async def test_hangs(self, backend: Backend) -> None:
        """Thirty of the one that hangs hold up none of another's, in one process."""
        sends = [to(name, n) for n in range(30) for name in ("hung-0", "good")]
        await an_open_one(backend, sends=sends)
        process = Process(backend)
        async with process.running():
            await process.channel.until(lambda: process.channel.count("good") == 30)
            under_way = process.channel.count("hung-0")
            process.channel.answers.set()
            await process.outbox.until(lambda: len(process.outbox.finished) == 60)

        assert 20 == under_way
        assert {"hung-0": 30, "good": 30} == Counter(process.channel.begun)

    async def test_many_hang(self, backend: Backend) -> None:
        """More of them than a channel has slots for leave one for the others."""
        await an_open_one(backend, sends=[to(name, n) for name in HUNG for n in (0, 1)])
        process = Process(backend, slots=2)
        async with process.running():
            await process.channel.until(lambda: len(process.channel.begun) == 19)
            good = await an_open_one(
                backend, key="good", sends=[to("good", n) for n in range(5)]
            )
            await process.couriers.deliver()
            await process.outbox.until(lambda: len(process.outbox.finished) == 5)

        assert 5 == len(await reports(backend, good.incident_id))

    async def test_dies(self, backend: Backend) -> None:
        """What a dead process had under way comes back by its lease."""
        claimed = await an_open_one(backend, sends=[to("hung-0", n) for n in range(30)])
        dead, other = Process(backend), Process(backend.another())
        async with dead.running():
            await dead.channel.until(lambda: len(dead.channel.begun) == 20)
        await backend.advance(SEND_LEASE)
        other.channel.answers.set()
        async with other.running():
            await other.outbox.until(lambda: len(other.outbox.finished) == 30)
        found = await outcomes(backend, claimed.incident_id)

        assert {(1, Outcome.SENT): 10, (2, Outcome.SENT): 20} == Counter(found)


class TestLeases:
    """A lease lasts as long as the process sends."""

    async def test_renewed(self, backend: Backend) -> None:
        """All that is under way is renewed in one call, each second."""
        sends = [to(name, n) for name in ("hung-0", "hung-1") for n in range(3)]
        await an_open_one(backend, sends=sends)
        process, other = Process(backend), Process(backend.another())
        async with process.running():
            await process.channel.until(lambda: len(process.channel.begun) == 6)
            for second in range(1, 5):
                await backend.advance(SECOND)
                await process.outbox.until_renewed(second)
            async with other.running():
                await other.couriers.idle()
            process.channel.answers.set()
            await process.couriers.idle()

        assert [6] * 4 == process.outbox.renewed
        assert [] == other.channel.begun

    async def test_not_renewed(self, backend: Backend) -> None:
        """A lease that cannot be renewed ends nothing, and is renewed later."""
        claimed = await an_open_one(backend, sends=[to("hung-0")])
        process = Process(backend)
        async with process.running():
            await process.channel.until(lambda: len(process.channel.begun) == 1)
            process.outbox.failures = 1
            await backend.advance(SECOND)
            await anyio.wait_all_tasks_blocked()
            await backend.advance(SECOND)
            await process.outbox.until_renewed(1)
            process.channel.answers.set()
            await process.couriers.idle()

        assert [(1, Outcome.SENT)] == await outcomes(backend, claimed.incident_id)

    async def test_kept(self, backend: Backend) -> None:
        """An outcome that cannot be written is kept until it can be."""
        claimed = await an_open_one(backend, sends=[to("good")])
        process = Process(backend)
        process.outbox.failures = 2
        async with process.running():
            await process.outbox.until(lambda: len(process.outbox.finished) == 1)

        assert [(1, Outcome.SENT)] == await outcomes(backend, claimed.incident_id)
        assert ["good"] == process.channel.begun


class TestEnd:
    """What is waited for when a process is told to stop."""

    async def test_claim_under_way(self, backend: Backend) -> None:
        """What a claim that was under way brings is sent to its end; nothing more is."""
        process = Process(backend)
        ended = anyio.Event()

        async def end() -> None:
            await process.couriers.stop()
            ended.set()

        async with process.running(), anyio.create_task_group() as tasks:
            await an_open_one(backend, sends=[to("hung-0")])
            process.outbox.answers = anyio.Event()
            tasks.start_soon(process.couriers.deliver)
            await process.outbox.until(lambda: process.outbox.claims == 2)
            tasks.start_soon(end)
            await anyio.wait_all_tasks_blocked()
            process.outbox.answers.set()
            await process.channel.until(lambda: process.channel.begun == ["hung-0"])
            ended_before = ended.is_set()
            process.channel.answers.set()
            with anyio.fail_after(PATIENCE_SECONDS):
                await ended.wait()
            await process.couriers.deliver()

        assert not ended_before
        assert 2 == process.outbox.claims
        assert ["hung-0"] == process.channel.begun


class TestBegin:
    """Nothing stands between the last question and the first byte."""

    @pytest.mark.parametrize(("late", "asked"), [(0, 1), (1_000, 1), (1_001, 2)])
    async def test_asked_again(self, backend: Backend, late: int, asked: int) -> None:
        """An answer that is more than a second old is asked for again."""
        await an_open_one(backend, sends=[to("good")])
        process = Process(backend)
        process.outbox.meanwhile = lambda: backend.clock.advance(late * MILLISECOND)
        async with process.running():
            await process.outbox.until(lambda: len(process.outbox.finished) == 1)

        assert asked == process.outbox.asked
        assert ["good"] == process.channel.begun

    async def test_not_begun(self, backend: Backend) -> None:
        """What is acknowledged away before it begins is never sent."""
        claimed = await an_open_one(backend, sends=[to("good")])
        process = Process(backend)
        process.stop()
        async with process.running():
            await process.outbox.until(lambda: process.outbox.asked == 1)
            await withdraw(backend, claimed.incident_id, to("good"))
            process.go_on()
            await process.couriers.idle()

        assert [] == process.channel.begun
        assert [] == await outcomes(backend, claimed.incident_id)
        assert await nothing_is_left(backend)
        assert {("webhook", "suppressed"): 1} == await process.tries()

    @pytest.mark.parametrize("outcome", Outcome)
    async def test_begun(self, backend: Backend, outcome: Outcome) -> None:
        """What is acknowledged away while it leaves counts, and is not tried again."""
        claimed = await an_open_one(backend, sends=[to("hung-0")])
        process = Process(backend)
        process.channel.result = DeliveryResult(outcome=outcome)
        async with process.running():
            await process.channel.until(lambda: len(process.channel.begun) == 1)
            await withdraw(backend, claimed.incident_id, to("hung-0"))
            process.channel.answers.set()
            await process.couriers.idle()

        assert [(1, outcome)] == await outcomes(backend, claimed.incident_id)
        assert await nothing_is_left(backend)


class TestStopped:
    """A process that was stopped past its lease, as by SIGSTOP, and goes on."""

    async def test_before_it_began(self, backend: Backend) -> None:
        """It sends nothing: the last question says no."""
        claimed = await an_open_one(backend, sends=[to("good")])
        stopped, other = Process(backend), Process(backend.another())
        stopped.stop()
        async with stopped.running():
            await stopped.outbox.until(lambda: stopped.outbox.asked == 1)
            await backend.advance(SEND_LEASE)
            async with other.running():
                await other.outbox.until(lambda: len(other.outbox.finished) == 1)
            stopped.go_on()
            await stopped.couriers.idle()

        assert [] == stopped.channel.begun
        assert ["good"] == other.channel.begun
        assert [(2, Outcome.SENT)] == await outcomes(backend, claimed.incident_id)

    async def test_while_both_hold_it(self, backend: Backend) -> None:
        """It sends nothing either while the other one has not begun."""
        await an_open_one(backend, sends=[to("good")])
        stopped, other = Process(backend), Process(backend.another())
        stopped.stop()
        other.stop()
        async with stopped.running():
            await stopped.outbox.until(lambda: stopped.outbox.asked == 1)
            await backend.advance(SEND_LEASE)
            async with other.running():
                await other.outbox.until(lambda: other.outbox.asked == 1)
                stopped.go_on()
                await stopped.couriers.idle()
                other.go_on()
                await other.couriers.idle()

        assert [] == stopped.channel.begun
        assert ["good"] == other.channel.begun

    @pytest.mark.parametrize(
        ("late", "expected"),
        [
            (Outcome.SENT, [(1, Outcome.SENT)]),
            (Outcome.UNKNOWN, [(2, Outcome.SENT)]),
            (Outcome.FAILED, [(2, Outcome.SENT)]),
        ],
    )
    async def test_while_it_sent(
        self,
        backend: Backend,
        late: Outcome,
        expected: list[tuple[int, Outcome]],
    ) -> None:
        """Its late success counts, once; whatever else it has to say does not."""
        claimed = await an_open_one(backend, sends=[to("hung-0")])
        stopped, other = Process(backend), Process(backend.another())
        stopped.channel.result = DeliveryResult(outcome=late)
        async with stopped.running(), other.running():
            await stopped.channel.until(lambda: len(stopped.channel.begun) == 1)
            stopped.stop()
            await backend.advance(SEND_LEASE)
            await other.couriers.deliver()
            await other.channel.until(lambda: len(other.channel.begun) == 1)
            stopped.channel.answers.set()
            await stopped.outbox.until(lambda: len(stopped.outbox.finished) == 1)
            other.channel.answers.set()
            await other.couriers.idle()

        assert expected == await outcomes(backend, claimed.incident_id)
        assert await nothing_is_left(backend)
