"""What a Redis holds that somebody should have taken by now, whatever its list."""

from collections.abc import Iterator
from typing import cast

import redis

from engine.adapters.redis.keys import TABLE

SHARD = "{rung:"
# In these nobody waits for anything; every other list is of what is due at a time.
KEPT = {"until resolved", "until packed", "until purged"}
LISTS = [
    row
    for row in TABLE
    if row.type == "zset" and row.pattern.startswith(SHARD) and row.lifetime not in KEPT
]
OF_INCIDENTS = f"{SHARD}*}}:i:*"
OF_MAIL = f"{SHARD}*}}:m:*"


def overdue(client: "redis.Redis", seconds: float = 0) -> list[str]:
    """Return what has been due for so long, in words."""
    whole, part = cast("tuple[int, int]", client.time())
    until = int((whole + part / 1e6 - seconds) * 1_000)
    found = []
    for name in client.scan_iter(match=f"{SHARD}*", _type="zset"):
        key = name.decode()
        if any(row.matches(key) for row in LISTS):
            members = cast("list[bytes]", client.zrangebyscore(name, "-inf", until))
            found += [f"{member.decode()} in {key}" for member in members]

    return sorted(found)


def forgotten(client: "redis.Redis") -> list[str]:
    """
    Return what nobody will ever be woken for, in words.

    An incident that is due and is not in the list of what is due; and unread mail likewise.
    """
    return sorted([*_not_due(client), *_not_read(client)])


def _not_due(client: "redis.Redis") -> Iterator[str]:
    for name in client.scan_iter(match=OF_INCIDENTS):
        prefix, incident = name.decode().split(":i:")
        if client.hget(name, "d") and client.zscore(f"{prefix}:due", incident) is None:
            yield f"{incident} is due, and not in {prefix}:due"


def _not_read(client: "redis.Redis") -> Iterator[str]:
    for name in client.scan_iter(match=OF_MAIL):
        prefix, incident = name.decode().split(":m:")
        if client.zscore(f"{prefix}:mail", incident) is None:
            yield f"{incident} has mail, and is not in {prefix}:mail"
