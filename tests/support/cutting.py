"""A proxy before Redis that kills a process in the middle of what it writes."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

CHUNK = 1 << 20
WAIT_SECONDS = 20


class Cut(StrEnum):
    """How much of the write arrives before the process is gone."""

    NOTHING = "nothing"
    HALF = "half"
    ALL = "all"


@dataclass
class Cutting:
    """
    Passes everything on until a marker is written; then the writer is killed.

    Attributes:
        kill: What kills the writer.
        port: Where it listens.
        was_cut: Whether the marker came by.
    """

    to: int
    marker: bytes
    cut: Cut
    kill: Callable[[], None] = lambda: None
    port: int = 0
    was_cut: threading.Event = field(default_factory=threading.Event)
    _is_silent: threading.Event = field(default_factory=threading.Event)
    _is_answered: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.to), WAIT_SECONDS)
                for work in (
                    lambda c=client, s=server: self._to_server(c, s),
                    lambda c=client, s=server: self._to_client(c, s),
                ):
                    threading.Thread(target=work, daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), server:
            while data := client.recv(CHUNK):
                if self.marker in data:
                    self._cut(data, server)
                    return
                server.sendall(data)

    def _cut(self, data: bytes, server: socket.socket) -> None:
        if self.cut is Cut.ALL:
            self._is_silent.set()
            server.sendall(data)
            # Redis has carried it out, and whoever asked is gone before it hears of it.
            self._is_answered.wait(WAIT_SECONDS)
        elif self.cut is Cut.HALF:
            server.sendall(data[: len(data) // 2])
        self.kill()
        self.was_cut.set()

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client:
            while data := server.recv(CHUNK):
                if self._is_silent.is_set():
                    self._is_answered.set()
                    self.was_cut.wait(WAIT_SECONDS)
                    return
                client.sendall(data)


@contextmanager
def cutting(to: int, marker: bytes, cut: Cut) -> Iterator[Cutting]:
    """Stand before a port of this machine for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Cutting(to=to, marker=marker, cut=cut, port=listener.getsockname()[1])
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        yield proxy


def killer(pid: int) -> Callable[[], None]:
    """Return what kills a process by its id."""
    return lambda: os.kill(pid, signal.SIGKILL)
