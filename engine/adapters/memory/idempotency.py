"""Answers to requests with a key, in a dict."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.codec import decode_answer, encode_answer
from engine.ports import Clock, KeptAnswer, KeyClaim, KeyUse

CLAIM_KEPT, ANSWER_KEPT = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Used:
    """What a key is used for; without an answer the run is under way."""

    claim: KeyClaim
    until: datetime
    answer: bytes | None = None


class MemoryIdempotencyKeys:
    """Remembers what requests with a key were answered with."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used: dict[str, _Used] = {}

    async def begin(self, claim: KeyClaim) -> KeyUse | KeptAnswer:
        """Take a key for a run, unless it is used already."""
        used = self._of(claim)
        if used is None or used.claim == claim:
            until = self._clock.now() + CLAIM_KEPT
            self._used[claim.key] = _Used(claim=claim, until=until)
            return KeyUse.BEGUN
        if used.claim.request != claim.request:
            return KeyUse.REUSED

        return decode_answer(used.answer) if used.answer else KeyUse.IN_USE

    async def keep(self, claim: KeyClaim, answer: KeptAnswer) -> None:
        """Keep the answer of a run, if the key is still its own."""
        if self._is_held_by(claim):
            self._used[claim.key] = _Used(
                claim=claim,
                until=self._clock.now() + ANSWER_KEPT,
                answer=encode_answer(answer),
            )

    async def release(self, claim: KeyClaim) -> None:
        """Give the key back, if it is still the run's own."""
        if self._is_held_by(claim):
            del self._used[claim.key]

    def _of(self, claim: KeyClaim) -> _Used | None:
        used = self._used.get(claim.key)

        return used if used and self._clock.now() < used.until else None

    def _is_held_by(self, claim: KeyClaim) -> bool:
        used = self._of(claim)

        return used is not None and used.claim == claim and used.answer is None
