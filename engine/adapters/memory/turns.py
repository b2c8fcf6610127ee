"""Turns, in a dict."""

from collections.abc import Sequence

from engine.ports import Turn


class MemoryTurns:
    """Remembers who was taken last."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._tickets: dict[str, str] = {}

    async def take(self, turns: Sequence[Turn]) -> Sequence[str]:
        """Take turns: each is the candidate after the one that was taken last."""
        return [self._take(turn) for turn in turns]

    def _take(self, turn: Turn) -> str:
        if turn.ticket not in self._tickets:
            last, candidates = self._last.get(turn.of), turn.candidates
            after = candidates.index(last) + 1 if last in candidates else 0
            self._last[turn.of] = candidates[after % len(candidates)]
            self._tickets[turn.ticket] = self._last[turn.of]

        return self._tickets[turn.ticket]
