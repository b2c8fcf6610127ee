"""
Following a primary: Sentinels say who it is, and a connection goes nowhere else.

redis-py's own `Sentinel` believes whichever answers first, also one that was cut off
together with the old primary. Here most of them are heard, and the latest
configuration counts: whoever made it had most of them behind it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from weakref import WeakSet

import anyio
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import SentinelConnectionPool, SentinelManagedConnection
from redis.exceptions import (
    AuthenticationError,
    ConnectionError as RedisConnectionError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from typing_extensions import override

from engine.adapters.redis.addresses import Host, Options

# They answer within a millisecond; one whose machine is gone does not.
SENTINEL_SECONDS_MAX = 1
PRIMARY = b"master"

State: TypeAlias = Mapping[str, Any]
# What a Sentinel said, or what kept it from saying anything.
Answer: TypeAlias = Any | Exception


class PrimaryUnknownError(RedisConnectionError):
    """Nobody could say who the primary is; it passes, or REDIS_URL is wrong."""


class Sentinels:
    """Says who the primary is: what redis-py's connection pools call a manager."""

    def __init__(self, hosts: Sequence[Host], options: Options) -> None:
        """
        Wire it up; nobody is asked before it is needed.

        Args:
            hosts: Where they listen.
            options: What connections to them are made with.
        """
        self._hosts = hosts
        self._options = options
        self._epoch = -1
        self._followers: WeakSet[FollowingPool] = WeakSet()

    def follow(self, pool: "FollowingPool") -> None:
        """Tell a pool, for as long as it is used, when there is another primary."""
        self._followers.add(pool)

    async def discover_master(self, service_name: str) -> Host:
        """
        Return where the primary of a name is, and have all pools leave another one.

        Raises:
            PrimaryUnknownError: If it cannot be told; it says why.
        """
        answers = await self._ask_most(service_name)
        told = [one for one in answers if not isinstance(one, Exception)]
        if not told:
            raise PrimaryUnknownError(_why_not(service_name, answers))
        latest = max(int(state["config-epoch"]) for state in told)
        for state in told:
            if int(state["config-epoch"]) == latest and not _is_down(state):
                address = state["ip"], int(state["port"])
                await self._tell(address, latest)
                return address
        message = (
            f"the Sentinels hold the primary {service_name!r} to be down, and have no "
            "other one yet"
        )
        raise PrimaryUnknownError(message)

    async def _tell(self, address: Host, epoch: int) -> None:
        if epoch > self._epoch:
            self._epoch = epoch
            for pool in list(self._followers):
                await pool.leave_others(address)

    async def ask_each(self, *command: str) -> Mapping[Host, Answer]:
        """Ask all of them the same, and wait for each; what it met is its answer."""
        answers: dict[Host, Answer] = {}

        async def ask(host: Host) -> None:
            answers[host] = await self._ask(host, *command)

        async with anyio.create_task_group() as asking:
            for host in self._hosts:
                asking.start_soon(ask, host)

        return answers

    async def _ask_most(self, name: str) -> list[Answer]:
        """Ask them all at once, and wait until most have said something of use."""
        answers: list[Answer] = []
        told = 0
        async with anyio.create_task_group() as asking:

            async def ask(host: Host) -> None:
                nonlocal told
                answer = await self._ask(host, "SENTINEL MASTER", name)
                answers.append(answer)
                told += not isinstance(answer, Exception)
                if 2 * told > len(self._hosts):
                    asking.cancel_scope.cancel()

            for host in self._hosts:
                asking.start_soon(ask, host)

        return answers

    async def _ask(self, host: Host, *command: str) -> Answer:
        """Ask one, on a connection for this once: it is not asked often."""
        pool = ConnectionPool(
            **{
                **self._options,
                "host": host[0],
                "port": host[1],
                "socket_timeout": SENTINEL_SECONDS_MAX,
                "socket_connect_timeout": SENTINEL_SECONDS_MAX,
            }
        )
        try:
            with anyio.fail_after(SENTINEL_SECONDS_MAX):
                asked = Redis(connection_pool=pool).execute_command(*command)  # type: ignore[no-untyped-call]
                answer: Any = await asked
        except (RedisError, OSError, RuntimeError) as error:
            return error
        else:
            return answer
        finally:
            with anyio.move_on_after(SENTINEL_SECONDS_MAX, shield=True):
                await pool.disconnect()


def _is_down(state: State) -> bool:
    return state["is_sdown"] or state["is_odown"] or not state["is_master"]


def _why_not(name: str, answers: Sequence[Answer]) -> str:
    """Say what kept all Sentinels from answering, and which setting is at fault."""
    refused = [
        one
        for one in answers
        if isinstance(one, AuthenticationError | NoPermissionError)
    ]
    if refused:
        return (
            f"the Sentinels of REDIS_URL refuse us ({refused[0]}): correct its "
            "sentinel_password and sentinel_username"
        )
    unknown = [one for one in answers if isinstance(one, ResponseError)]
    if unknown:
        return (
            f"the Sentinels of REDIS_URL know no primary {name!r} ({unknown[0]}): "
            "correct the name in it"
        )
    said = "; ".join(sorted({str(one) or type(one).__name__ for one in answers}))

    return f"no Sentinel of REDIS_URL answers ({said}): start them, or correct it"


class FollowingConnection(SentinelManagedConnection):
    """A connection that asks who the primary is, and stays with nobody else."""

    @override
    async def connect_to(self, address: Host) -> None:
        """
        Connect to a server, and leave it if it is no primary (any more, or yet).

        One that is forbidden to say so is believed to be one.
        """
        await super().connect_to(address)  # type: ignore[no-untyped-call]
        await self.send_command("ROLE")
        try:
            role, *_ = await self.read_response()
        except ResponseError:
            return
        if role != PRIMARY:
            await self.disconnect()
            message = (
                f"{address[0]}:{address[1]} is no primary, though Sentinels say so"
            )
            raise PrimaryUnknownError(message)

    @override
    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """
        Read as other connections do.

        redis-py would make a lost answer, for a whole batch, of one READONLY.
        """
        read = super(SentinelManagedConnection, self).read_response

        return await read(*args, **kwargs)


class FollowingTlsConnection(FollowingConnection, SSLConnection):
    """The same by TLS."""


class FollowingPool(SentinelConnectionPool):
    """Connections to whoever is the primary."""

    def __init__(
        self, service_name: str, sentinel_manager: Sentinels, **options: Any
    ) -> None:
        super().__init__(service_name, sentinel_manager, **options)  # type: ignore[no-untyped-call]
        sentinel_manager.follow(self)

    async def leave_others(self, address: Host) -> None:
        """
        Close the connections that lead elsewhere, those in use too.

        Whoever waits for a server that hangs, or whose machine is gone, is freed.
        """
        for connection in [*self._available_connections, *self._in_use_connections]:
            assert isinstance(connection, SentinelManagedConnection)
            if (connection.host, connection.port) != address:
                await connection.disconnect(nowait=True)

    @override
    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back; one to a former primary is closed first."""
        assert isinstance(connection, SentinelManagedConnection)
        if (connection.host, connection.port) != self.master_address:
            await connection.disconnect(nowait=True)
        await super().release(connection)


class BlockingFollowingPool(BlockingConnectionPool, FollowingPool):
    """The same; it is bounded, and has whoever comes wait."""
