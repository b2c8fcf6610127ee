"""
The channel and the look-up of a chaos run, as other distributions bring theirs.

It is copied into a directory of its own, where the real workers find it by its entry
points. Both ask the provider on loopback, which does as its plan says.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import httpx2

from rung.channels import DeliveryResult, Notification, Outcome
from rung.oncall import LookUpFailedError, OnCall, OnCallReason, Target

ADDRESS, PROCESS = "CHAOS_PROVIDER", "CHAOS_PROCESS"
# Who was stopped for a while has not failed to connect on waking.
ANSWER_SECONDS_MAX, CONNECT_SECONDS_MAX = 1.5, 8.0
# Nothing of the page has left before there is a connection.
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
# The next incident asks again, so that there are many look-ups.
GOOD_FOR = timedelta(seconds=1)


class Push:
    """Sends pages to the provider, which knows their keys."""

    def __init__(self, client: httpx2.AsyncClient, process: str) -> None:
        self._client = client
        self._process = process

    async def send(self, notification: Notification) -> DeliveryResult:
        """Send one; nobody knows what became of it if there is no answer."""
        page = {
            "key": notification.key,
            "attempt": notification.attempt,
            "person": notification.person,
            "incident": notification.incident_id,
            "alert": notification.labels["alertname"],
            "process": self._process,
            "begun_at": time.monotonic(),
        }
        try:
            answer = await self._client.post("/pages", json=page)
        except NOT_SENT:
            return DeliveryResult(outcome=Outcome.FAILED, detail="not connected")
        except httpx2.TimeoutException:
            return DeliveryResult(outcome=Outcome.UNKNOWN, detail="no answer")
        except httpx2.TransportError:
            return DeliveryResult(
                outcome=Outcome.UNKNOWN, detail="cut off", is_repeatable=True
            )
        if answer.is_success:
            return DeliveryResult(outcome=Outcome.SENT)

        return DeliveryResult(outcome=Outcome.FAILED, detail=str(answer.status_code))


class Table:
    """Asks the provider who is on call."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def who(self, target: Target, at: datetime) -> OnCall:
        """Ask; an error is none of a person on call."""
        answer = await self._client.get(f"/on-call/{target.id}")
        if not answer.is_success:
            message = f"the provider said {answer.status_code}"
            raise LookUpFailedError(message)

        return OnCall(
            people=(answer.text,),
            reason=OnCallReason.ROTATION,
            source="chaos",
            until=at + GOOD_FOR,
        )


@asynccontextmanager
async def push(environment: Mapping[str, str]) -> AsyncIterator[Push]:
    """Make the channel."""
    async with _client(environment, ANSWER_SECONDS_MAX) as client:
        yield Push(client, environment[PROCESS])


@asynccontextmanager
async def table(environment: Mapping[str, str]) -> AsyncIterator[Table]:
    """Make the look-up."""
    async with _client(environment, CONNECT_SECONDS_MAX) as client:
        yield Table(client)


def _client(environment: Mapping[str, str], seconds: float) -> httpx2.AsyncClient:
    limits = httpx2.Timeout(
        seconds, connect=CONNECT_SECONDS_MAX, pool=CONNECT_SECONDS_MAX
    )

    return httpx2.AsyncClient(base_url=environment[ADDRESS], timeout=limits)
