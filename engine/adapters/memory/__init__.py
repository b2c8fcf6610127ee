"""
Adapters that live in this process: for tests, replays and a first look.

They keep the promises of the ports like the others do, on a clock that moves only
when told to. What is stored goes through the codec, so what could not be stored
elsewhere cannot be stored here.
"""

from engine.adapters.memory.channel import MemoryChannel
from engine.adapters.memory.clock import CountingIds, ManualClock
from engine.adapters.memory.configuration import MemoryConfiguration
from engine.adapters.memory.idempotency import MemoryIdempotencyKeys
from engine.adapters.memory.last_known import MemoryLastKnown
from engine.adapters.memory.measures import MemoryBacklog, MemoryTotals
from engine.adapters.memory.outbox import MemoryOutbox
from engine.adapters.memory.rejected import MemoryRejectedEvents
from engine.adapters.memory.store import MemoryStore
from engine.adapters.memory.timers import MemoryTimers
from engine.adapters.memory.turns import MemoryTurns
from engine.adapters.memory.upkeep import MemoryUpkeep

__all__ = [
    "CountingIds",
    "ManualClock",
    "MemoryBacklog",
    "MemoryChannel",
    "MemoryConfiguration",
    "MemoryIdempotencyKeys",
    "MemoryLastKnown",
    "MemoryOutbox",
    "MemoryRejectedEvents",
    "MemoryStore",
    "MemoryTimers",
    "MemoryTotals",
    "MemoryTurns",
    "MemoryUpkeep",
]
