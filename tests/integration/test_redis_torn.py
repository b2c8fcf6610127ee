"""A commit that was cut off anywhere is right once it is run again."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.redis.client import Client
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.store import RedisStore
from engine.core.alerts import AlertRecord, AlertStatus
from engine.ports import Commit, Lane, Stored
from tests.contract.making import (
    SECOND,
    START,
    a_commit,
    a_firing,
    a_send,
    a_withdrawal,
    an_entry,
    an_incident,
    an_open_one,
    claimed_by_mail,
    done,
    resolved,
    walks,
)
from tests.support.redis_backends import SCRIPTS, SHARDS, OnRedis
from tests.support.redis_fixtures import on_fixture, servers_fixture
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
    [delivery] = await on.outbox.claim("sms", 1)
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
        sends=(a_send("new"), a_send("opening", by_timer=False)),
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

    assert [Stored.LOST, Stored.EARLY, Stored.FAILED] == list(stored)
    assert before == await contents(on.redis)
