"""The key table, held against what is in a database."""

from redis.asyncio import Redis

from engine.adapters.redis.keys import row_of
from tests.support.redis_time import TIME_KEY

NO_END = -1


async def leaks(redis: Redis) -> list[str]:
    """Return what the key table does not allow, in words."""
    found: list[str] = []
    for name in await redis.keys():
        key = name.decode()
        if key != TIME_KEY:
            found += await _faults(redis, key)

    return found


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
