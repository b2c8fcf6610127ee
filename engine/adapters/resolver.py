"""The resolver: which addresses a name has, as the system tells it."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio
import anyio.to_thread

# A name server that hangs keeps a thread for as long as the system waits for it.
RESOLVING_MAX = 8

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class SystemResolver:
    """Asks the system for the addresses of a name, beside the event loop."""

    def __init__(self) -> None:
        # Threads of its own: others resolve names too, those of Redis among them.
        self._threads = anyio.CapacityLimiter(RESOLVING_MAX)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """
        Return the addresses, the system's favourite first.

        Raises:
            OSError: If there are none, or nobody could be asked.
            UnicodeError: If it is no name at all.
        """
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await anyio.to_thread.run_sync(
            ask, abandon_on_cancel=True, limiter=self._threads
        )

        return tuple(
            dict.fromkeys(str(socket_address[0]) for *_, socket_address in found)
        )
