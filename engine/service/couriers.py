"""
Couriers: they take what is due from the outbox to the channels.

Sends belong to the process: a slow provider holds up nothing but its own channel.
Between *begin* and *finish* a notification is in flight; one that was acknowledged
away before *begin* never leaves.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import anyio
import structlog
from anyio.abc import TaskGroup

from engine.core.effects import Following, Send
from engine.core.events import Outcome, ParentMoved
from engine.core.incident import Incident
from engine.directory import Directory
from engine.errors import EngineError, TryAgainError
from engine.ids import show_incident_id
from engine.ports import (
    Answer,
    Channel,
    Clock,
    Configuration,
    Delivery,
    DeliveryResult,
    Mailbox,
    Notification,
    Outbox,
)
from engine.service.responders import PLACE
from engine.service.settling import INCIDENTS

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# So many at once on each channel: a provider's own limits are lower, as a rule.
SLOTS = 20
# Longer than any provider takes on a good day; then nobody knows what became of it.
SEND_SECONDS_MAX = 10.0
RENEW_EVERY = timedelta(seconds=1)
# An answer to *begin* older than this is asked for again.
BEGUN_GOOD_FOR = timedelta(seconds=1)
FIRST_PAUSE, PAUSE_MAX = timedelta(seconds=1), timedelta(seconds=20)
FINISH_PAUSE_SECONDS = 0.2
DETAIL_LENGTH_MAX = 200
GONE = DeliveryResult(
    outcome=Outcome.FAILED, detail="the contact method is gone", is_final=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Whom a notification is for, and the address on its channel."""

    name: str
    address: str


class Couriers:
    """Sends what is due, on every channel, at most so many at once on each."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        mailbox: Mailbox,
        channels: Mapping[str, Channel],
        configuration: Configuration,
        clock: Clock,
        slots: int = SLOTS,
    ) -> None:
        self._outbox = outbox
        self._mailbox = mailbox
        self._channels = channels
        self._configuration = configuration
        self._clock = clock
        self._slots = slots
        # Word to other incidents goes out like a notification, and to their mailboxes.
        self._under_way = dict.fromkeys([*channels, INCIDENTS], 0)
        self._tasks: TaskGroup | None = None
        self._changed = anyio.Event()
        self._is_stopping = False

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()

        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._tasks is not None

        return await self._tasks.__aexit__(kind, error, traceback)

    async def deliver(self) -> None:
        """Begin to send what is due, as far as there are free slots."""
        for channel in self._under_way:
            await self._deliver_on(channel)

    async def stop(self) -> None:
        """Claim nothing more, and return when no send is under way."""
        self._is_stopping = True
        await self.settled()

    async def settled(self) -> None:
        """Return when no send is under way."""
        while any(self._under_way.values()):
            await self._changed.wait()

    async def _deliver_on(self, channel: str) -> None:
        assert self._tasks is not None, "deliver inside `async with couriers`"
        while (free := self._free_slots(channel)) > 0:
            # Taken before the claim, so that two claims never share a slot.
            self._under_way[channel] += free
            deliveries = []
            try:
                deliveries = list(await self._outbox.claim(channel, free))
            finally:
                self._free(channel, free - len(deliveries))
            for delivery in deliveries:
                self._tasks.start_soon(self._carry, delivery)
            if len(deliveries) < free:
                return

    def _free_slots(self, channel: str) -> int:
        return 0 if self._is_stopping else self._slots - self._under_way[channel]

    def _free(self, channel: str, slots: int) -> None:
        self._under_way[channel] -= slots
        self._changed.set()
        self._changed = anyio.Event()

    async def _carry(self, delivery: Delivery) -> None:
        """Send one notification; whatever happens, it harms no other."""
        channel = delivery.send.channel
        try:
            await self._send(delivery)
        except Exception as error:  # noqa: BLE001 - one delivery must not end the rest
            _log_left(delivery, error)
        finally:
            self._free(channel, 1)
        try:
            await self._deliver_on(channel)
        except Exception as error:  # noqa: BLE001 - nor must a claim; a wake-up follows
            log.warning("outbox.not_claimed", channel=channel, error=_told(error))

    async def _send(self, delivery: Delivery) -> None:
        async with self._renewing(delivery):
            # Read first: nothing may stand between *begin* and the first byte.
            directory = await self._configuration.read()
            incident = await self._begin(delivery)
            if incident is None:
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
        reached = _reached(directory, delivery.send)
        if reached is None:
            return GONE
        notification = self._notification(delivery, incident, reached)
        try:
            with anyio.fail_after(SEND_SECONDS_MAX):
                return await channel.send(notification)
        except TimeoutError:
            return DeliveryResult(outcome=Outcome.UNKNOWN, detail="no answer in time")
        except Exception as error:  # noqa: BLE001 - a channel may be anybody's code
            return DeliveryResult(outcome=Outcome.FAILED, detail=_told(error))

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
        reached: Reached,
    ) -> Notification:
        late = self._clock.now() - (delivery.send.owed_since or delivery.send.due)

        return Notification(
            key=delivery.send.key,
            incident_id=incident.id,
            title=incident.title,
            status=incident.status,
            person=delivery.send.person,
            name=reached.name,
            address=reached.address,
            attempt=delivery.attempt,
            late_by_seconds=max(0, int(late.total_seconds())),
            labels={
                key: values[0] for key, values in incident.metadata.items() if values
            },
        )

    def _retry_at(self, delivery: Delivery, result: DeliveryResult) -> datetime | None:
        """Return when to try again; None if that is over."""
        if result.outcome is not Outcome.FAILED or result.is_final:
            return None
        again = self._clock.now() + _pause(delivery)

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

    @asynccontextmanager
    async def _renewing(self, delivery: Delivery) -> AsyncIterator[None]:
        """Keep the lease of a send for as long as it is under way."""
        assert self._tasks is not None
        # Not in a group around the send: that would wrap what the send raises.
        renewing = anyio.CancelScope()
        self._tasks.start_soon(self._renew, delivery, renewing)
        try:
            yield
        finally:
            renewing.cancel()

    async def _renew(self, delivery: Delivery, renewing: anyio.CancelScope) -> None:
        """Renew a lease; failing to ends nothing, the send goes on without."""
        with renewing:
            while True:
                await self._clock.sleep_until(self._clock.now() + RENEW_EVERY)
                try:
                    await self._outbox.renew([delivery])
                except EngineError as error:
                    log.warning(
                        "lease.not_renewed", page=delivery.send.key, error=str(error)
                    )


def _log_left(delivery: Delivery, error: Exception) -> None:
    """Say what was left to its lease; a passing error is no news to look into."""
    write = log.warning if isinstance(error, TryAgainError) else log.error
    write(
        "delivery.left_to_its_lease",
        incident_id=show_incident_id(delivery.incident_id),
        page=delivery.send.key,
        channel=delivery.send.channel,
        attempt=delivery.attempt,
        error=_told(error),
    )


def _told(error: Exception) -> str:
    """
    Say what went wrong; of a stranger's error only its kind.

    What a library says of its errors may name addresses with secrets in them.
    """
    return str(error) if isinstance(error, EngineError) else type(error).__name__


def _reached(directory: Directory, send: Send) -> Reached | None:
    """Return who is reached, and where; None if the contact method is gone."""
    if send.person.startswith(PLACE):
        place = directory.places.get(send.method)
        return Reached(name=place.name, address=place.address) if place else None
    user = directory.users.get(send.person)
    if user is None or not user.is_active:
        return None
    methods = (m for m in user.contact_methods if m.id == send.method)
    method = next(methods, None)

    return Reached(name=user.name, address=method.address) if method else None


def _pause(delivery: Delivery) -> timedelta:
    """Grow with each attempt, with a jitter that a replay repeats."""
    grown = min(FIRST_PAUSE * 2.0 ** min(delivery.attempt - 1, 10), PAUSE_MAX)
    attempt = f"{delivery.send.key}:{delivery.attempt}"
    share = hashlib.sha256(attempt.encode()).digest()[0] / 255

    return grown * (0.5 + share / 2)
