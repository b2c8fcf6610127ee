"""Upkeep of a memory store."""

from collections.abc import Callable
from datetime import datetime, timedelta

from engine.adapters.memory.clock import ManualClock
from engine.adapters.memory.store import MemoryStore
from engine.codec import encode_history
from engine.ports import Audited, Purged, Repair

QUIET = timedelta(minutes=1)
HELD_FOR = timedelta(seconds=15)
LEASE_MAX = timedelta(seconds=60)
FULL_OVER_PERCENT = 70
BATCH_MAX = 100


class MemoryUpkeep:
    """Looks after what is stored."""

    def __init__(
        self,
        store: MemoryStore,
        clock: ManualClock,
        used_percent: Callable[[], int] = lambda: 0,
    ) -> None:
        """Wire it up; a test says how full the memory is."""
        self._store = store
        self._clock = clock
        self._used_percent = used_percent
        self._owner = ""
        self._held_until = clock.now()

    async def hold(self, owner: str) -> bool:
        """Take the upkeep for 15 s, or keep it."""
        now = self._clock.now()
        if self._owner != owner and now < self._held_until:
            return False
        self._owner, self._held_until = owner, now + HELD_FOR

        return True

    async def audit(self, after: str | None = None) -> Audited:  # noqa: ARG002 - one slice is all
        """Check everything, and put right what is wrong."""
        now = self._clock.now()
        mail = due = 0
        for kept in self._store.kept.values():
            if kept.mail and not self._is_in_lane(kept.mail_at, None):
                kept.mail_at = now
                mail += 1
            if kept.due and not self._is_in_lane(kept.due_at, kept.due):
                kept.due_at = kept.due
                due += 1
        counts = {Repair.MAIL: mail, Repair.DUE: due}

        return Audited(
            repaired={repair: count for repair, count in counts.items() if count},
            done=1,
            overdue=self._overdue(),
        )

    async def pack(self) -> int:
        """Pack the histories of some incidents."""
        limit = self._clock.now() - QUIET
        waiting = [
            kept
            for kept in self._store.kept.values()
            if kept.unpacked_at and kept.unpacked_at <= limit
        ]
        for kept in waiting:
            lines = kept.lines
            kept.packed, kept.packed_count = encode_history(lines), len(lines)
            kept.history, kept.unpacked_at = [], None

        return len(waiting)

    async def purge(self, closed_before: datetime) -> Purged:
        """Remove some closed incidents, those first that closed first."""
        is_full = self._used_percent() > FULL_OVER_PERCENT
        closed = sorted(
            (kept.closed_at, incident_id)
            for incident_id, kept in self._store.kept.items()
            if kept.closed_at and not kept.mail
            if is_full or kept.closed_at <= closed_before
        )[:BATCH_MAX]
        for _, incident_id in closed:
            del self._store.kept[incident_id]
        old = [at <= closed_before for at, _ in closed]

        return Purged(old=old.count(True), early=old.count(False))

    def _is_in_lane(self, at: datetime | None, due: datetime | None) -> bool:
        return at is not None and (at == due or at <= self._clock.now() + LEASE_MAX)

    def _overdue(self) -> dict[str, timedelta]:
        """Tell for how long what is due next has been overdue."""
        now, due = self._clock.now(), self._store.next_due()

        return {"due": max(timedelta(0), now - due) if due else timedelta(0)}
