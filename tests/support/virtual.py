"""A real server and real workers, on a time that moves only when it is told to."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
from redis.asyncio import ConnectionPool, Redis

from engine.adapters.arq_timers import QUEUE, ArqTimers, wake_jobs
from engine.adapters.clock import StoreClock, install_into_arq, to_ms
from engine.adapters.ids import SecretIds
from engine.adapters.lookups.table import TableLookup
from engine.adapters.memory import MemoryChannel, MemoryConfiguration
from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.adapters.redis.last_known import RedisLastKnown
from engine.adapters.redis.mailbox import RedisMailbox
from engine.adapters.redis.outbox import RedisOutbox
from engine.adapters.redis.store import RedisStore
from engine.adapters.redis.sweep import Sweep
from engine.adapters.redis.turns import RedisTurns
from engine.directory import Directory
from engine.ports import Channel, Clock
from engine.service import Couriers, Engine, LookUps
from tests.support.driver import CHANNELS
from tests.support.look_ups import Rota
from tests.support.redis_time import scripts_on_test_time, set_time
from tests.support.servers import found_servers, running_server
from workers.escalator import Escalator

SHARDS = 2
NANOSECONDS = 1_000_000_000
PATIENCE_SECONDS, LOOK_AGAIN_SECONDS = 10.0, 0.01


@dataclass
class Time:
    """What time it is, for the server and for every process."""

    began_at: datetime
    now: datetime

    def elapsed(self) -> int:
        """Return how long it has been, in nanoseconds."""
        return int((self.now - self.began_at).total_seconds() * NANOSECONDS)


@dataclass(frozen=True, kw_only=True)
class VirtualProcess:
    """The parts of one worker; it has nothing in common with others but the server."""

    clock: StoreClock
    store: RedisStore
    engine: Engine
    couriers: Couriers
    escalator: Escalator
    channels: Mapping[str, Channel]

    @property
    def console(self) -> MemoryChannel:
        """The channel that remembers what it was given, if it is one."""
        console = self.channels["console"]
        assert isinstance(console, MemoryChannel)

        return console

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work while the block lasts, and then end in order."""
        stopping = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.work, stopping)
            yield
            stopping.set()

    async def work(self, stopping: anyio.Event | None = None) -> None:
        """Work until it is told to stop, or for as long as it lives."""
        async with self.engine.look_ups:
            await self.escalator.run(stopping or anyio.Event())


@dataclass
class Virtual:
    """
    A server on virtual time, and what its processes share: directory and rota.

    Attributes:
        channels: Makes those of a process.
    """

    redis: Redis
    url: str
    time: Time
    configuration: MemoryConfiguration
    channels: Callable[[Clock], Mapping[str, Channel]]

    def __post_init__(self) -> None:
        self.rota = Rota(TableLookup(self.configuration))

    async def jump_to(self, at: datetime) -> None:
        """Let it be this time, for the server and for every process."""
        self.time.now = at
        await set_time(self.redis, at)

    async def expire(self, span: timedelta) -> list[str]:
        """
        Remove what expires within a span, as the server does not know that it is over.

        The server counts times to live by its own clock: what would be left of them
        after the span is what they have from now on.

        Returns:
            The names of the keys that are gone.
        """
        gone = []
        span_ms = int(span.total_seconds() * 1_000)
        async for key in self.redis.scan_iter(count=1_000):
            left = await self.redis.pttl(key)
            if left > span_ms:
                await self.redis.pexpire(key, left - span_ms)
            elif left >= 0:
                await self.redis.delete(key)
                gone.append(key.decode())

        return sorted(gone)

    def process(self, name: str = "virtual") -> VirtualProcess:
        """Return a worker as it starts: it knows nothing but the time."""
        clock = StoreClock(self.time.elapsed)
        clock.observe(to_ms(self.time.now))
        install_into_arq(clock)
        client = Client(
            self.redis, wake_jobs(), clock.observe, scripts_on_test_time(wake_jobs())
        )
        sweep = Sweep(client, shards=SHARDS)
        channels = self.channels(clock)
        store = RedisStore(client, shards=SHARDS, nonce=lambda: secrets.randbits(32))
        mailbox = RedisMailbox(client, clock=clock, ids=SecretIds(), shards=SHARDS)
        engine = Engine(
            clock=clock,
            store=store,
            mailbox=mailbox,
            configuration=self.configuration,
            look_ups=LookUps(
                self.rota,
                mailbox=mailbox,
                last_known=RedisLastKnown(client),
                clock=clock,
                is_local=lambda _target: self.rota.is_here,
            ),
            turns=RedisTurns(client),
            channels=frozenset(channels),
            look_ahead=timedelta(0),
        )
        couriers = Couriers(
            outbox=RedisOutbox(client, store, shards=SHARDS),
            mailbox=mailbox,
            channels=channels,
            configuration=self.configuration,
            clock=clock,
        )
        timers = ArqTimers(
            pool=lambda: ConnectionPool.from_url(self.url),
            clock=clock,
            arm=sweep.arm,
            sweep=sweep.sweep,
            name=name,
        )

        return VirtualProcess(
            clock=clock,
            store=store,
            engine=engine,
            couriers=couriers,
            channels=channels,
            escalator=Escalator(
                engine=engine, couriers=couriers, timers=timers, clock=clock
            ),
        )

    async def next_due(self) -> datetime | None:
        """Return when an incident is due next."""
        dues = [
            score
            for shard in range(SHARDS)
            for _, score in await self.redis.zrange(
                f"{keys.prefix(shard)}due", 0, 0, withscores=True
            )
        ]

        return datetime.fromtimestamp(min(dues) / 1_000, UTC) if dues else None

    async def is_armed(self) -> bool:
        """Tell whether arq has a wake job."""
        names = await self.redis.zrange(QUEUE, 0, -1)

        return any(name.startswith(b"rung:wake:") for name in names)

    async def is_quiet(self) -> bool:
        """Tell whether nothing is due, unread or unsent."""
        due = await self.next_due()
        prefixes = [keys.prefix(shard) for shard in range(SHARDS)]
        mail = [await self.redis.zcard(f"{prefix}mail") for prefix in prefixes]
        unsent = [await self.redis.exists(f"{prefix}ob") for prefix in prefixes]

        return not any([*mail, *unsent]) and (due is None or due > self.time.now)


def remembering(clock: Clock) -> Mapping[str, Channel]:
    """Return channels that are one, and remember what they were given."""
    return dict.fromkeys(CHANNELS, MemoryChannel(clock))


async def eventually(
    holds: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS
) -> None:
    """Return as soon as something holds; fail if it does not for so many seconds."""
    with anyio.fail_after(seconds):
        while not await holds():  # noqa: ASYNC110 - another process's state
            await anyio.sleep(LOOK_AGAIN_SECONDS)


@asynccontextmanager
async def virtual(
    directory: Path,
    configured: Directory,
    channels: Callable[[Clock], Mapping[str, Channel]] = remembering,
) -> AsyncIterator[Virtual]:
    """Yield the newest server there is, at its own time to begin with."""
    with running_server(found_servers()[-1], directory) as server:
        redis: Redis = Redis.from_url(server.url)
        seconds, microseconds = await redis.time()
        began_at = datetime.fromtimestamp(seconds, UTC) + timedelta(
            milliseconds=microseconds // 1_000
        )
        await set_time(redis, began_at)
        configuration = MemoryConfiguration(configured)
        try:
            time = Time(began_at, began_at)
            yield Virtual(redis, server.url, time, configuration, channels)
        finally:
            await redis.aclose()
