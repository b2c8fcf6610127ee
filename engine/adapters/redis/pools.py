"""The connections of one process: a pool for each kind of work."""

from redis.asyncio import BlockingConnectionPool, ConnectionPool

from engine.adapters.redis.addresses import (
    DIRECT,
    FOLLOWED,
    AddressError,
    Options,
    read_address,
)
from engine.adapters.redis.connections import quick
from engine.adapters.redis.sentinels import (
    BlockingFollowingPool,
    FollowingConnection,
    FollowingPool,
    FollowingTlsConnection,
    Sentinels,
)

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

    Attributes:
        sentinels: Who says where the primary is, if somebody does.
        name: What they call it.
    """

    def __init__(self, url: str) -> None:
        """
        Read the address.

        Raises:
            AddressError: If it is none.
        """
        address = read_address(url)
        self._options: Options = {
            "socket_timeout": SOCKET_SECONDS_MAX,
            "socket_connect_timeout": CONNECT_SECONDS_MAX,
            **address.options,
        }
        self._plain: type[ConnectionPool] = ConnectionPool
        self._blocking: type[ConnectionPool] = BlockingConnectionPool
        self.name = address.name
        self.sentinels: Sentinels | None = None
        self._form = FOLLOWED if address.sentinels else DIRECT
        if address.sentinels:
            self.sentinels = Sentinels(address.sentinels, address.sentinel_options)
            self._plain, self._blocking = FollowingPool, BlockingFollowingPool
            self._options |= {
                "service_name": address.name,
                "sentinel_manager": self.sentinels,
                "connection_class": FollowingTlsConnection
                if address.is_encrypted
                else FollowingConnection,
            }
        self.ingest = self._shared(INGEST_CONNECTIONS_MAX)
        self.command = self._shared(COMMAND_CONNECTIONS_MAX)
        self.paging = self._shared(PAGING_CONNECTIONS_MAX)
        self._try_options()

    def own(self) -> ConnectionPool:
        """Make a pool for whoever closes it himself, and needs few connections."""
        return self._plain(**self._options)

    async def disconnect(self) -> None:
        """Close every connection of the shared pools."""
        for pool in (self.ingest, self.command, self.paging):
            await pool.disconnect()

    def _shared(self, connections_max: int) -> ConnectionPool:
        bounds = {
            "max_connections": connections_max,
            "timeout": CONNECTION_WAIT_SECONDS,
        }

        pool = self._blocking(**{**bounds, **self._options})
        pool.connection_class = quick(pool.connection_class)

        return pool

    def _try_options(self) -> None:
        """Refuse options that no connection takes; redis-py finds them out too late."""
        try:
            self.paging.make_connection()  # type: ignore[no-untyped-call]
        except TypeError:
            problem = "has options that redis-py does not know"
            raise AddressError(problem, self._form) from None
