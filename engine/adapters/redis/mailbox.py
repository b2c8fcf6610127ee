"""The mailbox on Redis: ingestion is an append, and nothing is decided here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument, Client, Reply
from engine.adapters.redis.headroom import Headroom
from engine.adapters.redis.scripts import Name
from engine.codec import encode_mail
from engine.core.alerts import AlertStatus
from engine.errors import OverloadedError, StoreUnavailableError
from engine.ids import TICK, show_incident_id
from engine.ports import Answer, Clock, Ids, Posting, Receipt, Routed, RoutedAlert

MAILBOX_MAX = 10_000
LATE_MAX = 1_000
# An id has seven random bits a hundredth of a second and shard. Several go with each
# alert, so that hardly ever one has to be sent again, behind those that came after it.
CANDIDATES = 3
TRIES_MAX = 20


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a script said of an alert; no receipt: no id was free, mint again."""

    receipt: Receipt | None
    at: int


class RedisMailbox:
    """Takes in what happened to incidents."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        shards: int,
        memory_limit_bytes: int | None = None,
    ) -> None:
        """
        Wire it up.

        Args:
            client: Runs the scripts.
            clock: Gives the time that a new id carries.
            ids: Makes them.
            shards: How many there are; fixed at first start.
            memory_limit_bytes: What counts where Redis itself has no limit.
        """
        self._client = client
        self._clock = clock
        self._ids = ids
        self._shards = shards
        self._headroom = Headroom(client, clock, memory_limit_bytes)

    async def append(self, notices: Sequence[Routed]) -> Sequence[Receipt]:
        """Put each notice into the mailbox of the open incident with its key."""
        await self._headroom.check()
        receipts: dict[int, Receipt] = {}
        left = list(range(len(notices)))
        for count in range(TRIES_MAX):
            if not left:
                return [receipts[number] for number in range(len(notices))]
            # A hundredth of a second may be full; the next one is not.
            shift = count * TICK
            calls = [self._arguments(notices[number], shift) for number in left]
            replies = await self._client.run_all(Name.APPEND, calls)
            answers = [_answered(reply) for reply in replies]
            self._client.observe(answers[-1].at)
            receipts |= {
                number: answer.receipt
                for number, answer in zip(left, answers, strict=True)
                if answer.receipt is not None
            }
            left = [number for number in left if number not in receipts]
        message = "no free id was found"
        raise StoreUnavailableError(message)

    async def post(self, answers: Sequence[Answer]) -> None:
        """Put each answer into its incident's mailbox."""
        calls: list[list[Argument]] = [
            [keys.prefix_of(a.incident_id), a.incident_id, encode_mail(a.event)]
            for a in answers
        ]
        for reply in await self._client.run_all(Name.POST, calls):
            if isinstance(reply, Exception):
                raise StoreUnavailableError(str(reply)) from reply

    def _arguments(self, routed: Routed, shift: timedelta) -> list[Argument]:
        shard = keys.shard_for(routed.integration, routed.key, self._shards)
        # An acknowledgement is of a key; of an occurrence it says nothing.
        alert = routed.alert if isinstance(routed, RoutedAlert) else None
        occurrence = alert.occurrence if alert else None
        at = self._clock.now() + shift

        return [
            keys.prefix(shard),
            keys.hash_of(routed.integration, routed.key),
            keys.hash_of(routed.integration, occurrence) if occurrence else "",
            int(alert is not None and alert.status is AlertStatus.FIRING),
            encode_mail(routed),
            MAILBOX_MAX,
            keys.OCCURRENCE_SECONDS,
            LATE_MAX,
            *[self._ids.incident_id(at, shard) for _ in range(CANDIDATES)],
        ]


def _answered(reply: Reply) -> _Answered:
    match reply:
        case [b"again", _, int(at)]:
            return _Answered(None, at)
        case [b"full", bytes(incident_id), _]:
            shown = show_incident_id(incident_id.decode())
            message = f"the mailbox of {shown} is full"
            raise OverloadedError(message)
        case [b"late", _, int(at)]:
            return _Answered(Receipt(posting=Posting.LATE, incident_id=None), at)
        case [bytes(word), bytes(incident_id), int(at)]:
            posting = Posting(word.decode())
            receipt = Receipt(posting=posting, incident_id=incident_id.decode())
            return _Answered(receipt, at)
        case Exception() as error:
            raise StoreUnavailableError(str(error)) from error
        case _:
            raise StoreUnavailableError(str(reply))
