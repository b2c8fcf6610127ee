"""
Every key in Redis, in one place: name, type, lifetime, use.

Keys of a shard share a hash tag, so that all that belongs to an incident lies
together. No incident key has a time to live: incidents are removed by purge only.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from zlib import crc32

from engine.ids import shard_of

# How scripts name the keys of a shard, and `prefix` too.
SHARD = "{rung:%d}:"
SHARDS = "rung:shards"
KICK = "rung:kick"
DIRECTORY = "rung:directory"
PROBE = "rung:probe"
UPKEEP = "rung:upkeep"
TURNS = "rung:turns"
MEASURES = "rung:measures"
TICKET = "rung:ticket:"
ON_CALL = "rung:on-call:"
IDEMPOTENCY = "rung:idempotency:"
REJECTED = "rung:rejected"
HASH_BYTES = 11

OCCURRENCE_SECONDS = 24 * 60 * 60
PROBE_SECONDS = 10
UPKEEP_SECONDS = 15
TICKET_SECONDS = 60 * 60
ON_CALL_SECONDS = 24 * 60 * 60
# A key whose run has not ended by then died with its process.
CLAIM_SECONDS = 60
ANSWER_SECONDS = 24 * 60 * 60
REJECTED_SECONDS = 30 * 24 * 60 * 60
# Written with arq's own defaults, and a wake job's by our scripts.
HEALTH_SECONDS = 11
IN_PROGRESS_SECONDS = 70
RETRY_SECONDS = 24 * 60 * 60
WAKE_SECONDS = 7 * 24 * 60 * 60
CRON_SECONDS = 24 * 60 * 60 + 60


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """
    One row of the key table.

    Attributes:
        pattern: `<s>` stands for a shard, `*` for an id, a hash, a name.
        lifetime: When it goes, in words.
        seconds_max: Its time to live at most; None: it has none.
    """

    pattern: str
    type: str
    lifetime: str
    use: str
    seconds_max: int | None = None

    def matches(self, key: str) -> bool:
        """Tell whether a key is of this row."""
        return _compiled(self.pattern).fullmatch(key) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    expression = re.escape(pattern).replace("<s>", r"\d+").replace(r"\*", ".+")

    return re.compile(expression)


def _row(
    pattern: str, kind: str, lifetime: str, use: str, seconds_max: int | None = None
) -> KeyRow:
    return KeyRow(
        pattern=pattern, type=kind, lifetime=lifetime, use=use, seconds_max=seconds_max
    )


TABLE = (
    _row(
        "{rung:<s>}:i:*", "hash", "until purged", "an incident: revision, state, counts"
    ),
    _row("{rung:<s>}:m:*", "list", "until read", "its mailbox: alerts, answers"),
    _row(
        "{rung:<s>}:h:*",
        "list",
        "until purged",
        "its history, as far as it is not packed",
    ),
    _row("{rung:<s>}:a:*", "hash", "until purged", "its alerts by fingerprint"),
    _row("{rung:<s>}:k:*", "string", "until resolved", "dedup key to open incident"),
    _row(
        "{rung:<s>}:o:*",
        "string",
        "expires after 24 h",
        "an occurrence of an alert that is over",
        OCCURRENCE_SECONDS,
    ),
    _row(
        "{rung:<s>}:l:*",
        "string",
        "expires after 24 h",
        "dedup key to the incident that was resolved while it fired",
        OCCURRENCE_SECONDS,
    ),
    _row("{rung:<s>}:late", "list", "the last 1,000", "alerts that came too late"),
    _row("{rung:<s>}:due", "zset", "while any waits", "incident to the time it is due"),
    _row("{rung:<s>}:mail", "zset", "while any waits", "incidents with unread mail"),
    _row("{rung:<s>}:open", "zset", "until resolved", "incidents, by id as a number"),
    _row("{rung:<s>}:closed", "zset", "until purged", "incidents that are resolved"),
    _row("{rung:<s>}:team:*", "zset", "until purged", "incidents of a team"),
    _row("{rung:<s>}:teamless", "zset", "until purged", "those of the default team"),
    _row("{rung:<s>}:over", "zset", "until purged", "when each of them was closed"),
    _row(
        "{rung:<s>}:pack",
        "zset",
        "until packed",
        "incidents at rest or closed, history unpacked",
    ),
    _row("{rung:<s>}:snap", "hash", "while in use", "policy snapshots by hash"),
    _row(
        "{rung:<s>}:snapn", "hash", "while in use", "how many incidents have named each"
    ),
    _row(
        "{rung:<s>}:out:*:timer",
        "zset",
        "until sent",
        "an outbox tray, by channel and provider: what timers caused",
    ),
    _row(
        "{rung:<s>}:out:*:opening",
        "zset",
        "until sent",
        "an outbox tray, by channel and provider: what openings caused",
    ),
    _row("{rung:<s>}:ob", "hash", "until sent", "what the outbox entries send"),
    _row(
        "{rung:<s>}:oa", "hash", "until sent", "tries and trays of the outbox entries"
    ),
    _row(
        "{rung:<s>}:trays",
        "zset",
        "while any waits",
        "outbox trays to a time when nothing in them is due yet",
    ),
    _row(SHARDS, "string", "for ever", "number of shards, fixed at first start"),
    _row(KICK, "list", "until taken", "something is due now; one item at most"),
    _row(DIRECTORY, "hash", "for ever", "the version of the configuration"),
    _row(
        DIRECTORY + ":*", "hash", "for ever", "configuration, by kind and id of objects"
    ),
    _row(
        PROBE,
        "string",
        "expires after 10 s",
        "written to see whether it can be",
        PROBE_SECONDS,
    ),
    _row(
        UPKEEP,
        "string",
        "expires after 15 s",
        "the process that does the upkeep",
        UPKEEP_SECONDS,
    ),
    _row(TURNS, "hash", "for ever", "who was taken last, by policy and step"),
    _row(
        "rung:ticket:*",
        "string",
        "expires after an hour",
        "who was taken for one run of a step",
        TICKET_SECONDS,
    ),
    _row(
        "rung:on-call:*",
        "string",
        "expires after a day",
        "whom a look-up named last",
        ON_CALL_SECONDS,
    ),
    _row(MEASURES, "hash", "for ever", "what was counted, for /metrics"),
    _row(
        "rung:idempotency:*",
        "string",
        "expires after a day",
        "the answer to a request with an Idempotency-Key",
        ANSWER_SECONDS,
    ),
    _row(
        REJECTED,
        "list",
        "expires 30 days after the last, of 100",
        "what came under nobody's key",
        REJECTED_SECONDS,
    ),
    _row(
        REJECTED + ":*",
        "list",
        "expires 30 days after the last, of 100",
        "what was refused, by integration",
        REJECTED_SECONDS,
    ),
    _row("rung:arq", "zset", "while any waits", "arq's queue of wake jobs"),
    _row(
        "rung:arq:health-check:*",
        "string",
        "expires after 11 s",
        "an arq worker's health",
        HEALTH_SECONDS,
    ),
    _row(
        "arq:job:rung:*",
        "string",
        "expires after 7 days",
        "a wake job, for 100 ms",
        WAKE_SECONDS,
    ),
    _row(
        "arq:job:cron:rung:*",
        "string",
        "expires after a day",
        "a sweep",
        CRON_SECONDS,
    ),
    _row(
        "arq:in-progress:*",
        "string",
        "expires after 70 s",
        "a job that runs",
        IN_PROGRESS_SECONDS,
    ),
    _row(
        "arq:retry:*",
        "string",
        "expires after a day",
        "arq's count of tries",
        RETRY_SECONDS,
    ),
    _row("arq:abort", "zset", "for ever", "arq's own; stays empty"),
)


def row_of(key: str) -> KeyRow | None:
    """Return the row of a key; None for one that is not ours."""
    return next((row for row in TABLE if row.matches(key)), None)


def prefix(shard: int) -> str:
    """Return what the keys of a shard start with."""
    return SHARD % shard


def prefix_of(incident_id: str) -> str:
    """Return what the keys of an incident's shard start with."""
    return SHARD % shard_of(incident_id)


def shard_for(integration: str, key: str, shards: int) -> int:
    """Return the shard of the incidents with this dedup key."""
    return crc32(f"{integration}\0{key}".encode()) % shards


def hash_of(*parts: str) -> str:
    """Shorten a dedup key or an occurrence to 22 characters."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()

    return digest[: 2 * HASH_BYTES]


def team_index(team: str | None) -> str:
    """Name the index of a team's incidents; None is the default team."""
    return f"team:{team}" if team is not None else "teamless"


def outbox_entry(incident_id: str, page: str, rule: int) -> str:
    """Name an outbox entry."""
    return f"{incident_id}|{page}|{rule}"


def outbox_names(entry: str) -> tuple[str, str, int]:
    """Return the incident, page and rule that an outbox entry names."""
    incident_id, rest = entry.split("|", 1)
    page, rule = rest.rsplit("|", 1)

    return incident_id, page, int(rule)


def outbox_tray(channel: str, provider: str, *, by_timer: bool) -> str:
    """Name the tray of a channel, a provider and a cause, as scripts take it."""
    return f"{channel}:{provider}:{'timer' if by_timer else 'opening'}"


def channel_of(tray: str) -> str:
    """Return the channel that a tray is of."""
    return tray.rsplit(":", 2)[0]
