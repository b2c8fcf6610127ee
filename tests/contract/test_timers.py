"""
What every adapter of the Timers port promises, and what arq's adds to it.

The store is played by a list: its sweep arms again whatever of it is still ahead.
"""

import contextlib
import functools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

import anyio
import arq.utils
import arq.worker
import fakeredis
import pytest
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError
from structlog.testing import capture_logs
from typing_extensions import override

from engine.adapters.arq_timers import QUEUE, ArqTimers, wake_jobs
from engine.adapters.clock import (
    EPOCH,
    MILLISECOND,
    StoreClock,
    install_into_arq,
    to_ms,
)
from engine.adapters.memory import ManualClock, MemoryTimers
from engine.adapters.redis.client import Client
from engine.adapters.redis.keys import KICK
from engine.adapters.redis.scripts import Name
from engine.ports import Clock, Timers, Wake
from tests.support.servers import RunningServer, Server, found_servers, running_server

EARLY_MAX = timedelta(milliseconds=250)
LATE_MAX = timedelta(milliseconds=100)
# The machine that runs the tests has other things to do as well.
SLACK = timedelta(milliseconds=400)
FIVE_MINUTES_SECONDS = 300
PATIENCE_SECONDS = 10
LOOK_AGAIN_SECONDS = 0.005
STRIDE = timedelta(milliseconds=10)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KINDS = ["fakeredis", *found_servers()]
# A pipeline of redis-py that is cancelled while it gives its connection back has done
# so, and complains nevertheless. Every test here ends by cancelling.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as something holds; fail if it does not for ten seconds."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            if await holds():
                return
            await anyio.sleep(LOOK_AGAIN_SECONDS)


ClockT_co = TypeVar("ClockT_co", bound=Clock, covariant=True)


@dataclass
class AnyBench(Generic[ClockT_co]):
    """Timers of any kind, and what they woke."""

    clock: ClockT_co
    woken: list[tuple[Wake, datetime]] = field(
        default_factory=list[tuple[Wake, datetime]]
    )

    def timers(self) -> Timers:
        """Return the timers of one worker."""
        raise NotImplementedError

    async def arm(self, dues: Sequence[datetime]) -> None:
        """Arm these times, in this process or another."""
        raise NotImplementedError

    async def passed(self, at: datetime) -> None:
        """Let time pass, and whatever happens meanwhile happen."""
        await self.clock.sleep_until(at)

    async def wake(self, why: Wake) -> None:
        """Note that it was woken."""
        self.woken.append((why, self.clock.now()))

    def times(self, why: Wake) -> list[datetime]:
        """Return when it was woken for a reason."""
        return [at for reason, at in self.woken if reason is why]

    def ahead(self, milliseconds: int) -> datetime:
        """Return a time that is so far ahead."""
        return self.clock.now() + milliseconds * MILLISECOND

    @asynccontextmanager
    async def running(self, *timers: Timers) -> AsyncIterator[None]:
        """Run timers meanwhile, those of one worker if none are given."""
        async with anyio.create_task_group() as tasks:
            for each in timers or (self.timers(),):
                tasks.start_soon(each.run, self.wake)
            yield
            tasks.cancel_scope.cancel()


@dataclass
class MemoryBench(AnyBench[ManualClock]):
    """Timers in memory, on a clock that is moved by hand."""

    def __post_init__(self) -> None:
        self._timers = MemoryTimers(self.clock)

    @override
    def timers(self) -> Timers:
        return self._timers

    @override
    async def arm(self, dues: Sequence[datetime]) -> None:
        await self._timers.arm(dues)

    @override
    async def passed(self, at: datetime) -> None:
        while self.clock.now() < at:
            await anyio.wait_all_tasks_blocked()
            self.clock.advance(min(STRIDE, at - self.clock.now()))
        await anyio.wait_all_tasks_blocked()


@dataclass
class Bench(AnyBench[StoreClock]):
    """Timers of arq on a primary, and the store they belong to."""

    pool: Callable[[], ConnectionPool] = field(kw_only=True)
    server: RunningServer | None = None
    dues: list[datetime] = field(default_factory=list[datetime])
    sweeps: int = 0
    does_sweep: bool = True

    @override
    def timers(self, name: str = "one") -> ArqTimers:
        return ArqTimers(
            pool=self.pool, clock=self.clock, arm=self.arm, sweep=self.sweep, name=name
        )

    @override
    async def arm(self, dues: Sequence[datetime]) -> None:
        self.dues.extend(dues)
        await self._arm(dues)

    async def sweep(self) -> None:
        """Arm again what has a wake job to come, as the store's sweep does."""
        self.sweeps += 1
        ahead = [due for due in self.dues if due > self.clock.now() + SLACK]
        if self.does_sweep and ahead:
            await self._arm(ahead)

    async def kick(self) -> None:
        """Kick, as whoever leaves something due now does."""
        async with self.redis() as redis:
            client = Client(redis, wake_jobs(), self.clock.observe)
            await client.ask("LPUSH", KICK, "1")

    async def is_woken(self, why: Wake, count: int = 1) -> bool:
        """Tell whether it was woken so often."""
        return len(self.times(why)) >= count

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """Connect to the primary."""
        redis = Redis(connection_pool=self.pool())
        try:
            yield redis
        finally:
            with anyio.CancelScope(shield=True):
                await redis.connection_pool.disconnect()

    async def answers(self) -> bool:
        """Tell whether the primary answers, and set the clock."""
        with contextlib.suppress(RedisError, OSError):
            async with self.redis() as redis:
                seconds, microseconds = await redis.time()
                self.clock.observe(seconds * 1000 + microseconds // 1000)
                return True

        return False

    async def _arm(self, dues: Sequence[datetime]) -> None:
        async with self.redis() as redis:
            client = Client(redis, wake_jobs(), self.clock.observe)
            await client.run(Name.ARM, *map(to_ms, dues))


@pytest.fixture(params=KINDS, ids=str)
async def bench(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Bench]:
    """Return timers on each kind of primary, with arq on the store's clock."""
    async with a_bench(request.param, monkeypatch, tmp_path) as bench:
        yield bench


@pytest.fixture(params=["memory", *KINDS], ids=str)
async def any_bench(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[AnyBench[Clock]]:
    """Return timers of each kind, those in memory too."""
    if request.param == "memory":
        yield MemoryBench(ManualClock(NOON))
        return
    async with a_bench(request.param, monkeypatch, tmp_path) as bench:
        yield bench


@asynccontextmanager
async def a_bench(
    kind: Server | str, monkeypatch: pytest.MonkeyPatch, directory: Path
) -> AsyncIterator[Bench]:
    """Set arq's clock, and return timers on a primary that answers."""
    clock = StoreClock()
    for module, name in (
        (arq.utils, "time"),
        (arq.worker, "time"),
        (arq.worker, "datetime"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    install_into_arq(clock)
    with contextlib.ExitStack() as stack:
        if isinstance(kind, Server):
            bench = stack.enter_context(a_real(clock, kind, directory))
        else:
            bench = a_fake(clock, monkeypatch)
        await eventually(bench.answers)
        yield bench


def a_fake(clock: StoreClock, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return timers on a Redis in this process; it has no INFO, which arq logs."""

    async def nothing(*_: object) -> None:
        """Log nothing."""

    monkeypatch.setattr(arq.worker, "log_redis_info", nothing)
    server = fakeredis.FakeServer()

    return Bench(
        pool=lambda: fakeredis.FakeAsyncRedis(server=server).connection_pool,
        clock=clock,
    )


@contextlib.contextmanager
def a_real(clock: StoreClock, server: Server, directory: Path) -> Iterator[Bench]:
    """Return timers on a redis-server of their own."""
    with running_server(server, directory, "--appendonly", "yes") as running:
        yield Bench(
            pool=lambda: ConnectionPool.from_url(running.url),
            clock=clock,
            server=running,
        )


async def test_in_time(any_bench: AnyBench[Clock]) -> None:
    """What is armed once wakes once: a quarter of a second ahead, or just after."""
    async with any_bench.running():
        due = any_bench.ahead(700)
        await any_bench.arm([due])
        await any_bench.passed(due + LATE_MAX + SLACK)
    [woken_at] = any_bench.times(Wake.DUE)

    assert -EARLY_MAX <= woken_at - due <= LATE_MAX + SLACK


@pytest.mark.parametrize("after_ms", [1, 130, 190, 240, 290, 340])
async def test_soon(bench: Bench, after_ms: int) -> None:
    """What is due in a moment wakes in time too, by a kick or by a job."""
    bench.does_sweep = False
    async with bench.running():
        await eventually(lambda: bench.is_woken(Wake.KICK))
        start = datetime.fromtimestamp(bench.clock.now().timestamp() // 1 + 1, UTC)
        for phase_ms in (0, 120, 240, 360, 480):
            await bench.passed(start + phase_ms * MILLISECOND)
            bench.woken.clear()
            due = bench.ahead(after_ms)
            await bench.arm([due])
            await bench.passed(due + LATE_MAX)
            late = [at - due for _, at in bench.woken]

            assert any(-EARLY_MAX <= each <= LATE_MAX for each in late)


async def test_armed_twice(any_bench: AnyBench[Clock]) -> None:
    """Arming the same time again changes nothing."""
    async with any_bench.running():
        due = any_bench.ahead(700)
        await any_bench.arm([due, due])
        await any_bench.arm([due])
        await any_bench.passed(due + LATE_MAX + SLACK)

    assert 1 == len(any_bench.times(Wake.DUE))


async def test_armed_before_it_runs(bench: Bench) -> None:
    """What was armed while no worker ran wakes the first one that does."""
    due = bench.ahead(600)
    await bench.arm([due])
    await bench.passed(due)
    async with bench.running():
        await eventually(lambda: bench.is_woken(Wake.DUE))

    assert 1 == len(bench.times(Wake.DUE))


async def test_several(any_bench: AnyBench[Clock]) -> None:
    """Times that lie apart wake one by one, each in time."""
    async with any_bench.running():
        dues = [any_bench.ahead(after) for after in (400, 900, 1_300, 1_350)]
        await any_bench.arm(dues)
        await any_bench.passed(dues[-1] + LATE_MAX + SLACK)
    woken = any_bench.times(Wake.DUE)
    covered = [
        any(-EARLY_MAX <= at - due <= LATE_MAX + SLACK for at in woken) for due in dues
    ]

    assert [True] * 4 == covered
    assert len(woken) <= 4


async def test_past(bench: Bench) -> None:
    """Arming a time that is past kicks at once."""
    async with bench.running():
        await eventually(lambda: bench.is_woken(Wake.KICK))
        armed_at = bench.clock.now()
        await bench.arm([armed_at - timedelta(minutes=5)])
        await eventually(lambda: bench.is_woken(Wake.KICK, 2))

    assert bench.times(Wake.KICK)[1] - armed_at <= SLACK
    assert [] == bench.times(Wake.DUE)


async def test_kick(bench: Bench) -> None:
    """A kick wakes at once, each time anew."""
    async with bench.running():
        for count in range(2, 7):
            await eventually(functools.partial(bench.is_woken, Wake.KICK, count - 1))
            kicked_at = bench.clock.now()
            await bench.kick()
            await eventually(functools.partial(bench.is_woken, Wake.KICK, count))

            assert bench.times(Wake.KICK)[-1] - kicked_at <= SLACK


async def test_never_beside_itself(any_bench: AnyBench[Clock]) -> None:
    """However much is due, of each kind only one wake-up is under way."""
    under_way: Counter[Wake] = Counter()
    most: Counter[Wake] = Counter()
    begun: list[datetime] = []

    async def wake(why: Wake) -> None:
        under_way[why] += 1
        most[why] = max(most[why], under_way[why])
        begun.append(any_bench.clock.now())
        await any_bench.clock.sleep_until(any_bench.ahead(350))
        under_way[why] -= 1

    any_bench.wake = wake  # type: ignore[method-assign]
    async with any_bench.running():
        dues = [any_bench.ahead(after) for after in range(400, 1_400, 100)]
        await any_bench.arm(dues)
        for due in dues:
            await any_bench.arm([NOON - timedelta(days=1)])
            await any_bench.passed(due)
        await any_bench.passed(dues[-1] + SLACK + SLACK)

    assert {Wake.DUE: 1, Wake.KICK: 1} == most
    assert begun[-1] >= dues[-1] - EARLY_MAX


async def test_two_workers(bench: Bench) -> None:
    """Two workers on one primary do not wake twice for one time."""
    async with bench.running(bench.timers("one"), bench.timers("two")):
        dues = [bench.ahead(after) for after in range(400, 1_400, 100)]
        await bench.arm(dues)
        await bench.passed(dues[-1] + LATE_MAX + SLACK)

    assert len({to_ms(due) // 100 for due in dues}) == len(bench.times(Wake.DUE))


async def test_lost_queue(bench: Bench) -> None:
    """Whatever becomes of arq's queue, the sweep writes the wake jobs anew."""
    async with bench.running(), bench.redis() as redis:
        due = bench.ahead(3_000)
        await bench.arm([due])
        keys = await redis.keys("arq:*")
        await redis.delete(QUEUE, *keys)
        await bench.passed(due + LATE_MAX + SLACK)
    [woken_at] = bench.times(Wake.DUE)

    assert -EARLY_MAX <= woken_at - due <= LATE_MAX + SLACK


async def test_sweeps_always(bench: Bench) -> None:
    """The sweep runs at the start, and each second or two from then on."""
    async with bench.running():
        await eventually(lambda: swept(bench, 1))
        began = bench.clock.now()
        await eventually(lambda: swept(bench, 5))

    assert bench.clock.now() - began <= timedelta(seconds=5)


async def swept(bench: Bench, count: int) -> bool:
    """Tell whether it was swept so often."""
    return bench.sweeps >= count


async def test_sweep_fails(bench: Bench) -> None:
    """A sweep that fails is logged and harms nothing else."""

    async def fail() -> None:
        bench.sweeps += 1
        message = "the store is away"
        raise OSError(message)

    bench.sweep = fail  # type: ignore[method-assign]
    with capture_logs() as logs:
        async with bench.running():
            await eventually(lambda: swept(bench, 3))
            await bench.arm([bench.ahead(600)])
            await eventually(lambda: bench.is_woken(Wake.DUE))

    assert "OSError: the store is away" in [line.get("error") for line in logs]


async def test_bad_jobs(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Jobs that are not ours, or not to be read, are dropped in a line; ours go on."""
    async with bench.running(), bench.redis() as redis:
        await redis.set("arq:job:pickled", b"\x80\x04\x95")
        await redis.set(
            "arq:job:foreign", b'{"t":1,"f":"nothing","a":[],"k":{},"et":0}'
        )
        await redis.zadd(QUEUE, {"pickled": 1, "foreign": 1, "expired": 1})
        await bench.arm([bench.ahead(500)])
        await eventually(lambda: bench.is_woken(Wake.DUE))

        async def is_empty() -> bool:
            left = await redis.zrange(QUEUE, 0, -1)
            return not {b"pickled", b"foreign", b"expired"} & set(left)

        await eventually(is_empty)

    traces = [line.getMessage() for line in caplog.records if line.exc_info]
    assert "job expired expired" in caplog.messages
    assert ["deserializing job pickled failed"] == traces


async def test_wake_fails(bench: Bench) -> None:
    """A wake-up that raises does not end the timers."""
    failed: list[Wake] = []

    async def wake(why: Wake) -> None:
        failed.append(why)
        message = "broken"
        raise ValueError(message)

    bench.wake = wake  # type: ignore[method-assign]
    async with bench.running():
        await bench.arm([bench.ahead(600), bench.ahead(900)])

        async def both() -> bool:
            return failed.count(Wake.DUE) >= 2 and failed.count(Wake.KICK) >= 2

        await eventually(both)


async def test_ends(bench: Bench) -> None:
    """Cancelled in the middle of a wake-up, it is gone at once and leaves no key."""
    ended: list[Wake] = []

    async def wake(why: Wake) -> None:
        bench.woken.append((why, bench.clock.now()))
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(why)

    bench.wake = wake  # type: ignore[method-assign]
    async with bench.running():
        await bench.arm([bench.ahead(600)])
        await eventually(lambda: bench.is_woken(Wake.DUE))
        await eventually(lambda: bench.is_woken(Wake.KICK))
        stopped_at = bench.clock.now()
    async with bench.redis() as redis:
        left = await redis.keys("*health-check*")

    assert {Wake.DUE, Wake.KICK} == set(ended)
    assert [] == left
    assert bench.clock.now() - stopped_at <= timedelta(seconds=1)


async def test_health_key(bench: Bench) -> None:
    """Each worker has a health key of its own, which ends soon after the worker."""
    names = {f"{QUEUE}:health-check:{name}".encode() for name in ("one", "two")}
    async with (
        bench.running(bench.timers("one"), bench.timers("two")),
        bench.redis() as redis,
    ):

        async def are_there() -> bool:
            return names <= set(await redis.keys("*health-check*"))

        await eventually(are_there)
        lives_for = [await redis.pttl(name) for name in names]

    assert all(0 < milliseconds <= 11_000 for milliseconds in lives_for)


async def test_outage(bench: Bench) -> None:
    """A primary that was down for a moment is worked on as soon as it is back."""
    if bench.server is None:
        pytest.skip("the Redis in this process is never down")
    async with bench.running():
        await eventually(lambda: bench.is_woken(Wake.KICK))
        with capture_logs() as logs:
            bench.server.kill()
            await bench.passed(bench.ahead(600))
            bench.server.start()
            await eventually(bench.answers)
            due = bench.ahead(1_500)
            await bench.arm([due])
            await bench.passed(due + LATE_MAX + SLACK)
            await eventually(lambda: bench.is_woken(Wake.KICK, 2))
    [woken_at] = bench.times(Wake.DUE)
    restarted = {line["part"] for line in logs if line["event"] == "worker.restarted"}

    assert -EARLY_MAX <= woken_at - due <= LATE_MAX + SLACK
    assert {"arq", "kicks"} <= restarted


async def test_starts_without_redis(bench: Bench) -> None:
    """It may start before its primary does."""
    if bench.server is None:
        pytest.skip("the Redis in this process is never down")
    bench.server.kill()
    async with bench.running():
        await bench.passed(bench.ahead(200))
        bench.server.start()
        await eventually(bench.answers)
        await bench.arm([bench.ahead(600)])
        await eventually(lambda: bench.is_woken(Wake.DUE))


def set_host_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what arq takes for the host's clock five minutes fast."""
    fast = lambda: time.time() + FIVE_MINUTES_SECONDS  # noqa: E731, TID251
    monkeypatch.setattr(arq.utils, "time", fast)
    monkeypatch.setattr(arq.worker, "time", fast)


async def test_host_is_fast(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose host is five minutes fast does not eat the wake jobs ahead."""
    set_host_fast(monkeypatch)
    install_into_arq(bench.clock)
    bench.does_sweep = False
    async with bench.running():
        dues = [bench.ahead(after) for after in (1_000, 2_000)]
        await bench.arm(dues)
        await bench.passed(dues[-1] + LATE_MAX + SLACK)
    late = [at - due for at, due in zip(bench.times(Wake.DUE), dues, strict=True)]

    assert min(late) >= -EARLY_MAX
    assert max(late) <= LATE_MAX + SLACK


async def test_host_is_fast_for_arq(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left to its own clock, arq runs what is minutes ahead at once, and deletes it."""
    set_host_fast(monkeypatch)
    async with bench.running(), bench.redis() as redis:
        await bench.arm([bench.ahead(50_000)])
        await eventually(lambda: bench.is_woken(Wake.DUE))

        async def is_gone() -> bool:
            ids = [job.decode() for job in await redis.zrange(QUEUE, 0, -1)]
            return not [job for job in ids if job.startswith("rung:wake:")]

        await eventually(is_gone)


async def test_as_arq_writes_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our script writes a wake job byte for byte as arq's own enqueue does."""
    monkeypatch.setattr(arq.utils, "time", lambda: 0)
    jobs = wake_jobs()
    async with bench.redis() as redis:
        await bench.arm([bench.ahead(30_000)])
        [(name, score)] = await redis.zrange(QUEUE, 0, -1, withscores=True)
        job_id = name.decode()
        ours = await redis.get(jobs.job_prefix + job_id)
        lives_for = await redis.pttl(jobs.job_prefix + job_id)
        await redis.flushall()
        theirs = ArqRedis(redis.connection_pool, job_serializer=dump)
        due = EPOCH + int(score) * MILLISECOND
        enqueued = await theirs.enqueue_job(
            "drain", _job_id=job_id, _queue_name=QUEUE, _defer_until=due
        )

        assert enqueued is not None
        assert [(name, score)] == await redis.zrange(QUEUE, 0, -1, withscores=True)
        assert ours == await redis.get(f"arq:job:{job_id}")
        assert {QUEUE.encode(), f"arq:job:{job_id}".encode()} == set(await redis.keys())
        assert lives_for >= timedelta(hours=24) // MILLISECOND


def dump(job: dict[str, object]) -> bytes:
    """Write a job as JSON, with somebody else's writer."""
    return json.dumps(job, separators=(",", ":")).encode()
