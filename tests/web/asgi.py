"""Requests that no client library would make."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson
from starlette.types import ASGIApp, Message


@dataclass(slots=True)
class RawRequest:
    """
    One request, message by message.

    Attributes:
        messages: What the server hands on of the body.
        sent: What the app answered.
        taken: How many messages of the body the app asked for.
    """

    path: str
    messages: Iterable[Message] = ()
    method: str = "POST"
    headers: Sequence[tuple[bytes, bytes]] = ()
    sent: list[Message] = field(default_factory=list[Message])
    taken: int = 0

    async def to(self, app: ASGIApp) -> None:
        """Send it to the app."""
        incoming = iter(self.messages)

        async def receive() -> Message:
            self.taken += 1
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            self.sent.append(message)

        await app(self.scope, receive, send)

    @property
    def status(self) -> int:
        """The status of the answer."""
        status = self.sent[0]["status"]
        assert isinstance(status, int)

        return status

    @property
    def code(self) -> str:
        """The code of the problem that was answered."""
        body = b"".join(message.get("body", b"") for message in self.sent)

        return str(orjson.loads(body)["code"])

    @property
    def scope(self) -> dict[str, object]:
        """The scope of the request."""
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": list(self.headers),
            "client": ("192.0.2.1", 5000),
            "server": ("rung", 80),
        }


def chunks(body: bytes, count: int = 1) -> Iterable[Message]:
    """Yield a body again and again, as chunks without a length."""
    for _ in range(count):
        yield {"type": "http.request", "body": body, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}
