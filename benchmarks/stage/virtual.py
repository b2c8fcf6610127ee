"""A process of rung's on a real Redis whose time is what a benchmark says."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from redis.asyncio import BlockingConnectionPool, Redis

from engine.adapters.arq_timers import wake_jobs
from engine.adapters.ids import SecretIds
from engine.adapters.lookups.table import TableLookup
from engine.adapters.memory import ManualClock, MemoryChannel, MemoryConfiguration
from engine.adapters.redis.client import Client
from engine.adapters.redis.last_known import RedisLastKnown
from engine.adapters.redis.mailbox import RedisMailbox
from engine.adapters.redis.outbox import RedisOutbox
from engine.adapters.redis.packing import Packing
from engine.adapters.redis.store import RedisStore
from engine.adapters.redis.turns import RedisTurns
from engine.directory import Directory
from engine.ids import TICK
from engine.ports import Lane, RoutedAlert
from engine.service import Couriers, Engine, LookUps
from tests.support.redis_time import TIME_KEY, scripts_on_test_time, set_time
from workers.settings import Settings

# More sends at once than a worker has: nobody measures how long they take.
CONNECTIONS, SLOTS = 32, 200


@dataclass
class VirtualProcess:
    """An engine and its couriers, which do what is due when they are told to."""

    redis: Redis
    clock: ManualClock
    engine: Engine
    couriers: Couriers
    channels: dict[str, MemoryChannel]
    packing: Packing

    @property
    def sent(self) -> int:
        """How many notifications the channels have taken."""
        return sum(len(channel.sent) for channel in self.channels.values())

    async def take_in(self, alerts: Sequence[RoutedAlert]) -> None:
        """Take in alerts, and do what they lead to at once."""
        await self.advance(TICK)
        await self.engine.ingest(alerts)
        await self.go_on()

    async def pack(self) -> int:
        """Pack what the upkeep would, and count it."""
        count = 0
        while packed := await self.packing.pack():
            count += packed

        return count

    async def advance(self, by: timedelta) -> None:
        """Let time pass, and do nothing."""
        self.clock.advance(by)
        await set_time(self.redis, self.clock.now())

    async def go_on(self) -> None:
        """Do all that is due, until nothing is."""
        while True:
            before = self.sent
            for lane in (Lane.DUE, Lane.MAIL):
                await self.engine.drain(lane)
            await self.couriers.deliver()
            await self.couriers.idle()
            if self.sent == before:
                return


@asynccontextmanager
async def a_virtual_process(
    url: str, directory: Directory, channels: Sequence[str], at: datetime
) -> AsyncIterator[VirtualProcess]:
    """Run a process on time of its own; what it stores is as any other stores it."""
    pool = BlockingConnectionPool.from_url(url, max_connections=CONNECTIONS)
    process = _wired(Redis(connection_pool=pool), directory, channels, at)
    await set_time(process.redis, at)
    try:
        async with process.couriers:
            yield process
        await process.redis.delete(TIME_KEY)
    finally:
        await pool.disconnect()


def _wired(
    redis: Redis, directory: Directory, channels: Sequence[str], at: datetime
) -> VirtualProcess:
    clock, configuration = ManualClock(at), MemoryConfiguration(directory)
    shards, nonces = Settings().shards, count(1)
    wakes = wake_jobs()
    client = Client(redis, wakes, lambda _at: None, scripts_on_test_time(wakes))
    store = RedisStore(client, shards=shards, nonce=lambda: next(nonces))
    mailbox = RedisMailbox(client, clock=clock, ids=SecretIds(), shards=shards)
    look_ups = LookUps(
        TableLookup(configuration),
        mailbox=mailbox,
        last_known=RedisLastKnown(client),
        clock=clock,
        is_local=lambda _target: True,
    )
    engine = Engine(
        clock=clock,
        store=store,
        mailbox=mailbox,
        configuration=configuration,
        look_ups=look_ups,
        turns=RedisTurns(client),
        channels=frozenset(channels),
        look_ahead=timedelta(0),
    )
    taken = {name: MemoryChannel() for name in channels}
    couriers = Couriers(
        outbox=RedisOutbox(client, store, shards=shards),
        mailbox=mailbox,
        channels=taken,
        configuration=configuration,
        clock=clock,
        slots=SLOTS,
    )

    packing = Packing(client, shards=shards)

    return VirtualProcess(redis, clock, engine, couriers, taken, packing)
