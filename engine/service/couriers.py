"""
Couriers: they take what is due from the outbox to the channels.

Sends belong to the process: a slow provider holds up nothing but its own.
Between *begin* and *finish* a notification is in flight; one that was acknowledged
away before *begin* never leaves.
"""

import hashlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

import anyio
import structlog
from anyio.abc import TaskGroup

from engine.core.effects import Following, Send
from engine.core.events import Outcome, ParentMoved
from engine.core.incident import Incident
from engine.directory import Directory
from engine.errors import TryAgainError, show_error
from engine.ids import show_incident_id
from engine.ports import (
    UNMEASURED,
    Answer,
    Channel,
    Clock,
    Configuration,
    Counter,
    Delivery,
    DeliveryResult,
    Mailbox,
    Measures,
    Notification,
    Outbox,
    Span,
)
from engine.service.addresses import Reached, reached
from engine.service.guests import GuestError, ask, read_result
from engine.service.settlement import INCIDENTS
from engine.service.slots import SLOTS, Slots
from engine.service.turnstile import Turnstile

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Longer than any provider takes on a good day; then nobody knows what became of it. A
# channel that knows how far it came says so itself, at its own limit of 10 s.
SEND_SECONDS_MAX = 12.0
RENEW_EVERY = timedelta(seconds=1)
# An answer to *begin* older than this is asked for again.
BEGUN_GOOD_FOR = timedelta(seconds=1)
FIRST_PAUSE, PAUSE_MAX = timedelta(seconds=1), timedelta(seconds=20)
FINISH_PAUSE_SECONDS = 0.2
DETAIL_LENGTH_MAX = 200
GONE = DeliveryResult(
    outcome=Outcome.FAILED, detail="the contact method is gone", is_final=True
)
# What became of a try, as it is counted; one that never left was suppressed.
SUPPRESSED = "suppressed"
OUTCOMES: Mapping[Outcome, str] = {
    Outcome.SENT: "delivered",
    Outcome.FAILED: "failed",
    Outcome.UNKNOWN: "unknown",
}


class Couriers:
    """Sends what is due, on every channel, at most so many at once with a provider."""

    def __init__(  # noqa: PLR0913 - ports, and what an installation sets
        self,
        *,
        outbox: Outbox,
        mailbox: Mailbox,
        channels: Mapping[str, Channel],
        configuration: Configuration,
        clock: Clock,
        slots: int = SLOTS,
        public_url: str | None = None,
        measures: Measures = UNMEASURED,
    ) -> None:
        self._outbox = outbox
        self._mailbox = mailbox
        self._channels = channels
        self._configuration = configuration
        self._clock = clock
        self._public_url = public_url
        self._measures = measures
        # Known before anything happens, so that the first failure is seen to be one.
        for channel in channels:
            for outcome in (*OUTCOMES.values(), SUPPRESSED):
                measures.add(Counter.NOTIFICATIONS, channel, outcome, count=0)
        # Word to other incidents goes out like a notification, and to their mailboxes.
        self._slots = Slots([*channels, INCIDENTS], slots)
        # One at a time, so that two claims never share a slot.
        self._claims = Turnstile(self._claim)
        self._process = AsyncExitStack()
        self._tasks: TaskGroup | None = None
        self._changed = anyio.Event()
        self._is_stopping = False

    async def __aenter__(self) -> Self:
        # Around the sends, so that it ends after the last of them.
        renewing = await self._process.enter_async_context(anyio.create_task_group())
        renewing.start_soon(self._renew)
        self._process.callback(renewing.cancel_scope.cancel)
        self._tasks = await self._process.enter_async_context(anyio.create_task_group())

        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._process.__aexit__(kind, error, traceback)

    async def deliver(self) -> None:
        """Begin to send what is due, as far as there are free slots."""
        await self._claims.enter()

    async def stop(self) -> None:
        """Claim nothing more, and return when no send is under way."""
        self._is_stopping = True
        await self.idle()

    async def idle(self) -> None:
        """Return when no send is under way."""
        # A claim that is under way may bring some more.
        await self._claims.idle()
        while self._slots.taken:
            await self._changed.wait()

    async def _claim(self) -> None:
        assert self._tasks is not None, "deliver inside `async with couriers`"
        rooms = [] if self._is_stopping else self._slots.rooms()
        if not rooms:
            return
        for delivery in await self._outbox.claim(rooms):
            self._slots.take(delivery)
            self._tasks.start_soon(self._carry, delivery)
        self._say_changed()

    def _say_changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _carry(self, delivery: Delivery) -> None:
        """Send one notification; whatever happens, it harms no other."""
        try:
            await self._send(delivery)
        except Exception as error:  # noqa: BLE001 - one delivery must not end the rest
            _log_left(delivery, error)
        finally:
            self._slots.free(delivery)
            self._say_changed()
        try:
            await self.deliver()
        except Exception as error:  # noqa: BLE001 - nor must a claim; a wake-up follows
            log.warning("outbox.not_claimed", error=show_error(error))

    async def _send(self, delivery: Delivery) -> None:
        # Read first: nothing may stand between *begin* and the first byte.
        directory = await self._configuration.read()
        incident = await self._begin(delivery)
        if incident is None:
            self._count(delivery, SUPPRESSED)
            return
        result = await self._try(delivery, incident, directory)
        retry_at = self._retry_at(delivery, result)
        log.info(
            "notification.tried",
            incident_id=show_incident_id(incident.id),
            page=delivery.send.key,
            person=delivery.send.person,
            channel=delivery.send.channel,
            attempt=delivery.attempt,
            outcome=result.outcome,
            detail=result.detail,
        )
        await self._finish(delivery, result, retry_at)
        self._count(delivery, OUTCOMES[result.outcome])

    def _count(self, delivery: Delivery, outcome: str) -> None:
        """Count a try; word to other incidents is no notification."""
        channel = delivery.send.channel
        if channel != INCIDENTS:
            self._measures.add(Counter.NOTIFICATIONS, channel, outcome)

    async def _begin(self, delivery: Delivery) -> Incident | None:
        while True:
            asked_at = self._clock.now()
            incident = await self._outbox.begin(delivery)
            if self._clock.now() - asked_at <= BEGUN_GOOD_FOR:
                return incident

    async def _try(
        self, delivery: Delivery, incident: Incident, directory: Directory
    ) -> DeliveryResult:
        if delivery.send.channel == INCIDENTS:
            return await self._tell(delivery.incident_id, delivery.send)
        channel = self._channels[delivery.send.channel]
        to = reached(directory, delivery.send)
        if to is None:
            return GONE
        notification = self._notification(delivery, incident, to)
        began_at = self._clock.now()
        result = await _on(channel, notification)
        took = self._clock.now() - began_at
        self._measures.time(Span.SENDING, took, delivery.send.channel)

        return result

    async def _tell(self, parent: str, send: Send) -> DeliveryResult:
        """Put word of what an incident did into the mailbox of one attached to it."""
        what, _, child = send.method.partition(":")
        moved = ParentMoved(
            at=send.due,
            id=send.key,
            what=Following(what),
            by=send.person,
            parent=parent,
        )
        await self._mailbox.post([Answer(incident_id=child, event=moved)])

        return DeliveryResult(outcome=Outcome.SENT)

    def _notification(
        self,
        delivery: Delivery,
        incident: Incident,
        to: Reached,
    ) -> Notification:
        late = self._clock.now() - (delivery.send.owed_since or delivery.send.due)

        return Notification(
            key=delivery.send.key,
            incident_id=incident.id,
            title=incident.title,
            status=incident.status,
            person=delivery.send.person,
            name=to.name,
            address=to.address,
            attempt=delivery.attempt,
            late_by_seconds=max(0, int(late.total_seconds())),
            labels={
                key: values[0] for key, values in incident.metadata.items() if values
            },
            secrets=to.secrets,
            incident_url=self._url_of(incident),
        )

    def _url_of(self, incident: Incident) -> str | None:
        if self._public_url is None:
            return None

        path = f"v1/incidents/{show_incident_id(incident.id)}"

        return f"{self._public_url.rstrip('/')}/{path}"

    def _retry_at(self, delivery: Delivery, result: DeliveryResult) -> datetime | None:
        """Return when to try again; None if that is over."""
        if not _may_repeat(result):
            return None
        again = self._clock.now() + max(
            _pause(delivery), result.retry_after or timedelta(0)
        )

        return again if again < delivery.send.give_up_at else None

    async def _finish(
        self, delivery: Delivery, result: DeliveryResult, retry_at: datetime | None
    ) -> None:
        """Write the outcome down, however long that takes while the process lives."""
        while True:
            try:
                await self._outbox.finish(
                    delivery,
                    result.outcome,
                    result.detail[:DETAIL_LENGTH_MAX],
                    retry_at,
                )
            except TryAgainError as error:
                log.warning("outcome.kept", error=str(error))
                await anyio.sleep(FINISH_PAUSE_SECONDS)
            else:
                return

    async def _renew(self) -> None:
        """Lengthen the leases of all that is under way, in one call a second."""
        while True:
            if not self._slots.taken:
                await self._changed.wait()
                continue
            await self._clock.sleep_until(self._clock.now() + RENEW_EVERY)
            try:
                await self._outbox.renew(self._slots.taken)
            except Exception as error:  # noqa: BLE001 - the sends go on without
                log.warning("leases.not_renewed", error=show_error(error))


async def _on(channel: Channel, notification: Notification) -> DeliveryResult:
    """Send on a channel that may be anybody's: whatever it does is an outcome."""
    try:
        return read_result(
            await ask(partial(channel.send, notification), SEND_SECONDS_MAX)
        )
    except TimeoutError:
        return DeliveryResult(outcome=Outcome.UNKNOWN, detail="no answer in time")
    except GuestError as error:
        return DeliveryResult(outcome=Outcome.FAILED, detail=str(error))


def _log_left(delivery: Delivery, error: Exception) -> None:
    """Say what was left to its lease; a passing error is no news to look into."""
    write = log.warning if isinstance(error, TryAgainError) else log.error
    write(
        "delivery.left_to_its_lease",
        incident_id=show_incident_id(delivery.incident_id),
        page=delivery.send.key,
        channel=delivery.send.channel,
        attempt=delivery.attempt,
        error=show_error(error),
    )


def _may_repeat(result: DeliveryResult) -> bool:
    """Whether another try can help, and does no harm if this one has arrived."""
    match result.outcome:
        case Outcome.SENT:
            return False
        case Outcome.FAILED:
            return not result.is_final
        case Outcome.UNKNOWN:
            return result.is_repeatable


def _pause(delivery: Delivery) -> timedelta:
    """Grow with each attempt, with a jitter that a replay repeats."""
    grown = min(FIRST_PAUSE * 2.0 ** min(delivery.attempt - 1, 10), PAUSE_MAX)
    attempt = f"{delivery.send.key}:{delivery.attempt}"
    share = hashlib.sha256(attempt.encode()).digest()[0] / 255

    return grown * (0.5 + share / 2)
