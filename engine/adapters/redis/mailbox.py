"""The mailbox on Redis: ingestion is an append, and nothing is decided here."""

from collections.abc import Sequence

from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument, Client
from engine.adapters.redis.scripts import Name
from engine.codec import encode_mail
from engine.core.alerts import AlertStatus
from engine.errors import OverloadedError, StoreUnavailableError
from engine.ports import Answer, Clock, Ids, Posting, Receipt, RoutedAlert

# An id has seven random bits a hundredth of a second and shard.
MINTS_MAX = 10


class RedisMailbox:
    """Takes in what happened to incidents."""

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, shards: int) -> None:
        """Wire it up; ids of new incidents come from `ids`."""
        self._client = client
        self._clock = clock
        self._ids = ids
        self._shards = shards

    async def append(self, alerts: Sequence[RoutedAlert]) -> Sequence[Receipt]:
        """Put each alert into the mailbox of the open incident with its key."""
        receipts: list[Receipt | None] = [None] * len(alerts)
        for _ in range(MINTS_MAX):
            left = [n for n, receipt in enumerate(receipts) if receipt is None]
            if not left:
                break
            calls = [self._arguments(alerts[n]) for n in left]
            replies = await self._client.run_all(Name.APPEND, calls)
            for number, reply in zip(left, replies, strict=True):
                receipts[number] = _receipt(reply)
        done = [receipt for receipt in receipts if receipt is not None]
        if len(done) < len(alerts):
            message = "no free id was found"
            raise StoreUnavailableError(message)

        return done

    async def post(self, answers: Sequence[Answer]) -> None:
        """Put each answer into its incident's mailbox."""
        calls: list[list[Argument]] = [
            [keys.prefix_of(a.incident_id), a.incident_id, encode_mail(a.event)]
            for a in answers
        ]
        for reply in await self._client.run_all(Name.POST, calls):
            if isinstance(reply, Exception):
                raise StoreUnavailableError(str(reply)) from reply

    def _arguments(self, routed: RoutedAlert) -> list[Argument]:
        shard = keys.shard_for(routed.integration, routed.key, self._shards)
        occurrence = routed.alert.occurrence
        fires = routed.alert.status is AlertStatus.FIRING

        return [
            keys.prefix(shard),
            keys.hash_of(routed.integration, routed.key),
            keys.hash_of(routed.integration, occurrence) if occurrence else "",
            int(fires),
            self._ids.incident_id(self._clock.now(), shard),
            encode_mail(routed),
            keys.MAILBOX_MAX,
            keys.OCCURRENCE_SECONDS,
            keys.LATE_MAX,
        ]


def _receipt(reply: object) -> Receipt | None:
    """Read a reply; None: the id was taken, try with another one."""
    match reply:
        case [b"again", _]:
            return None
        case [b"full", bytes(incident_id)]:
            message = f"the mailbox of {incident_id.decode()} is full"
            raise OverloadedError(message)
        case [b"late", _]:
            return Receipt(posting=Posting.LATE, incident_id=None)
        case [bytes(posting), bytes(incident_id)]:
            return Receipt(
                posting=Posting(posting.decode()), incident_id=incident_id.decode()
            )
        case _:
            raise StoreUnavailableError(str(reply))
