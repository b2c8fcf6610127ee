"""A script that was cut off anywhere is right once it is run again."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.redis.client import Client, RefusedError
from engine.adapters.redis.outbox import RedisOutbox
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.store import RedisStore
from engine.core.alerts import AlertRecord, AlertStatus
from engine.core.effects import Send
from engine.core.events import Outcome
from engine.ports import Commit, Delivery, Lane, Stored
from tests.contract.making import (
    SECOND,
    SEND_LEASE,
    START,
    a_commit,
    a_firing,
    a_room,
    a_send,
    a_withdrawal,
    an_entry,
    an_incident,
    an_open_one,
    claimed_by_mail,
    done,
    resolved,
    walks,
    with_deliveries,
)
from tests.contract.test_outbox import reports
from tests.support.redis_backends import SCRIPTS, SHARDS, OnRedis
from tests.support.redis_fixtures import on_fixture, servers_fixture
from tests.support.redis_keys import leaks
from tests.support.redis_time import set_time
from tests.support.redis_torn import contents, torn

__all__ = ["on_fixture", "servers_fixture"]
WRITES_MAX = 60
BEGUN, WAITING = a_send("begun"), a_send("waiting", due=START + SECOND)

Prepare = Callable[[OnRedis], Awaitable[Commit]]


async def opening(on: OnRedis) -> Commit:
    """Return a commit that opens an incident and sends."""
    await on.mailbox.append([a_firing(), a_firing(fingerprint="db2")])
    claimed = await claimed_by_mail(on)

    return a_commit(
        claimed,
        an_incident(claimed, START + 5 * SECOND),
        sends=(a_send(), a_send(rule=1)),
        history=(an_entry(), an_entry()),
        ended=("one",),
    )


async def going_on(on: OnRedis) -> Commit:
    """Return a commit with something of everything, while more mail waits."""
    claimed = await an_open_one(on, START, sends=(BEGUN, WAITING))
    [delivery] = await on.outbox.claim([a_room("sms", 1)])
    await on.outbox.begin(delivery)
    await on.mailbox.append([a_firing(fingerprint=f"db{n}") for n in range(5)])
    claimed = await claimed_by_mail(on)
    assert claimed.incident
    new = AlertRecord(status=AlertStatus.FIRING, title="x", changed_at=START)
    after = replace(
        claimed.incident,
        walks=walks(START + 5 * SECOND),
        alerts={**claimed.incident.alerts, "db2": new},
    )

    return a_commit(
        claimed,
        after,
        read_up_to=4,
        repeats=2,
        history=(an_entry(), an_entry(START + SECOND)),
        sends=(a_send("new", provider="one"), a_send("opening", by_timer=False)),
        withdrawals=(a_withdrawal(BEGUN), a_withdrawal(WAITING)),
        ended=("one", "two"),
    )


async def closing(on: OnRedis) -> Commit:
    """Return a commit that closes an incident."""
    claimed = await an_open_one(on, START, sends=(BEGUN,))
    await on.mailbox.append([a_firing(fingerprint="db2")])
    claimed = await claimed_by_mail(on)
    assert claimed.incident

    return a_commit(
        claimed,
        resolved(claimed.incident),
        withdrawals=(a_withdrawal(BEGUN),),
    )


async def opening_and_closing(on: OnRedis) -> Commit:
    """Return a commit of an incident that is over as it opens."""
    commit = await opening(on)

    return replace(commit, incident=resolved(commit.incident))


async def reopening(on: OnRedis) -> Commit:
    """Return a commit that opens an incident again whose history is packed."""
    commit = await closing(on)
    await done(on, commit)
    await set_time(on.redis, START + 60 * SECOND)
    assert 1 == await on.upkeep.pack()
    claimed = await on.store.load(commit.incident.id)

    return a_commit(
        claimed,
        commit.claimed.incident,
        history=(an_entry(), an_entry(START + SECOND)),
    )


ALL = pytest.mark.parametrize(
    "prepare", [opening, going_on, closing, opening_and_closing, reopening]
)


async def started_anew(on: OnRedis, prepare: Prepare) -> tuple[OnRedis, Commit]:
    """Prepare a commit in an empty database, the same each time."""
    await on.redis.flushdb()
    await set_time(on.redis, START)
    fresh = OnRedis(on.redis, on.clock)

    return fresh, await prepare(fresh)


def cut_off_outbox(on: OnRedis, name: Name, after: int) -> RedisOutbox:
    """Return an outbox one of whose scripts is cut off after so many writes."""
    scripts = SCRIPTS | {name: torn(SCRIPTS[name], after)}
    client = Client(on.redis, wake_jobs(), on.observed.append, scripts)

    return RedisOutbox(client, on.store, shards=SHARDS)


async def cut_off(on: OnRedis, commit: Commit, after: int) -> Stored:
    """Commit with a script that is cut off after so many writes."""
    scripts = SCRIPTS | {Name.COMMIT: torn(SCRIPTS[Name.COMMIT], after)}
    client = Client(on.redis, wake_jobs(), on.observed.append, scripts)
    store = RedisStore(client, shards=SHARDS, nonce=lambda: 0)
    [stored] = await store.commit([commit])

    return stored


async def settled(on: OnRedis) -> dict[str, Any]:
    """Return what is in a database, without what may differ between two runs."""
    found = await contents(on.redis)
    for key, value in found.items():
        if ":i:" in key:
            value.pop(b"v", None)

    # A wake-up may come in vain.
    return {key: value for key, value in found.items() if "arq" not in key}


@ALL
async def test_run_again(on: OnRedis, prepare: Prepare) -> None:
    """Wherever it was cut off, run again it leaves what an uncut run does."""
    fresh, commit = await started_anew(on, prepare)
    assert [Stored.DONE] == list(await fresh.store.commit([commit]))
    expected, mail = await settled(fresh), await unread(fresh, commit)
    outcomes = []
    for after in range(WRITES_MAX):
        fresh, commit = await started_anew(on, prepare)
        if await cut_off(fresh, commit, after) is Stored.DONE:
            break
        [stored] = await fresh.store.commit([commit])
        outcomes.append(stored)
        if stored is Stored.DONE:
            assert expected == await settled(fresh), f"cut off after {after} writes"
        assert mail == await unread(fresh, commit), f"cut off after {after} writes"
        assert await is_found(fresh, mail)

    assert Stored.DONE is outcomes[0]
    assert {Stored.DONE, Stored.LOST} >= set(outcomes)
    assert outcomes == sorted(outcomes)
    assert 6 < len(outcomes) < WRITES_MAX


async def unread(on: OnRedis, commit: Commit) -> list[int]:
    """Return what mail is unread, as another process sees it."""
    loaded = await on.another().store.load(commit.incident.id)
    assert loaded.revision

    return [mail.number for mail in loaded.mail]


async def is_found(on: OnRedis, mail: list[int]) -> bool:
    """Tell whether unread mail is claimed, at the latest when the lease is over."""
    await set_time(on.redis, START + 2 * SECOND)
    found = await on.store.claim(Lane.MAIL)

    return mail == [one.number for claimed in found for one in claimed.mail]


@ALL
async def test_checked_first(on: OnRedis, prepare: Prepare) -> None:
    """A commit that is refused, or has a wrong argument, writes nothing at all."""
    fresh, commit = await started_anew(on, prepare)
    before = await contents(on.redis)
    stale = replace(commit, claimed=replace(commit.claimed, revision="7-00000000"))
    early = replace(commit, not_before=START + 61 * SECOND)
    wrong = replace(commit, repeats="two")  # type: ignore[arg-type]
    stored = await fresh.store.commit([stale, early, wrong])

    assert [Stored.LOST, Stored.EARLY, Stored.REFUSED] == list(stored)
    assert before == await contents(on.redis)


async def test_moved(on: OnRedis) -> None:
    """An entry that a commit left in one tray stays there, if it asks for another."""
    for after in range(WRITES_MAX):
        fresh, commit = await started_anew(on, opening)
        if await cut_off(fresh, commit, after) is Stored.DONE:
            break
        sends = (a_send(provider="new"), a_send(rule=1, provider="new"))
        [stored] = await fresh.store.commit([replace(commit, sends=sends)])
        found = await fresh.outbox.claim([a_room()])

        assert [] == await leaks(on.redis)
        if stored is Stored.DONE:
            assert list(sends) == sorted((one.send for one in found), key=rule_of)


def rule_of(send: Send) -> int:
    """Return which rule a notification is of."""
    return send.rule


async def claiming(on: OnRedis) -> None:
    """Leave something of everything in the outbox, and let all of it be due."""
    sends = [a_send(f"{n}", provider=f"provider-{n % 2}") for n in range(4)]
    claimed, deliveries = await with_deliveries(
        on, *sends, BEGUN, a_send("opening", by_timer=False)
    )
    [begun] = [one for one in deliveries if one.send == BEGUN]
    await on.outbox.begin(begun)
    await done(on, a_commit(claimed, withdrawals=(a_withdrawal(BEGUN),)))
    await set_time(on.redis, START + SEND_LEASE)


async def test_claim(on: OnRedis) -> None:
    """Wherever a claim was cut off, all that it saw comes back, by its lease at last."""
    for after in range(WRITES_MAX):
        await on.redis.flushdb()
        await set_time(on.redis, START)
        fresh = OnRedis(on.redis, on.clock)
        await claiming(fresh)
        try:
            await cut_off_outbox(fresh, Name.OUT_CLAIM, after).claim([a_room(each=2)])
        except RefusedError:
            pass
        else:
            break
        faults = await leaks(on.redis)
        await set_time(on.redis, START + 2 * SEND_LEASE)
        found = await fresh.outbox.claim([a_room()])

        assert [] == faults
        assert {"0", "1", "2", "3", "opening"} == {one.send.page for one in found}
        assert 5 == len(found)
    else:
        pytest.fail("it wrote more than was tried")


@pytest.mark.parametrize("retries", [True, False])
async def test_finish(on: OnRedis, *, retries: bool) -> None:
    """Wherever an outcome was cut off, it counts or comes back; run again, it counts."""
    for after in range(WRITES_MAX):
        await on.redis.flushdb()
        await set_time(on.redis, START)
        fresh = OnRedis(on.redis, on.clock)
        claimed, [delivery] = await with_deliveries(fresh, a_send(provider="one"))
        await fresh.outbox.begin(delivery)
        broken = cut_off_outbox(fresh, Name.OUT_FINISH, after)
        try:
            await finish(broken, delivery, retries=retries)
        except RefusedError:
            pass
        else:
            break
        faults = await leaks(on.redis)
        await finish(fresh.outbox, delivery, retries=retries)
        await set_time(on.redis, START + SECOND)
        found = await fresh.outbox.claim([a_room()])

        assert [] == faults + await leaks(on.redis)
        assert [2] * retries == [one.attempt for one in found]
        assert retries is not bool(await reports(fresh, claimed.incident_id))
    else:
        pytest.fail("it wrote more than was tried")


async def finish(outbox: RedisOutbox, delivery: Delivery, *, retries: bool) -> None:
    """Report a failure that is tried again in a second, or that is final."""
    retry_at = START + SECOND if retries else None
    await outbox.finish(delivery, Outcome.FAILED, "busy", retry_at)
