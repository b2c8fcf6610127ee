"""The key table, held against what is in a database."""

from redis.asyncio import Redis

from engine.adapters.redis.keys import row_of
from tests.support.redis_time import TIME_KEY

NO_END = -1


async def leaks(redis: Redis) -> list[str]:
    """Return what the key table does not allow, in words, and trays nobody looks at."""
    found: list[str] = []
    for name in await redis.keys():
        key = name.decode()
        if key != TIME_KEY:
            found += await _faults(redis, key)
            found += await unseen(redis, key)

    return found


async def unseen(redis: Redis, key: str) -> list[str]:
    """Return in words what of an outbox tray no claim and no sweep would find."""
    prefix, _, tray = key.partition("}:out:")
    if not tray:
        return []
    known = await redis.zscore(f"{prefix}}}:trays", tray)
    attempts = f"{prefix}}}:oa"
    faults = []
    for entry, due in await redis.zrange(key, 0, -1, withscores=True):
        if known is None or known > due:
            faults.append(f"{key} is due at {due}, and looked at {known}")
        held = await redis.hget(attempts, entry) or b""  # type: ignore[misc]
        if not held.endswith(f":{tray}".encode()):
            faults.append(f"{entry!r} lies in {tray}, and is said to in {held!r}")

    return faults


async def _faults(redis: Redis, key: str) -> list[str]:
    row = row_of(key)
    if row is None:
        return [f"{key} is not in the table"]
    kind = (await redis.type(key)).decode()
    seconds = await redis.ttl(key)
    faults = [] if kind == row.type else [f"{key} is a {kind}, not a {row.type}"]
    if row.seconds_max is None and seconds != NO_END:
        faults.append(f"{key} goes in {seconds} s; it has to stay")
    if row.seconds_max is not None and not 0 < seconds <= row.seconds_max:
        faults.append(f"{key} goes in {seconds} s, not in {row.seconds_max}")

    return faults
