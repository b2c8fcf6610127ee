"""What `rung doctor` asks a Redis beyond what `/readyz` looks at, once."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from engine.adapters.clock import host_time_ms
from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.adapters.redis.failover import examine_replicas, examine_sentinels
from engine.adapters.redis.health import Check, check_server
from engine.adapters.redis.pools import Pools
from engine.adapters.redis.scripts import Name
from engine.errors import EngineError

OLDEST = (6, 2)
OVERDUE_MAX = timedelta(seconds=30)
MILLISECOND = timedelta(milliseconds=1)
NOT_TOLD = "the server does not tell"


async def examine(
    client: Client,
    pools: Pools,
    *,
    memory_limit: int | None,
    replicas: int,
    shards: int,
) -> Sequence[Check]:
    """Look at a server, its replicas and its Sentinels; those also if it is not reached."""
    checks = await examine_server(
        client, memory_limit=memory_limit, replicas=replicas, shards=shards
    )
    if checks[0].ok:
        checks = [*checks, *await examine_replicas(client, wanted=replicas)]

    return [*checks, *await examine_sentinels(pools.sentinels, pools.name)]


async def examine_server(
    client: Client, *, memory_limit: int | None, replicas: int, shards: int
) -> Sequence[Check]:
    """
    Look at a server closely; one that is not reached is one finding.

    It fixes nothing, not even the number of shards of a new store.
    """
    checks = list(
        await check_server(
            client, host_time_ms, memory_limit=memory_limit, replicas=replicas
        )
    )
    if not checks[0].ok:
        return checks
    # The doctor looks at the directory itself.
    checks = [check for check in checks if check.name != "directory"]

    return [
        *checks,
        _version(await _asked(client, "INFO", "server")),
        _fsync(await _asked(client, "CONFIG GET", "appendfsync")),
        _limit(await _asked(client, "INFO", "memory"), memory_limit),
        _shards(await client.ask("GET", keys.SHARDS), shards),
        await _overdue(client, shards),
    ]


def _version(server: Mapping[str, object]) -> Check:
    told = str(server.get("valkey_version") or server.get("redis_version") or "")
    found = re.match(r"(\d+)\.(\d+)", told)
    is_valkey = "valkey_version" in server
    product = "Valkey" if is_valkey else "Redis"

    return Check(
        name="version",
        ok=found is None or is_valkey or (int(found[1]), int(found[2])) >= OLDEST,
        is_fatal=False,
        is_known=found is not None,
        detail=f"{product} {told}" if found else NOT_TOLD,
    )


def _fsync(config: Mapping[str, object]) -> Check:
    told = str(config.get("appendfsync", ""))

    return Check(
        name="fsync",
        ok=told != "no",
        is_fatal=False,
        is_known=bool(told),
        detail=f"appendfsync is {told}" if told else NOT_TOLD,
    )


def _limit(memory: Mapping[str, object], memory_limit: int | None) -> Check:
    limit = int(str(memory.get("maxmemory", 0))) or memory_limit

    return Check(
        name="memory limit",
        ok=bool(limit) or not memory,
        is_fatal=False,
        is_known=bool(limit or memory),
        detail=f"{limit} bytes" if limit else "there is none",
    )


def _shards(stored: bytes | None, wanted: int) -> Check:
    return Check(
        name="shards",
        ok=stored is None or int(stored) == wanted,
        is_fatal=True,
        detail=f"{int(stored)}, RUNG_SHARDS says {wanted}" if stored else "a new store",
    )


async def _overdue(client: Client, shards: int) -> Check:
    try:
        heads = await client.run(Name.HEADS, shards)
    except EngineError as error:
        return Check(
            name="overdue", ok=True, is_fatal=False, is_known=False, detail=str(error)
        )
    late = [
        f"{name.decode()} by {ms // 1_000} s"
        for name, ms in heads
        if ms * MILLISECOND > OVERDUE_MAX
    ]

    return Check(
        name="overdue",
        ok=not late,
        is_fatal=False,
        detail=", ".join(late) or "nothing waits",
    )


async def _asked(client: Client, *command: str) -> Mapping[str, object]:
    """Ask a server about itself; a managed one may not answer."""
    try:
        answer: object = await client.ask(*command)
    except EngineError:
        return {}
    if not isinstance(answer, Mapping):
        return {}

    return {_text(key): _text(value) for key, value in answer.items()}


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
