"""One web app and a client for it."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.web.fakes import World, an_incident
from workers.web.app import create_app


@pytest.fixture
def world() -> World:
    """Return the surroundings of an app that knows one incident."""
    incident = an_incident()
    world = World()
    world.engine.incidents[incident.id] = incident

    return world


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of the app."""
    transport = httpx2.ASGITransport(app=create_app(world.context()))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://rung"
    ) as client:
        yield client


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    """Return what is logged during the test."""
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines
