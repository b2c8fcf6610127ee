"""The connections of one process: a pool for each kind of work."""

from redis.asyncio import BlockingConnectionPool, ConnectionPool

# A pool for each kind of work, so that none waits for another's connections: alerts
# come in bursts, people acknowledge meanwhile, and paging goes on beside both.
INGEST_CONNECTIONS_MAX = 64
COMMAND_CONNECTIONS_MAX = 16
PAGING_CONNECTIONS_MAX = 32
CONNECTION_WAIT_SECONDS = 5
SOCKET_SECONDS_MAX = 5
CONNECT_SECONDS_MAX = 2


class Pools:
    """
    The connections of one process; each pool is bounded, and has whoever comes wait.

    Nothing is connected before it is needed.
    """

    def __init__(self, url: str) -> None:
        """
        Read the address.

        Raises:
            ValueError: If it is none. It may quote the address, password and all.
        """
        self._url = url
        self.ingest = self._shared(INGEST_CONNECTIONS_MAX)
        self.command = self._shared(COMMAND_CONNECTIONS_MAX)
        self.paging = self._shared(PAGING_CONNECTIONS_MAX)

    def own(self) -> ConnectionPool:
        """Make a pool for whoever closes it himself, and needs few connections."""
        pool: ConnectionPool = ConnectionPool.from_url(
            self._url,
            socket_timeout=SOCKET_SECONDS_MAX,
            socket_connect_timeout=CONNECT_SECONDS_MAX,
        )

        return pool

    async def disconnect(self) -> None:
        """Close every connection of the shared pools."""
        for pool in (self.ingest, self.command, self.paging):
            await pool.disconnect()

    def _shared(self, connections_max: int) -> ConnectionPool:
        pool: ConnectionPool = BlockingConnectionPool.from_url(
            self._url,
            max_connections=connections_max,
            timeout=CONNECTION_WAIT_SECONDS,
            socket_timeout=SOCKET_SECONDS_MAX,
            socket_connect_timeout=CONNECT_SECONDS_MAX,
        )

        return pool
