"""A policy of a whole day, run through in virtual time: in memory, and by arq itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from redis.asyncio import ConnectionPool, Redis

from engine.adapters.arq_timers import QUEUE, ArqTimers, wake_jobs
from engine.adapters.clock import StoreClock, install_into_arq
from engine.adapters.lookups.table import TableLookup
from engine.adapters.memory import CountingIds, MemoryChannel, MemoryConfiguration
from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.adapters.redis.mailbox import RedisMailbox
from engine.adapters.redis.outbox import RedisOutbox
from engine.adapters.redis.store import RedisStore
from engine.adapters.redis.sweep import Sweep
from engine.adapters.redis.turns import RedisTurns
from engine.core.alerts import Alert, AlertStatus
from engine.ports import RoutedAlert
from engine.service import Couriers, Engine
from policies.policy import Policy
from tests.support.driver import CHANNELS, SOURCE, Driver, a_directory
from tests.support.look_ups import local_look_ups
from tests.support.redis_time import scripts_on_test_time, set_time
from tests.support.servers import found_servers, running_server
from workers.escalator import Escalator

DAY = timedelta(hours=24)
# Real time that a busy machine may need for all of it.
DRIFT_MAX = timedelta(seconds=20)
# Armed by the sweep, which looks a minute ahead.
BEFORE = timedelta(seconds=30)
NANOSECONDS = 1_000_000_000
# Late enough for the sweep to see that a wake-up came before the server did.
LATE = timedelta(milliseconds=400)
SHARDS = 2
POLICY = Policy.model_validate(
    {
        "id": "day",
        "steps": [
            {"kind": "notify", "targets": ["schedule:primary"]},
            {"kind": "wait", "duration": "30m"},
            {"kind": "notify", "targets": ["user:bob"]},
            {"kind": "notify", "targets": ["user:carol"], "wait_before": "90m"},
            {"kind": "wait", "duration": "6h"},
        ],
        "repeat": {"count": 2, "delay": "4h"},
    }
)
# A round takes eight hours, and four go by before the next one.
ROUND = [(0, "alice"), (30, "bob"), (120, "carol")]
EXPECTED = [
    (timedelta(minutes=minutes + 12 * 60 * number), person)
    for number in range(2)
    for minutes, person in ROUND
] + [(DAY, "alice")]


async def test_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory a day goes by without anybody waiting: no timer of the loop fires."""
    fired: list[float] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def watched(
        when: float, callback: Callable[..., Any], *args: Any, **more: Any
    ) -> Any:
        def fire(*given: Any) -> None:
            fired.append(when)
            callback(*given)

        return call_at(when, fire, *args, **more)

    monkeypatch.setattr(loop, "call_at", watched)
    driver = Driver(POLICY)
    began_at = driver.clock.now()
    await driver.alert("db", "db", fires=True)
    await driver.pass_time(DAY)

    assert EXPECTED == [(at - began_at, person) for at, person in driver.sent()]
    assert [] == fired


@dataclass
class Virtual:
    """A worker on a real server, on time that moves only when told to."""

    redis: Redis
    began_at: datetime
    shift: timedelta = timedelta(0)
    channel: MemoryChannel = field(init=False)

    def __post_init__(self) -> None:
        self.clock = StoreClock(self._elapsed)
        install_into_arq(self.clock)
        self.channel = MemoryChannel(self.clock)
        client = Client(
            self.redis,
            wake_jobs(),
            self.clock.observe,
            scripts_on_test_time(wake_jobs()),
        )
        self.sweep = Sweep(client, shards=SHARDS)
        store = RedisStore(client, shards=SHARDS, nonce=iter(range(1_000)).__next__)
        mailbox = RedisMailbox(
            client, clock=self.clock, ids=CountingIds(), shards=SHARDS
        )
        configuration = MemoryConfiguration(a_directory([POLICY], None))
        self.engine = Engine(
            clock=self.clock,
            store=store,
            mailbox=mailbox,
            configuration=configuration,
            look_ups=local_look_ups(TableLookup(configuration), mailbox, self.clock),
            turns=RedisTurns(client),
            channels=frozenset(CHANNELS),
            look_ahead=timedelta(0),
        )
        self.couriers = Couriers(
            outbox=RedisOutbox(client, store, shards=SHARDS),
            mailbox=mailbox,
            channels=dict.fromkeys(CHANNELS, self.channel),
            configuration=configuration,
            clock=self.clock,
        )

    def escalator(self, url: str) -> Escalator:
        """Return the worker that a process runs."""
        timers = ArqTimers(
            pool=lambda: ConnectionPool.from_url(url),
            clock=self.clock,
            arm=self.sweep.arm,
            sweep=self.sweep.sweep,
            name="virtual",
        )

        return Escalator(
            engine=self.engine,
            couriers=self.couriers,
            timers=timers,
            clock=self.clock,
        )

    async def jump_to(self, at: datetime) -> None:
        """Let it be this time, for the server and for the worker."""
        self.shift = at - self.began_at
        await set_time(self.redis, at)

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

        return not any([*mail, *unsent]) and (due is None or due > self.clock.now())

    def _elapsed(self) -> int:
        return int(self.shift.total_seconds() * NANOSECONDS)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as something holds; fail if it does not for ten seconds."""
    with anyio.fail_after(10):
        while not await holds():  # noqa: ASYNC110 - another process's state
            await anyio.sleep(0.01)


@asynccontextmanager
async def virtual(directory: Path) -> AsyncIterator[tuple[Virtual, str]]:
    """Return a worker on the newest server there is, at the server's own time."""
    with running_server(found_servers()[-1], directory) as server:
        redis: Redis = Redis.from_url(server.url)
        seconds, microseconds = await redis.time()
        began_at = datetime.fromtimestamp(seconds, UTC) + timedelta(
            milliseconds=microseconds // 1_000
        )
        await set_time(redis, began_at)
        try:
            yield Virtual(redis, began_at), server.url
        finally:
            await redis.aclose()


@pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
async def test_by_arq(tmp_path: Path) -> None:
    """The real worker runs the same day: arq wakes it whenever something is due."""
    async with virtual(tmp_path) as (world, url):
        stopping = anyio.Event()
        world.clock.observe(int(world.began_at.timestamp() * 1_000))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.escalator(url).run, stopping)
            alert = Alert(
                id="a",
                fingerprint="db",
                status=AlertStatus.FIRING,
                title="db",
                labels={},
            )
            routed = RoutedAlert(alert=alert, integration=SOURCE, key="db")
            await world.engine.ingest([routed])
            await eventually(world.is_quiet)
            while (due := await world.next_due()) and due <= world.began_at + DAY:
                await world.jump_to(due - BEFORE)
                await eventually(world.is_armed)
                await world.jump_to(due + LATE)
                await eventually(world.is_quiet)
            stopping.set()
    times = zip(world.channel.sent_at, world.channel.sent, strict=True)
    sent = [(at - world.began_at, each.person) for at, each in times]

    assert [person for _, person in EXPECTED] == [person for _, person in sent]
    # arq's worker looks at the server's own clock once, which went on meanwhile.
    lates = [at - due for (due, _), (at, _) in zip(EXPECTED, sent, strict=True)]
    assert all(timedelta(0) <= late < DRIFT_MAX for late in lates), lates
