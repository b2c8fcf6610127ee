"""What the engine does when deciding is not all there is to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from engine.adapters.memory import ManualClock, MemoryLastKnown
from engine.core.events import (
    Acknowledged,
    Attached,
    ChildAttached,
    Command,
    Detached,
    Removed,
    Resolved,
)
from engine.core.incident import Status
from engine.core.reasons import Reason
from engine.errors import (
    ContendedError,
    OverloadedError,
    StoreUnavailableError,
    UnreadableError,
)
from engine.ids import show_incident_id
from engine.ports import (
    Answer,
    Claimed,
    Commit,
    KnownOnCall,
    Lane,
    OnCall,
    OnCallReason,
    Receipt,
    Routed,
    Stored,
    Turn,
)
from engine.service.directions import INSTALLATION
from engine.service.engine import PIECE_MAX
from policies.policy import Policy
from policies.steps import Each, NotifyStep
from policies.targets import MetadataTarget, ScheduleTarget, UserTarget
from tests.support.driver import MIDNIGHT, Driver, Word
from tests.support.impatience import an_hour_passes

SECOND = timedelta(seconds=1)
PAGE_ALICE = Policy(
    id="default", steps=(NotifyStep(targets=(UserTarget(id="alice"),)),)
)
PAGE_PRIMARY = Policy(
    id="default", steps=(NotifyStep(targets=(ScheduleTarget(id="primary"),)),)
)
ALICE = KnownOnCall(
    answer=OnCall(people=("alice",), reason=OnCallReason.ROTATION, source="rota"),
    at=MIDNIGHT,
)
CATCH_ALL = Policy(id="last", steps=(NotifyStep(targets=(UserTarget(id="bob"),)),))


class TestCommands:
    """Commands that others get in the way of."""

    async def test_tried_again(self) -> None:
        """A command whose comparison is lost is decided again, many times at once."""
        driver = await triggered()
        driver.engine.store = Stubborn(driver, losses=50)

        assert Reason.ACKNOWLEDGED is await driver.command("db", Acknowledged, by="bob")

    async def test_given_up(self) -> None:
        """After two seconds it is given up, and nothing was written."""

        class Slow(Stubborn):
            @override
            async def load(self, incident_id: str) -> Claimed:
                if self.commits == 30:
                    an_hour_passes()
                return await super().load(incident_id)

        driver = await triggered()
        store = driver.engine.store = Slow(driver, losses=10_000)
        with pytest.raises(ContendedError):
            await driver.command("db", Acknowledged, by="bob")

        assert 31 == store.commits
        assert Status.TRIGGERED is (await driver.incident("db")).status


class TestAttaching:
    """What becomes of two incidents when one is made a part of the other."""

    async def test_again(self) -> None:
        """If whoever attached it died halfway, the next one attaches it all the same."""
        driver, child, parent = await two()
        await driver.engine.obey(
            parent, ChildAttached(at=driver.clock.now(), id="died", child=child)
        )

        assert Reason.ATTACHED is await driver.attach("child", "parent")
        assert parent == (await driver.incident("child")).parent

    async def test_each_to_the_other(self) -> None:
        """Attached to each other at once, one of them refuses and is left by the other."""

        class Crossing(Stubborn):
            @override
            async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
                self.commits += 1
                if self.commits == 2:
                    adopts = ChildAttached(
                        at=driver.clock.now(), id="cross", child=parent
                    )
                    driver.engine.store = self.driver.store
                    await driver.engine.obey(child, adopts)
                return await self.driver.store.commit(commits)

        driver, child, parent = await two()
        driver.engine.store = Crossing(driver)
        command = Attached(at=driver.clock.now(), id="c", by="alice", parent=parent)
        await driver.engine.attach(child, command)

        assert (await driver.incident("child")).parent is None
        assert () == (await driver.incident("parent")).children

    async def test_parent_ends(self) -> None:
        """If the parent ends meanwhile, what is attached to it ends with it."""

        class Ending(Stubborn):
            @override
            async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
                self.commits += 1
                if self.commits == 2:
                    command = Resolved(at=driver.clock.now(), id="end", by="carol")
                    await driver.engine.obey(parent, command)
                return await self.driver.store.commit(commits)

        driver, child, parent = await two()
        driver.engine.store = Ending(driver)
        command = Attached(at=driver.clock.now(), id="c", by="alice", parent=parent)
        decision = await driver.engine.attach(child, command)

        assert Reason.ATTACHED is decision.reason
        assert (Status.RESOLVED, "carol") == (
            decision.incident.status,
            decision.incident.resolved_by,
        )

    @pytest.mark.parametrize("command", [Resolved, Removed])
    async def test_over(self, command: type[Command]) -> None:
        """One that is over neither is attached nor has anything attached to it."""
        driver, _, parent = await two()
        await driver.command("child", command, by="bob")

        assert Reason.LATE is await driver.attach("child", "parent")
        assert Reason.LATE is await driver.attach("parent", "child")
        assert () == (await driver.incident("parent")).children
        assert None is (await driver.incident("parent")).parent
        assert parent == (await driver.incident("parent")).id

    async def test_one_parent(self) -> None:
        """One that is attached is not attached to another one too."""
        driver, _, _ = await two()
        await driver.alert("third", "third", fires=True)
        await driver.attach("child", "parent")

        assert Reason.IS_ATTACHED is await driver.attach("child", "third")
        assert () == (await driver.incident("third")).children

    async def test_detached(self) -> None:
        """One that is detached is no part of the other any more, on either side."""
        driver, child, _ = await two()
        await driver.attach("child", "parent")
        command = Detached(at=driver.clock.now(), id="d", by="alice")
        decision = await driver.engine.detach(child, command)

        assert Reason.DETACHED is decision.reason
        assert None is (await driver.incident("child")).parent
        assert () == (await driver.incident("parent")).children

    async def test_detached_from_nothing(self) -> None:
        """One that stands alone stays so."""
        driver, child, _ = await two()
        command = Detached(at=driver.clock.now(), id="d", by="alice")

        assert (
            Reason.NOT_APPLICABLE is (await driver.engine.detach(child, command)).reason
        )


class TestParked:
    """An incident that cannot be decided."""

    async def test_others_go_on(self) -> None:
        """It harms no other of its claim."""
        driver, _ = await damaged()
        await driver.alert("web", "web", fires=True)

        assert ["alice"] == [who for _, who in driver.sent()]

    async def test_alarm(self) -> None:
        """The third time in a row an incident about it starts the catch-all, once."""
        driver, _ = await damaged()
        with capture_logs() as lines:
            await driver.pass_time(timedelta(minutes=10))
        shown = show_incident_id(driver.incidents["db"])
        parked = [one["failures"] for one in lines if one["event"] == "incident.parked"]

        assert [2, 3, 4, 5] == parked[:4]
        assert [(MIDNIGHT + 6 * SECOND, "bob")] == driver.sent()
        assert [f"rung cannot decide {shown}"] == [
            notification.title for notification in driver.channels["console"].sent
        ]

    async def test_not_stored(self) -> None:
        """What the store refuses for good is put aside too, and somebody is told."""
        driver = Driver(PAGE_ALICE, CATCH_ALL, catch_all="last")
        driver.engine.store = Refusing(driver)
        await driver.take_in("db", "db", fires=True)
        with capture_logs() as lines:
            await driver.pass_time(timedelta(minutes=1))
        parked = [one["failures"] for one in lines if one["event"] == "incident.parked"]

        assert [1, 2, 3, 4, 5] == parked
        assert [(MIDNIGHT + 6 * SECOND, "bob")] == driver.sent()

    async def test_alarm_is_not_written(self) -> None:
        """An alarm that finds no room comes with the next try, and harms no other."""
        driver, _ = await damaged()
        mailbox = driver.engine.mailbox = Full(driver, refusals=1)
        await driver.pass_time(6 * SECOND)
        await driver.take_in("web", "web", fires=True)
        await driver.pass_time(timedelta(minutes=1))

        assert 0 == mailbox.refusals
        assert ["alice", "bob"] == sorted(who for _, who in driver.sent())

    async def test_newer(self) -> None:
        """What a newer version wrote is waited for, and nobody is told."""
        driver, store = await damaged(is_newer=True)
        await driver.pass_time(timedelta(minutes=1))
        before = driver.sent()
        store.key = "none"
        await driver.pass_time(timedelta(minutes=1))

        assert [] == before
        assert ["alice"] == [who for _, who in driver.sent()]

    async def test_never_about_itself(self) -> None:
        """One that is about another, and cannot be decided either, leads to no third."""
        driver, store = await damaged()
        store.integration = INSTALLATION
        await driver.pass_time(timedelta(minutes=10))

        assert [] == driver.sent()
        assert [] == await driver.store.summaries(frozenset(Status), 10)

    async def test_without_catch_all(self) -> None:
        """Without a catch-all policy it is in the list of incidents all the same."""
        driver, _ = await damaged(catch_all=None)
        await driver.pass_time(timedelta(minutes=10))
        open_ones = await driver.store.summaries(frozenset({Status.TRIGGERED}), 10)

        assert [INSTALLATION] == [one.integration for one in open_ones]


class TestPieces:
    """A claim of more incidents than are stored at once."""

    async def test_all(self) -> None:
        """All of a claim are decided and stored, however many there are."""
        driver, store = await many(2 * PIECE_MAX + 3)
        await driver.engine.drain(Lane.MAIL)
        opened = await driver.store.summaries(frozenset({Status.TRIGGERED}), 1_000)

        assert [2 * PIECE_MAX + 3, 0] == store.claims
        assert [PIECE_MAX, PIECE_MAX, 3] == store.pieces
        assert 2 * PIECE_MAX + 3 == len(opened)

    @pytest.mark.parametrize("failing", [1, 2, 3])
    async def test_one_fails(self, failing: int) -> None:
        """A piece that cannot be stored loses no other, and it is said afterwards."""
        driver, store = await many(2 * PIECE_MAX + 3, failing)
        with pytest.raises(StoreUnavailableError, match=f"commit {failing}"):
            await driver.engine.drain(Lane.MAIL)
        opened = await driver.store.summaries(frozenset({Status.TRIGGERED}), 1_000)

        assert [PIECE_MAX, PIECE_MAX, 3] == store.pieces
        assert sum(store.pieces) - store.pieces[failing - 1] == len(opened)

    async def test_comes_back(self) -> None:
        """What was not stored is claimed again when its lease is over."""
        driver, _ = await many(2 * PIECE_MAX + 3, 2)
        with pytest.raises(StoreUnavailableError):
            await driver.engine.drain(Lane.MAIL)
        await driver.pass_time(10 * SECOND)

        assert 2 * PIECE_MAX + 3 == len(driver.sent())

    async def test_not_put_aside(self) -> None:
        """A piece of which one can be neither decided nor put aside stops no other."""
        driver, _ = await many(PIECE_MAX + 6)
        driver.engine.store = NotPutAside(driver, key="k0")
        with pytest.raises(StoreUnavailableError, match="away"):
            await driver.engine.drain(Lane.MAIL)
        statuses = await driver.store.summaries(frozenset(Status), 1_000)

        assert 6 == len(statuses)


class TestLeft:
    """An incident that cannot be decided just now."""

    @pytest.mark.parametrize(
        ("is_here", "told"),
        [(True, "incident.left_to_its_lease"), (False, "answer.kept")],
    )
    async def test_known_last(self, told: str, *, is_here: bool) -> None:
        """Whoever was on call last is paged, though that could not be read at first."""
        driver = Driver(PAGE_PRIMARY)
        memory = driver.last_known = Unread(driver.clock, often=1)
        driver.rota.is_here, driver.rota.is_failing = is_here, True
        driver.process = driver.assembled()
        await memory.note("schedule:primary", ALICE)
        with capture_logs() as lines:
            await driver.alert("db", "db", fires=True)
            await driver.pass_time(timedelta(seconds=10))
        events = [line["event"] for line in lines]

        assert 0 == memory.often
        assert ["alice"] == [who for _, who in driver.sent()]
        assert told in events
        assert not {"incident.parked", "incident.reached_nobody"} & {*events}


class TestMail:
    """What has been waiting when a worker comes."""

    async def test_much_behind_the_end(self) -> None:
        """However much comes behind the end of an incident, it is closed all the same."""
        driver = Driver(PAGE_ALICE)
        alerts = [(f"db-{number}", True) for number in range(1_100)]
        for fingerprint, fires in [("db", True), ("db", False), *alerts]:
            await driver.take_in("db", fingerprint, fires=fires)
        await driver.settle()
        statuses = await driver.store.summaries(frozenset(Status), 10)

        assert [1_100, 0] == [one.firing_count for one in statuses]
        assert ["alice"] == [who for _, who in driver.sent()]

    async def test_in_pieces(self) -> None:
        """Whoever delivers is told of each claim as soon as it is stored."""
        driver, counts = Driver(PAGE_ALICE), list[int]()
        for number in range(300):
            await driver.take_in(f"{number}", "db", fires=True)
        kept = driver.store.kept.values()
        await driver.engine.drain(
            Lane.MAIL, lambda: counts.append(sum(bool(one.state) for one in kept))
        )

        assert [256, 300] == counts


class TestTurns:
    """Whose turn it is."""

    async def test_in_one_go(self) -> None:
        """All the turns that one claim wants are taken in one call."""
        turn = NotifyStep(
            targets=(UserTarget(id="alice"), UserTarget(id="bob")),
            each=Each.NEXT_EACH_TIME,
        )
        driver = Driver(Policy(id="default", steps=(turn, turn)))
        turns = driver.engine.turns = Counting()
        for key in ("db", "web", "disk"):
            await driver.take_in(key, key, fires=True)
        await driver.settle()

        assert [3, 3] == turns.calls
        assert ["bob"] * 3 == [who for _, who in driver.sent()]


class TestAnswers:
    """Answers that come by mail."""

    async def test_with_a_policy(self) -> None:
        """A policy that metadata names comes along with an answer from elsewhere."""
        step = NotifyStep(
            targets=(ScheduleTarget(id="primary"), MetadataTarget(id="also"))
        )
        driver = Driver(Policy(id="default", steps=(step,)), CATCH_ALL)
        driver.rota.is_here = False
        await driver.alert("db", "db", fires=True, labels={"also": "last"})

        assert ["alice", "bob"] == [who for _, who in driver.sent()]
        assert 1 == driver.rota.asked


class TestBacklog:
    """What came and went while no worker ran."""

    async def test_over(self) -> None:
        """What began and ended again and again is over each time, and pages nobody."""
        driver = Driver(PAGE_ALICE)
        comes_and_goes = [Word("db", "db", fires=True), Word("db", "db")]
        told = await driver.backlog(comes_and_goes * 3)
        statuses = await driver.store.summaries(frozenset(Status), 10)

        assert "3 incidents" == told
        assert {Status.RESOLVED} == {one.status for one in statuses}
        assert [] == driver.sent()

    async def test_left(self) -> None:
        """What goes on firing behind all that pages, once."""
        driver = Driver(PAGE_ALICE)
        comes_and_goes = [Word("db", "db", fires=True), Word("db", "db")]
        await driver.backlog([*comes_and_goes * 2, Word("db", "db", fires=True)])

        assert ["alice"] == [who for _, who in driver.sent()]


async def triggered() -> Driver:
    """Return a driver of one open incident."""
    driver = Driver(PAGE_ALICE)
    await driver.alert("db", "db", fires=True)

    return driver


async def two() -> tuple[Driver, str, str]:
    """Return a driver of two open incidents, and their ids: child and parent."""
    driver = Driver(PAGE_ALICE)
    for name in ("child", "parent"):
        await driver.alert(name, name, fires=True)

    return driver, driver.incidents["child"], driver.incidents["parent"]


async def many(count: int, *failing: int) -> tuple[Driver, "Failing"]:
    """Take in the alerts of so many incidents, for a store with failing commits."""
    driver = Driver(PAGE_ALICE)
    store = driver.engine.store = Failing(driver, failing=frozenset(failing))
    for number in range(count):
        await driver.take_in(f"k{number}", f"k{number}", fires=True)

    return driver, store


async def damaged(
    catch_all: str | None = "last", *, is_newer: bool = False
) -> tuple[Driver, "Damaged"]:
    """Return a driver of one incident that cannot be decided, and its store."""
    driver = Driver(PAGE_ALICE, CATCH_ALL, catch_all=catch_all)
    store = driver.engine.store = Damaged(driver, is_newer=is_newer)
    await driver.take_in("db", "db", fires=True)
    await driver.settle()

    return driver, store


@dataclass
class Stubborn:
    """A store on which comparisons are lost, for so many commits."""

    driver: Driver
    losses: int = 0
    commits: int = 0

    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """Claim."""
        return await self.driver.store.claim(lane, ahead_until)

    async def load(self, incident_id: str) -> Claimed:
        """Load."""
        return await self.driver.store.load(incident_id)

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Lose, as often as told."""
        self.commits += 1
        if self.commits <= self.losses:
            return [Stored.LOST] * len(commits)

        return await self.driver.store.commit(commits)

    async def release(self, claimed: Sequence[Claimed], *, park: bool = False) -> None:
        """Release."""
        await self.driver.store.release(claimed, park=park)


@dataclass
class Failing(Stubborn):
    """
    A store that fails at the commits with these numbers, from 1.

    Attributes:
        claims: How many incidents each claim brought.
        pieces: How many each commit was of.
    """

    failing: frozenset[int] = frozenset()
    claims: list[int] = field(default_factory=list[int])
    pieces: list[int] = field(default_factory=list[int])

    @override
    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """Claim, and count."""
        claimed = await super().claim(lane, ahead_until)
        self.claims.append(len(claimed))

        return claimed

    @override
    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Store, or fail if it is the turn of that."""
        self.pieces.append(len(commits))
        if len(self.pieces) in self.failing:
            message = f"commit {len(self.pieces)}"
            raise StoreUnavailableError(message)

        return await super().commit(commits)


@dataclass
class Damaged(Stubborn):
    """A store in which the incident of one key cannot be read."""

    key: str = "db"
    integration: str | None = None
    is_newer: bool = False

    @override
    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """Claim, and say which cannot be read."""
        return [self._read(one) for one in await super().claim(lane, ahead_until)]

    def _read(self, claimed: Claimed) -> Claimed:
        if claimed.incident_id != self.driver.incidents.get(self.key):
            return claimed
        error = UnreadableError("incident", "is damaged", is_newer=self.is_newer)

        return replace(
            claimed,
            incident=None,
            mail=(),
            unreadable=error,
            integration=self.integration,
        )


@dataclass
class NotPutAside(Damaged):
    """A store that puts nothing aside."""

    @override
    async def release(self, claimed: Sequence[Claimed], *, park: bool = False) -> None:
        """Put nothing aside."""
        message = "the store is away"
        raise StoreUnavailableError(message)


@dataclass
class Refusing(Stubborn):
    """A store that will never store the incident of one key."""

    @override
    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Store the others."""
        stored = await self.driver.store.commit(
            [one for one in commits if one.incident.key != "db"]
        )

        return stored or [Stored.REFUSED] * len(commits)


@dataclass
class Full:
    """A mailbox that has no room, so many times."""

    driver: Driver
    refusals: int

    async def append(self, notices: Sequence[Routed]) -> Sequence[Receipt]:
        """Refuse, as often as told."""
        if self.refusals:
            self.refusals -= 1
            message = "full"
            raise OverloadedError(message)

        return await self.driver.store.append(notices)

    async def post(self, answers: Sequence[Answer]) -> None:
        """Post."""
        await self.driver.store.post(answers)


@dataclass
class Counting:
    """Turns of which the last one is always taken; it counts what is taken at once."""

    calls: list[int] = field(default_factory=list[int])

    async def take(self, turns: Sequence[Turn]) -> Sequence[str]:
        """Take the last of each."""
        self.calls.append(len(turns))

        return [turn.candidates[-1] for turn in turns]


class Unread(MemoryLastKnown):
    """A memory that cannot be read, as often as told."""

    def __init__(self, clock: ManualClock, often: int) -> None:
        super().__init__(clock)
        self.often = often

    @override
    async def recall(self, target: str) -> KnownOnCall | None:
        if self.often:
            self.often -= 1
            raise StoreUnavailableError(target)
        return await super().recall(target)
