"""Who is behind a target, asked so that no drain waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from engine.adapters.memory import ManualClock, MemoryLastKnown
from engine.core.events import TargetsResolved
from engine.errors import LookUpFailedError, StoreUnavailableError
from engine.ports import (
    Answer,
    KnownOnCall,
    OnCall,
    OnCallReason,
    Receipt,
    Routed,
)
from engine.service.look_ups import FRESH, Asked, Failed, LookUps, Told
from policies.targets import ScheduleTarget, Target
from tests.support.impatience import an_hour_passes, for_ever

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PRIMARY, NIGHT = ScheduleTarget(id="primary"), ScheduleTarget(id="night")


@dataclass
class Remote:
    """
    A service elsewhere: it answers when the test lets it.

    Attributes:
        successor: Who is on call from a hand-off on.
    """

    answers: dict[str, OnCall | Exception] = field(
        default_factory=dict[str, OnCall | Exception]
    )
    successor: OnCall | None = None
    asked: list[str] = field(default_factory=list[str])
    may_answer: anyio.Event = field(default_factory=anyio.Event)
    is_slow: bool = False

    async def who(self, target: Target, at: datetime) -> OnCall:
        """Return who is behind the target, in its own time."""
        self.asked.append(f"{target} at {at:%H:%M:%S}")
        if self.is_slow:
            await for_ever()
        await self.may_answer.wait()
        answer = self.answers[str(target)]
        if isinstance(answer, Exception):
            raise answer
        if answer.until is None or at < answer.until:
            return answer
        assert self.successor is not None

        return self.successor


@dataclass
class Letters:
    """A mailbox that keeps what is posted; it fails as often as told first."""

    posted: list[Answer] = field(default_factory=list[Answer])
    failures: int = 0

    async def append(self, notices: Sequence[Routed]) -> Sequence[Receipt]:
        """Take no notices."""
        raise AssertionError(notices)

    async def post(self, answers: Sequence[Answer]) -> None:
        """Keep answers."""
        if self.failures:
            self.failures -= 1
            an_hour_passes()
            message = "Redis is away"
            raise StoreUnavailableError(message)
        self.posted += answers


class Bench:
    """Look-ups of a remote service, and all that is around them."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.remote = Remote({"schedule:primary": by_rota("alice")})
        self.mailbox = Letters()
        self.last_known = MemoryLastKnown(self.clock)
        self.is_local = False
        self.look_ups = self.another()

    def another(self) -> LookUps:
        """Return those of another process."""
        return LookUps(
            self.remote,
            mailbox=self.mailbox,
            last_known=self.last_known,
            clock=self.clock,
            is_local=lambda _target: self.is_local,
        )

    def ask(self, incident_id: str, *targets: Target) -> None:
        """Have an incident ask."""
        at = self.clock.now()

        async def answer() -> TargetsResolved:
            found = [await self.look_ups.recall(target, at) for target in targets]
            missing = {str(number): shown(one) for number, one in enumerate(found)}
            return TargetsResolved(
                at=at, walk=1, generation=2, responders=(), missing=missing
            )

        asked = Asked(
            incident_id=incident_id,
            targets=targets,
            at=at,
            deadline=at + 4 * SECOND,
            answer=answer,
        )
        self.look_ups.start(asked)

    def told(self) -> list[tuple[str, list[str]]]:
        """Return what the mailbox got, by incident."""
        return [
            (one.incident_id, list(one.event.missing.values()))
            for one in self.mailbox.posted
            if isinstance(one.event, TargetsResolved)
        ]


def shown(told: Told | Failed | None) -> str:
    """Write what was told in a line."""
    return ", ".join(told.people) if isinstance(told, Told) else "nobody can tell"


def by_rota(*people: str, until: datetime | None = None) -> OnCall:
    """Return an answer."""
    return OnCall(
        people=people, reason=OnCallReason.ROTATION, source="rota", until=until
    )


@pytest.fixture
def bench() -> Bench:
    """Return look-ups of which nothing is known."""
    return Bench()


async def test_nobody_waits(bench: Bench) -> None:
    """What is elsewhere is not told at once; asked, it comes into the mailbox."""
    at_once = await bench.look_ups.now(PRIMARY, NOW)
    async with bench.look_ups:
        bench.ask("one", PRIMARY)
        await anyio.wait_all_tasks_blocked()
        before = bench.told()
        bench.remote.may_answer.set()
        await bench.look_ups.idle()

    assert at_once is None
    assert [] == before
    assert [("one", ["alice"])] == bench.told()


async def test_one_call_for_all(bench: Bench) -> None:
    """However many incidents want to know, a target is asked after once at a time."""
    async with bench.look_ups:
        for name in ("one", "two", "three"):
            bench.ask(name, PRIMARY)
        await anyio.wait_all_tasks_blocked()
        bench.remote.may_answer.set()
        await bench.look_ups.idle()

    assert ["schedule:primary at 03:00:00"] == bench.remote.asked
    assert ["one", "two", "three"] == [name for name, _ in bench.told()]


async def test_fresh(bench: Bench) -> None:
    """An answer does for others for five seconds, and no longer."""
    async with bench.look_ups:
        bench.remote.may_answer.set()
        bench.ask("one", PRIMARY)
        await bench.look_ups.idle()
    bench.clock.advance(FRESH)
    fresh = await bench.look_ups.now(PRIMARY, bench.clock.now())
    bench.clock.advance(timedelta(milliseconds=1))

    assert Told(people=("alice",), why="rotation") == fresh
    assert await bench.look_ups.now(PRIMARY, bench.clock.now()) is None


async def test_hand_off(bench: Bench) -> None:
    """An answer does not outlive the hand-off that it names."""
    bench.remote.answers["schedule:primary"] = by_rota("alice", until=NOW + SECOND)
    async with bench.look_ups:
        bench.remote.may_answer.set()
        bench.ask("one", PRIMARY)
        await bench.look_ups.idle()
    before = await bench.look_ups.now(PRIMARY, NOW + timedelta(milliseconds=999))

    assert Told(people=("alice",), why="rotation", until=NOW + SECOND) == before
    assert await bench.look_ups.now(PRIMARY, NOW + SECOND) is None


async def test_hand_off_meanwhile(bench: Bench) -> None:
    """Who asks after a hand-off is not told what somebody asked before it."""
    bench.remote.answers["schedule:primary"] = by_rota("alice", until=NOW + SECOND)
    bench.remote.successor = by_rota("bob")
    async with bench.look_ups:
        bench.ask("one", PRIMARY)
        await anyio.wait_all_tasks_blocked()
        bench.clock.advance(SECOND)
        bench.ask("two", PRIMARY)
        await anyio.wait_all_tasks_blocked()
        bench.remote.may_answer.set()
        await bench.look_ups.idle()

    assert {"one": ["alice"], "two": ["bob"]} == dict(bench.told())
    assert ["schedule:primary at 03:00:00", "schedule:primary at 03:00:01"] == (
        bench.remote.asked
    )


async def test_known_last(bench: Bench) -> None:
    """When nobody can tell, it is whoever was on call last; that is said, with its time."""
    async with bench.look_ups:
        bench.remote.may_answer.set()
        bench.ask("one", PRIMARY)
        await bench.look_ups.idle()
    bench.clock.advance(timedelta(hours=23))
    other = bench.another()
    with capture_logs() as lines:
        told = await other.recall(PRIMARY, bench.clock.now())
    bench.clock.advance(timedelta(hours=1))

    why = "rotation at 2026-11-24 03:00 UTC, known last"
    assert Told(people=("alice",), why=why) == told
    assert ["look_up.recalled"] == [line["event"] for line in lines]
    assert await other.recall(PRIMARY, bench.clock.now()) is None


async def test_one_of_two_fails(bench: Bench) -> None:
    """One target that cannot be told does not hide the other."""
    bench.remote.answers["schedule:night"] = LookUpFailedError("no such schedule")
    async with bench.look_ups:
        bench.remote.may_answer.set()
        bench.ask("one", NIGHT, PRIMARY)
        await bench.look_ups.idle()

    assert [("one", ["nobody can tell", "alice"])] == bench.told()


async def test_hangs(bench: Bench) -> None:
    """A service that never answers keeps nobody: what was known last comes in time."""
    bench.remote.is_slow = True
    await bench.last_known.note(
        "schedule:night", KnownOnCall(answer=by_rota("bob"), at=NOW)
    )
    async with bench.look_ups:
        bench.ask("one", NIGHT)
        await bench.look_ups.idle()

    assert [("one", ["bob"])] == bench.told()


async def test_mailbox_away(bench: Bench) -> None:
    """An answer that cannot be posted is kept, and posted when it can be."""
    bench.mailbox.failures = 2
    async with bench.look_ups:
        bench.remote.may_answer.set()
        bench.ask("one", PRIMARY)
        await bench.look_ups.idle()

    assert ["one"] == [name for name, _ in bench.told()]


async def test_after_its_deadline(bench: Bench) -> None:
    """An answer that cannot be posted by its deadline is let go: the walk went on."""
    bench.mailbox.failures = 1_000
    async with bench.look_ups:
        bench.ask("one", PRIMARY)
        await anyio.wait_all_tasks_blocked()
        bench.clock.advance(4 * SECOND)
        bench.remote.may_answer.set()
        await bench.look_ups.idle()

    assert [] == bench.told()
    assert 1_000 == bench.mailbox.failures


class Forgetful(MemoryLastKnown):
    """A memory that cannot be read, as often as told."""

    failures = 0

    @override
    async def recall(self, target: str) -> KnownOnCall | None:
        if self.failures:
            self.failures -= 1
            an_hour_passes()
            raise StoreUnavailableError(target)
        return await super().recall(target)


async def test_known_last_unread(bench: Bench) -> None:
    """That it cannot be read who was known last is not nobody: it is read once more."""
    memory = bench.last_known = Forgetful(bench.clock)
    memory.failures = 2
    await memory.note("schedule:night", KnownOnCall(answer=by_rota("bob"), at=NOW))
    bench.remote.answers["schedule:night"] = LookUpFailedError("no answer")
    bench.remote.may_answer.set()
    bench.look_ups = bench.another()
    async with bench.look_ups:
        bench.ask("one", NIGHT)
        await bench.look_ups.idle()

    assert [("one", ["bob"])] == bench.told()


async def test_store_away(bench: Bench) -> None:
    """An answer counts though it cannot be noted for later; another is not made up."""

    @dataclass
    class Away:
        async def note(self, target: str, known: KnownOnCall) -> None:
            raise StoreUnavailableError(target + str(known))

        async def recall(self, target: str) -> KnownOnCall | None:
            raise StoreUnavailableError(target)

    look_ups = LookUps(
        bench.remote,
        mailbox=bench.mailbox,
        last_known=Away(),
        clock=bench.clock,
        is_local=lambda _target: False,
    )
    bench.look_ups = look_ups
    async with look_ups:
        bench.remote.may_answer.set()
        bench.ask("one", PRIMARY)
        await look_ups.idle()

    assert ["one"] == [name for name, _ in bench.told()]
    with pytest.raises(StoreUnavailableError, match="night"):
        await look_ups.recall(NIGHT, NOW)


async def test_here(bench: Bench) -> None:
    """What is known here is noted when it changes, and once an hour, for when it fails."""
    notes = bench.last_known = Notes(bench.clock)
    bench.is_local = True
    bench.remote.may_answer.set()
    here = bench.another()
    for people in (["alice"], ["alice"], ["bob"]):
        bench.remote.answers["schedule:primary"] = by_rota(*people)
        await here.now(PRIMARY, NOW)
    bench.clock.advance(timedelta(minutes=59))
    await here.now(PRIMARY, NOW)
    often = notes.count
    bench.clock.advance(timedelta(minutes=1))
    await here.now(PRIMARY, NOW)
    bench.remote.answers["schedule:primary"] = LookUpFailedError("a broken file")
    told = await bench.another().now(PRIMARY, NOW)

    assert 2 == often
    assert 3 == notes.count
    assert isinstance(told, Told)
    assert ("bob",) == told.people
    assert told.why.endswith("known last")


async def test_here_and_never_known(bench: Bench) -> None:
    """What cannot be told here, and never could, has failed at once."""
    bench.is_local = True
    bench.remote.may_answer.set()
    bench.remote.answers["schedule:night"] = LookUpFailedError("no such schedule")

    assert isinstance(await bench.another().now(NIGHT, NOW), Failed)


class Notes(MemoryLastKnown):
    """A memory that counts."""

    count = 0

    @override
    async def note(self, target: str, known: KnownOnCall) -> None:
        self.count += 1
        await super().note(target, known)


async def test_ends(bench: Bench) -> None:
    """A process that ends leaves no question under way, and begins none afterwards."""
    async with bench.look_ups:
        bench.ask("one", PRIMARY)
        await anyio.wait_all_tasks_blocked()
    bench.ask("two", PRIMARY)
    await bench.look_ups.idle()

    assert ["schedule:primary at 03:00:00"] == bench.remote.asked
    assert [] == bench.told()


async def test_error_of_the_process(bench: Bench) -> None:
    """What ends the process is told as it is, also with a question under way."""

    async def work() -> None:
        async with bench.look_ups:
            bench.ask("one", PRIMARY)
            message = "Redis is away"
            raise StoreUnavailableError(message)

    with pytest.raises(StoreUnavailableError, match="Redis is away"):
        await work()
