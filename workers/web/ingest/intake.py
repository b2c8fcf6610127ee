"""
Intake: what every ingest address does alike.

The directory, a place among those admitted at once, the body, the append. What is
refused is logged, and kept where people can look at it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, cast

import structlog
from fastapi import Depends, Request

from engine.directory import Directory
from engine.errors import StoreUnavailableError
from engine.ports import Receipt, Routed, RoutedAlert
from workers.web.bodies import BodyError, glimpse, read_body
from workers.web.context import Context, WebContext
from workers.web.ingest.admission import Admission
from workers.web.ingest.rejections import UNKNOWN_KEY, Rejections

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

EVENT_PREFIX = "evt_"
# The body of what has nobody's key is looked at if it is there already.
GLIMPSE_SECONDS = 0.05
NOBODYS_KEY = "No integration of this source has the key, or the token, it came with."


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes in what one request holds."""

    request: Request
    context: WebContext
    admission: Admission
    rejections: Rejections

    async def directory(self) -> Directory:
        """
        Return the directory.

        Raises:
            StoreUnavailableError: If it has no integration at all: Redis lost its data,
                or is another one. Whoever is refused then throws the alert away.
        """
        directory = await self.context.configuration.read()
        if not directory.integrations:
            message = "the store knows no integration at all"
            raise StoreUnavailableError(message)

        return directory

    async def read(self) -> bytes:
        """
        Read the body.

        Raises:
            BodyError: If it cannot be taken.
        """
        return await read_body(
            self.request, self.context.body_bytes_max, self.context.patience_seconds
        )

    @asynccontextmanager
    async def place(self, source: str, integration: str | None) -> AsyncIterator[None]:
        """Hold a place among those admitted; a body that cannot be taken is refused."""
        async with self.admission.place():
            try:
                yield
            except BodyError as error:
                reason, detail = error.kind.code, error.detail
                self._log(integration, reason, detail, error.size)
                if error.kind.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    self.rejections.note(
                        source=source,
                        integration=integration,
                        reason=reason,
                        detail=detail,
                        size=error.size,
                        beginning=error.beginning,
                    )
                raise

    def refuse(
        self, source: str, integration: str, reason: str, detail: str, body: bytes
    ) -> None:
        """Note that what was read is refused."""
        self._log(integration, reason, detail, len(body))
        self.rejections.note(
            source=source,
            integration=integration,
            reason=reason,
            detail=detail,
            size=len(body),
            beginning=body,
        )

    async def refuse_key(self, source: str, body: bytes | None = None) -> None:
        """Note that a key, or a token, is nobody's; without a body, look for it."""
        rejections = self.rejections
        rejections.warn_of_unknown_key(source)
        if not rejections.has_room:
            return
        if body is None:
            body = await glimpse(self.request, GLIMPSE_SECONDS)
        rejections.note(
            source=source,
            integration=None,
            reason=UNKNOWN_KEY,
            detail=NOBODYS_KEY,
            size=len(body),
            beginning=body,
        )

    async def store(
        self, notices: Sequence[Routed], integration: str, delivery_id: str
    ) -> Sequence[Receipt]:
        """
        Store what a request told of: when this returns, all of it will be decided.

        Raises:
            TryAgainError: If not all of it was written; sending it again is safe.
        """
        receipts = await self.context.engine.ingest(notices)
        alerts = [one.alert for one in notices if isinstance(one, RoutedAlert)]
        log.info(
            "ingest.accepted",
            event_id=EVENT_PREFIX + delivery_id,
            integration=integration,
            alerts=len(alerts),
            incidents=len({one.incident_id for one in receipts if one.incident_id}),
            unread=sum(len(alert.unread) for alert in alerts),
        )

        return receipts

    def _log(
        self, integration: str | None, reason: str, detail: str, size: int
    ) -> None:
        log.warning(
            "ingest.rejected",
            integration=integration,
            reason=reason,
            detail=detail,
            size=size,
        )


async def _intake_of(request: Request, context: Context) -> Intake:
    state = request.app.state

    return Intake(
        request,
        context,
        cast("Admission", state.admission),
        cast("Rejections", state.rejections),
    )


Taking = Annotated[Intake, Depends(_intake_of)]
