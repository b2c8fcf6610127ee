"""A receiver of webhooks on loopback: a real TLS server that answers as it is told."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener

# For hook.example.test and 127.0.0.1, valid until 2120. Nobody else trusts its authority.
CERTIFICATES = Path(__file__).parent / "certificates"
HOST = "hook.example.test"
LOOPBACK = "127.0.0.1"
HEAD_BYTES_MAX = 1 << 16
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Answer = bytes | Callable[[ByteStream], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """
    A running receiver.

    Attributes:
        answers: What to say to the next requests: bytes, or what to do with the
            connection; nothing: close it. The last one stays.
        received: What came so far.
        connections: How many there were, also without a request.
    """

    port: int
    answers: list[Answer]
    received: list[Received] = field(default_factory=list[Received])
    connections: int = 0

    def url(self, path: str = "/hook", host: str = HOST, scheme: str = "https") -> str:
        """Return an address of it."""
        return f"{scheme}://{host}:{self.port}{path}"

    async def handle(self, stream: ByteStream) -> None:
        """Read one request and answer it."""
        self.connections += 1
        async with stream:
            try:
                self.received.append(await read_request(stream))
                answer = (
                    self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                )
                if isinstance(answer, bytes):
                    await stream.send(answer)
                else:
                    await answer(stream)
            except (anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError):
                return  # whoever asked has gone


async def read_request(stream: ByteStream) -> Received:
    """Read one request to its end."""
    buffered = BufferedByteReceiveStream(stream)
    head = (await buffered.receive_until(b"\r\n\r\n", HEAD_BYTES_MAX)).decode()
    line, *fields = head.split("\r\n")
    headers = {
        name.lower(): value for name, value in (each.split(": ", 1) for each in fields)
    }
    size = int(headers.get("content-length", "0"))
    body = await buffered.receive_exactly(size) if size else b""

    return Received(line=line, headers=headers, body=body)


@asynccontextmanager
async def receiving(
    *answers: Answer, tls: bool = True, wants_certificate: bool = False
) -> AsyncIterator[Receiver]:
    """Run a receiver for as long as the block lasts."""
    listener = await anyio.create_tcp_listener(local_host=LOOPBACK)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django here
    receiver = Receiver(port, list(answers) or [OK])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / f"{HOST}.pem")
    if wants_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
    served = (
        TLSListener(listener, context, standard_compatible=False) if tls else listener
    )
    async with served, anyio.create_task_group() as tasks:
        tasks.start_soon(served.serve, receiver.handle)
        yield receiver
        tasks.cancel_scope.cancel()


def trusting() -> ssl.SSLContext:
    """Return a context that trusts the receiver's certificate and nothing else."""
    return ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))


def status(
    code: int, *headers: str, body: bytes = b"", length: int | None = None
) -> bytes:
    """Write an answer; with another length than its body's the rest never comes."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {code} Said", f"Content-Length: {size}", *headers, "", ""]

    return "\r\n".join(lines).encode() + body


async def silence(stream: ByteStream) -> None:
    """Say nothing until the other side goes."""
    await stream.receive()


def dripping(start: bytes = b"", drop: bytes = b"a", seconds: float = 0.02) -> Answer:
    """Return an answer that goes on and on, a byte at a time."""

    async def drip(stream: ByteStream) -> None:
        if start:
            await stream.send(start)
        while True:
            await stream.send(drop)
            await anyio.sleep(seconds)

    return drip


class WallClock:
    """The host's clock: what libraries compare a signature's time with."""

    def now(self) -> datetime:
        """Return the current time."""
        return datetime.now(UTC)

    async def sleep_until(self, at: datetime) -> None:
        """Return at once; nobody sleeps here."""
