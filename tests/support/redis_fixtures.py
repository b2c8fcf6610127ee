"""
Fixtures on every Redis that was found.

A test module imports them by these names and asks for `on` and `servers`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from tests.support.redis_backends import REDISES, OnRedis, Servers, on_redis
from tests.support.redis_keys import leaks

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture(name="servers", scope="session")
def servers_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Return the real servers; each runs from its first use to the end."""
    with ExitStack() as stack:
        yield Servers(lambda: tmp_path_factory.mktemp("redis"), stack)


@pytest.fixture(name="on", params=REDISES, ids=str)
async def on_fixture(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[OnRedis]:
    """Return each Redis, for what only Redis promises; it keeps to the key table."""
    async with on_redis(request.param, servers, START) as opened:
        yield opened
        found = await leaks(opened.redis)

    assert [] == found
