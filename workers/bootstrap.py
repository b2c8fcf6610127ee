"""Bootstrap: the one place where ports meet adapters."""

import os
import secrets
import socket
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import structlog
from redis.asyncio import ConnectionPool, Redis

from engine.adapters.arq_timers import ArqTimers, wake_jobs
from engine.adapters.channels.console import ConsoleChannel
from engine.adapters.channels.webhook import WebhookChannel
from engine.adapters.clock import StoreClock, install_into_arq
from engine.adapters.destinations import RefusedUrlError, judge_written
from engine.adapters.heartbeat import HttpHeartbeat
from engine.adapters.http import OutboundHttp
from engine.adapters.ids import SecretIds
from engine.adapters.lookups.static_file import StaticFileLookup, read_schedules
from engine.adapters.lookups.table import TableLookup
from engine.adapters.networks import Network
from engine.adapters.redis.addresses import Address, AddressError, read_address
from engine.adapters.redis.audit import Audit
from engine.adapters.redis.client import Client
from engine.adapters.redis.configuration import RedisConfiguration
from engine.adapters.redis.examination import examine
from engine.adapters.redis.headroom import Headroom
from engine.adapters.redis.health import Check, check_server, check_shards
from engine.adapters.redis.idempotency import RedisIdempotencyKeys
from engine.adapters.redis.last_known import RedisLastKnown
from engine.adapters.redis.mailbox import RedisMailbox
from engine.adapters.redis.measures import RedisBacklog, RedisTotals
from engine.adapters.redis.outbox import RedisOutbox
from engine.adapters.redis.packing import Packing
from engine.adapters.redis.pools import Pools
from engine.adapters.redis.purge import Purge
from engine.adapters.redis.rejected import RedisRejectedEvents
from engine.adapters.redis.store import RedisStore
from engine.adapters.redis.sweep import Sweep
from engine.adapters.redis.turns import RedisTurns
from engine.adapters.redis.upkeep import RedisUpkeep
from engine.directory import WEBHOOKS
from engine.errors import StoreUnavailableError
from engine.ports import (
    Backlog,
    Channel,
    Clock,
    Configuration,
    Heartbeat,
    IdempotencyKeys,
    Ids,
    IncidentReader,
    Mark,
    OnCallLookup,
    RejectedEvents,
    Timers,
    Totals,
)
from engine.service import (
    INCIDENTS,
    Administration,
    Caretaker,
    Couriers,
    Engine,
    LookUps,
    Tally,
)
from workers.plugins import Plugins, loaded
from workers.settings import Settings, SettingsError

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

DISCONNECT_SECONDS_MAX = 5
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.05, 1.0
NONCE_BITS = 32
CONSOLE = "console"
CHANNELS = (CONSOLE, WEBHOOKS)
T = TypeVar("T")


class Through(Protocol):
    """What a process reaches its ports through: nothing, unless a test wants to see."""

    def __call__(self, name: str, port: T, /) -> T:
        """Return a port as the process is to have it; `name` says which one it is."""
        ...


def straight(_name: str, port: T) -> T:
    """Return a port as it is."""
    return port


@dataclass(slots=True, kw_only=True)
class Installation:
    """
    A rung that is wired up: what web, worker and commands work with.

    Attributes:
        engine: Drains; on the pool that ingest uses too.
        desk: Takes in alerts and obeys commands; commands have their own pool.
        administration: Changes the configuration, for people and programs.
        judge_address: Says what is wrong with an address on a channel, if anything is.
        look_ups: Asks outside who is on call; entered for as long as the process works.
        tally: Counts for this process; `totals` are those of all of them.
        name: Names this process; no two share one.
        is_ready: Whether the store was reached and is one of ours.
        problem: What last kept `prepare` from reaching it.
    """

    clock: Clock
    ids: Ids
    configuration: Configuration
    engine: Engine
    desk: Engine
    reader: IncidentReader
    administration: Administration
    judge_address: Callable[[str, str], str | None]
    idempotency: IdempotencyKeys
    rejected_events: RejectedEvents
    look_ups: LookUps
    couriers: Couriers
    timers: Timers
    caretaker: Caretaker
    tally: Tally
    totals: Totals
    backlog: Backlog
    name: str
    is_ready: bool = False
    problem: str = ""
    _check_store: Callable[[], Awaitable[Sequence[Check]]]
    _examine_store: Callable[[], Awaitable[Sequence[Check]]]
    _client: Client = field(repr=False)
    _shards: int

    async def prepare(self) -> None:
        """
        Wait until the store answers, and check that it is one of ours.

        Raises:
            ShardsMismatchError: If it was made with another number of shards.
        """
        pause = PAUSE_SECONDS_MIN
        while True:
            try:
                await check_shards(self._client, self._shards)
                await self._client.time()
            except StoreUnavailableError as error:
                self.problem = str(error)
                log.warning(
                    "store.unavailable", error=self.problem, pause_seconds=pause
                )
                await anyio.sleep(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
            else:
                return

    def tell_living(self, at: datetime | None) -> None:
        """Note when the worker of this process last lived; None: it has ended."""
        self.tally.mark(Mark.HEARTBEAT, at, self.name)

    async def checks(self) -> Sequence[Check]:
        """Look at what has to be so before requests should come here."""
        started = Check(
            name="start",
            ok=self.is_ready,
            is_fatal=True,
            detail="done" if self.is_ready else "waiting for Redis, or just starting",
        )

        return [started, *await self._check_store()]

    async def examine(self) -> Sequence[Check]:
        """Look at the store closely, as a doctor does; nothing waits for it."""
        return await self._examine_store()


@asynccontextmanager
async def connect(
    settings: Settings, redis_url: str, through: Through = straight
) -> AsyncIterator[Installation]:
    """
    Wire rung up on one primary. Nothing is asked of Redis before it is needed.

    Plugins are loaded here: whatever decides has to know by which channels people can
    be reached, not only what sends.

    Raises:
        SettingsError: If the address of Redis is none.
        PluginError: If a lookup or a channel of others cannot be used.
    """
    clock = StoreClock()
    install_into_arq(clock)
    with _address_is_read():
        pools = Pools(redis_url)
    own = frozenset({*CHANNELS, INCIDENTS})
    try:
        async with loaded(settings.on_call, os.environ, own) as plugins:
            adapters = _adapters(settings, clock, pools, plugins)
            yield _wire(_led(adapters, through))
    finally:
        with anyio.move_on_after(DISCONNECT_SECONDS_MAX, shield=True):
            await pools.disconnect()


@contextmanager
def _address_is_read() -> Iterator[None]:
    try:
        yield
    except AddressError as error:
        message = f"REDIS_URL {error}"
        raise SettingsError(message) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Adapters:
    """
    What meets the ports of one process.

    Attributes:
        client: Of paging. A drain promises nothing to anybody: it waits for no replica.
        desk_store: For commands, on a pool of its own.
        through: Leads to those that are made as they are wired up.
    """

    settings: Settings
    pools: Pools
    clock: StoreClock
    ids: Ids
    http: OutboundHttp
    channels: Mapping[str, Channel]
    plugins: Plugins
    client: Client
    store: RedisStore
    desk_store: RedisStore
    idempotency: RedisIdempotencyKeys
    configuration: Configuration
    mailbox: RedisMailbox
    timers: Timers
    tally: Tally
    totals: Totals
    name: str
    rejected_events: RejectedEvents
    through: Through = straight


def _adapters(
    settings: Settings,
    clock: StoreClock,
    pools: Pools,
    plugins: Plugins,
) -> _Adapters:
    def client_on(pool: ConnectionPool, replicas: int = settings.replicas) -> Client:
        redis = Redis(connection_pool=pool)

        return Client(redis, wake_jobs(), clock.observe, replicas=replicas)

    def store_on(client: Client) -> RedisStore:
        return RedisStore(client, shards=settings.shards, nonce=_nonce)

    ids, client = SecretIds(), client_on(pools.paging, replicas=0)
    name, totals = _worker_name(ids), RedisTotals(client)
    command_client = client_on(pools.command)
    http = OutboundHttp(allowed=settings.webhook_allow)

    return _Adapters(
        settings=settings,
        pools=pools,
        clock=clock,
        ids=ids,
        http=http,
        channels={**plugins.channels, **_channels(http, clock)},
        plugins=plugins,
        client=client,
        store=store_on(client),
        desk_store=store_on(command_client),
        idempotency=RedisIdempotencyKeys(command_client),
        configuration=RedisConfiguration(client, clock, writer=command_client),
        mailbox=RedisMailbox(
            client_on(pools.ingest),
            clock=clock,
            ids=ids,
            shards=settings.shards,
            memory_limit_bytes=settings.memory_limit,
        ),
        timers=_timers(Sweep(client, shards=settings.shards), clock, pools, name),
        tally=Tally(totals, name),
        totals=totals,
        name=name,
        rejected_events=RedisRejectedEvents(client_on(pools.command, replicas=0)),
    )


def _led(adapters: _Adapters, through: Through) -> _Adapters:
    """Return adapters that the process reaches through something."""
    return replace(
        adapters,
        channels={
            name: through("channel", channel)
            for name, channel in adapters.channels.items()
        },
        idempotency=through("idempotency", adapters.idempotency),
        configuration=through("configuration", adapters.configuration),
        mailbox=through("mailbox", adapters.mailbox),
        timers=through("timers", adapters.timers),
        rejected_events=through("rejected_events", adapters.rejected_events),
        through=through,
    )


def _wire(adapters: _Adapters) -> Installation:
    engine = _engine(adapters)
    judge = partial(judge_address, allowed=adapters.settings.webhook_allow)

    return Installation(
        clock=adapters.clock,
        ids=adapters.ids,
        configuration=adapters.configuration,
        engine=engine,
        desk=replace(engine, store=adapters.through("store", adapters.desk_store)),
        reader=adapters.through("reader", adapters.store),
        administration=Administration(
            configuration=adapters.configuration,
            judge_address=judge,
            has_schedules=adapters.settings.has_schedules,
        ),
        judge_address=judge,
        idempotency=adapters.idempotency,
        rejected_events=adapters.rejected_events,
        look_ups=engine.look_ups,
        couriers=_couriers(adapters),
        timers=adapters.timers,
        caretaker=_caretaker(adapters, engine),
        tally=adapters.tally,
        totals=adapters.totals,
        backlog=RedisBacklog(adapters.client, shards=adapters.settings.shards),
        name=adapters.name,
        _check_store=partial(_check_store, adapters),
        _examine_store=partial(
            examine,
            adapters.client,
            adapters.pools,
            memory_limit=adapters.settings.memory_limit,
            replicas=adapters.settings.replicas,
            shards=adapters.settings.shards,
        ),
        _client=adapters.client,
        _shards=adapters.settings.shards,
    )


def _engine(adapters: _Adapters) -> Engine:
    plugins, through = adapters.plugins, adapters.through
    is_local = plugins.lookup is None or plugins.is_lookup_local
    lookup = plugins.lookup or _lookup(
        adapters.settings, adapters.configuration, adapters.clock
    )
    look_ups = LookUps(
        through("lookup", lookup),
        mailbox=adapters.mailbox,
        last_known=through("last_known", RedisLastKnown(adapters.client)),
        clock=adapters.clock,
        is_local=lambda _target: is_local,
        is_guest=plugins.lookup is not None,
    )

    return Engine(
        clock=adapters.clock,
        store=through("store", adapters.store),
        mailbox=adapters.mailbox,
        configuration=adapters.configuration,
        look_ups=look_ups,
        turns=through("turns", RedisTurns(adapters.client)),
        channels=frozenset(adapters.channels),
        measures=adapters.tally,
    )


def _couriers(adapters: _Adapters) -> Couriers:
    settings = adapters.settings
    outbox = RedisOutbox(adapters.client, adapters.store, shards=settings.shards)

    return Couriers(
        outbox=adapters.through("outbox", outbox),
        mailbox=adapters.mailbox,
        channels=adapters.channels,
        configuration=adapters.configuration,
        clock=adapters.clock,
        public_url=settings.public_url,
        measures=adapters.tally,
    )


async def _check_store(adapters: _Adapters) -> Sequence[Check]:
    settings = adapters.settings

    return await check_server(
        adapters.client,
        memory_limit=settings.memory_limit,
        replicas=settings.replicas,
    )


async def _problems(adapters: _Adapters) -> Sequence[str]:
    """Name the checks that fail and keep alerts from being stored."""
    checks = await _check_store(adapters)

    return [check.name for check in checks if check.is_fatal and not check.ok]


def _caretaker(adapters: _Adapters, engine: Engine) -> Caretaker:
    return Caretaker(
        upkeep=adapters.through("upkeep", _upkeep(adapters)),
        clock=adapters.clock,
        timers=adapters.timers,
        engine=engine,
        owner=adapters.name,
        retention=adapters.settings.retention,
        problems=partial(_problems, adapters),
        heartbeat=_heartbeat(adapters.settings, adapters.http),
        measures=adapters.tally,
    )


def _timers(sweep: Sweep, clock: StoreClock, pools: Pools, name: str) -> ArqTimers:
    return ArqTimers(
        pool=pools.own,
        clock=clock,
        arm=sweep.arm,
        sweep=sweep.sweep,
        name=name,
    )


def _channels(http: OutboundHttp, clock: Clock) -> dict[str, Channel]:
    return {
        CONSOLE: ConsoleChannel(sys.stdout),
        WEBHOOKS: WebhookChannel(http, clock),
    }


def _upkeep(adapters: _Adapters) -> RedisUpkeep:
    client, settings = adapters.client, adapters.settings
    headroom = Headroom(client, adapters.clock, settings.memory_limit)
    audit = Audit(client, adapters.store.snapshots, shards=settings.shards)
    packing = Packing(client, shards=settings.shards)
    purge = Purge(client, headroom.measured, shards=settings.shards)

    return RedisUpkeep(client, audit=audit, packing=packing, purge=purge)


def _heartbeat(settings: Settings, http: OutboundHttp) -> Heartbeat | None:
    """Return who is told that all is well; None: nobody wants to know."""
    if settings.heartbeat_url is None:
        return None

    return HttpHeartbeat(http, settings.heartbeat_url.get_secret_value())


def _lookup(
    settings: Settings, configuration: Configuration, clock: Clock
) -> OnCallLookup:
    """Ask the static file, if one is set; else the table in the directory."""
    if settings.on_call_file is not None:
        return StaticFileLookup(settings.on_call_file, clock)

    return TableLookup(configuration)


def read_redis_address(redis_url: str) -> Address:
    """
    Read the address of Redis, for whoever looks at it; nobody is asked.

    Raises:
        SettingsError: If it is none; it is not quoted.
    """
    with _address_is_read():
        return read_address(redis_url)


def judge_address(
    channel: str, address: str, *, allowed: Sequence[Network] = ()
) -> str | None:
    """Return what is wrong with an address on a channel, without asking anybody."""
    if channel != WEBHOOKS:
        return None
    try:
        judge_written(address, allowed)
    except RefusedUrlError as error:
        return str(error)

    return None


def configured_channels() -> frozenset[str]:
    """Return the names of the channels that processes of this installation send by."""
    plugins = entry_points(group="rung.channels")

    return frozenset({*CHANNELS, *(plugin.name for plugin in plugins)})


def check_on_call_file(path: Path) -> None:
    """
    Read the file of who is on call.

    Raises:
        ScheduleFileError: If it cannot be used; it names the line and the remedy.
    """
    read_schedules(path)


def _nonce() -> int:
    return secrets.randbits(NONCE_BITS)


def _worker_name(ids: Ids) -> str:
    """Name this process, as in arq's health key: for people and without two alike."""
    return f"{socket.gethostname()}:{os.getpid()}:{ids.command_id()[:8]}"
