"""The backends that keep the promises of the ports."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.backends import Backend, InMemory
from tests.contract.making import START
from tests.support.redis_backends import REDISES, Servers, on_redis
from tests.support.redis_fixtures import servers_fixture
from tests.support.redis_keys import leaks

__all__ = ["backend", "servers_fixture"]
MEMORY = "memory"


@pytest.fixture(params=[MEMORY, *REDISES], ids=str)
async def backend(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[Backend]:
    """Return each backend; whatever a test does on Redis keeps to the key table."""
    if request.param == MEMORY:
        yield InMemory.starting(START)
        return
    async with on_redis(request.param, servers, START) as opened:
        yield opened
        found = await leaks(opened.redis)

    assert [] == found
