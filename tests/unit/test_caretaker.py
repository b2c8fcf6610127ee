"""The caretaker: one process at a time, a round a minute, and word of it outside."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict
from typing_extensions import override

from engine.errors import StoreUnavailableError
from engine.ports import Audited, Purged, Repair
from engine.service.caretaker import Caretaker

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
HEARTBEAT = "https://heartbeat.example.com/s3cret"
HELD_FOR = 15 * SECOND
CALM = Audited(repaired={}, done=1, overdue={"due": 29 * SECOND, "mail": 0 * SECOND})


class LeapingClock:
    """Whoever sleeps on it is there at once."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        """Return the time."""
        return self.at

    async def sleep_until(self, at: datetime) -> None:
        """Let it be this time."""
        await anyio.lowlevel.checkpoint()
        self.at = max(self.at, at)


@dataclass
class World:
    """All that a caretaker deals with, noting what it is asked, and when."""

    clock: LeapingClock = field(default_factory=LeapingClock)
    slices: list[Audited] = field(default_factory=lambda: [CALM])
    purges: list[Purged] = field(default_factory=list[Purged])
    packs: list[int] = field(default_factory=list[int])
    # What the first so many kicks do: they go to other workers.
    elsewhere: int = 0
    claimed_at: datetime | None = None
    failure: Exception | None = None
    problems: list[str] = field(default_factory=list[str])
    owner: str = ""
    held_until: datetime = NOON
    asked: list[tuple[timedelta, str]] = field(
        default_factory=list[tuple[timedelta, str]]
    )
    held_at: list[datetime] = field(default_factory=list[datetime])

    def note(self, what: str) -> None:
        """Note what is asked."""
        self.asked.append((self.clock.at - NOON, what))

    async def hold(self, owner: str) -> bool:
        """Give it to one at a time."""
        if self.owner != owner and self.clock.at < self.held_until:
            return False
        self.owner, self.held_until = owner, self.clock.at + HELD_FOR
        self.held_at.append(self.clock.at)

        return True

    async def audit(self, after: str | None = None) -> Audited:
        """Return the next slice."""
        self.note(f"audit {after}")
        if self.failure is not None:
            raise self.failure

        return self.slices[int(after or 0)]

    async def pack(self) -> int:
        """Pack so many."""
        self.note("pack")

        return self.packs.pop() if self.packs else 0

    async def purge(self, closed_before: datetime) -> Purged:
        """Purge so many."""
        self.note(f"purge {self.clock.at - closed_before}")

        return self.purges.pop() if self.purges else Purged()

    async def arm(self, dues: Sequence[datetime]) -> None:
        """Kick some worker."""
        assert [self.clock.at] == list(dues)
        self.elsewhere -= 1
        if self.elsewhere < 0:
            self.claimed_at = self.clock.at

    async def ping(self) -> None:
        """Be told that all is well."""
        self.note("ping")
        if self.failure is not None:
            raise self.failure

    def caretaker(self, owner: str = "one") -> Caretaker:
        """Return a caretaker of this world."""
        return Caretaker(
            upkeep=self,
            clock=self.clock,
            timers=self,
            engine=self,
            owner=owner,
            retention=30 * DAY,
            problems=self.look,
            heartbeat=self,
        )

    async def look(self) -> Sequence[str]:
        """Name what is wrong with the store."""
        return self.problems

    @property
    def pinged(self) -> bool:
        """Whether anybody was told."""
        return "ping" in [what for _, what in self.asked]

    async def round(self) -> Sequence[EventDict]:
        """Go round once; return what was logged."""
        with capture_logs() as logs:
            await self.caretaker().go_round()

        return logs

    @asynccontextmanager
    async def running(self, *owners: str) -> AsyncIterator[None]:
        """Run caretakers during the block."""
        async with anyio.create_task_group() as tasks:
            for owner in owners:
                tasks.start_soon(self.caretaker(owner).run)
            yield
            tasks.cancel_scope.cancel()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return when it is so."""
        with anyio.fail_after(5):
            while not is_so():
                await anyio.lowlevel.checkpoint()


def slices(count: int) -> list[Audited]:
    """Return an audit of so many slices."""
    found = [
        Audited(repaired={}, done=(number + 1) / count, after=str(number + 1))
        for number in range(count - 1)
    ]

    return [*found, CALM]


async def test_round() -> None:
    """A round audits, tells that all is well, packs and purges, and lasts a minute."""
    world = World()
    logs = await world.round()

    assert ["audit None", "ping", "pack", f"purge {30 * DAY}"] == [
        what for _, what in world.asked
    ]
    assert NOON + timedelta(minutes=1) == world.clock.at
    assert [("audit.finished", [])] == [(one["event"], one["doubts"]) for one in logs]


async def test_spread() -> None:
    """The slices of an audit are spread over the minute."""
    world = World(slices=slices(4))
    await world.round()
    audits = [(at / SECOND, what) for at, what in world.asked if "audit" in what]

    assert [(0, "audit None"), (15, "audit 1"), (30, "audit 2"), (45, "audit 3")] == (
        audits
    )


async def test_held() -> None:
    """Whoever goes round renews his hold long before it is over."""
    world = World(slices=slices(2))
    await world.caretaker().upkeep.hold("one")
    await world.round()
    gaps = [b - a for a, b in zip(world.held_at, world.held_at[1:], strict=False)]

    assert max(gaps) <= HELD_FOR / 2


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"repaired": {Repair.MAIL: 1}}, "repaired"),
        ({"repaired": {Repair.LOST: 1}}, "repaired"),
        ({"overdue": {"due": 0 * SECOND, "out:x": 30 * SECOND}}, "out:x overdue"),
    ],
)
async def test_doubts(change: dict[str, object], doubt: str) -> None:
    """Nobody is told that all is well when something was repaired or waits."""
    found = {"repaired": {}, "done": 1, "overdue": {}, **change}
    world = World(slices=[Audited(**found)])  # type: ignore[arg-type]
    logs = await world.round()
    [finished] = [one for one in logs if one["event"] == "audit.finished"]

    assert not world.pinged
    assert [doubt] == finished["doubts"]


async def test_refusing() -> None:
    """Nobody is told that all is well while alerts cannot be stored."""
    world = World(problems=["memory", "replicas"])
    logs = await world.round()
    [finished] = [one for one in logs if one["event"] == "audit.finished"]

    assert not world.pinged
    assert ["memory", "replicas"] == finished["doubts"]


async def test_repaired_earlier() -> None:
    """A repair in any slice of the round counts, and each is logged with its counts."""
    found = slices(3)
    found[0] = Audited(repaired={Repair.DUE: 2}, done=0.3, after="1")
    found[1] = Audited(repaired={Repair.DUE: 1, Repair.INDEX: 3}, done=0.6, after="2")
    world = World(slices=found)
    logs = await world.round()

    assert not world.pinged
    assert [
        ("audit.repaired", 2, None),
        ("audit.repaired", 1, 3),
        ("audit.finished", 3, 3),
    ] == [(one["event"], one.get("due"), one.get("index")) for one in logs]


@pytest.mark.parametrize(("elsewhere", "is_told"), [(0, True), (39, True), (40, False)])
async def test_kicked(elsewhere: int, *, is_told: bool) -> None:
    """It kicks until this very process claims: that is what a page depends on."""
    world = World(elsewhere=elsewhere)
    await world.round()

    assert is_told == world.pinged


@pytest.mark.parametrize(("ago", "is_told"), [(57, True), (58, False)])
async def test_busy(ago: int, *, is_told: bool) -> None:
    """A claim of the last minute will do, for a worker that is too busy for kicks."""
    world = World(elsewhere=1_000, claimed_at=NOON - ago * SECOND)
    await world.round()

    assert is_told == world.pinged


async def test_nobody_to_tell() -> None:
    """Without anybody to tell, it goes round all the same."""
    world = World()
    caretaker = world.caretaker()
    caretaker.heartbeat = None
    await caretaker.go_round()

    assert not world.pinged
    assert f"purge {30 * DAY}" in [what for _, what in world.asked]


async def test_deaf() -> None:
    """Whoever cannot be told harms nothing; a stranger's words are not logged."""

    class Deaf(World):
        @override
        async def ping(self) -> None:
            self.note("ping")
            raise OSError(HEARTBEAT)

    world = Deaf()
    logs = await world.round()

    assert f"purge {30 * DAY}" in [what for _, what in world.asked]
    assert ["audit.finished", "heartbeat.failed"] == [one["event"] for one in logs]
    assert "OSError" == logs[-1]["error"]


async def test_batches() -> None:
    """It packs and purges until nothing is left, and says how much that was."""
    world = World(packs=[2, 3], purges=[Purged(early=1), Purged(old=5)])
    logs = await world.round()

    assert [
        {"event": "histories.packed", "count": 5, "log_level": "info"},
        {"event": "incidents.purged", "old": 5, "early": 1, "log_level": "info"},
    ] == logs[1:]
    assert 3 == sum("purge" in what for _, what in world.asked)


async def test_bounded() -> None:
    """A round ends, however much there is to purge; the next one goes on."""
    world = World(purges=[Purged(old=1)] * 1_000, packs=[1] * 1_000)
    await world.round()

    assert [900, 900] == [len(world.purges), len(world.packs)]


async def test_one_at_a_time() -> None:
    """Of two processes one goes round; the other waits."""
    world = World(slices=slices(3))
    async with world.running("one", "two"):
        await world.until(lambda: world.clock.at > NOON + timedelta(minutes=3))

    audits = [at for at, what in world.asked if what == "audit None"]
    assert "one" == world.owner
    assert len(set(audits)) == len(audits) <= 4


async def test_taken_over() -> None:
    """When the one that goes round dies, another takes over."""
    world = World()
    await world.hold("dead")
    async with world.running("two"):
        await world.until(lambda: "two" == world.owner)

    assert NOON + HELD_FOR <= world.clock.at <= NOON + HELD_FOR + 5 * SECOND


async def test_lost() -> None:
    """Whoever finds that another process goes round stops at once, and says nothing."""

    class Late(World):
        @override
        async def audit(self, after: str | None = None) -> Audited:
            self.owner, self.held_until = "other", NOON + DAY
            return await super().audit(after)

    world = Late(slices=slices(10))
    assert await world.hold("one")
    logs = await world.round()

    assert ["audit None"] == [what for _, what in world.asked]
    assert [] == list(logs)


async def test_lost_while_packing() -> None:
    """Whoever loses the upkeep while he packs or purges leaves the rest to the other."""

    class Late(World):
        @override
        async def pack(self) -> int:
            self.owner, self.held_until = "other", NOON + DAY
            return await super().pack()

    world = Late(packs=[1] * 5, purges=[Purged(old=1)] * 5)
    await world.round()

    assert [4, 4] == [len(world.packs), len(world.purges)]


async def test_outage() -> None:
    """Without a store it says so to whoever runs it, and tells nobody outside."""
    world = World(failure=StoreUnavailableError("gone"))
    with pytest.raises(StoreUnavailableError):
        await world.caretaker().run()

    assert not world.pinged
