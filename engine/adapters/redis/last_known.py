"""Who was on call last, on Redis, for when nobody can tell."""

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.codec import decode_on_call, encode_on_call
from engine.ports import KnownOnCall


class RedisLastKnown:
    """Remembers the last answer about each target, for a day."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def note(self, target: str, known: KnownOnCall) -> None:
        """Remember an answer."""
        await self._client.ask(
            "SET", _key(target), encode_on_call(known), "EX", keys.ON_CALL_SECONDS
        )

    async def recall(self, target: str) -> KnownOnCall | None:
        """Return the last answer; None if there was none for a day."""
        written = await self._client.ask("GET", _key(target))

        return decode_on_call(written) if written is not None else None


def _key(target: str) -> str:
    return keys.ON_CALL + keys.hash_of(target)
