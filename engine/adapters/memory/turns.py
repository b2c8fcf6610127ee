"""Turns, in a dict."""

from collections.abc import Sequence


class MemoryTurns:
    """Remembers who was taken last."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._tickets: dict[str, str] = {}

    async def take(self, turn: str, ticket: str, candidates: Sequence[str]) -> str:
        """Take a turn: the candidate after the one that was taken last."""
        if ticket not in self._tickets:
            last = self._last.get(turn)
            after = candidates.index(last) + 1 if last in candidates else 0
            self._last[turn] = candidates[after % len(candidates)]
            self._tickets[ticket] = self._last[turn]

        return self._tickets[ticket]
