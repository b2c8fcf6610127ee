"""
What the engine needs from the outside world.

A port is a promise with its fine print. Each promise has a test in
tests/contract that every adapter passes, the in-memory one too.
"""

from engine.ports.channels import Channel, DeliveryResult, Notification
from engine.ports.clock import Clock, Ids
from engine.ports.configuration import Configuration
from engine.ports.idempotency import (
    IdempotencyKeys,
    KeptAnswer,
    KeyClaim,
    KeyUse,
)
from engine.ports.mailbox import (
    Answer,
    Mailbox,
    Posting,
    Receipt,
    Routed,
    RoutedAcknowledgement,
    RoutedAlert,
)
from engine.ports.measures import (
    UNMEASURED,
    Backlog,
    Counted,
    Counter,
    Due,
    Mark,
    Measures,
    Series,
    Span,
    Spread,
    Totals,
)
from engine.ports.outbox import Delivery, Outbox, Room, UnderWay
from engine.ports.people import (
    KnownOnCall,
    LastKnown,
    OnCall,
    OnCallLookup,
    OnCallReason,
    Turn,
    Turns,
)
from engine.ports.rejected import RejectedEvent, RejectedEvents
from engine.ports.store import (
    REST,
    Claimed,
    Commit,
    Entry,
    IncidentReader,
    IncidentStore,
    Lane,
    Mail,
    Stored,
    Summary,
)
from engine.ports.timers import Timers, Wake
from engine.ports.upkeep import Audited, Heartbeat, Purged, Repair, Upkeep

__all__ = [
    "REST",
    "UNMEASURED",
    "Answer",
    "Audited",
    "Backlog",
    "Channel",
    "Claimed",
    "Clock",
    "Commit",
    "Configuration",
    "Counted",
    "Counter",
    "Delivery",
    "DeliveryResult",
    "Due",
    "Entry",
    "Heartbeat",
    "IdempotencyKeys",
    "Ids",
    "IncidentReader",
    "IncidentStore",
    "KeptAnswer",
    "KeyClaim",
    "KeyUse",
    "KnownOnCall",
    "Lane",
    "LastKnown",
    "Mail",
    "Mailbox",
    "Mark",
    "Measures",
    "Notification",
    "OnCall",
    "OnCallLookup",
    "OnCallReason",
    "Outbox",
    "Posting",
    "Purged",
    "Receipt",
    "RejectedEvent",
    "RejectedEvents",
    "Repair",
    "Room",
    "Routed",
    "RoutedAcknowledgement",
    "RoutedAlert",
    "Series",
    "Span",
    "Spread",
    "Stored",
    "Summary",
    "Timers",
    "Totals",
    "Turn",
    "Turns",
    "UnderWay",
    "Upkeep",
    "Wake",
]
