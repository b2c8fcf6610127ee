"""The outbox on Redis: what is to be sent, until a channel has taken it."""

from collections.abc import Sequence
from datetime import datetime

from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument, Client
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.store import RedisStore
from engine.codec import decode_send, encode_mail
from engine.codec.shapes import instant, milliseconds
from engine.core.events import DeliveryReported, Outcome
from engine.core.incident import Incident
from engine.errors import EngineError
from engine.ports import Delivery

LEASE_MS = 3_000


class RedisOutbox:
    """Keeps what is to be sent."""

    def __init__(self, client: Client, store: RedisStore, *, shards: int) -> None:
        """Wire it up; the store shows the incident that a text is made of."""
        self._client = client
        self._store = store
        self._shards = shards
        self._first_shard = 0

    async def claim(self, channel: str, slots: int) -> Sequence[Delivery]:
        """Take notifications that are due, for the length of a lease."""
        self._first_shard = (self._first_shard + 1) % self._shards
        now, found = await self._client.run(
            Name.OUT_CLAIM, channel, slots, LEASE_MS, self._first_shard, self._shards
        )
        self._client.observe(now)

        return [
            Delivery(
                incident_id=entry.decode().split("|")[0],
                send=decode_send(body),
                attempt=int(attempt),
            )
            for entry, attempt, body in found
        ]

    async def renew(self, deliveries: Sequence[Delivery]) -> None:
        """Lengthen the leases of sends that are under way."""
        calls: list[list[Argument]] = [
            [*_named(one), one.send.channel, one.attempt, LEASE_MS]
            for one in deliveries
        ]
        await self._client.run_all(Name.OUT_RENEW, calls)

    async def begin(self, delivery: Delivery) -> Incident | None:
        """Ask whether to send at all; from here on it is in flight."""
        reply = await self._client.run(
            Name.OUT_BEGIN, *_named(delivery), delivery.attempt, delivery.incident_id
        )
        if reply is None:
            return None
        self._client.observe(reply[0])
        try:
            claimed = await self._store.load(delivery.incident_id)
        except EngineError:
            return None

        return claimed.incident

    async def finish(
        self,
        delivery: Delivery,
        outcome: Outcome,
        detail: str,
        retry_at: datetime | None,
    ) -> None:
        """Note the outcome in the incident's mailbox, or keep it for another try."""
        send = delivery.send
        report = DeliveryReported(
            at=instant(0),  # the mailbox knows when it came
            page=send.page,
            rule=send.rule,
            attempt=delivery.attempt,
            outcome=outcome,
            detail=detail,
        )
        await self._client.run(
            Name.OUT_FINISH,
            *_named(delivery),
            send.channel,
            delivery.attempt,
            int(outcome is Outcome.FAILED),
            milliseconds(retry_at) if retry_at else "",
            delivery.incident_id,
            encode_mail(report),
        )


def _named(delivery: Delivery) -> tuple[str, str]:
    entry = keys.outbox_entry(
        delivery.incident_id, delivery.send.page, delivery.send.rule
    )

    return keys.prefix_of(delivery.incident_id), entry
