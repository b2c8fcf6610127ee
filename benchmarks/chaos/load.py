"""
What senders and people do while all is killed under them, and what they are told.

Each request is sent until it is answered, with the same body, like good senders do;
those about one alert one after the other.
"""

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2

from benchmarks.chaos.plan import Kind, Request

STARTED_AT = "2026-11-24T03:00:00Z"
AGAIN_SECONDS, ANSWER_SECONDS_MAX, ASKED_SECONDS_MAX = 0.1, 5.0, 120.0
# What may well be said while something is down; then the request is sent again.
NOT_NOW = {503, 504}
# Whoever carried out a request with this key may be dead, which is known in a minute.
UNDER_WAY = "idempotency_key_in_use"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A request that was answered: when it was first sent, and when it was over."""

    kind: Kind
    asked_at: float
    answered_at: float
    incident: str


@dataclass
class Story:
    """
    All that was answered of one alert, in order.

    Attributes:
        is_clear: Whether all was answered: else nobody knows what became of it.
    """

    answers: list[Answered] = field(default_factory=list[Answered])
    is_clear: bool = True

    @property
    def first(self) -> Answered:
        """The answer by which the alert was promised to be paged for."""
        return self.answers[0]

    @property
    def incidents(self) -> set[str]:
        """
        The incidents that were named; it should be one.

        A resolve that is sent again, since its answer was lost, may come too late and
        find nothing open: it has done its work.
        """
        return {
            answer.incident
            for answer in self.answers
            if answer.incident or answer.kind is not Kind.RESOLVED
        }

    @property
    def end(self) -> Answered | None:
        """The answer that ended the escalation, if one did."""
        ends = (one for one in self.answers if one.kind is not Kind.FIRING)

        return next(ends, None)


class Senders:
    """Sends what is planned, in real time, and keeps what was answered."""

    def __init__(self, address: str, ingest_key: str, api_token: str) -> None:
        self._ingest = f"{address}/ingest/alertmanager/{ingest_key}"
        self._incidents = f"{address}/v1/incidents"
        self._token = {"Authorization": f"Bearer {api_token}"}
        self._in_order: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        # Who hears that it is under way does not wait for that: he presses it again.
        self._presses: Counter[str] = Counter()
        self.stories: defaultdict[str, Story] = defaultdict(Story)
        self.refused: list[str] = []

    def run(self, plan: list[Request], began: float) -> None:
        """Send it all; return when all of it is answered."""
        anyio.run(self._run, plan, began)

    async def _run(self, plan: list[Request], began: float) -> None:
        limits = httpx2.Limits(max_connections=100)
        async with (
            httpx2.AsyncClient(limits=limits, timeout=ANSWER_SECONDS_MAX) as client,
            anyio.create_task_group() as tasks,
        ):
            for request in plan:
                await anyio.sleep(max(0, began + request.at - time.monotonic()))
                tasks.start_soon(self._ask, client, request)

    async def _ask(self, client: httpx2.AsyncClient, request: Request) -> None:
        async with self._in_order[request.alert]:
            story = self.stories[request.alert]
            asked_at = time.monotonic()
            # Nobody can take what was never taken in.
            is_vain = request.kind is Kind.ACKNOWLEDGE and not story.answers
            answer = (
                None
                if is_vain
                else await self._until_answered(client, request, asked_at)
            )
            if answer is None:
                story.is_clear = False
                self.refused.append(f"{request.kind} of {request.alert}: no answer")
                return
            story.answers.append(
                Answered(
                    kind=request.kind,
                    asked_at=asked_at,
                    answered_at=time.monotonic(),
                    incident=_incident_in(answer),
                )
            )

    async def _until_answered(
        self, client: httpx2.AsyncClient, request: Request, asked_at: float
    ) -> Any:
        while time.monotonic() < asked_at + ASKED_SECONDS_MAX:
            try:
                answer = await self._send(client, request)
            except httpx2.TransportError:
                await anyio.sleep(AGAIN_SECONDS)
                continue
            if answer.is_success:
                return answer.json()
            if UNDER_WAY in answer.text:
                self._presses[request.alert] += 1
            elif answer.status_code not in NOT_NOW:
                self.refused.append(f"{request}: {answer.status_code} {answer.text}")
            await anyio.sleep(AGAIN_SECONDS)

        return None

    async def _send(
        self, client: httpx2.AsyncClient, request: Request
    ) -> httpx2.Response:
        if request.kind is Kind.ACKNOWLEDGE:
            incident = self.stories[request.alert].first.incident
            press = self._presses[request.alert]
            name = {"Idempotency-Key": f"{request.alert} is taken, {press}"}
            return await client.post(
                f"{self._incidents}/{incident}/acknowledge",
                headers=self._token | name,
            )
        notice = {
            "status": request.kind,
            "labels": {"alertname": request.alert},
            "startsAt": STARTED_AT,
        }

        return await client.post(self._ingest, json={"alerts": [notice]})


def _incident_in(answer: Any) -> str:
    """Return the incident that an answer names; an empty text if the alert was late."""
    if "incidents" in answer:
        return answer["incidents"][0]["id"] or ""
    incident: str = answer["id"]

    return incident
