"""Who was on call last, in a dict."""

from datetime import timedelta

from engine.codec import decode_on_call, encode_on_call
from engine.ports import Clock, KnownOnCall

KEPT = timedelta(days=1)


class MemoryLastKnown:
    """Remembers the last answer about each target, for a day."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, bytes] = {}

    async def note(self, target: str, known: KnownOnCall) -> None:
        """Remember an answer."""
        self._known[target] = encode_on_call(known)

    async def recall(self, target: str) -> KnownOnCall | None:
        """Return the last answer; None if there was none for a day."""
        written = self._known.get(target)
        known = decode_on_call(written) if written is not None else None
        if known is None or self._clock.now() - known.at >= KEPT:
            return None

        return known
