"""Each Redis that the tests run on, with the adapters on top."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import fakeredis
from redis.asyncio import Redis

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.memory import CountingIds, ManualClock
from engine.adapters.redis import keys
from engine.adapters.redis.audit import Audit
from engine.adapters.redis.client import Client
from engine.adapters.redis.mailbox import RedisMailbox
from engine.adapters.redis.outbox import RedisOutbox
from engine.adapters.redis.packing import Packing
from engine.adapters.redis.purge import Purge
from engine.adapters.redis.store import RedisStore
from engine.adapters.redis.sweep import Sweep
from engine.adapters.redis.upkeep import RedisUpkeep
from engine.codec.shapes import milliseconds
from engine.ports import Lane
from tests.support.redis_time import scripts_on_test_time, set_time
from tests.support.servers import RunningServer, Server, found_servers, running_server

SHARDS = 4
FAKE = "fakeredis"
REDISES: tuple[str | Server, ...] = (FAKE, *found_servers())

SCRIPTS = scripts_on_test_time(wake_jobs())


class Servers:
    """The real servers, each started when a test first asks for it."""

    def __init__(self, directory: Callable[[], Path], stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._running: dict[Server, RunningServer] = {}

    def url(self, server: Server) -> str:
        """Return where a server listens."""
        if server not in self._running:
            running = running_server(server, self._directory())
            self._running[server] = self._stack.enter_context(running)

        return self._running[server].url


@dataclass
class OnRedis:
    """One process's adapters on a Redis, on time that moves only when told to."""

    redis: Redis
    clock: ManualClock
    ids: CountingIds = field(default_factory=CountingIds)
    observed: list[int] = field(default_factory=list[int])
    nonces: Iterator[int] = field(default_factory=lambda: count(1))
    used_percent: int = 0

    def __post_init__(self) -> None:
        self.client = Client(self.redis, wake_jobs(), self.observed.append, SCRIPTS)
        self.store = RedisStore(
            self.client, shards=SHARDS, nonce=lambda: next(self.nonces)
        )
        self.reader = self.store
        self.mailbox = RedisMailbox(
            self.client, clock=self.clock, ids=self.ids, shards=SHARDS
        )
        self.outbox = RedisOutbox(self.client, self.store, shards=SHARDS)
        self.sweep = Sweep(self.client, shards=SHARDS)
        self.upkeep = upkeep_on(self.client, self.store, self._measured)

    def another(self) -> "OnRedis":
        """Return the adapters of another process, which knows nothing yet."""
        return OnRedis(self.redis, self.clock, self.ids, nonces=self.nonces)

    async def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.clock.advance(by)
        await set_time(self.redis, self.clock.now())

    async def lose(self, incident_id: str, lane: Lane) -> None:
        """Lose an incident's place in a lane."""
        await self.redis.zrem(keys.prefix_of(incident_id) + lane, incident_id)

    async def shift(self, incident_id: str, lane: Lane, at: datetime) -> None:
        """Move an incident's place in a lane."""
        score = {incident_id: milliseconds(at)}
        await self.redis.zadd(keys.prefix_of(incident_id) + lane, score)

    async def _measured(self) -> int:
        return self.used_percent

    async def late_count(self) -> int:
        """Return how many notices came too late."""
        lengths = [
            await self.redis.llen(f"{keys.prefix(shard)}late")  # type: ignore[misc]
            for shard in range(SHARDS)
        ]

        return sum(lengths)

    async def fill(self, incident_id: str, length: int) -> None:
        """Put so much mail into a mailbox that nobody will read."""
        prefix = keys.prefix_of(incident_id)
        items = [f"{number} 0 1{{}}" for number in range(2, length + 2)]
        await self.redis.rpush(f"{prefix}m:{incident_id}", *items)  # type: ignore[misc]


def upkeep_on(
    client: Client, store: RedisStore, used_percent: Callable[[], Awaitable[int]]
) -> RedisUpkeep:
    """Return the upkeep of a process that works with this store."""
    audit = Audit(client, store.snapshots, shards=SHARDS)
    packing = Packing(client, shards=SHARDS)
    purge = Purge(client, used_percent, shards=SHARDS)

    return RedisUpkeep(client, audit=audit, packing=packing, purge=purge)


@asynccontextmanager
async def on_redis(
    which: str | Server, servers: Servers, at: datetime
) -> AsyncIterator[OnRedis]:
    """Return adapters on an empty database."""
    redis = (
        fakeredis.FakeAsyncRedis()
        if isinstance(which, str)
        else Redis.from_url(servers.url(which))
    )
    try:
        await redis.flushall()
        await set_time(redis, at)
        yield OnRedis(redis, ManualClock(at))
    finally:
        await redis.aclose()
