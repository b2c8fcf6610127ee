"""Scripts that are cut off after so many writes, and what is in a database then."""

from typing import Any

from redis.asyncio import Redis

from engine.adapters.redis.scripts import Script
from tests.support.redis_time import TIME_KEY

# Every command of ours that writes.
WRITES = [
    "DEL",
    "EXPIRE",
    "HDEL",
    "HINCRBY",
    "HSET",
    "HSETNX",
    "LPUSH",
    "LSET",
    "LTRIM",
    "RPUSH",
    "SET",
    "ZADD",
    "ZREM",
]
CUT = """
local real, left = redis, {after}
local writes = {{{writes}}}
local redis = {{call = function(name, ...)
  if writes[name] then
    if left == 0 then error('cut off') end
    left = left - 1
  end
  return real.call(name, ...)
end}}
"""


def torn(script: Script, after: int) -> Script:
    """Return a script that fails at the write after so many."""
    writes = ", ".join(f"{name} = true" for name in WRITES)

    return Script.of(CUT.format(after=after, writes=writes) + script.text)


async def contents(redis: Redis) -> dict[str, Any]:
    """Return all that is in a database."""
    found = {name.decode(): await _content(redis, name) for name in await redis.keys()}
    found.pop(TIME_KEY, None)

    return found


async def _content(redis: Redis, name: bytes) -> Any:
    match await redis.type(name):
        case b"hash":
            return await redis.hgetall(name)  # type: ignore[misc, arg-type]
        case b"list":
            return await redis.lrange(name, 0, -1)  # type: ignore[misc, arg-type]
        case b"zset":
            return dict(await redis.zrange(name, 0, -1, withscores=True))
        case _:
            return await redis.get(name)
