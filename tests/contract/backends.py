"""What a contract test is handed, whatever is behind it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from engine.adapters.memory import (
    CountingIds,
    ManualClock,
    MemoryOutbox,
    MemoryStore,
    MemoryUpkeep,
)
from engine.ports import (
    IncidentReader,
    IncidentStore,
    Lane,
    Mailbox,
    Outbox,
    Upkeep,
)
from tests.contract.making import a_firing


class Backend(Protocol):
    """One process's ports on a store, on time that moves only when told to."""

    @property
    def clock(self) -> ManualClock:
        """The time."""
        ...

    @property
    def store(self) -> IncidentStore:
        """Keeps incidents."""
        ...

    @property
    def mailbox(self) -> Mailbox:
        """Takes in alerts and answers."""
        ...

    @property
    def reader(self) -> IncidentReader:
        """Shows incidents."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Keeps what is to be sent."""
        ...

    @property
    def upkeep(self) -> Upkeep:
        """Looks after what is stored."""
        ...

    used_percent: int
    """How full the memory is, as a test says."""

    def another(self) -> "Backend":
        """Return another process on the same store."""
        ...

    async def advance(self, by: timedelta) -> None:
        """Let time pass."""
        ...

    async def late_count(self) -> int:
        """Return how many notices came too late."""
        ...

    async def fill(self, incident_id: str, length: int) -> None:
        """Put so much mail into a mailbox that nobody will read."""
        ...

    async def lose(self, incident_id: str, lane: Lane) -> None:
        """Lose an incident's place in a lane, as no script of ours does."""
        ...

    async def shift(self, incident_id: str, lane: Lane, at: datetime) -> None:
        """Move an incident's place in a lane to another time."""
        ...


@dataclass
class InMemory:
    """The memory adapters."""

    clock: ManualClock
    ids: CountingIds = field(default_factory=CountingIds)
    used_percent: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock, self.ids)
        self.mailbox = self.store
        self.reader = self.store
        self.outbox = MemoryOutbox(self.store, self.clock)
        self.upkeep = MemoryUpkeep(self.store, self.clock, lambda: self.used_percent)

    @classmethod
    def starting(cls, at: datetime) -> "InMemory":
        """Return an empty store."""
        return cls(ManualClock(at))

    def another(self) -> "InMemory":
        """Return the same: there is only this process."""
        return self

    async def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.clock.advance(by)

    async def late_count(self) -> int:
        """Return how many notices came too late."""
        return len(self.store.late)

    async def fill(self, incident_id: str, length: int) -> None:
        """Put so much mail into the mailbox of the first incident of the tests."""
        receipts = await self.store.append([a_firing()] * length)
        assert {incident_id} == {receipt.incident_id for receipt in receipts}

    async def lose(self, incident_id: str, lane: Lane) -> None:
        """Lose an incident's place in a lane."""
        self._put(incident_id, lane, None)

    async def shift(self, incident_id: str, lane: Lane, at: datetime) -> None:
        """Move an incident's place in a lane."""
        self._put(incident_id, lane, at)

    def _put(self, incident_id: str, lane: Lane, at: datetime | None) -> None:
        kept = self.store.kept[incident_id]
        if lane is Lane.DUE:
            kept.due_at = at
        else:
            kept.mail_at = at
