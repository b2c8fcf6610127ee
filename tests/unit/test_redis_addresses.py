"""Addresses of Redis: a server's own, or a name that Sentinels know."""

import pytest
from redis.asyncio import BlockingConnectionPool, SSLConnection

from engine.adapters.redis.addresses import AddressError, read_address
from engine.adapters.redis.pools import COMMAND_CONNECTIONS_MAX, Pools
from engine.adapters.redis.sentinels import BlockingFollowingPool, FollowingPool

FOLLOWED = "redis+sentinel://one:26380,two/rung"
SECRET = "hush"  # noqa: S105 - a fake one


def test_followed() -> None:
    """User and password are the servers', percent-decoded; the name and the database follow."""
    found = read_address("redis+sentinel://us%40er:p%3Aw%2F@one:1,two:2,three:3/rung/4")

    assert (("one", 1), ("two", 2), ("three", 3)) == found.sentinels
    assert "rung" == found.name
    assert {"username": "us@er", "password": "p:w/", "db": 4} == found.options
    assert {} == found.sentinel_options
    assert found.has_password
    assert not found.is_encrypted


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("one", [("one", 26379)]),
        ("one:1, two", [("one", 1), ("two", 26379)]),
        ("[::1]:1,[fd00::2]", [("::1", 1), ("fd00::2", 26379)]),
        ("10.0.0.1:1", [("10.0.0.1", 1)]),
    ],
)
def test_hosts(hosts: str, expected: list[tuple[str, int]]) -> None:
    """Sentinels are named by host and port; theirs is 26379 unless said."""
    found = read_address(f"redis+sentinel://{hosts}/rung")

    assert expected == list(found.sentinels)
    assert [host for host, _ in expected] == list(found.hosts)


def test_users_of_sentinels() -> None:
    """Sentinels have a user and a password of their own, which servers are not told."""
    found = read_address(
        f"{FOLLOWED}?sentinel_username=s&sentinel_password=p%26&socket_timeout=3"
    )

    assert {"username": "s", "password": "p&"} == found.sentinel_options
    assert {"db": 0, "socket_timeout": 3} == found.options


def test_encrypted() -> None:
    """TLS is for servers and Sentinels alike."""
    url = FOLLOWED.replace("redis+", "REDISS+") + "?ssl_ca_certs=/ca.pem"
    found = read_address(url)
    tls = {"connection_class": SSLConnection, "ssl_ca_certs": "/ca.pem"}

    assert found.is_encrypted
    assert tls == found.sentinel_options
    assert tls | {"db": 0} == found.options


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:6379/1", ("h",)),
        ("redis://", ("localhost",)),
        ("unix:///run/redis.sock", ()),
    ],
)
def test_direct(url: str, expected: tuple[str, ...]) -> None:
    """A server's own address is read as redis-py does."""
    found = read_address(url)

    assert expected == found.hosts
    assert () == found.sentinels


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"http://:{SECRET}@x", "is no address of a Redis"),
        (f"redis://:{SECRET}/x@h", "is no address of a Redis"),
        (f"redis+sentinel://:{SECRET}@h", "does not say by which name"),
        (f"redis+sentinel://:{SECRET}@h/", "does not say by which name"),
        (f"redis+sentinel://:{SECRET}@h//0", "does not say by which name"),
        (f"redis+sentinel://:{SECRET}@h/rung/zero", "cannot be read"),
        (f"redis+sentinel://:{SECRET}@h/rung/0/1", "cannot be read"),
        (f"redis+sentinel://:{SECRET}@h,/rung", "as its Sentinel number 2"),
        (f"redis+sentinel://:{SECRET}@/rung", "as its Sentinel number 1"),
        (f"redis+sentinel://:{SECRET}@h:0/rung", "as its Sentinel number 1"),
        (f"redis+sentinel://:{SECRET}@h:65536/rung", "as its Sentinel number 1"),
        (f"redis+sentinel://u:{SECRET}/x@h/rung", "cannot be read"),
        (
            f"redis+sentinel://:{SECRET}@h/rung?sentinel_{SECRET}=1",
            "has other sentinel_",
        ),
        (f"redis+sentinel://:{SECRET}@h/rung?socket_timeout={SECRET}", "has a user"),
        (f"redis+sentinel://h/rung?{SECRET}=1", "has options that"),
        (f"redis://h?{SECRET}=1", "has options that"),
    ],
)
def test_refused(url: str, problem: str) -> None:
    """What is wrong is told with how to write it; nothing of it is quoted."""
    with pytest.raises(AddressError) as raised:
        Pools(url)
    told = str(raised.value)

    form = url.split(":", maxsplit=1)[0] if "sentinel" in url else "redis"

    assert problem in told
    assert f": write it like {form}://user:password@" in told
    assert SECRET not in told


@pytest.mark.parametrize("url", ["redis://h", FOLLOWED])
def test_bounded(url: str) -> None:
    """Each pool is bounded and has whoever comes wait, with Sentinels too."""
    pools = Pools(url)

    assert isinstance(pools.command, BlockingConnectionPool)
    assert COMMAND_CONNECTIONS_MAX == pools.command.max_connections
    assert len({id(each) for each in (pools.ingest, pools.command, pools.paging)}) == 3


def test_follows() -> None:
    """With Sentinels every pool follows, those of arq too."""
    pools = Pools(FOLLOWED)

    assert isinstance(pools.ingest, BlockingFollowingPool)
    assert isinstance(pools.own(), FollowingPool)
    assert pools.own() is not pools.own()
