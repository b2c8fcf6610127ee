"""What the web process is given to work with."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request

from engine.core.events import Attached, Command, Detached
from engine.core.incident import Decision, Incident
from engine.ports import (
    UNMEASURED,
    Backlog,
    Clock,
    Configuration,
    IdempotencyKeys,
    Ids,
    IncidentReader,
    Measures,
    Receipt,
    RejectedEvents,
    Routed,
    Totals,
)
from engine.service import Administration

BODY_BYTES_MAX = 1 << 20
INGESTS_AT_ONCE_MAX = 256
PATIENCE_SECONDS = 8.0
CHECKS_TIMEOUT_SECONDS = 5.0


class Engine(Protocol):
    """What the web asks of the engine; it neither decides nor sends by itself."""

    @property
    def channels(self) -> frozenset[str]:
        """What this installation can send on."""
        ...

    async def ingest(self, notices: Sequence[Routed]) -> Sequence[Receipt]:
        """Store notices: when this returns, each of them will be decided."""
        ...

    async def obey(self, incident_id: str, command: Command) -> Decision:
        """Carry out a command and return what was decided, committed."""
        ...

    async def attach(self, incident_id: str, command: Attached) -> Decision:
        """Make an incident a part of another one."""
        ...

    async def detach(self, incident_id: str, command: Detached) -> Decision:
        """Make an incident stand alone again."""
        ...

    async def find(self, incident_id: str) -> Incident:
        """Return an incident as it is stored."""
        ...


class Check(Protocol):
    """One thing that must be so before this process takes requests."""

    @property
    def name(self) -> str:
        """What was looked at."""
        ...

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        ...

    @property
    def is_fatal(self) -> bool:
        """Whether no request should come here until it is."""
        ...

    @property
    def detail(self) -> str:
        """What was found, and what to do about it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebContext:
    """
    All that the web process needs; there is no other state.

    Attributes:
        checks: Looks at what `/readyz` reports.
        version: The version of rung.
        totals: What all processes have counted; `measures` counts in this one.
        public_url: The address that others reach it by; None: nobody said.
        has_schedules: Whether the directory has every schedule there is.
        public_url: The address that others reach it by; None: nobody said.
        patience_seconds: How long a request waits to be admitted, and how long its
            body may take to come in.
    """

    engine: Engine
    reader: IncidentReader
    configuration: Configuration
    administration: Administration
    idempotency: IdempotencyKeys
    clock: Clock
    ids: Ids
    rejected_events: RejectedEvents
    checks: Callable[[], Awaitable[Sequence[Check]]]
    version: str
    totals: Totals
    backlog: Backlog
    measures: Measures = UNMEASURED
    public_url: str | None = None
    has_schedules: bool = True
    body_bytes_max: int = BODY_BYTES_MAX
    ingests_at_once_max: int = INGESTS_AT_ONCE_MAX
    patience_seconds: float = PATIENCE_SECONDS
    checks_timeout_seconds: float = CHECKS_TIMEOUT_SECONDS


async def context_of(request: Request) -> WebContext:
    """Return the context of the app that serves a request."""
    return cast("WebContext", request.app.state.context)


Context = Annotated[WebContext, Depends(context_of)]
