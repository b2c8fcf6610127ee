"""The resolver: names asked beside the event loop, on few threads."""

from collections.abc import Sequence

import anyio

from engine.adapters.resolver import RESOLVING_MAX, SystemResolver
from tests.support.receiver import LOOPBACK


async def test_many_names() -> None:
    """More names than threads are resolved all the same."""
    resolve, found = SystemResolver(), list[Sequence[str]]()

    async def ask() -> None:
        found.append(await resolve(LOOPBACK, 443))

    async with anyio.create_task_group() as tasks:
        for _ in range(2 * RESOLVING_MAX):
            tasks.start_soon(ask)

    assert 2 * RESOLVING_MAX * [(LOOPBACK,)] == found
