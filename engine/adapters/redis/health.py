"""What can be wrong with a Redis: what `/readyz` and the start of a process look at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.adapters.clock import elapsed_ns
from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.adapters.redis.headroom import FULL_AT_PERCENT, used_percent
from engine.adapters.redis.scripts import Name
from engine.errors import EngineError

UNKNOWN = "unknown"
NOEVICTION = "noeviction"
SKEW_MS_MAX = 2_000
# A drain claims a quarter of a second ahead: slower answers make pages late.
LATENCY_MS_MAX = 100
MILLISECOND_NS = 1_000_000


class ShardsMismatchError(EngineError):
    """The store was made with another number of shards; that never changes."""

    def __init__(self, stored: int, wanted: int) -> None:
        super().__init__(
            f"the store has {stored} shards, RUNG_SHARDS says {wanted}: "
            f"set RUNG_SHARDS={stored}, or use an empty store"
        )
        self.stored = stored
        self.wanted = wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one look at the server found; a fatal one that fails means not ready."""

    name: str
    ok: bool
    is_fatal: bool
    detail: str


async def check_shards(client: Client, shards: int) -> None:
    """
    Fix the number of shards at the first start, and compare it at every other.

    Raises:
        ShardsMismatchError: If the store was made with another number.
        StoreUnavailableError: If Redis cannot be reached.
    """
    await client.ask("SET", keys.SHARDS, shards, "NX")
    stored = await client.ask("GET", keys.SHARDS)
    if stored is not None and int(stored) != shards:
        raise ShardsMismatchError(int(stored), shards)


async def check_server(
    client: Client,
    host_time_ms: Callable[[], int] | None = None,
    *,
    memory_limit: int | None = None,
    replicas: int = 0,
) -> Sequence[Check]:
    """
    Look at everything that has to be right for pages to go out and not get lost.

    Args:
        client: Asks the server.
        memory_limit: In bytes, where the server has no limit itself.
        replicas: How many must have what is promised.
        host_time_ms: What this machine takes for the time, since 1970. Only people
            who read its logs depend on that.
    """
    began = elapsed_ns()
    try:
        at = await client.run(Name.PROBE, keys.PROBE, keys.PROBE_SECONDS)
    except EngineError as error:
        return [Check(name="redis", ok=False, is_fatal=True, detail=str(error))]
    took_ms = (elapsed_ns() - began) // MILLISECOND_NS
    client.observe(at)
    skew = [_skew(host_time_ms() - at)] if host_time_ms else []
    memory = await _info(client, "memory")
    wanted = (
        [_replicas(await _info(client, "replication"), replicas)] if replicas else []
    )

    return [
        Check(name="redis", ok=True, is_fatal=True, detail="writable"),
        _directory(await client.ask("EXISTS", keys.DIRECTORY)),
        _eviction(memory),
        _room(used_percent(memory, memory_limit)),
        *wanted,
        _persistence(await _info(client, "persistence")),
        _latency(took_ms),
        *skew,
    ]


def _directory(count: int) -> Check:
    return Check(
        name="directory",
        ok=count > 0,
        is_fatal=True,
        detail="there"
        if count
        else "the store is empty: is REDIS_URL the right one? `rung apply` with it fills it",
    )


def _room(percent: int) -> Check:
    return Check(
        name="memory",
        ok=percent < FULL_AT_PERCENT,
        is_fatal=True,
        detail=f"{percent} % used; from {FULL_AT_PERCENT} % on alerts are refused",
    )


def _replicas(replication: Mapping[str, object], wanted: int) -> Check:
    found = int(str(replication.get("connected_slaves", wanted)))

    return Check(
        name="replicas",
        ok=found >= wanted,
        is_fatal=True,
        detail=f"{found} connected; without {wanted} (RUNG_REPLICAS) nothing is promised",
    )


def _eviction(memory: Mapping[str, object]) -> Check:
    policy = str(memory.get("maxmemory_policy", UNKNOWN))

    return Check(
        name="eviction",
        ok=policy in {NOEVICTION, UNKNOWN},
        is_fatal=True,
        detail=f"maxmemory-policy has to be {NOEVICTION}; it is {policy}",
    )


def _persistence(persistence: Mapping[str, object]) -> Check:
    enabled = str(persistence.get("aof_enabled", UNKNOWN))

    return Check(
        name="persistence",
        ok=enabled in {"1", UNKNOWN},
        is_fatal=False,
        detail=f"appendonly has to be yes, or a restart loses incidents; it is {_WORDS[enabled]}",
    )


def _latency(took_ms: int) -> Check:
    return Check(
        name="latency",
        ok=took_ms <= LATENCY_MS_MAX,
        is_fatal=False,
        detail=f"a write took {took_ms} ms; over {LATENCY_MS_MAX} ms pages are late",
    )


def _skew(skew_ms: int) -> Check:
    return Check(
        name="skew",
        ok=abs(skew_ms) < SKEW_MS_MAX,
        is_fatal=False,
        detail=f"this machine's clock is {skew_ms} ms ahead of the server's",
    )


async def _info(client: Client, section: str) -> Mapping[str, object]:
    """Ask a server about itself; one that does not say is trusted."""
    try:
        answer: Mapping[str, object] = await client.ask("INFO", section)
    except EngineError:
        return {}

    return answer


_WORDS = {"0": "no", "1": "yes", UNKNOWN: UNKNOWN}
