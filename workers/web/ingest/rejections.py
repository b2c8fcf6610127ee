"""
Rejections: what senders are refused is kept, so that people can see what came.

It never stands in the way of an answer: a request only puts it in a short line, and is
done; the process writes what waits there, a few a second, for as long as it serves.
What finds the line full is not kept. Secrets are taken out before it is put there.
"""

from collections import deque
from collections.abc import Callable

import anyio
import structlog

from engine.errors import EngineError
from engine.ports import Clock, RejectedEvent, RejectedEvents
from workers.web.ingest.masks import without_secrets

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

WAITING_MAX = 20
WRITE_EVERY_SECONDS = 0.2
WARN_EVERY_SECONDS = 10.0
UNKNOWN_KEY = "unknown_key"


class Rejections:
    """The line of what is to be kept."""

    def __init__(
        self,
        kept: RejectedEvents,
        clock: Clock,
        elapsed: Callable[[], float] = anyio.current_time,
    ) -> None:
        """
        Wire it up.

        Args:
            kept: Where it is written to.
            clock: Says when it came.
            elapsed: Seconds that go on evenly, for how often to warn.
        """
        self._kept = kept
        self._clock = clock
        self._elapsed = elapsed
        self._waiting: deque[RejectedEvent] = deque()
        self._has_some = anyio.Event()
        self._unknown = 0
        self._warned_at: float | None = None

    @property
    def has_room(self) -> bool:
        """Whether one more would be kept."""
        return len(self._waiting) < WAITING_MAX

    def note(
        self,
        *,
        source: str,
        integration: str | None,
        reason: str,
        detail: str,
        size: int,
        beginning: bytes,
    ) -> None:
        """Have one kept, if there is room. This never fails, and never waits."""
        if not self.has_room:
            return
        try:
            at = self._clock.now()
        except EngineError:
            return  # the store was never reached: there is nowhere to keep it
        event = RejectedEvent(
            at=at,
            source=source,
            integration=integration,
            reason=reason,
            detail=detail,
            size=size,
            body=without_secrets(beginning),
        )
        self._waiting.append(event)
        self._has_some.set()

    def warn_of_unknown_key(self, source: str) -> None:
        """Say in the log that a key is nobody's; now and then, with how often."""
        self._unknown += 1
        now = self._elapsed()
        if self._warned_at is None or now - self._warned_at >= WARN_EVERY_SECONDS:
            log.warning("ingest.unknown_key", source=source, count=self._unknown)
            self._unknown, self._warned_at = 0, now

    async def write_on(self) -> None:
        """Write what waits, for ever, a few a second."""
        while True:
            await self._has_some.wait()
            await self.write()
            await anyio.sleep(WRITE_EVERY_SECONDS)

    async def write(self) -> None:
        """Write the one that waits longest, if one does."""
        if not self._waiting:
            return
        event = self._waiting.popleft()
        if not self._waiting:
            self._has_some = anyio.Event()
        try:
            await self._kept.keep(event)
        except Exception as error:  # noqa: BLE001 - nothing here may end the process
            log.warning("rejected_event.not_kept", error=str(error))
