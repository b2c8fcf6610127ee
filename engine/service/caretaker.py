"""
The caretaker: once a minute somebody looks whether everything is as it has to be.

One process at a time audits all that is stored, packs and purges what is over, and
tells somebody outside that pages go out. It tells them only what it has seen: that
nothing had got lost, that nothing waits, and that a kick leads to a claim.
"""

from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import anyio
import structlog

from engine.errors import show_error
from engine.ports import (
    UNMEASURED,
    Clock,
    Counter,
    Heartbeat,
    Mark,
    Measures,
    Purged,
    Repair,
    Upkeep,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ROUND = timedelta(minutes=1)
# The upkeep is held for 15 s: one renewal may fail.
RENEWED_EVERY = timedelta(seconds=5)
# A head that waits longer than this is nobody's any more, or nobody keeps up.
OVERDUE_MAX = timedelta(seconds=30)
CLAIM_GOOD_FOR = timedelta(minutes=1)
# A kick goes to one worker, in turn: so many reach this one among twenty, twice.
KICKS_MAX = 40
KICK_PAUSE = timedelta(milliseconds=50)
PING_SECONDS_MAX = 10
# Of a hundred each: what is left waits for the next round.
BATCHES_MAX = 100


class Arms(Protocol):
    """The side of the timers that wakes workers."""

    async def arm(self, dues: Sequence[datetime]) -> None:
        """Have some worker woken."""
        ...


class Claims(Protocol):
    """The side of the engine that shows whether it works."""

    @property
    def claimed_at(self) -> datetime | None:
        """When this process last came back from a claim, with incidents or without."""
        ...


@dataclass(slots=True, kw_only=True)
class Caretaker:
    """
    Goes round, for as long as no other process does.

    Attributes:
        owner: Names this process; no two share one.
        retention: For how long a closed incident is kept.
        problems: Names what else keeps alerts from being stored.
        heartbeat: Is told once a round, if all is well.
        measures: Counts what was repaired, and notes when all was looked at.
    """

    upkeep: Upkeep
    clock: Clock
    timers: Arms
    engine: Claims
    owner: str
    retention: timedelta
    problems: Callable[[], Awaitable[Sequence[str]]]
    heartbeat: Heartbeat | None = None
    measures: Measures = UNMEASURED

    def __post_init__(self) -> None:
        # Known before anything happens, so that the first repair is seen to be one.
        for repair in Repair:
            self.measures.add(Counter.REPAIRS, repair, count=0)

    async def run(self) -> None:
        """
        Go round and round, until cancelled.

        Raises:
            StoreUnavailableError: If the store cannot be reached.
        """
        while True:
            if await self.upkeep.hold(self.owner):
                await self.go_round()
            else:
                await self.clock.sleep_until(self.clock.now() + RENEWED_EVERY)

    async def go_round(self) -> None:
        """
        Go round once, in a minute; another process that has the upkeep ends it.

        Raises:
            StoreUnavailableError: If the store cannot be reached.
        """
        began = self.clock.now()
        if not await self._audit(began):
            return
        await self._pack()
        await self._purge()
        await self._wait_until(began + ROUND)

    async def _audit(self, began: datetime) -> bool:
        """Look at everything, and tell of it; False: somebody else does."""
        repaired: Counts[Repair] = Counts()
        audited = await self.upkeep.audit()
        self._tell_of(audited.repaired)
        repaired.update(audited.repaired)
        while audited.after is not None:
            if not await self._wait_until(began + audited.done * ROUND):
                return False
            audited = await self.upkeep.audit(audited.after)
            self._tell_of(audited.repaired)
            repaired.update(audited.repaired)
        doubts = await self._doubts(repaired, audited.overdue)
        log.info("audit.finished", doubts=doubts, **_named(repaired))
        self.measures.mark(Mark.AUDIT, self.clock.now())
        if not doubts:
            await self._ping()

        return True

    def _tell_of(self, repaired: Mapping[Repair, int]) -> None:
        """Log and count repairs of one slice: what comes after it may fail."""
        if repaired:
            log.warning("audit.repaired", **_named(repaired))
        for repair, count in repaired.items():
            self.measures.add(Counter.REPAIRS, repair, count=count)

    async def _wait_until(self, at: datetime) -> bool:
        """Keep the upkeep until then; False if another process has it."""
        while await self.upkeep.hold(self.owner):
            now = self.clock.now()
            if now >= at:
                return True
            await self.clock.sleep_until(min(at, now + RENEWED_EVERY))

        return False

    async def _doubts(
        self, repaired: Mapping[Repair, int], overdue: Mapping[str, timedelta]
    ) -> list[str]:
        """Return why nobody should be told that all is well."""
        doubts = ["repaired"] if repaired else []
        doubts += [
            f"{lane} overdue" for lane, by in overdue.items() if by >= OVERDUE_MAX
        ]
        doubts += [] if await self._is_claiming() else ["no claim"]
        doubts += await self.problems()

        return doubts

    async def _is_claiming(self) -> bool:
        """Kick until this process claims; one that has just done so may be busy."""
        began = self.clock.now()
        for _ in range(KICKS_MAX):
            await self.timers.arm([self.clock.now()])
            await self.clock.sleep_until(self.clock.now() + KICK_PAUSE)
            claimed_at = self.engine.claimed_at
            if claimed_at is not None and claimed_at >= began:
                return True
        claimed_at = self.engine.claimed_at

        return claimed_at is not None and self.clock.now() - claimed_at < CLAIM_GOOD_FOR

    async def _ping(self) -> None:
        if self.heartbeat is None:
            return
        try:
            with anyio.fail_after(PING_SECONDS_MAX):
                await self.heartbeat.ping()
        except Exception as error:  # noqa: BLE001 - what is outside must not stop what is inside
            log.warning("heartbeat.failed", error=show_error(error))

    async def _pack(self) -> None:
        count = 0
        for _ in range(BATCHES_MAX):
            packed = await self.upkeep.pack()
            count += packed
            if not packed or not await self.upkeep.hold(self.owner):
                break
        if count:
            log.info("histories.packed", count=count)

    async def _purge(self) -> None:
        done = Purged()
        for _ in range(BATCHES_MAX):
            purged = await self.upkeep.purge(self.clock.now() - self.retention)
            done = Purged(old=done.old + purged.old, early=done.early + purged.early)
            if not purged.count or not await self.upkeep.hold(self.owner):
                break
        if done.count:
            log.info("incidents.purged", old=done.old, early=done.early)


def _named(repaired: Mapping[Repair, int]) -> dict[str, int]:
    return {repair.value: count for repair, count in repaired.items()}
