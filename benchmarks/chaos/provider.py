"""
The provider: takes pages on loopback, and keeps a log of its own of each.

It is what all that rung says of its sends is compared with. It also says who is on
call. Which page it refuses, and which look-up fails, is the plan's.
"""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.from_thread import start_blocking_portal

from benchmarks.chaos.plan import Answer, Told
from engine.ids import show_incident_id
from tests.support.receiver import read_request, status

LOOPBACK = "127.0.0.1"
LATE_SECONDS, SLOW_SECONDS, SILENT_SECONDS_MAX = 0.7, 1.0, 15.0
ON_CALL = {"primary": "alice", "secondary": "bob", "manager": "carol"}
CLOSE = "Connection: close"
OK, UNAVAILABLE = 200, 503


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """
    A page as the provider received it.

    Attributes:
        key: The idempotency key.
        process: Numbers the start of the worker that sent it.
        begun_at: When that worker began to send it.
        received_at: When all of it was here.
        finished_at: When it was answered; or the other side, or this one, gave up.
    """

    key: str
    incident: str
    person: str
    process: int
    answer: Answer
    begun_at: float
    received_at: float
    finished_at: float

    @property
    def whose(self) -> tuple[str, str]:
        """Which page it is: of which incident, and whom it is for."""
        return self.incident, self.person

    @property
    def is_taken(self) -> bool:
        """Whether it is at the person's from here on, whatever rung heard of that."""
        return self.answer is not Answer.REFUSED


@dataclass
class Provider:
    """
    A running provider; it lives in a thread of its own.

    Attributes:
        answer: What it does with the page of an alert, to a person, at such a time that
            it comes.
        tell: What it does when it is asked after a schedule at such a time.
    """

    answer: Callable[[str, str, int], Answer]
    tell: Callable[[str, int], Told]
    receipts: list[Receipt] = field(default_factory=list[Receipt])
    told: "Counter[Told]" = field(default_factory=Counter)
    port: int = 0
    _times: "Counter[tuple[str, str]]" = field(default_factory=Counter)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen for as long as the block lasts."""
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(self._serving()),
        ):
            yield

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        listener = await anyio.create_tcp_listener(local_host=LOOPBACK)
        self.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django here
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._handle)
            yield
            tasks.cancel_scope.cancel()

    async def _handle(self, stream: ByteStream) -> None:
        async with stream:
            try:
                request = await read_request(stream)
                _, path, _ = request.line.split()
                if path == "/pages":
                    await self._take(stream, json.loads(request.body))
                else:
                    await self._tell(stream, path.rpartition("/")[2])
            except (
                anyio.BrokenResourceError,
                anyio.EndOfStream,
                anyio.IncompleteRead,
            ):
                return  # whoever asked has gone, or is dead

    async def _take(self, stream: ByteStream, page: dict[str, Any]) -> None:
        received_at = time.monotonic()
        answer = self.answer(
            page["alert"],
            page["person"],
            self._time(page["alert"], page["person"]),
        )
        try:
            await _do(stream, answer)
        finally:
            self.receipts.append(
                Receipt(
                    key=page["key"],
                    incident=show_incident_id(page["incident"]),
                    person=page["person"],
                    process=int(page["process"]),
                    answer=answer,
                    begun_at=page["begun_at"],
                    received_at=received_at,
                    finished_at=time.monotonic(),
                )
            )

    async def _tell(self, stream: ByteStream, schedule: str) -> None:
        told = self.tell(schedule, self._time("on call", schedule))
        self.told[told] += 1
        match told:
            case Told.SILENT:
                await _say_nothing(stream)
                return
            case Told.SLOW:
                await anyio.sleep(SLOW_SECONDS)
            case Told.TOLD | Told.FAILED:
                pass
        code = UNAVAILABLE if told is Told.FAILED else OK
        body = ON_CALL[schedule].encode()
        await stream.send(status(code, CLOSE, body=body))

    def _time(self, what: str, whose: str) -> int:
        self._times[what, whose] += 1

        return self._times[what, whose]


async def _do(stream: ByteStream, answer: Answer) -> None:
    match answer:
        case Answer.TAKEN:
            await stream.send(status(OK, CLOSE))
        case Answer.LATE:
            await anyio.sleep(LATE_SECONDS)
            await stream.send(status(OK, CLOSE))
        case Answer.REFUSED:
            await stream.send(status(UNAVAILABLE, CLOSE))
        case Answer.HUNG:
            await _say_nothing(stream)
        case Answer.CUT:
            return


async def _say_nothing(stream: ByteStream) -> None:
    """Wait until the other side gives up, or is dead."""
    with anyio.move_on_after(SILENT_SECONDS_MAX):
        await stream.receive()
