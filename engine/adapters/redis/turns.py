"""Turns on Redis: whose turn it is, the only state that incidents share."""

from collections.abc import Sequence

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.adapters.redis.scripts import Name


class RedisTurns:
    """Remembers who was taken last, on the home primary."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def take(self, turn: str, ticket: str, candidates: Sequence[str]) -> str:
        """Take a turn: the candidate after the one that was taken last."""
        taken: bytes = await self._client.run(
            Name.TURN,
            keys.TURNS,
            keys.TICKET + keys.hash_of(ticket),
            keys.TICKET_SECONDS,
            turn,
            *candidates,
        )

        return taken.decode()
