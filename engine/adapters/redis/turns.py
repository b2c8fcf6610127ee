"""Turns on Redis: whose turn it is, the only state that incidents share."""

from collections.abc import Sequence

from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument, Client, without_errors
from engine.adapters.redis.scripts import Name
from engine.ports import Turn


class RedisTurns:
    """Remembers who was taken last, on the home primary."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def take(self, turns: Sequence[Turn]) -> Sequence[str]:
        """Take turns, in one round trip for all of them."""
        calls: list[list[Argument]] = [
            [
                keys.TURNS,
                keys.TICKET + keys.hash_of(turn.ticket),
                keys.TICKET_SECONDS,
                turn.of,
                *turn.candidates,
            ]
            for turn in turns
        ]
        replies = await self._client.run_all(Name.TURN, calls)

        return [reply.decode() for reply in without_errors(replies)]
