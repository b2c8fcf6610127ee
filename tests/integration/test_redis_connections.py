"""Quick connections: they ask as redis-py's own do, on a real server."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Connection, ConnectionPool, Redis
from redis.exceptions import ResponseError, TimeoutError as RedisTimeoutError

from engine.adapters.redis.connections import exchange, quick
from tests.support.redis_backends import Servers
from tests.support.redis_fixtures import servers_fixture
from tests.support.servers import found_servers

__all__ = ["servers_fixture"]

ANSWER_SECONDS_MAX = 0.2


@pytest.fixture(params=[Connection, quick(Connection)])
async def pool(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[ConnectionPool]:
    """Connect in both ways."""
    pool: ConnectionPool = ConnectionPool.from_url(
        servers.url(found_servers()[-1]),
        connection_class=request.param,
        socket_timeout=ANSWER_SECONDS_MAX,
    )
    yield pool
    await pool.disconnect()


async def test_replies(pool: ConnectionPool) -> None:
    """Each command has its own reply, also one that the server has something against."""
    connection = await pool.get_connection()
    told, wrong, size, ended = await exchange(
        connection,
        [
            ("SET", "a", "ä"),
            ("INCR", "a"),
            ("STRLEN", "a"),
            ("SCRIPT LOAD", "return 1"),
        ],
    )
    await pool.release(connection)

    assert b"OK" == told
    assert isinstance(wrong, ResponseError)
    assert 2 == size
    assert 40 == len(ended)


async def test_values(pool: ConnectionPool) -> None:
    """Text, bytes and numbers arrive as they are."""
    value = bytes(range(256)) * 1_000
    connection = await pool.get_connection()
    await exchange(connection, [("HSET", "h", "number", 2**52, "bytes", value)])
    [found] = await exchange(connection, [("HMGET", "h", "number", "bytes", "none")])
    await pool.release(connection)

    assert [b"%d" % 2**52, value, None] == found


async def test_too_late(pool: ConnectionPool) -> None:
    """Without an answer in time the connection is closed: none may be taken later."""
    connection = await pool.get_connection()
    with pytest.raises(RedisTimeoutError):
        await exchange(connection, [("BLPOP", "nothing", 1)])
    is_connected = connection.is_connected
    await pool.release(connection)

    assert not is_connected
    assert await Redis(connection_pool=pool).ping()
