"""What only the upkeep on Redis promises: snapshots, scripts cut off, nothing left."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument, Client, RefusedError, Reply
from engine.adapters.redis.headroom import Headroom
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.store import RedisStore
from engine.adapters.redis.upkeep import RedisUpkeep
from engine.codec import encode_entry
from engine.codec.shapes import milliseconds
from engine.ports import Claimed, Commit, Lane, Repair, RoutedAlert, Stored
from policies.policy import Policy, Snapshot
from tests.contract.making import (
    SECOND,
    SNAPSHOT,
    START,
    a_commit,
    a_firing,
    a_room,
    a_send,
    an_entry,
    an_incident,
    an_open_one,
    claimed_by_mail,
    done,
    resolved,
    walks,
)
from tests.contract.test_upkeep import MINUTE, audited, closed_one, packed, purged
from tests.support.redis_backends import SCRIPTS, SHARDS, OnRedis, upkeep_on
from tests.support.redis_fixtures import on_fixture, servers_fixture
from tests.support.redis_time import set_time
from tests.support.redis_torn import contents, torn

__all__ = ["on_fixture", "servers_fixture"]
WRITES_MAX = 60
OTHER = Snapshot.of(Policy(id="other"))
KICKED = "rung:kick"

Hook = Callable[[], Coroutine[Any, Any, object]]


def shared(claimed: Claimed, name: str) -> str:
    """Return the name of a key that the incident's shard has."""
    return f"{keys.prefix_of(claimed.incident_id)}{name}"


def part(claimed: Claimed, letter: str) -> str:
    """Return the name of a key of an incident."""
    return shared(claimed, f"{letter}:{claimed.incident_id}")


async def nothing() -> int:
    """Return how full the memory is: not at all."""
    return 0


class Hooked(Client):
    """Lets something else happen between two scripts of one caller."""

    def __init__(self, on: OnRedis, name: Name, before: Hook, after: Hook) -> None:
        super().__init__(on.redis, wake_jobs(), on.observed.append, SCRIPTS)
        self._name = name
        self._before, self._after = before, after
        self.calls = 0

    @override
    async def run_all(
        self, name: Name, calls: Sequence[Sequence[Argument]]
    ) -> list[Reply]:
        if name is self._name:
            self.calls += 1
            await self._before()
        replies = await super().run_all(name, calls)
        if name is self._name:
            await self._after()

        return replies


async def idle() -> None:
    """Do nothing."""


class TestSnapshots:
    """A snapshot goes with the last incident that named it."""

    async def test_last_one(self, on: OnRedis) -> None:
        """It stays for as long as one incident that named it is kept."""
        claimed = await closed_one(on)
        assert claimed.incident
        same = [
            key
            for key in (f"key-{number}" for number in range(50))
            if keys.shard_for("prometheus", key, SHARDS)
            == keys.shard_for("prometheus", "db-full", SHARDS)
        ]
        opened = await an_open_one(on, key=same[0])
        first = await purged(on)
        kept = await on.redis.hgetall(shared(claimed, "snapn"))  # type: ignore[misc]
        assert opened.incident
        await done(on, a_commit(opened, resolved(opened.incident)))
        second = await purged(on)

        assert [1, 1] == [first, second]
        assert {SNAPSHOT.hash.encode(): b"1"} == kept
        assert [] == await on.redis.keys("*}:snap*")

    async def test_every_one(self, on: OnRedis) -> None:
        """All that it ever named are counted down."""
        opened = await an_open_one(on)
        assert opened.incident
        await done(on, a_commit(opened, replace(opened.incident, snapshot=OTHER)))
        loaded = await on.store.load(opened.incident_id)
        assert loaded.incident
        await done(on, a_commit(loaded, resolved(loaded.incident)))
        await purged(on)

        assert [] == await on.redis.keys("*}:snap*")

    @pytest.mark.parametrize("purge_first", [True, False])
    async def test_beside_an_opening(self, on: OnRedis, *, purge_first: bool) -> None:
        """An opening ends with its policies there, purged before or after it."""
        closed = await closed_one(on)
        await on.mailbox.append([a_firing()])
        claimed = await claimed_by_mail(on)

        async def purge() -> None:
            await on.upkeep.purge(START)

        first, second = (purge, idle) if purge_first else (idle, purge)
        hooked = Hooked(on, Name.COMMIT, first, second)
        store = RedisStore(hooked, shards=SHARDS, nonce=lambda: 7)
        [stored] = await store.commit([a_commit(claimed, an_incident(claimed))])
        loaded = await on.another().store.load(claimed.incident_id)
        counts = await on.redis.hgetall(shared(claimed, "snapn"))  # type: ignore[misc]

        assert Stored.DONE is stored
        assert (2 if purge_first else 1) == hooked.calls
        assert not await on.redis.exists(part(closed, "i"))
        assert loaded.incident
        assert SNAPSHOT == loaded.incident.snapshot
        assert {SNAPSHOT.hash.encode(): b"1"} == counts

    async def test_races(self, on: OnRedis) -> None:
        """However openings and purges fall, no incident is without its policies."""
        for turn in range(20):
            await closed_one(on)
            await on.mailbox.append([a_firing()])
            claimed = await claimed_by_mail(on)
            commit = a_commit(claimed, an_incident(claimed))
            async with anyio.create_task_group() as tasks:
                works: list[Hook] = [
                    lambda one=commit: on.another().store.commit([one]),  # type: ignore[misc]
                    lambda: on.upkeep.purge(START),
                ]
                for work in works if turn % 2 else reversed(works):
                    tasks.start_soon(work)
            loaded = await on.another().store.load(claimed.incident_id)
            assert loaded.incident
            await done(on, a_commit(loaded, resolved(loaded.incident)))
            await on.redis.delete(KICKED)

        assert 1 == await purged(on)
        assert [] == await on.redis.keys("*}:snap*")

    @pytest.mark.parametrize("is_known", [True, False])
    async def test_lost(self, on: OnRedis, *, is_known: bool) -> None:
        """A lost snapshot is written back by whoever has it; else an error says so."""
        opened = await an_open_one(on)
        await on.redis.delete(shared(opened, "snap"))
        process = on if is_known else on.another()
        with capture_logs() as logs:
            repaired = await audited(process)
        body = await on.redis.hexists(shared(opened, "snap"), SNAPSHOT.hash)  # type: ignore[misc]

        assert {Repair.SNAPSHOT if is_known else Repair.LOST: 1} == repaired
        assert is_known == body
        assert ([] if is_known else ["snapshot.lost"]) == [one["event"] for one in logs]
        await on.another().client.run(Name.RESTORE, *body_of(opened))

    async def test_not_needed(self, on: OnRedis) -> None:
        """No body is written back for an incident that is gone."""
        closed = await closed_one(on)
        await purged(on)
        await on.client.run(Name.RESTORE, *body_of(closed))

        assert [] == await on.redis.keys("*}:snap*")


def body_of(claimed: Claimed) -> tuple[str, str, str, str]:
    """Return what the script that writes a snapshot back is told."""
    prefix = keys.prefix_of(claimed.incident_id)

    return prefix, claimed.incident_id, SNAPSHOT.hash, "1{}"


class TestAudit:
    """Repairs that only Redis needs."""

    async def test_index(self, on: OnRedis) -> None:
        """An index that names an incident that is gone forgets it."""
        opened = await an_open_one(on)
        await on.redis.zadd(shared(opened, "open"), {"0" * 11: 1})

        assert {Repair.INDEX: 1} == await audited(on)
        assert {} == await audited(on)
        assert 1 == await on.redis.zcard(shared(opened, "open"))

    async def test_woken(self, on: OnRedis) -> None:
        """Whoever is found again is woken: by a kick for mail, by a wake for a timer."""
        opened = await an_open_one(on, START + SECOND)
        await on.mailbox.append([a_firing()])
        woken = sorted(await on.redis.keys("rung:kick") + await on.redis.keys("arq:*"))
        for lane in Lane:
            await on.lose(opened.incident_id, lane)
        await on.redis.delete(*woken, "rung:arq")
        await audited(on)

        assert 2 == len(woken)
        assert woken == sorted(
            await on.redis.keys("rung:kick") + await on.redis.keys("arq:*")
        )

    async def test_slices(self, on: OnRedis) -> None:
        """An index is read in slices of 500; none of it is left out or read twice."""
        one_shard = [
            key
            for key in (f"key-{number}" for number in range(4_600))
            if keys.shard_for("prometheus", key, SHARDS) == 1
        ][:1_001]
        await on.mailbox.append([a_firing(key) for key in one_shard])
        while claims := await on.store.claim(Lane.MAIL):
            await done(on, *[opening(claimed, START + SECOND) for claimed in claims])
        await on.redis.delete(f"{keys.prefix(1)}due")
        sizes = []
        found = await on.upkeep.audit()
        while found.after is not None:
            sizes.append(found.repaired.get(Repair.DUE, 0))
            found = await on.upkeep.audit(found.after)

        assert [500, 500, 1] == [size for size in sizes if size]

    async def test_nothing_written(self, on: OnRedis) -> None:
        """An audit that finds nothing wrong writes nothing."""
        await an_open_one(on, START + SECOND)
        await closed_one(on, "closed")
        await on.mailbox.append([a_firing("unread")])
        before = await contents(on.redis)
        await audited(on)

        assert before == await contents(on.redis)

    async def test_cut_off(self, on: OnRedis) -> None:
        """Wherever an audit was cut off, the next one finds what is left to repair."""
        count = 0
        for after in range(WRITES_MAX):
            await on.redis.flushdb()
            await set_time(on.redis, START)
            fresh = OnRedis(on.redis, on.clock)
            opened = await an_open_one(fresh, START + SECOND)
            await fresh.mailbox.append([a_firing()])
            sound = await lanes(fresh, opened)
            for lane in Lane:
                await fresh.lose(opened.incident_id, lane)
            await on.redis.delete(KICKED)
            scripts = SCRIPTS | {Name.AUDIT: torn(SCRIPTS[Name.AUDIT], after)}
            client = Client(on.redis, wake_jobs(), on.observed.append, scripts)
            try:
                await audited_by(upkeep_on(client, fresh.store, nothing))
            except RefusedError:
                count += 1
            else:
                break
            await audited(fresh)
            assert sound == await lanes(fresh, opened)

        assert 2 < count < WRITES_MAX

    async def test_wrong_arguments(self, on: OnRedis) -> None:
        """A wrong argument is refused before anything is written."""
        await closed_one(on)
        before = await contents(on.redis)
        for name in (Name.AUDIT, Name.PURGE, Name.HOLD, Name.HEADS, Name.PACK):
            with pytest.raises(RefusedError):
                await on.client.run(name, keys.prefix(0), "x", "y", "z")

        assert before == await contents(on.redis)


async def audited_by(upkeep: RedisUpkeep) -> None:
    """Audit everything."""
    found = await upkeep.audit()
    while found.after is not None:
        found = await upkeep.audit(found.after)


async def lanes(on: OnRedis, claimed: Claimed) -> list[float | None]:
    """Return where an incident stands in each lane."""
    return [
        await on.redis.zscore(shared(claimed, lane), claimed.incident_id)
        for lane in Lane
    ]


def opening(claimed: Claimed, due: datetime) -> Commit:
    """Return the commit that opens an incident with the key of its mail."""
    routed = claimed.mail[0].content
    assert isinstance(routed, RoutedAlert)

    return a_commit(claimed, an_incident(claimed, due, key=routed.key))


class TestPurge:
    """What is left of a purged incident: nothing."""

    async def test_nothing_left(self, on: OnRedis) -> None:
        """Every key and count of it goes; its outbox entries when they are claimed."""
        await on.mailbox.append([a_firing()])
        claimed = await claimed_by_mail(on)
        incident = replace(an_incident(claimed, START + SECOND), team="ops")
        await done(on, a_commit(claimed, incident, sends=(a_send(),)))
        opened = await on.store.load(claimed.incident_id)
        await done(on, a_commit(opened, resolved(incident)))
        await purged(on)
        await on.outbox.claim([a_room()])
        left = [key for key in await on.redis.keys("{rung*") if b"}:l:" not in key]

        assert [] == left

    async def test_never_an_open_one(self, on: OnRedis) -> None:
        """What its state says counts, not an index: it waits behind all the others."""
        opened = await an_open_one(on, START + MINUTE)
        reopened = await closed_one(on, "reopened")
        closed = await on.store.load(reopened.incident_id)
        assert reopened.incident
        moving = replace(reopened.incident, walks=walks(START + MINUTE))
        await done(on, a_commit(closed, moving))
        for one in (opened, reopened):
            assert await on.redis.zscore(shared(one, "over"), one.incident_id) is None
            assert await on.redis.zscore(shared(one, "pack"), one.incident_id) is None
            await on.redis.zadd(shared(one, "over"), {one.incident_id: 1})
        count = await purged(on)
        scores = [
            await on.redis.zscore(shared(one, "over"), one.incident_id)
            for one in (opened, reopened)
        ]

        assert 0 == count
        assert [milliseconds(START)] * 2 == scores

    async def test_closed_again_meanwhile(self, on: OnRedis) -> None:
        """One that was opened and closed while a purge was choosing is young again."""
        before = await closed_one(on)
        await on.advance(MINUTE)

        async def again() -> None:
            closed = await on.store.load(before.incident_id)
            assert before.incident
            await done(on, a_commit(closed, before.incident))
            reopened = await on.store.load(before.incident_id)
            await done(on, a_commit(reopened, resolved(before.incident)))

        hooked = Hooked(on, Name.PURGE, again, idle)
        count = (await upkeep_on(hooked, on.store, nothing).purge(START)).count

        assert 0 == count
        assert 4 == len(await on.reader.history(before.incident_id))

    async def test_cut_off(self, on: OnRedis) -> None:
        """Wherever a purge was cut off, run again it leaves what an uncut one does."""
        await two_in_a_shard(on)
        await purged(on)
        expected = await contents(on.redis)
        count = 0
        for after in range(WRITES_MAX):
            await on.redis.flushdb()
            await set_time(on.redis, START)
            fresh = OnRedis(on.redis, on.clock)
            kept = await two_in_a_shard(fresh)
            try:
                await cut_off(fresh, after)
            except RefusedError:
                count += 1
            else:
                break
            loaded = await fresh.another().store.load(kept)
            assert loaded.incident, f"cut off after {after} writes"
            await purged(fresh)
            assert expected == await contents(on.redis), f"after {after} writes"

        assert 12 < count < WRITES_MAX


async def two_in_a_shard(on: OnRedis) -> str:
    """Close an incident that named two snapshots; leave another that names one."""
    opened = await an_open_one(on, START, sends=(a_send(),))
    assert opened.incident
    await on.outbox.claim([a_room()])
    await done(on, a_commit(opened, replace(opened.incident, snapshot=OTHER)))
    loaded = await on.store.load(opened.incident_id)
    assert loaded.incident
    await done(on, a_commit(loaded, resolved(loaded.incident)))

    return (await an_open_one(on)).incident_id


async def cut_off(on: OnRedis, after: int) -> None:
    """Purge with a script that is cut off after so many writes."""
    scripts = SCRIPTS | {Name.PURGE: torn(SCRIPTS[Name.PURGE], after)}
    client = Client(on.redis, wake_jobs(), on.observed.append, scripts)
    await upkeep_on(client, on.store, nothing).purge(START)


class TestPack:
    """A packing that is cut off, or meets somebody else."""

    async def test_cut_off(self, on: OnRedis) -> None:
        """Wherever it was cut off, the history is whole, and goes on, and is packed."""
        count = 0
        for after in range(WRITES_MAX):
            await on.redis.flushdb()
            on.clock.advance(MINUTE)
            await set_time(on.redis, on.clock.now())
            fresh = OnRedis(on.redis, on.clock)
            closed = await packed_once(fresh)
            before = list(await fresh.reader.history(closed.incident_id))
            try:
                await cut_off_packing(fresh, after)
            except RefusedError:
                count += 1
            else:
                break
            assert before == list(await fresh.reader.history(closed.incident_id))
            if after % 2:
                loaded = await fresh.store.load(closed.incident_id)
                await done(fresh, a_commit(loaded))
                before.append(an_entry())
                await fresh.advance(MINUTE)
            await packed(fresh)
            assert before == list(await fresh.reader.history(closed.incident_id))
            assert [] == await fresh.redis.keys("*}:h:*")
            assert [] == await fresh.redis.keys("*}:pack")

        assert 4 <= count < WRITES_MAX

    async def test_cut_off_and_purged(self, on: OnRedis) -> None:
        """Wherever it was cut off, a purge leaves nothing of it."""
        for after in range(5):
            await on.redis.flushdb()
            await set_time(on.redis, on.clock.now())
            fresh = OnRedis(on.redis, on.clock)
            await packed_once(fresh)
            with suppress(RefusedError):
                await cut_off_packing(fresh, after)
            await purged(fresh)
            left = await fresh.redis.keys("{rung*")

            assert [] == [key for key in left if b"}:l:" not in key]

    @pytest.mark.parametrize("reopens", [True, False])
    async def test_moved(self, on: OnRedis, *, reopens: bool) -> None:
        """An incident that moves while it is read is left as it is, for the next time."""
        closed = await closed_one(on)
        await on.advance(MINUTE)
        loaded = await on.store.load(closed.incident_id)
        assert closed.incident
        moving = replace(closed.incident, walks=walks(START + 5 * MINUTE))
        after = moving if reopens else resolved(closed.incident)

        async def move() -> None:
            await done(on, a_commit(loaded, after))

        hooked = Hooked(on, Name.HISTORY, idle, move)
        count = await upkeep_on(hooked, on.store, nothing).pack()
        unpacked = await on.redis.llen(part(closed, "h"))  # type: ignore[misc]
        await on.advance(MINUTE)

        assert 0 == count
        assert 3 == unpacked
        assert int(not reopens) == await packed(on)
        assert 3 == len(await on.reader.history(closed.incident_id))

    @pytest.mark.parametrize("later", [0, 1])
    async def test_left_over(self, on: OnRedis, later: int) -> None:
        """What a commit that was cut off left behind is not shown, and goes."""
        closed = await closed_one(on)
        await on.advance(MINUTE)
        await packed(on)
        loaded = await on.store.load(closed.incident_id)
        await done(on, a_commit(loaded, history=(an_entry(),) * later))
        tail = f"{part(closed, 'h')}:2"
        await on.redis.rpush(tail, encode_entry(an_entry()))  # type: ignore[misc]
        shown = await on.reader.history(closed.incident_id)
        loaded = await on.store.load(closed.incident_id)
        await done(on, a_commit(loaded, history=()))

        assert 2 + later == len(shown)
        assert later == await on.redis.llen(tail)  # type: ignore[misc]

    async def test_small(self, on: OnRedis) -> None:
        """Packed it is a fraction of what it was."""
        opened = await an_open_one(on)
        assert opened.incident
        lines = [an_entry(START + n * SECOND) for n in range(50)]
        await done(
            on, a_commit(opened, resolved(opened.incident), history=tuple(lines))
        )
        items = await on.redis.lrange(part(opened, "h"), 0, -1)  # type: ignore[misc]
        await on.advance(MINUTE)
        await packed(on)
        blob = await on.redis.hget(part(opened, "i"), "z")  # type: ignore[misc]
        assert blob

        assert len(blob) < sum(map(len, items)) / 4
        assert not await on.redis.exists(part(opened, "h"))

    async def test_unreadable(self, on: OnRedis) -> None:
        """What cannot be unpacked is kept as it is, and hides nothing that came later."""
        closed = await packed_once(on)
        await on.redis.hset(part(closed, "i"), "z", "broken")  # type: ignore[misc]
        with capture_logs() as logs:
            shown = await on.reader.history(closed.incident_id)
            count = await packed(on)

        assert [an_entry()] == list(shown)
        assert 1 == count
        assert b"broken" == await on.redis.hget(part(closed, "i"), "z")  # type: ignore[misc]
        assert ["history.unreadable", "history.not_packed"] == [
            one["event"] for one in logs
        ]


async def packed_once(on: OnRedis) -> Claimed:
    """Close an incident, pack it, let another event come, and wait."""
    closed = await closed_one(on)
    await on.advance(MINUTE)
    await packed(on)
    loaded = await on.store.load(closed.incident_id)
    await done(on, a_commit(loaded))
    await on.advance(MINUTE)

    return closed


async def cut_off_packing(on: OnRedis, after: int) -> None:
    """Pack with a script that is cut off after so many writes."""
    scripts = SCRIPTS | {Name.PACK: torn(SCRIPTS[Name.PACK], after)}
    client = Client(on.redis, wake_jobs(), on.observed.append, scripts)
    await upkeep_on(client, on.store, nothing).pack()


async def test_memory(on: OnRedis) -> None:
    """The memory is measured when a purge asks, against the limit that is set."""
    if "fake" in type(on.redis).__module__:
        pytest.skip("fakeredis does not say how much memory it has")
    roomy = Headroom(on.client, on.clock, 1 << 40)
    tight = Headroom(on.client, on.clock, 1 << 10)

    assert 0 == await roomy.measured()
    assert 70 < await tight.measured()
