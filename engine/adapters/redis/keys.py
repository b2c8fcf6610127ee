"""
Every key in Redis, in one place: name, type, lifetime, use.

Keys of a shard share a hash tag, so that all that belongs to an incident lies
together. No incident key has a time to live: incidents are removed by purge only.
"""

import hashlib
import re
from dataclasses import dataclass
from zlib import crc32

from engine.ids import shard_of

SHARDS = "rung:shards"
KICK = "rung:kick"
DIRECTORY = "rung:directory"
PROBE = "rung:probe"
HASH_BYTES = 11

MAILBOX_MAX = 10_000
LATE_MAX = 1_000
OCCURRENCE_SECONDS = 24 * 60 * 60
PROBE_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One row of the key table. `*` stands for an id, a hash or a channel."""

    pattern: str
    type: str
    lifetime: str
    use: str

    @property
    def is_temporary(self) -> bool:
        """Whether the key goes by itself."""
        return "expires" in self.lifetime

    def matches(self, key: str) -> bool:
        """Tell whether a key is of this row."""
        expression = (
            re.escape(self.pattern).replace(r"\*", "[^:]+").replace("<s>", r"\d+")
        )
        if self.pattern.endswith("*"):
            expression = expression.removesuffix("[^:]+") + ".+"

        return re.fullmatch(expression, key) is not None


def _row(pattern: str, type_: str, lifetime: str, use: str) -> KeyRow:
    return KeyRow(pattern=pattern, type=type_, lifetime=lifetime, use=use)


OPEN_AND_30_DAYS = "until purged"
TABLE = (
    _row(
        "{rung:<s>}:i:*", "hash", OPEN_AND_30_DAYS, "an incident: revision, state, due"
    ),
    _row(
        "{rung:<s>}:m:*", "list", "until read", "its mailbox: alerts, reports, answers"
    ),
    _row("{rung:<s>}:h:*", "list", OPEN_AND_30_DAYS, "its history, an entry an event"),
    _row("{rung:<s>}:a:*", "hash", OPEN_AND_30_DAYS, "its alerts by fingerprint"),
    _row("{rung:<s>}:k:*", "string", "until resolved", "dedup key to open incident"),
    _row(
        "{rung:<s>}:o:*", "string", "expires after 24 h", "an occurrence that is over"
    ),
    _row("{rung:<s>}:late", "list", "the last 1,000", "alerts that came too late"),
    _row("{rung:<s>}:due", "zset", "for ever", "incident to the time it is due"),
    _row("{rung:<s>}:mail", "zset", "for ever", "incidents with unread mail"),
    _row("{rung:<s>}:open", "zset", "for ever", "incidents that are not resolved"),
    _row("{rung:<s>}:closed", "zset", "for ever", "incidents that are resolved"),
    _row("{rung:<s>}:snap", "hash", "while in use", "policy snapshots by hash"),
    _row("{rung:<s>}:snapn", "hash", "while in use", "how many incidents use each"),
    _row("{rung:<s>}:out:*", "zset", "for ever", "outbox of a channel, by cause"),
    _row("{rung:<s>}:ob", "hash", "until sent", "what the outbox entries send"),
    _row("{rung:<s>}:oa", "hash", "until sent", "attempts of the outbox entries"),
    _row(SHARDS, "string", "for ever", "number of shards, fixed at first start"),
    _row(KICK, "list", "at most one item", "something is due now"),
    _row(DIRECTORY, "hash", "for ever", "configuration and its version"),
    _row(PROBE, "string", "expires after 10 s", "written to see whether it can be"),
    _row("rung:arq", "zset", "for ever", "arq's queue of wake jobs"),
    _row("rung:arq:*", "string", "expires after 11 s", "health of arq's workers"),
    _row("arq:job:*", "string", "expires after 8 days", "a wake job, for a 100 ms"),
    _row("arq:in-progress:*", "string", "expires after 70 s", "a wake job that runs"),
    _row("arq:retry:*", "string", "expires after a day", "arq's count of tries"),
    _row("arq:abort", "zset", "for ever", "arq's own; stays empty"),
)


def prefix(shard: int) -> str:
    """Return what the keys of a shard start with."""
    return f"{{rung:{shard}}}:"


def prefix_of(incident_id: str) -> str:
    """Return what the keys of an incident's shard start with."""
    return prefix(shard_of(incident_id))


def shard_for(integration: str, key: str, shards: int) -> int:
    """Return the shard of the incidents with this dedup key."""
    return crc32(f"{integration}\0{key}".encode()) % shards


def hash_of(*parts: str) -> str:
    """Shorten a dedup key or an occurrence to 22 characters."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()

    return digest[: 2 * HASH_BYTES]


def outbox_entry(incident_id: str, page: str, rule: int) -> str:
    """Name an outbox entry."""
    return f"{incident_id}|{page}|{rule}"


def outbox_list(channel: str, *, by_timer: bool) -> str:
    """Name the outbox list of a channel and cause, as scripts take it."""
    return f"{channel}:timer" if by_timer else f"{channel}:opening"
