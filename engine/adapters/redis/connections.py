"""
Connections that ask for many things at once, and cheaply.

redis-py packs a command in Python and reads each reply of a pipeline with a time-out of
its own. A decided step costs less than that. Here hiredis packs, as it does for
redis-py's own synchronous connections, and one time-out holds for a whole batch.
"""

from asyncio import timeout
from collections.abc import Iterable, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError, TimeoutError as RedisTimeoutError
from typing_extensions import override

Command = Sequence[str | bytes | int | float]


async def exchange(
    connection: AbstractConnection, commands: Sequence[Command]
) -> list[Any]:
    """
    Send several commands in one piece, and return the reply to each.

    What the server has against one command is the reply to that one. After any other
    error, or if it is given up, the connection is closed: replies may be under way.
    """
    try:
        if isinstance(connection, QuickConnection):
            return await connection.ask_all(commands)
        await connection.send_packed_command(connection.pack_commands(commands))
        return [await _read(connection) for _ in commands]
    except BaseException:
        await connection.disconnect(nowait=True)
        raise


async def _read(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


class QuickConnection(AbstractConnection):
    """What makes a connection of redis-py a quick one."""

    @override
    def pack_command(self, *args: Any) -> list[bytes]:
        return [_packed(args)]

    @override
    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [b"".join([_packed(tuple(one)) for one in commands])]

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """
        Send commands and read the reply to each.

        Raises:
            TimeoutError: If that took longer than one answer may.
        """
        parser: Any = self._parser
        try:
            async with timeout(self.socket_timeout):
                if not self.is_connected:
                    await self.connect()  # type: ignore[no-untyped-call]
                assert self._writer is not None
                self._writer.writelines(self.pack_commands(commands))
                await self._writer.drain()
                return [await parser.read_response() for _ in commands]
        except TimeoutError:
            message = "no answer in time"
            raise RedisTimeoutError(message) from None


def quick(cls: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return a class of connections that is as another one, and quick."""
    return type(f"Quick{cls.__name__}", (QuickConnection, cls), {})


def _packed(command: tuple[Any, ...]) -> bytes:
    """Pack a command; its name may be two words, which the server wants apart."""
    name = command[0]
    if isinstance(name, str) and " " in name:
        command = (*name.split(), *command[1:])

    packed: bytes = hiredis.pack_command(command)

    return packed
