"""
Senders of alerts over HTTP that cost little, so that they are not what is measured.

Each keeps its connection. They read of an answer what they need, the status and the
length, by hand: a client that knows all of HTTP would take a core of its own at the
rates that are measured here.
"""

import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import anyio
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream

from benchmarks.stage.directory import LABELS, SUMMARY
from benchmarks.stage.stage import INGEST_PATH

HEAD_END, LENGTH = b"\r\n\r\n", b"content-length:"
HEAD_BYTES_MAX = 10_000
ACCEPTED = 202
ANSWER_SECONDS_MAX = 30.0
STARTED_AT = "2026-11-24T03:00:00Z"


class Answer(NamedTuple):
    """
    What came of a request, by the monotonic clock.

    Attributes:
        due: When it should have been sent; it is late if the senders are.
    """

    names: tuple[str, ...]
    due: float
    sent: float
    answered: float
    status: int


@dataclass(frozen=True, slots=True)
class Body:
    """One request, ready to be sent: the alerts in it, and the bytes of all of it."""

    names: tuple[str, ...]
    written: bytes = field(repr=False)

    @classmethod
    def of(cls, *names: str) -> "Body":
        """Return what Alertmanager sends of these alerts, which are new and fire."""
        notices = [notice(name) for name in names]
        group = {"receiver": "rung", "status": "firing", "alerts": notices}
        written = json.dumps(group | {"version": "4", "groupKey": "{}:{}"}).encode()
        head = (
            f"POST {INGEST_PATH} HTTP/1.1\r\nHost: rung\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(written)}\r\n\r\n"
        )

        return cls(names, head.encode() + written)


def notice(name: str) -> dict[str, Any]:
    """Return one alert as Alertmanager writes it; its title is its name."""
    return {
        "status": "firing",
        "labels": {**LABELS, "instance": name},
        "annotations": {"summary": name, "description": SUMMARY},
        "startsAt": STARTED_AT,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": f"http://prometheus:9090/graph?g0.expr={name}",
        "fingerprint": name,
    }


class Sender:
    """One connection, on which one request follows the other."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._reader = BufferedByteReceiveStream(stream)

    async def send(self, body: Body, due: float | None = None) -> Answer:
        """
        Send a request and read its answer.

        Raises:
            TimeoutError: If there is none for a long time.
        """
        sent = time.monotonic()
        with anyio.fail_after(ANSWER_SECONDS_MAX):
            await self._stream.send(body.written)
            head = await self._reader.receive_until(HEAD_END, HEAD_BYTES_MAX)
            status = int(head.split(b" ", 2)[1])
            await self._reader.receive_exactly(_length(head))

        return Answer(body.names, due or sent, sent, time.monotonic(), status)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(LENGTH):
            return int(line.removeprefix(LENGTH))

    return 0


@asynccontextmanager
async def connected(port: int, count: int) -> AsyncIterator[list[Sender]]:
    """Open so many connections."""
    async with AsyncExitStack() as stack:
        yield [
            Sender(
                await stack.enter_async_context(
                    await anyio.connect_tcp("127.0.0.1", port)
                )
            )
            for _ in range(count)
        ]


def send_at_rate(port: int, bodies: Sequence[Body], rate: int) -> list[Answer]:
    """
    Send at a rate, whether those before are answered or not.

    If every connection waits for an answer a request is sent late, which it tells.
    """
    work = partial(_send_at_rate, port, bodies, rate)

    return anyio.run(work, backend_options={"use_uvloop": True})


CONNECTIONS = 64


async def _send_at_rate(port: int, bodies: Sequence[Body], rate: int) -> list[Answer]:
    answers: list[Answer] = []
    async with (
        connected(port, min(CONNECTIONS, len(bodies))) as senders,
        anyio.create_task_group() as tasks,
    ):
        free = list(senders)
        is_free = anyio.Semaphore(len(free), fast_acquire=True)

        async def send(body: Body, due: float) -> None:
            sender = free.pop()
            try:
                answers.append(await sender.send(body, due))
            finally:
                free.append(sender)
                is_free.release()

        began = time.monotonic()
        for number, body in enumerate(bodies):
            due = began + number / rate
            await anyio.sleep(max(0, due - time.monotonic()))
            await is_free.acquire()
            tasks.start_soon(send, body, due)

    return answers


def send_all(
    port: int, bodies: Iterator[Body], connections: int, seconds: float | None = None
) -> list[Answer]:
    """Send one after the other on each connection, for a while or to the end."""
    work = partial(_send_all, port, bodies, connections, seconds)

    return anyio.run(work, backend_options={"use_uvloop": True})


async def _send_all(
    port: int, bodies: Iterator[Body], connections: int, seconds: float | None
) -> list[Answer]:
    answers: list[Answer] = []
    async with connected(port, connections) as senders:
        until = None if seconds is None else time.monotonic() + seconds

        async def go_on(sender: Sender) -> None:
            for body in bodies:
                answers.append(await sender.send(body))
                if until is not None and time.monotonic() >= until:
                    return

        async with anyio.create_task_group() as tasks:
            for sender in senders:
                tasks.start_soon(go_on, sender)

    return answers
