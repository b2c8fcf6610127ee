"""Sentinels say who the primary is, and what was promised outlives it."""

import json
import os
import signal
import time
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest
from redis.asyncio import Redis

from benchmarks.chaos.sentinel import measure
from benchmarks.options import Options
from engine.adapters.arq_timers import wake_jobs
from engine.adapters.memory import ManualClock
from engine.adapters.redis.client import AnswerLostError, Client
from engine.adapters.redis.pools import SOCKET_SECONDS_MAX, Pools
from engine.core.events import Outcome
from engine.errors import StoreUnavailableError
from tests.contract.making import SECOND, START, a_room, a_send, with_deliveries
from tests.support.journeys import seed_store, until_accepted, with_quick_policy
from tests.support.processes import AN_ALERT, Rung, eventually, running_rung
from tests.support.redis_backends import OnRedis
from tests.support.redis_time import set_time
from tests.support.sentinels import ask, watched
from tests.support.servers import (
    found_servers,
)
from tests.unit.test_cli import run
from workers.demo import Secrets, demo_directory

SECRETS = Secrets(api_token="t" * 16, ingest_key="k" * 16)
BEARER = {"Authorization": f"Bearer {SECRETS.api_token}"}
NEWEST = found_servers()[-1]
# Bob is paged by whoever is the primary then.
WAITS = (timedelta(seconds=4), timedelta(minutes=1), timedelta(minutes=1))


async def test_hangs(tmp_path: Path) -> None:
    """Who waits for a primary that hangs is freed when anybody hears of another one."""
    waited: list[float] = []

    async def ask_in_vain(client: Client) -> None:
        began = time.monotonic()
        with pytest.raises(AnswerLostError):
            await client.ask("GET", "key")
        waited.append(time.monotonic() - began)

    with watched(NEWEST, tmp_path) as stage:
        pools, old = Pools(stage.url), stage.primary
        one, other = (
            Client(Redis(connection_pool=pool), wake_jobs(), lambda _: None)
            for pool in (pools.paging, pools.command)
        )
        await one.time()
        os.kill(old.pid, signal.SIGSTOP)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_in_vain, one)
            await anyio.to_thread.run_sync(stage.wait_for_another, old)
            await other.time()
        await one.time()
        os.kill(old.pid, signal.SIGCONT)
        await pools.disconnect()

    assert 1 == len(waited)
    assert waited[0] < SOCKET_SECONDS_MAX


async def test_under_way(tmp_path: Path) -> None:
    """A send that the primary dies under is finished on the next one, and not sent again."""
    with watched(NEWEST, tmp_path) as stage:
        pools, old = Pools(stage.url), stage.primary
        redis: Redis = Redis(connection_pool=pools.paging)
        await set_time(redis, START)
        on = OnRedis(redis, ManualClock(START))
        claimed, [delivery] = await with_deliveries(on, a_send())
        begun = await on.outbox.begin(delivery)
        assert 1 == await on.client.ask("WAIT", 1, 1_000)
        old.kill()
        with pytest.raises(StoreUnavailableError):
            await on.outbox.finish(delivery, Outcome.SENT, "", None)
        await anyio.to_thread.run_sync(stage.wait_for_another, old)
        await on.outbox.finish(delivery, Outcome.SENT, "", None)
        loaded = await on.store.load(claimed.incident_id)
        await on.advance(5 * SECOND)
        again = await on.outbox.claim([a_room("sms", 1)])
        await pools.disconnect()

    assert begun
    assert 1 == len(loaded.mail)
    assert [] == list(again)


def rung(url: str, directory: Path, command: str) -> AbstractContextManager[Rung]:
    """Run a process that follows, and promises what one replica has."""
    environment = {"REDIS_URL": url, "RUNG_REPLICAS": "1"}

    return running_rung(directory / f"output-{command}", command, **environment)


def test_failover(tmp_path: Path) -> None:
    """
    What was answered before the primary died is paged on to the end by the next one.

    Meanwhile a command is answered 503, and repeating it works; and the old primary,
    which comes back and takes itself for one, is written nothing.
    """
    with (
        watched(NEWEST, tmp_path, "--appendonly", "yes", replicas=2) as stage,
        rung(stage.url, tmp_path, "web") as web,
        rung(stage.url, tmp_path, "worker") as worker,
    ):
        seed_store(stage.url, with_quick_policy(demo_directory(SECRETS), WAITS))
        web.wait_until_ready()
        worker.wait_for("worker.started")
        ingest = f"{web.address()}/ingest/alertmanager/{SECRETS.ingest_key}"
        post = partial(httpx2.post, ingest, json=AN_ALERT)
        [shown] = until_accepted(post).json()["incidents"]
        worker.wait_for(f"PAGE  alice .*{shown['id']}")
        old = stage.primary
        old.kill()
        path = f"{web.address()}/v1/incidents/{shown['id']}/acknowledge"
        command = partial(httpx2.post, path, headers=BEARER)
        refused = command()
        worker.wait_for(f"PAGE  bob .*{shown['id']}")
        old.start()
        until_accepted(post)
        taken = until_accepted(command)
        stats = ask(old, "INFO", "commandstats")

    assert 503 == refused.status_code
    assert "cmdstat_ping" in stats
    assert "cmdstat_evalsha" not in stats
    assert "acknowledged" == taken.json()["status"]


def doctor(url: str, replicas: int) -> dict[str, tuple[str, str]]:
    """Return what the doctor says of replicas and Sentinels, by what it is about."""
    _, told, _ = run("doctor", "--json", REDIS_URL=url, RUNG_REPLICAS=str(replicas))
    found = {one["check"]: (one["verdict"], one["found"]) for one in json.loads(told)}

    return {
        name: found
        for name, found in found.items()
        if name.startswith(("replica ", "least ", "sentinel"))
    }


def test_doctor(tmp_path: Path) -> None:
    """The doctor says whether a failover could succeed, and what it would lose."""
    with watched(NEWEST, tmp_path, replicas=2) as stage:
        primary, [first, second] = stage.primary, stage.replicas
        ask(primary, "CONFIG", "SET", "min-replicas-to-write", "1")
        well = doctor(stage.url, 1)
        ask(primary, "CONFIG", "SET", "min-replicas-to-write", "0")
        os.kill(first.pid, signal.SIGSTOP)
        second.kill()
        for sentinel in stage.sentinels[1:]:
            sentinel.kill()
        eventually(lambda: doctor(stage.url, 0)["replica links"][0] == "finding")
        ill = doctor(stage.url, 0)
        os.kill(first.pid, signal.SIGCONT)
        primary.kill()
        down = doctor(stage.url, 0)

    assert {"ok"} == {verdict for verdict, _ in well.values()}
    assert len(well) == len(ill)
    assert {"sentinel count": "ok", "sentinel agreement": "ok"} == {
        name: verdict for name, (verdict, _) in ill.items() if verdict != "finding"
    }
    assert f"127.0.0.1:{first.port} was silent for " in ill["replica links"][1]
    assert ill["sentinels"][1].startswith("1 of 3 answer (")
    assert "NOQUORUM" in ill["sentinel quorum"][1]
    assert "0 could take over" == ill["sentinel replicas"][1]
    # What cannot be asked of the primary is not guessed; the Sentinels still are.
    assert {name for name in ill if name.startswith("sentinel")} == set(down)


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_under_load(seed: int) -> None:
    """After WAIT 1 nothing is lost when the primary dies; without it, it is counted."""
    figures = measure(Options(seconds=8, seed=seed))

    assert [] == figures["broken"]
    assert 0 == figures["with_wait"]["pages_lost"]
    assert 0 < figures["without_wait"]["incidents_gone"]
