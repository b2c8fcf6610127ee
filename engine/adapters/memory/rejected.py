"""What was rejected, in a dict."""

from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import chain

from engine.codec import decode_rejected, encode_rejected
from engine.ports import RejectedEvent

KEPT_MAX = 100


class MemoryRejectedEvents:
    """Keeps the last hundred of each integration."""

    def __init__(self) -> None:
        self._kept: dict[str | None, deque[bytes]] = defaultdict(
            lambda: deque(maxlen=KEPT_MAX)
        )

    async def keep(self, event: RejectedEvent) -> None:
        """Keep one."""
        self._kept[event.integration].appendleft(encode_rejected(event))

    async def latest(
        self, integrations: Sequence[str | None], limit: int
    ) -> Sequence[RejectedEvent]:
        """Return the newest."""
        written = chain.from_iterable(self._kept.get(one, ()) for one in integrations)
        events = [decode_rejected(each) for each in written]

        return sorted(events, key=lambda event: event.at, reverse=True)[:limit]
