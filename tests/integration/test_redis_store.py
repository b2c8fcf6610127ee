"""What only the store on Redis promises: parking, fences, scripts, nothing left over."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.redis import keys
from engine.adapters.redis.client import Client, RefusedError
from engine.adapters.redis.keys import TABLE, row_of
from engine.adapters.redis.mailbox import RedisMailbox
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.store import EARLY_MAX, RedisStore
from engine.core.events import DeliveryReported, Outcome
from engine.core.incident import Status
from engine.errors import UnreadableError
from engine.ids import to_text
from engine.ports import Claimed, Lane, Posting, Stored
from policies.policy import Policy, Snapshot
from tests.contract.making import (
    MILLISECOND,
    SECOND,
    SEND_LEASE,
    SNAPSHOT,
    START,
    a_commit,
    a_firing,
    a_resolve,
    a_room,
    a_send,
    an_incident,
    an_open_one,
    claimed_by_mail,
    done,
    resolved,
    with_deliveries,
)
from tests.support.redis_backends import SHARDS, OnRedis
from tests.support.redis_fixtures import on_fixture, servers_fixture

__all__ = ["on_fixture", "servers_fixture"]
NEWER, DAMAGED = b"9{}", b"broken"


def part(claimed: Claimed, letter: str) -> str:
    """Return the name of a key of an incident."""
    return f"{keys.prefix_of(claimed.incident_id)}{letter}:{claimed.incident_id}"


def shared(claimed: Claimed, name: str) -> str:
    """Return the name of a key that the incident's shard has."""
    return f"{keys.prefix_of(claimed.incident_id)}{name}"


async def write(on: OnRedis, key: str, field: str, value: bytes) -> None:
    """Write over one field."""
    await on.redis.hset(key, field, value)  # type: ignore[misc, arg-type]


class TestEarly:
    """What is not overdue yet is claimed in the order in which it is due."""

    async def test_soonest(self, on: OnRedis) -> None:
        """Of more than one claim takes, nothing is left that is due before the rest."""
        ahead = timedelta(milliseconds=240)
        dues: dict[str, datetime] = {}
        for number in range(2 * EARLY_MAX):
            due = START + ahead * number / (2 * EARLY_MAX) + SECOND
            opened = await an_open_one(on, due, f"key-{number}")
            dues[opened.incident_id] = due
        await on.advance(SECOND - MILLISECOND)
        claimed = await on.store.claim(Lane.DUE, START + SECOND + ahead)
        taken = {one.incident_id for one in claimed}
        left = dues.keys() - taken

        assert EARLY_MAX * 0.9 <= len(taken) <= EARLY_MAX
        assert max(dues[one] for one in taken) < min(dues[one] for one in left)

    async def test_all_at_once(self, on: OnRedis) -> None:
        """Many that are due in one instant are claimed before it: nobody else is woken."""
        due = START + SECOND
        for number in range(EARLY_MAX + 10):
            await an_open_one(on, due, f"key-{number}")
        await on.advance(SECOND - 100 * MILLISECOND)
        claimed = await on.store.claim(Lane.DUE, due + 150 * MILLISECOND)

        assert EARLY_MAX <= len(claimed)
        assert {due} == {one.due for one in claimed}

    async def test_overdue(self, on: OnRedis) -> None:
        """What is overdue comes first, and leaves what is not for the next claim."""
        late = {
            (await an_open_one(on, START, f"late-{number}")).incident_id
            for number in range(10)
        }
        early = await an_open_one(on, START + SECOND, "early")
        await on.advance(SECOND - MILLISECOND)
        claimed = await on.store.claim(Lane.DUE, START + SECOND)

        assert {*late, early.incident_id} == {one.incident_id for one in claimed}


class TestUnreadable:
    """What cannot be read is put aside, and harms nothing else."""

    @pytest.mark.parametrize(
        "what", ["state", "due", "time", "mail", "alert", "snapshot"]
    )
    async def test_parked(self, on: OnRedis, what: str) -> None:
        """A damaged incident says so; parked it waits longer each time, and is counted."""
        good, bad = await an_open_one(on, START, "good"), await an_open_one(on, START)
        other = on.another()
        await damage(on, bad, what)
        claimed = {one.incident_id: one for one in await other.store.claim(Lane.DUE)}
        damaged = claimed[bad.incident_id]
        await other.store.release([damaged], park=True)
        await other.store.release([claimed[good.incident_id]])
        await on.advance(2 * SECOND - MILLISECOND)
        [only] = await other.store.claim(Lane.DUE)
        await on.advance(MILLISECOND)
        [again] = await other.store.claim(Lane.DUE)
        await other.store.release([again], park=True)

        assert damaged.unreadable
        assert not damaged.unreadable.is_newer
        assert claimed[good.incident_id].unreadable is None
        assert good.incident_id == only.incident_id
        assert (bad.incident_id, 1) == (again.incident_id, again.failures)
        assert b"2" == await on.redis.hget(part(bad, "i"), "f")  # type: ignore[misc]

    async def test_at_rest(self, on: OnRedis) -> None:
        """An incident that was parked and is at rest has no field that says nothing."""
        opened = await an_open_one(on, START)
        [claimed] = await on.store.claim(Lane.DUE)
        await on.store.release([claimed], park=True)
        moving = await on.redis.hkeys(part(opened, "i"))  # type: ignore[misc]
        assert claimed.incident
        await done(on, a_commit(opened, replace(claimed.incident, walks=())))
        resting = await on.redis.hgetall(part(opened, "i"))  # type: ignore[misc]

        assert {b"d", b"f"} == set(moving) - set(resting)
        assert {b"v", b"s", b"y", b"n", b"sn", b"p", b"q"} == set(resting)
        assert resting[b"s"].startswith(b"1")
        assert resting[b"y"].startswith(b"1z")

    async def test_parked_without_mail(self, on: OnRedis) -> None:
        """One that never had mail and is not due is put aside like any other."""
        opened = await an_open_one(on)
        await on.redis.hdel(part(opened, "i"), "q", "p")  # type: ignore[misc]
        await on.store.release([opened], park=True)

        assert b"1" == await on.redis.hget(part(opened, "i"), "f")  # type: ignore[misc]

    async def test_newer(self, on: OnRedis) -> None:
        """What a newer version wrote waits 5 s for it, and is not counted."""
        await an_open_one(on, START)
        [claimed] = await on.store.claim(Lane.DUE)
        await on.store.release([claimed])
        state = await on.redis.hget(part(claimed, "i"), "s")  # type: ignore[misc]
        await write(on, part(claimed, "i"), "s", NEWER)
        store = on.another().store
        [newer] = await store.claim(Lane.DUE)
        await store.release([newer], park=True)
        await write(on, part(claimed, "i"), "s", state)
        await on.advance(5 * SECOND - MILLISECOND)
        early = await store.claim(Lane.DUE)
        await on.advance(MILLISECOND)
        [again] = await store.claim(Lane.DUE)

        assert newer.unreadable
        assert newer.unreadable.is_newer
        assert [] == list(early)
        assert 0 == again.failures

    async def test_mail(self, on: OnRedis) -> None:
        """One damaged piece of mail is claimed as nothing, with those around it."""
        await on.mailbox.append([a_firing(), a_firing(fingerprint="db2")])
        [name] = await on.redis.keys("*}:m:*")
        await on.redis.lset(name, 0, f"1 {0} broken")  # type: ignore[misc]
        claimed = await claimed_by_mail(on)

        assert [None, a_firing(fingerprint="db2")] == [m.content for m in claimed.mail]

    async def test_newer_mail(self, on: OnRedis) -> None:
        """Mail of a newer version is not thrown away: its incident waits for it."""
        await on.mailbox.append([a_firing()])
        [name] = await on.redis.keys("*}:m:*")
        await on.redis.lset(name, 0, b"1 0 " + NEWER)  # type: ignore[misc, arg-type]
        [claimed] = await on.store.claim(Lane.MAIL)

        assert claimed.unreadable
        assert claimed.unreadable.is_newer
        assert 1 == await on.redis.llen(name)  # type: ignore[misc]

    async def test_loaded(self, on: OnRedis) -> None:
        """A command on an incident that cannot be read says so."""
        claimed = await an_open_one(on)
        await write(on, part(claimed, "i"), "s", DAMAGED)
        with pytest.raises(UnreadableError):
            await on.another().store.load(claimed.incident_id)

    async def test_summary(self, on: OnRedis) -> None:
        """A summary that cannot be read hides no other."""
        bad, good = await an_open_one(on), await an_open_one(on, key="good")
        assert good.incident
        await write(on, part(bad, "i"), "y", DAMAGED)
        found = await on.reader.summaries(frozenset({good.incident.status}), 9)

        assert [good.incident_id] == [summary.id for summary in found]

    async def test_send(self, on: OnRedis) -> None:
        """A damaged notification has failed, so that the next rule goes out."""
        claimed = await an_open_one(on, sends=(a_send("bad|page", 3), a_send("good")))
        entry = keys.outbox_entry(claimed.incident_id, "bad|page", 3)
        await write(on, shared(claimed, "ob"), entry, DAMAGED)
        [delivery] = await on.outbox.claim([a_room()])
        loaded = await on.store.load(claimed.incident_id)
        [report] = [mail.content for mail in loaded.mail]
        await on.advance(SEND_LEASE)

        assert "good" == delivery.send.page
        assert isinstance(report, DeliveryReported)
        assert ("bad|page", 3, Outcome.FAILED) == (
            report.page,
            report.rule,
            report.outcome,
        )
        assert [2] == [one.attempt for one in await on.outbox.claim([a_room()])]

    async def test_newer_send(self, on: OnRedis) -> None:
        """A notification of a newer version is left to it."""
        claimed = await an_open_one(on, sends=(a_send(),))
        entry = keys.outbox_entry(claimed.incident_id, a_send().page, 0)
        body = await on.redis.hget(shared(claimed, "ob"), entry)  # type: ignore[misc]
        await write(on, shared(claimed, "ob"), entry, NEWER)
        nothing = await on.outbox.claim([a_room()])
        await write(on, shared(claimed, "ob"), entry, body)
        await on.advance(SEND_LEASE)
        [delivery] = await on.outbox.claim([a_room()])

        assert [] == list(nothing)
        assert a_send() == delivery.send

    async def test_begin(self, on: OnRedis) -> None:
        """A notification of an incident that cannot be read does not begin."""
        claimed, [delivery] = await with_deliveries(on, a_send())
        await write(on, part(claimed, "i"), "s", NEWER)

        assert await on.outbox.begin(delivery) is None


async def damage(on: OnRedis, claimed: Claimed, what: str) -> None:
    """Damage a part of what is kept of an incident."""
    match what:
        case "state":
            await write(on, part(claimed, "i"), "s", DAMAGED)
        case "due":
            await write(on, part(claimed, "i"), "d", DAMAGED)
        case "time":
            await write(on, part(claimed, "i"), "d", b"9" * 30)
        case "mail":
            await on.redis.rpush(part(claimed, "m"), "2")  # type: ignore[misc]
        case "alert":
            await on.mailbox.append([a_firing()])
            await write(on, part(claimed, "a"), "db1", DAMAGED)
        case _:
            body = await on.redis.hget(  # type: ignore[misc]
                shared(claimed, "snap"), SNAPSHOT.hash
            )
            assert body
            await write(on, shared(claimed, "snap"), "other", body)
            state = await on.redis.hget(part(claimed, "i"), "s")  # type: ignore[misc]
            assert state
            missing = state.replace(SNAPSHOT.hash.encode(), b"0" * 32)
            await write(on, part(claimed, "i"), "s", missing)


class TestKeysAndIds:
    """Which incident a key names, and which id it gets."""

    async def test_key_taken(self, on: OnRedis) -> None:
        """An opening whose key names another incident is refused, unwritten."""
        await on.mailbox.append([a_firing()])
        claimed = await claimed_by_mail(on)
        [key] = await on.redis.keys("*}:k:*")
        await on.redis.set(key, "0" * 11)
        [stored] = await on.store.commit([a_commit(claimed, an_incident(claimed))])

        assert Stored.KEY_TAKEN is stored
        assert not await on.redis.hexists(part(claimed, "i"), "v")  # type: ignore[misc]

    async def test_not_its_own(self, on: OnRedis) -> None:
        """A close lets a key alone that has gone to another incident."""
        claimed = await an_open_one(on)
        assert claimed.incident
        [key] = await on.redis.keys("*}:k:*")
        await on.redis.set(key, "0" * 11)
        await done(on, a_commit(claimed, resolved(claimed.incident)))

        assert b"0" * 11 == await on.redis.get(key)

    async def test_id_taken(self, on: OnRedis) -> None:
        """An id that is taken is minted again, until one is free."""
        ids = Stubborn(15)
        mailbox = RedisMailbox(on.client, clock=on.clock, ids=ids, shards=SHARDS)
        [first] = await mailbox.append([a_firing("one")])
        ids.left = 15
        [second] = await mailbox.append([a_firing("two")])

        assert Posting.OPENED is second.posting
        assert first.incident_id != second.incident_id

    async def test_writers(self, on: OnRedis) -> None:
        """Two writers that count alike are told apart by their random bits."""
        claimed = await an_open_one(on)
        stores = [
            RedisStore(on.client, shards=SHARDS, nonce=lambda n=n: n)  # type: ignore[misc]
            for n in (1, 2)
        ]
        await stores[0].commit([a_commit(claimed)])
        await write(on, part(claimed, "i"), "v", claimed.revision.encode())
        await stores[1].commit([a_commit(claimed)])
        second = await on.store.load(claimed.incident_id)
        await write(on, part(claimed, "i"), "v", b"2-00000001")
        [stored] = await on.store.commit([a_commit(second)])

        assert "2-00000002" == second.revision
        assert Stored.LOST is stored


class Stubborn:
    """Gives the same id so many times before it thinks of another."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.number = 0

    def incident_id(self, at: object, shard: int) -> str:  # noqa: ARG002
        """Return an id."""
        self.left -= 1
        self.number += self.left < 0

        return to_text(self.number << 15 | shard << 7)

    def command_id(self) -> str:
        """Return an id."""
        return "command"


class TestBounds:
    """Every claim is bounded, and no shard starves."""

    async def test_shard(self, on: OnRedis) -> None:
        """At most 64 incidents of a shard are claimed at once."""
        found = [f"key-{number}" for number in range(1_000)]
        one_shard = [k for k in found if keys.shard_for("prometheus", k, SHARDS) == 1]
        await on.mailbox.append([a_firing(key) for key in one_shard[:100]])
        sizes = [len(await on.store.claim(Lane.MAIL)) for _ in range(3)]

        assert [64, 36, 0] == sizes

    async def test_mail(self, on: OnRedis) -> None:
        """At most 2,000 pieces of mail are claimed at once."""
        await on.mailbox.append([a_firing(f"key-{n % 12}") for n in range(12 * 250)])
        sizes = []
        while claims := await on.store.claim(Lane.MAIL):
            sizes.append(sum(len(one.mail) for one in claims))

        assert [2_000, 400] == sizes

    async def test_late_notices(self, on: OnRedis) -> None:
        """Of each shard the last 1,000 late notices are kept."""
        await on.mailbox.append([a_resolve()] * 1_010)

        assert 1_000 == await on.late_count()


class TestLeftOver:
    """What stays behind, and for how long."""

    async def test_forgotten(self, on: OnRedis) -> None:
        """An incident that was opened and forgotten leaves what the table says."""
        claimed = await an_open_one(on, START + SECOND, sends=(a_send(),))
        await on.mailbox.append([a_firing(fingerprint="db2")])
        names = {row_of(key.decode()) for key in await on.redis.keys()} - {None}

        assert {
            "i:*",
            "m:*",
            "h:*",
            "a:*",
            "k:*",
            "due",
            "mail",
            "open",
            "teamless",
            "snap",
            "snapn",
            "out:*:timer",
            "ob",
            "oa",
            "trays",
        } == {row.pattern.split("}:")[1] for row in names if row and "}" in row.pattern}
        assert claimed.revision

    async def test_resolved(self, on: OnRedis) -> None:
        """
        Of a resolved incident stay state, history, alerts and its snapshot.

        For a day it is known that somebody resolved it while its alert went on.
        """
        claimed, [delivery] = await with_deliveries(on, a_send())
        await on.outbox.finish(delivery, Outcome.SENT, "", None)
        again = await claimed_by_mail(on)
        assert again.incident
        await done(on, a_commit(again, resolved(again.incident)))
        await on.redis.delete("rung:kick", "test:time")
        left = {key.decode().split("}:")[1][:6] for key in await on.redis.keys()}
        prefixes = {name.split(":")[0] for name in left}

        assert {
            *("i", "h", "a", "l", "snap", "snapn"),
            *("closed", "over", "pack", "teamle"),
        } == prefixes
        assert claimed.incident_id == again.incident_id

    async def test_occurrences(self, on: OnRedis) -> None:
        """An occurrence that is over is remembered for 24 h, and no longer."""
        claimed = await an_open_one(on)
        await done(on, a_commit(claimed, ended=("one",)))
        await on.mailbox.append([a_resolve("other", starts_at=START)])
        lifetimes = [await on.redis.ttl(key) for key in await on.redis.keys("*}:o:*")]
        day = timedelta(days=1).total_seconds()

        assert [True] * 2 == [day - 60 < seconds <= day for seconds in lifetimes]

    async def test_purged(self, on: OnRedis) -> None:
        """Of an incident that is gone nothing is claimed, begun or written again."""
        claimed, [delivery] = await with_deliveries(on, a_send())
        await on.redis.zadd(shared(claimed, "due"), {claimed.incident_id: 1})
        await on.redis.zadd(shared(claimed, "mail"), {claimed.incident_id: 1})
        await on.redis.delete(part(claimed, "i"))
        begun = await on.outbox.begin(delivery)
        await on.outbox.finish(delivery, Outcome.FAILED, "", START + SECOND)
        [stored] = await on.store.commit([a_commit(claimed)])
        await on.store.release([claimed], park=True)
        claims = [*await on.store.claim(Lane.DUE), *await on.store.claim(Lane.MAIL)]
        await on.advance(SEND_LEASE)

        assert begun is None
        assert Stored.LOST is stored
        assert [] == claims
        assert [] == list(await on.outbox.claim([a_room()]))
        assert [] == await on.redis.keys("*}:[im]:*")
        assert [] == await on.redis.keys("*}:o[ab]*")
        assert [] == await on.redis.keys("*}:due")

    async def test_snapshot_count(self, on: OnRedis) -> None:
        """A snapshot is kept once for each shard, with a count of its incidents."""
        claims = [await an_open_one(on, key=f"key-{number}") for number in range(9)]
        await done(on, *[a_commit(claimed) for claimed in claims])
        counts = [
            int(await on.redis.hget(key, SNAPSHOT.hash))  # type: ignore[misc]
            for key in await on.redis.keys("*}:snapn")
        ]
        bodies = await on.redis.keys("*}:snap")

        assert 9 == sum(counts)
        assert len(counts) == len(bodies)

    async def test_snapshot_named_again(self, on: OnRedis) -> None:
        """An incident counts once for each snapshot it named, whatever it goes back to."""
        claimed = await an_open_one(on)
        assert claimed.incident
        other = Snapshot.of(Policy(id="first", name="edited"))
        for snapshot in (other, SNAPSHOT, other):
            after = replace(claimed.incident, snapshot=snapshot)
            await done(on, a_commit(claimed, after))
            claimed = await on.store.load(claimed.incident_id)
            assert claimed.incident
        named = await on.redis.hget(part(claimed, "i"), "sn")  # type: ignore[misc]
        counts = await on.redis.hgetall(shared(claimed, "snapn"))  # type: ignore[misc]

        assert f"{SNAPSHOT.hash} {other.hash}".encode() == named
        assert {SNAPSHOT.hash.encode(): b"1", other.hash.encode(): b"1"} == counts

    async def test_team_index(self, on: OnRedis) -> None:
        """A team's list is read from the team's index: others' incidents cost nothing."""
        claimed = await an_open_one(on)
        assert claimed.incident
        await done(on, a_commit(claimed, resolved(claimed.incident)))
        await on.redis.delete(shared(claimed, "closed"))
        found = await on.reader.summaries(frozenset(Status), 9, None, frozenset({None}))

        assert [claimed.incident_id] == [summary.id for summary in found]

    async def test_repeats(self, on: OnRedis) -> None:
        """Repeats are counted beside the state."""
        claimed = await an_open_one(on)
        await done(on, a_commit(claimed, repeats=3))
        again = await on.store.load(claimed.incident_id)
        await done(on, a_commit(again, repeats=2))

        assert b"5" == await on.redis.hget(part(claimed, "i"), "r")  # type: ignore[misc]


def test_table() -> None:
    """No key of the table is in two of its rows, and each row says what it is for."""
    for row in TABLE:
        name = row.pattern.replace("<s>", "3").replace("*", "x")

        assert row == row_of(name)
        assert [row] == [one for one in TABLE if one.matches(name)]
        assert row.use
        assert (row.seconds_max is not None) == row.lifetime.startswith("expires")


class TestClient:
    """One round trip, in which each call stands alone."""

    async def test_forgotten_scripts(self, on: OnRedis) -> None:
        """A server that has forgotten its scripts is told them again, unnoticed."""
        claimed = await an_open_one(on)
        await on.redis.script_flush()
        [receipt] = await on.mailbox.append([a_firing()])
        await on.redis.script_flush()
        stored = await on.store.commit([a_commit(claimed)] * 3)

        assert Posting.JOINED is receipt.posting
        assert [Stored.DONE, Stored.LOST, Stored.LOST] == list(stored)
        loaded = await on.store.load(claimed.incident_id)
        assert [2] == [mail.number for mail in loaded.mail]

    async def test_failing_item(self, on: OnRedis) -> None:
        """One item that fails is neither done nor lost, and takes no other with it."""
        one, two, three = [await an_open_one(on, key=key) for key in ("a", "b", "c")]
        await on.redis.delete(part(two, "h"))
        await on.redis.set(part(two, "h"), "not a list")
        with capture_logs() as logs:
            stored = await on.store.commit(
                [a_commit(each) for each in (one, two, three)]
            )
        await on.redis.delete(part(two, "h"))

        assert [Stored.DONE, Stored.REFUSED, Stored.DONE] == list(stored)
        told = [(line["event"], line["log_level"]) for line in logs]
        assert [("commit.failed", "error")] == told

    @pytest.mark.parametrize("what", ["h", "a"])
    async def test_nothing_sent(self, on: OnRedis, what: str) -> None:
        """What cannot be stored for good sends nothing, or it would again and again."""
        claimed = await an_open_one(on)
        await on.redis.delete(part(claimed, what))
        await on.redis.set(part(claimed, what), "damaged")
        known = an_incident(claimed)
        incident = replace(known, alerts={"db2": known.alerts["db1"]})
        stored = await on.store.commit([a_commit(claimed, incident, sends=(a_send(),))])
        sent = await on.outbox.claim([a_room()])
        await on.redis.delete(part(claimed, what))

        assert [Stored.REFUSED] == list(stored)
        assert [] == list(sent)

    async def test_refused(self, on: OnRedis) -> None:
        """A fault of ours is not taken for an outage."""
        with pytest.raises(RefusedError):
            await on.client.run(Name.ARM, "soon")

    async def test_time(self, on: OnRedis) -> None:
        """The clock is told the server's time with each claim, load and append."""
        claimed = await an_open_one(on)
        on.observed.clear()
        await on.advance(7 * MILLISECOND)
        await on.store.claim(Lane.DUE)
        await on.store.load(claimed.incident_id)
        await on.mailbox.append([a_firing()])

        assert 3 == len(on.observed)
        assert 1 == len(set(on.observed))

    async def test_real_time(self, on: OnRedis) -> None:
        """Outside of tests the time is the server's."""
        observed: list[int] = []
        client = Client(on.redis, wake_jobs(), observed.append)
        store = RedisStore(client, shards=SHARDS, nonce=lambda: 0)
        before = await client.time()
        await store.claim(Lane.MAIL)
        after = await client.time()

        assert before <= observed[1] <= after
