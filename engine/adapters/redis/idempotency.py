"""
Answers to requests with a key, on Redis.

A key holds the request that uses it, and then either the run that is under way or the
answer.
"""

from engine.adapters.redis import keys
from engine.adapters.redis.client import Client
from engine.adapters.redis.scripts import Name
from engine.codec import decode_answer, encode_answer
from engine.ports import KeptAnswer, KeyClaim, KeyUse

UNDER_WAY, ANSWERED = b"run", b"answer"


class RedisIdempotencyKeys:
    """Remembers what requests with a key were answered with."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, claim: KeyClaim) -> KeyUse | KeptAnswer:
        """Take a key for a run, unless it is used already."""
        known = await self._client.run(
            Name.KEY_BEGIN, _key(claim), _run(claim), keys.CLAIM_SECONDS
        )
        if known is None:
            return KeyUse.BEGUN
        request, what, rest = known.split(b" ", 2)
        if request.decode() != keys.hash_of(claim.request):
            return KeyUse.REUSED

        return decode_answer(rest) if what == ANSWERED else KeyUse.IN_USE

    async def keep(self, claim: KeyClaim, answer: KeptAnswer) -> None:
        """Keep the answer of a run, if the key is still its own."""
        kept = _written(claim, ANSWERED, encode_answer(answer))
        await self._client.run(
            Name.KEY_END, _key(claim), _run(claim), keys.ANSWER_SECONDS, kept
        )

    async def release(self, claim: KeyClaim) -> None:
        """Give the key back, if it is still the run's own."""
        await self._client.run(Name.KEY_END, _key(claim), _run(claim), 0, "")


def _key(claim: KeyClaim) -> str:
    return keys.IDEMPOTENCY + keys.hash_of(claim.key)


def _run(claim: KeyClaim) -> bytes:
    return _written(claim, UNDER_WAY, claim.owner.encode())


def _written(claim: KeyClaim, what: bytes, rest: bytes) -> bytes:
    return b" ".join([keys.hash_of(claim.request).encode(), what, rest])
