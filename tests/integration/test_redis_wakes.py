"""Whatever is due, somebody is woken for it: by a kick, a wake job, or the sweep."""

from datetime import timedelta

import pytest

from engine.adapters.arq_timers import QUEUE, wake_jobs
from engine.adapters.redis.keys import KICK
from engine.adapters.redis.sweep import Swept
from engine.adapters.redis.wakes import AHEAD_MS, BUCKET_MS, HORIZON_MS
from engine.codec.shapes import milliseconds
from engine.core.events import Outcome
from engine.ports import Answer, Lane
from tests.contract.making import (
    LEASE,
    MILLISECOND,
    SECOND,
    START,
    a_commit,
    a_firing,
    a_room,
    a_send,
    an_incident,
    an_open_one,
    claimed_by_mail,
    done,
    with_deliveries,
)
from tests.contract.test_mailbox import a_report
from tests.support.redis_backends import OnRedis
from tests.support.redis_fixtures import on_fixture, servers_fixture

__all__ = ["on_fixture", "servers_fixture"]
# A worker's clock may lag the server's by so much, and still it must see its timers.
LAG_MS = 50
OVERDUE = 301 * MILLISECOND


async def kicks(on: OnRedis) -> int:
    """Take the kicks that wait; return how many there were."""
    length: int = await on.redis.llen(KICK)  # type: ignore[misc]
    await on.redis.delete(KICK)

    return length


async def wakes(on: OnRedis) -> dict[int, int]:
    """Return the wake jobs: when each runs, by its bucket."""
    prefix = wake_jobs().id_prefix
    found = await on.redis.zrange(QUEUE, 0, -1, withscores=True)
    for name, _ in found:
        payload = await on.redis.get(f"arq:job:{name.decode()}")
        assert wake_jobs().payload == payload

    return {
        int(name.decode().removeprefix(prefix)): int(score) for name, score in found
    }


class TestKicks:
    """A kick is never missing while something is due now."""

    async def test_append(self, on: OnRedis) -> None:
        """Each append kicks; however many there are, one token waits."""
        await on.mailbox.append([a_firing(), a_firing(), a_firing("other")])
        first = await kicks(on)
        await on.mailbox.append([a_firing()])

        assert 1 == first
        assert 1 == await kicks(on)

    async def test_answers(self, on: OnRedis) -> None:
        """An answer kicks; one to nobody does not."""
        claimed = await an_open_one(on)
        await kicks(on)
        await on.mailbox.post(
            [Answer(incident_id=claimed.incident_id, event=a_report())]
        )
        first = await kicks(on)
        await on.mailbox.post([Answer(incident_id="0" * 11, event=a_report())])

        assert 1 == first
        assert 0 == await kicks(on)

    async def test_late(self, on: OnRedis) -> None:
        """A late notice wakes nobody."""
        await on.mailbox.append([a_firing(starts_at=START)])
        claimed = await claimed_by_mail(on)
        occurrence = a_firing(starts_at=START).alert.occurrence
        assert occurrence
        await done(on, a_commit(claimed, an_incident(claimed), ended=(occurrence,)))
        await kicks(on)
        await on.mailbox.append([a_firing(starts_at=START)])

        assert 0 == await kicks(on)

    async def test_commit(self, on: OnRedis) -> None:
        """A commit kicks for a timer, a send or mail that is due now, else not."""
        later = await kicks_of_commit(on, "later", START + SECOND)
        timer = await kicks_of_commit(on, "timer", START)
        send = await kicks_of_commit(on, "send", None, a_send())
        one = await an_open_one(on, key="mail")
        await on.mailbox.append([a_firing("mail")])
        await kicks(on)
        await done(on, a_commit(one))

        assert (0, 1, 1) == (later, timer, send)
        assert 1 == await kicks(on)

    async def test_release(self, on: OnRedis) -> None:
        """A release kicks for what is due now."""
        await an_open_one(on, START)
        claims = await on.store.claim(Lane.DUE)
        await kicks(on)
        await on.store.release(claims)
        timer = await kicks(on)
        await on.mailbox.append([a_firing()])
        claims = await on.store.claim(Lane.MAIL)
        await kicks(on)
        await on.store.release(claims)

        assert 1 == timer
        assert 1 == await kicks(on)

    async def test_finish(self, on: OnRedis) -> None:
        """An outcome kicks, for it is mail; a retry gets a wake job."""
        _, [one, two] = await with_deliveries(on, a_send("one"), a_send("two"))
        await kicks(on)
        await on.outbox.finish(one, Outcome.SENT, "", None)
        outcome = await kicks(on)
        await on.outbox.finish(two, Outcome.FAILED, "", START + 2 * SECOND)

        assert 1 == outcome
        assert 0 == await kicks(on)
        assert [bucket_of(2_000)] == list(await wakes(on))


async def kicks_of_commit(
    on: OnRedis, key: str, due: object = None, *sends: object
) -> int:
    """Open an incident; return how many kicks its commit left."""
    await on.mailbox.append([a_firing(key)])
    claims = await on.store.claim(Lane.MAIL)
    [claimed] = [one for one in claims if one.incident is None]
    incident = an_incident(claimed, due, key)  # type: ignore[arg-type]
    await kicks(on)
    await done(on, a_commit(claimed, incident, sends=sends))

    return await kicks(on)


def bucket_of(after_ms: int) -> int:
    """Return the bucket of a time that is so long after the start."""
    return (milliseconds(START) + after_ms) // BUCKET_MS


class TestArming:
    """A wake job for each bucket that holds something, in time for all of it."""

    @pytest.mark.parametrize("phase_ms", [0, 1, 49, 50, 51, 99])
    async def test_covered(self, on: OnRedis, phase_ms: int) -> None:
        """
        Whatever is armed, a worker woken by it sees the timer, and in time.

        It claims a quarter of a second ahead, by a clock that may lag. A job that may
        be running already is no wake-up: arq would swallow it.
        """
        await on.advance(phase_ms * MILLISECOND)
        now = milliseconds(on.clock.now())
        for after_ms in range(0, 700, 3):
            await on.redis.delete(QUEUE)
            await on.sweep.arm([on.clock.now() + after_ms * MILLISECOND])
            due = now + after_ms
            jobs = list((await wakes(on)).values())
            kicked = [now] * await kicks(on)
            # By the worker's clock: a job runs at its time, a kick now.
            woken = jobs + [at - LAG_MS for at in kicked]
            seeing = [at for at in woken if at + AHEAD_MS >= due]

            assert all(at > now for at in jobs)
            assert all(at > due - AHEAD_MS for at in jobs + kicked)
            assert seeing, f"{after_ms} ms ahead"
            assert min(seeing) <= due

    async def test_once(self, on: OnRedis) -> None:
        """A bucket has one job, whoever arms it and however often."""
        dues = [START + after * MILLISECOND for after in (500, 510, 599, 600)]
        await on.sweep.arm(dues)
        await on.sweep.arm(dues)

        assert [bucket_of(500), bucket_of(600)] == sorted(await wakes(on))

    async def test_nothing(self, on: OnRedis) -> None:
        """Arming nothing does nothing."""
        await on.sweep.arm([])

        assert {} == await wakes(on)

    async def test_horizon(self, on: OnRedis) -> None:
        """What is due in more than a minute is left to the sweep."""
        await on.sweep.arm([START + (HORIZON_MS + 1) * MILLISECOND])
        beyond = await wakes(on)
        await on.sweep.arm([START + HORIZON_MS * MILLISECOND])

        assert {} == beyond
        assert [bucket_of(HORIZON_MS)] == list(await wakes(on))

    async def test_commit(self, on: OnRedis) -> None:
        """A commit arms the next due time in the same script."""
        await an_open_one(on, START + 5 * SECOND)

        assert [bucket_of(5_000)] == list(await wakes(on))

    async def test_parked(self, on: OnRedis) -> None:
        """What is parked is woken for when its pause is over, the longest too."""
        await an_open_one(on, START)
        for _ in range(6):
            claims = await on.store.claim(Lane.DUE)
            await on.store.release(claims, park=True)
            await on.advance(timedelta(seconds=2 ** (claims[0].failures + 1)))

        assert bucket_of(2_000) in await wakes(on)
        assert bucket_of((2 + 4 + 8 + 16 + 32 + 60) * 1_000) in await wakes(on)


class TestSweep:
    """The sweep repairs whatever arq can drop."""

    async def test_nothing(self, on: OnRedis) -> None:
        """Where nothing is missing it does nothing."""
        await an_open_one(on, START + 5 * SECOND)
        await kicks(on)

        assert Swept(armed=0, kicked=0, deleted=0) == await on.sweep.sweep()
        assert 0 == await kicks(on)

    @pytest.mark.parametrize("lost", ["job", "entry", "both"])
    async def test_lost_jobs(self, on: OnRedis, lost: str) -> None:
        """Each bucket of the next minute that holds a timer gets its job again."""
        for after in (5, 20, 59):
            await an_open_one(on, START + after * SECOND, f"key-{after}")
        before = await wakes(on)
        if lost != "entry":
            await on.redis.delete(*await on.redis.keys("arq:job:*"))
        if lost != "job":
            await on.redis.delete(QUEUE)
        swept = await on.sweep.sweep()

        assert 3 == swept.armed
        assert before == await wakes(on)

    async def test_far(self, on: OnRedis) -> None:
        """A timer that was too far ahead at its commit is armed as it comes near."""
        await an_open_one(on, START + 90 * SECOND)
        far = await on.sweep.sweep()
        await on.advance(30 * SECOND)
        near = await on.sweep.sweep()

        assert 0 == far.armed
        assert 1 == near.armed
        assert [bucket_of(90_000)] == list(await wakes(on))

    async def test_behind_many(self, on: OnRedis) -> None:
        """However much is due in one bucket, those behind it are seen."""
        shards = {f"{{rung:{shard}}}:due" for shard in range(4)}
        near = milliseconds(START + 5 * SECOND)
        for shard in shards:
            await on.redis.zadd(shard, {f"near-{n}": near for n in range(600)})
            await on.redis.zadd(shard, {"far": near + 40_000})
        swept = await on.sweep.sweep()

        assert 2 == swept.armed
        assert [bucket_of(5_000), bucket_of(45_000)] == sorted(await wakes(on))

    async def test_full_minute(self, on: OnRedis) -> None:
        """With something in every bucket the sweep is still one short script."""
        start = milliseconds(START)
        dues = {f"inc-{n}": start + n for n in range(0, 60_000, 20)}
        for shard in range(4):
            await on.redis.zadd(f"{{rung:{shard}}}:due", dues)
        swept = await on.sweep.sweep()

        assert 600 == swept.armed
        assert 597 <= len(await wakes(on))

    async def test_overdue_timer(self, on: OnRedis) -> None:
        """A timer that is overdue is kicked for."""
        await an_open_one(on, START)
        await kicks(on)
        await on.advance(OVERDUE - MILLISECOND)
        in_time = await on.sweep.sweep()
        await on.advance(MILLISECOND)

        assert 0 == in_time.kicked
        assert 1 == (await on.sweep.sweep()).kicked
        assert 1 == await kicks(on)

    async def test_overdue_mail(self, on: OnRedis) -> None:
        """Mail whose kick was lost is kicked for, also after a claim that died."""
        await on.mailbox.append([a_firing()])
        await kicks(on)
        await on.advance(OVERDUE)
        unclaimed = await on.sweep.sweep()
        await kicks(on)
        await on.store.claim(Lane.MAIL)
        claimed = await on.sweep.sweep()
        await on.advance(LEASE + OVERDUE)

        assert (1, 0) == (unclaimed.kicked, claimed.kicked)
        assert 1 == (await on.sweep.sweep()).kicked

    @pytest.mark.parametrize("by_timer", [True, False])
    async def test_overdue_send(self, on: OnRedis, *, by_timer: bool) -> None:
        """A notification whose kick was lost is kicked for."""
        await an_open_one(on, sends=(a_send(by_timer=by_timer),))
        await kicks(on)
        await on.advance(OVERDUE)

        assert 1 == (await on.sweep.sweep()).kicked
        assert 1 == await kicks(on)

    async def test_overdue_anywhere(self, on: OnRedis) -> None:
        """A provider that nobody here knows, on a channel that nobody has, is seen."""
        send = a_send(channel="fax", provider="hooks.example.com", due=START + SECOND)
        await an_open_one(on, sends=(send,))
        await kicks(on)
        await on.redis.delete(QUEUE)
        ahead = await on.sweep.sweep()
        await on.advance(SECOND + OVERDUE)
        overdue = await on.sweep.sweep()

        assert (1, 0) == (ahead.armed, ahead.kicked)
        assert 1 == overdue.kicked

    async def test_leased_send(self, on: OnRedis) -> None:
        """A send under way is no reason to kick; one whose lease is over is."""
        _, [delivery] = await with_deliveries(on, a_send(provider="one"))
        await kicks(on)
        for _ in range(3):
            await on.advance(2 * SECOND)
            await on.outbox.renew([delivery])
        leased = await on.sweep.sweep()
        await on.advance(3 * SECOND + OVERDUE)

        assert 0 == leased.kicked
        assert 1 == (await on.sweep.sweep()).kicked

    async def test_empty_tray(self, on: OnRedis) -> None:
        """A tray that a commit announced and did not fill is forgotten."""
        await on.redis.zadd("{rung:1}:trays", {"sms:gone:timer": milliseconds(START)})
        await on.redis.zadd("{rung:2}:trays", {"sms:gone:timer": milliseconds(START)})
        await on.outbox.claim([a_room("console")])
        kept = await on.redis.keys("*:trays")
        await on.outbox.claim([a_room("sms")])
        claimed = await on.redis.keys("*:trays")
        await on.redis.zadd("{rung:3}:trays", {"fax:gone:timer": milliseconds(START)})
        await on.advance(OVERDUE)
        swept = await on.sweep.sweep()

        assert 2 == len(kept)
        assert [] == claimed
        assert [] == await on.redis.keys("*:trays")
        assert 0 == swept.kicked

    async def test_old_jobs(self, on: OnRedis) -> None:
        """Wake jobs that nobody ran for 5 s are deleted; others' jobs are not."""
        await on.sweep.arm([START + SECOND])
        await on.redis.zadd(QUEUE, {"cron:rung:sweep:1": 1})
        await on.advance(6 * SECOND - (AHEAD_MS - BUCKET_MS) * MILLISECOND)
        young = await on.sweep.sweep()
        await on.advance(MILLISECOND)
        old = await on.sweep.sweep()

        assert (0, 1) == (young.deleted, old.deleted)
        assert [b"cron:rung:sweep:1"] == await on.redis.zrange(QUEUE, 0, -1)
        assert [] == await on.redis.keys("arq:job:*")
