"""The outbox on Redis: what is to be sent, until a channel has taken it."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument, Client, without_errors
from engine.adapters.redis.scripts import Name
from engine.adapters.redis.store import RedisStore
from engine.codec import decode_send, encode_mail
from engine.codec.shapes import instant, milliseconds
from engine.core.events import DeliveryReported, Outcome
from engine.core.incident import Incident
from engine.errors import UnreadableError
from engine.ids import show_incident_id
from engine.ports import Delivery, Room

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LEASE_MS = 3_000
NEVER = 0
# The mailbox knows when a report came.
UNDATED = instant(0)


class RedisOutbox:
    """Keeps what is to be sent."""

    def __init__(self, client: Client, store: RedisStore, *, shards: int) -> None:
        """Wire it up; the store shows the incident that a text is made of."""
        self._client = client
        self._store = store
        self._shards = shards

    async def claim(self, rooms: Sequence[Room]) -> Sequence[Delivery]:
        """Take notifications that are due, for the length of a lease."""
        arguments = [argument for room in rooms for argument in _arguments(room)]
        at, found = await self._client.run(
            Name.OUT_CLAIM, LEASE_MS, self._shards, *arguments
        )
        self._client.observe(at)
        deliveries = []
        for entry, attempt, body, tray in found:
            channel = keys.channel_of(tray.decode())
            delivery = await self._readable(channel, entry.decode(), attempt, body)
            deliveries += [delivery] if delivery else []

        return deliveries

    async def renew(self, deliveries: Sequence[Delivery]) -> None:
        """Lengthen the leases of sends that are under way."""
        calls: list[list[Argument]] = [
            [*_named(one), one.attempt, LEASE_MS] for one in deliveries
        ]
        without_errors(await self._client.run_all(Name.OUT_RENEW, calls))

    async def begin(self, delivery: Delivery) -> Incident | None:
        """Ask whether to send at all; from here on it is in flight."""
        reply = await self._client.run(
            Name.OUT_BEGIN, *_named(delivery), delivery.attempt, delivery.incident_id
        )
        if reply is None:
            return None
        at, state = reply
        self._client.observe(at)
        try:
            return await self._store.incident_from(delivery.incident_id, state)
        except UnreadableError as error:
            _log_left(delivery.incident_id, error)
            if not error.is_newer:
                await self.finish(delivery, Outcome.FAILED, str(error), None)
            return None

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
            at=UNDATED,
            page=send.page,
            rule=send.rule,
            person=send.person,
            channel=send.channel,
            attempt=delivery.attempt,
            outcome=outcome,
            detail=detail,
        )
        await self._report(delivery.incident_id, report, retry_at)

    async def _report(
        self,
        incident_id: str,
        report: DeliveryReported,
        retry_at: datetime | None = None,
    ) -> None:
        # Only the latest attempt may ask for another one, whatever its outcome; and one
        # that does not know must not end what a later one knows to have failed.
        only_if_latest = report.outcome is not Outcome.SENT or retry_at is not None
        await self._client.run(
            Name.OUT_FINISH,
            keys.prefix_of(incident_id),
            keys.outbox_entry(incident_id, report.page, report.rule),
            report.attempt,
            int(only_if_latest),
            milliseconds(retry_at) if retry_at else NEVER,
            incident_id,
            encode_mail(report),
        )

    async def _readable(
        self, channel: str, entry: str, attempt: int, body: bytes
    ) -> Delivery | None:
        """
        Decode an entry; one that cannot be must not hold up the others.

        A damaged one has failed, so that the page goes on with its next rule. One of
        a newer version is left to a process that knows it.
        """
        incident_id, page, rule = keys.outbox_names(entry)
        try:
            send = decode_send(body)
        except UnreadableError as error:
            _log_left(incident_id, error)
            if not error.is_newer:
                report = DeliveryReported(
                    at=UNDATED,
                    page=page,
                    rule=rule,
                    channel=channel,
                    attempt=attempt,
                    outcome=Outcome.FAILED,
                    detail=str(error),
                )
                await self._report(incident_id, report)
            return None

        return Delivery(incident_id=incident_id, send=send, attempt=attempt)


def _arguments(room: Room) -> list[Argument]:
    """Say how much room there is, as the script takes it."""
    arguments: list[Argument] = [room.channel, room.slots, room.each]
    arguments.append(len(room.under_way))
    for provider, under_way in room.under_way.items():
        arguments += [provider, under_way.by_timer, under_way.by_opening]

    return arguments


def _named(delivery: Delivery) -> tuple[str, str]:
    entry = keys.outbox_entry(
        delivery.incident_id, delivery.send.page, delivery.send.rule
    )

    return keys.prefix_of(delivery.incident_id), entry


def _log_left(incident_id: str, error: UnreadableError) -> None:
    log.error(
        "notification.unreadable",
        incident_id=show_incident_id(incident_id),
        error=str(error),
        is_newer=error.is_newer,
    )
