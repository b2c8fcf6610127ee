"""Two workers on one store: whatever comes between them, nobody is lost or late."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from hypothesis import given, strategies as st

from engine.adapters.lookups.table import TableLookup
from engine.adapters.memory import (
    CountingIds,
    ManualClock,
    MemoryConfiguration,
    MemoryOutbox,
    MemoryStore,
    MemoryTurns,
)
from engine.core.alerts import Alert, AlertStatus
from engine.core.events import Acknowledged, Command, Opened, Outcome, Resolved
from engine.core.incident import Incident, Status
from engine.core.machine import decide, open_incident
from engine.directory import ContactMethod, Directory, Integration, Route, Urgency, User
from engine.errors import ContendedError
from engine.ports import Claimed, Commit, Delivery, Lane, Room, RoutedAlert, Stored
from engine.service import Engine
from policies.policy import Policy, Repeat
from policies.steps import NotifyStep
from policies.targets import UserTarget
from tests.property.sizes import patient, sized
from tests.support.look_ups import local_look_ups

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
SOURCE = "alertmanager"
KEYS = ("db", "disk")
WORKERS = (0, 1)
MINUTE = timedelta(minutes=1)
# A task that was let go runs to its next stop in far fewer turns of the loop.
TURNS_TO_STOP = 8
QUIET_AFTER = timedelta(hours=1)
POLICY = Policy(
    id="default",
    steps=(
        NotifyStep(targets=(UserTarget(id="alice"),)),
        NotifyStep(targets=(UserTarget(id="bob"),), wait_before=MINUTE),
    ),
    repeat=Repeat(count=1, delay=MINUTE),
)
DIRECTORY = Directory(
    version=1,
    users={
        name: User(
            id=name,
            name=name,
            contact_methods=(ContactMethod(id="console", channel="console"),),
        )
        for name in ("alice", "bob")
    },
    urgencies={"high": Urgency(id="high", name="High", channels=("console",))},
    policies={POLICY.id: POLICY},
    integrations={
        SOURCE: Integration(
            id=SOURCE,
            name=SOURCE,
            source=SOURCE,
            key_hash="",
            routes=(Route(policy=POLICY.id),),
        )
    },
)


class SlowStore:
    """One worker's way to the store: each call waits until it is let through."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._waiting: list[anyio.Event] = []

    def let_through(self) -> bool:
        """Let the call through that waits, if one does."""
        if not self._waiting:
            return False
        self._waiting.pop(0).set()

        return True

    async def _wait(self) -> None:
        event = anyio.Event()
        self._waiting.append(event)
        await event.wait()

    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """Claim when let through, and answer when let through again."""
        await self._wait()
        claimed = await self._store.claim(lane, ahead_until)
        await self._wait()

        return claimed

    async def load(self, incident_id: str) -> Claimed:
        """Load when let through."""
        await self._wait()

        return await self._store.load(incident_id)

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Commit when let through, and answer when let through again."""
        await self._wait()
        stored = await self._store.commit(commits)
        await self._wait()

        return stored

    async def release(self, claimed: Sequence[Claimed], *, park: bool = False) -> None:
        """Release when let through."""
        await self._wait()
        assert not park
        await self._store.release(claimed, park=park)


@dataclass
class World:
    """Two workers, what they have sent, and what was promised to whom."""

    tasks: TaskGroup
    clock: ManualClock = field(default_factory=lambda: ManualClock(MIDNIGHT))
    ids: CountingIds = field(default_factory=CountingIds)
    incidents: set[str] = field(default_factory=set[str])
    busy: set[int] = field(default_factory=set[int])
    taken: set[str] = field(default_factory=set[str])
    deliveries: list[Delivery] = field(default_factory=list[Delivery])
    sent: dict[tuple[str, str, int], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock, self.ids)
        self.outbox = MemoryOutbox(self.store, self.clock)
        self.ways = [SlowStore(self.store) for _ in WORKERS]

        configuration = MemoryConfiguration(DIRECTORY)
        self.engines = [
            Engine(
                clock=self.clock,
                store=way,
                mailbox=self.store,
                configuration=configuration,
                look_ups=local_look_ups(
                    TableLookup(configuration), self.store, self.clock
                ),
                turns=MemoryTurns(),
                channels=frozenset({"console"}),
                look_ahead=timedelta(0),
            )
            for way in self.ways
        ]

    async def post(self, key: str, *, fires: bool) -> None:
        """Have a notice of the key's one alert come in."""
        status = AlertStatus.FIRING if fires else AlertStatus.RESOLVED
        alert = Alert(
            id=self.ids.command_id(),
            fingerprint=key,
            status=status,
            title=key,
            labels={},
        )
        routed = RoutedAlert(alert=alert, integration=SOURCE, key=key)
        for receipt in await self.store.append([routed]):
            self.incidents |= {receipt.incident_id} if receipt.incident_id else set()

    async def drain(self, worker: int, lane: Lane) -> None:
        """Have a worker begin to drain a lane."""
        await self._begin(worker, lambda: self.engines[worker].drain(lane))

    async def obey(
        self, worker: int, kind: type[Acknowledged | Resolved], which: int
    ) -> None:
        """Have a worker begin to carry out a command."""
        known = sorted(self.incidents)
        if not known:
            return
        incident_id = known[which % len(known)]
        current = self.store.current(incident_id)
        if current is None:
            return
        command = kind(at=self.clock.now(), id=self.ids.command_id(), by="dora")
        await self._begin(worker, lambda: self._obey(worker, incident_id, command))

    async def _obey(self, worker: int, incident_id: str, command: Command) -> None:
        try:
            await self.engines[worker].obey(incident_id, command)
        except ContendedError:
            return
        self.taken.add(incident_id)

    async def _begin(self, worker: int, work: Callable[[], Awaitable[object]]) -> None:
        if worker in self.busy:
            await self.go_on(worker)
            return

        async def run() -> None:
            await work()
            self.busy.discard(worker)

        self.busy.add(worker)
        self.tasks.start_soon(run)
        await self.turn()

    async def go_on(self, worker: int) -> None:
        """Let one call of a worker through."""
        if self.ways[worker].let_through():
            await self.turn()

    async def turn(self) -> None:
        """Let every task run up to where it waits."""
        for _ in range(TURNS_TO_STOP):
            await checkpoint()

    async def claim_sends(self) -> None:
        """Have a courier take what is to be sent."""
        self.deliveries += await self.outbox.claim(
            [Room(channel="console", slots=10, each=10)]
        )

    async def send(self, which: int, outcome: Outcome) -> None:
        """Have a courier send one notification, if it still should."""
        if not self.deliveries:
            return
        delivery = self.deliveries.pop(which % len(self.deliveries))
        incident = await self.outbox.begin(delivery)
        if incident is None:
            return
        send = delivery.send

        assert Status.TRIGGERED is incident.status
        assert delivery.incident_id not in self.taken
        # The page's name tells its step, but for the walk it is in.
        self.sent[delivery.incident_id, send.page, send.rule].add(send.key)
        await self.outbox.finish(delivery, outcome, "", None)

    async def settle(self) -> None:
        """Let everything that is due come to its end, with no more in between."""
        while True:
            while self.busy:
                for worker in WORKERS:
                    await self.go_on(worker)
            due = self.store.next_due()
            if due is None or due > self.clock.now():
                return
            await self.drain(0, Lane.MAIL)
            await self.drain(1, Lane.DUE)
            await self.claim_sends()
            while self.deliveries:
                await self.send(0, Outcome.SENT)

    async def reach_next_due(self) -> None:
        """Let time pass up to what is due next."""
        due = self.store.next_due()
        if due is not None and due > self.clock.now():
            self.clock.advance(due - self.clock.now())
            await self.turn()

    async def see_it_through(self) -> None:
        """Let time pass until nothing moves by itself any more."""
        await self.settle()
        until = self.clock.now() + QUIET_AFTER
        while (due := self.store.next_due()) and due <= until:
            self.clock.advance(max(timedelta(0), due - self.clock.now()))
            await self.settle()

    async def replayed(self, incident_id: str) -> Incident:
        """Decide the history of an incident again."""
        incident: Incident | None = None
        for entry in await self.store.history(incident_id):
            current = self.store.current(incident_id)
            assert current is not None
            if isinstance(entry.event, Opened):
                incident = open_incident(entry.event, current.snapshot).incident
                continue
            assert incident is not None
            decision = decide(incident, entry.event, current.snapshot)
            assert entry.reason is decision.reason
            incident = decision.incident
        assert incident is not None

        return incident


Move = Callable[[World], Awaitable[None]]
pass_by = st.sampled_from([0, 1, 500, 1_600, 2_100, 3_100, 60_000, 120_000])


def advance(milliseconds: int) -> Move:
    """Let so much time pass."""

    async def move(world: World) -> None:
        world.clock.advance(timedelta(milliseconds=milliseconds))
        await world.turn()

    return move


workers, which = st.sampled_from(WORKERS), st.integers(0, 2)
lanes, keys = st.sampled_from(Lane), st.sampled_from(KEYS)
goings = st.builds(lambda worker: lambda world: world.go_on(worker), workers)
drains = st.builds(
    lambda worker, lane: lambda world: world.drain(worker, lane), workers, lanes
)
moves: st.SearchStrategy[Move] = st.one_of(
    goings,
    goings,
    goings,
    drains,
    drains,
    st.builds(
        lambda key, fires: lambda world: world.post(key, fires=fires),
        keys,
        st.sampled_from([True, True, False]),
    ),
    st.builds(
        lambda worker, kind, one: lambda world: world.obey(worker, kind, one),
        workers,
        st.sampled_from([Acknowledged, Acknowledged, Resolved]),
        which,
    ),
    st.just(World.claim_sends),
    st.builds(
        lambda one, outcome: lambda world: world.send(one, outcome),
        which,
        st.sampled_from(Outcome),
    ),
    st.builds(advance, pass_by),
    st.just(World.reach_next_due),
)


async def live(drawn: list[Move]) -> None:
    """Make the moves, see it through, and look at what is left."""
    async with anyio.create_task_group() as tasks:
        world = World(tasks)
        await world.post(KEYS[0], fires=True)
        await world.drain(0, Lane.MAIL)
        while world.busy:
            await world.go_on(0)
        for move in drawn:
            await move(world)
        await world.see_it_through()

    for incident_id in world.incidents:
        await _see_the_end(world, incident_id)


async def _see_the_end(world: World, incident_id: str) -> None:
    claimed = await world.store.load(incident_id)
    incident = claimed.incident
    assert incident is not None
    sent = {
        (page, rule): keys
        for (name, page, rule), keys in world.sent.items()
        if name == incident_id
    }

    assert () == claimed.mail
    assert incident == await world.replayed(incident_id)
    assert all(len(keys) == 1 for keys in sent.values())
    assert len(sent) == len({key for keys in sent.values() for key in keys})
    if incident_id in world.taken:
        assert incident.status is not Status.TRIGGERED
    if incident.status is Status.TRIGGERED:
        people = sorted(page.rpartition(".")[2] for page, _ in sent)
        assert ["alice", "alice", "bob", "bob"] == people
        assert incident.exhausted_at is not None


@patient
@given(st.lists(moves, min_size=20, max_size=60))
@sized(250)
def test_interleaving(drawn: list[Move]) -> None:
    """Whatever comes between two workers, everybody is paged once, and none late."""
    anyio.run(live, drawn)
