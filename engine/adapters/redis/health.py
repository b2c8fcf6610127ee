"""What can be wrong with a Redis: what `/readyz` and the start of a process look at."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.errors import EngineError, StoreUnavailableError

UNKNOWN = "unknown: the server does not say"


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


async def check_server(client: Client) -> Sequence[Check]:
    """Look at everything that has to be right for pages to go out and not get lost."""
    writable = await _writable(client)
    if not writable.ok:
        return [writable]
    memory = await _setting(client, "maxmemory-policy")
    persistence = await _setting(client, "appendonly")

    return [
        writable,
        Check(
            name="eviction",
            ok=memory in {"noeviction", UNKNOWN},
            is_fatal=True,
            detail=f"maxmemory-policy is {memory}; it has to be noeviction",
        ),
        Check(
            name="persistence",
            ok=persistence in {"yes", UNKNOWN},
            is_fatal=False,
            detail=f"appendonly is {persistence}; without it a restart loses incidents",
        ),
    ]


async def _writable(client: Client) -> Check:
    try:
        await client.ask("SET", keys.PROBE, b"1", "EX", keys.PROBE_SECONDS)
        await client.time()
    except StoreUnavailableError as error:
        return Check(name="redis", ok=False, is_fatal=True, detail=str(error))

    return Check(name="redis", ok=True, is_fatal=True, detail="writable")


async def _setting(client: Client, name: str) -> str:
    try:
        reply = await client.ask("CONFIG GET", name)
    except StoreUnavailableError:
        return UNKNOWN
    values = (
        reply if isinstance(reply, dict) else dict(zip(*[iter(reply)] * 2, strict=True))
    )
    value = values.get(name, values.get(name.encode(), UNKNOWN))

    return value.decode() if isinstance(value, bytes) else str(value)
