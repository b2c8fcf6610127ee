"""Time of the event loop that flies, so that no test waits for a time-out."""

import asyncio
from datetime import timedelta

import anyio

HOUR = timedelta(hours=1)


def an_hour_passes() -> None:
    """Let an hour have passed for whoever waits for a timer of the loop."""
    loop = asyncio.get_running_loop()
    time = loop.time
    loop.time = lambda: time() + HOUR.total_seconds()  # type: ignore[method-assign] # no real hour


async def for_ever() -> None:
    """Wait without an end; an hour has passed for whoever is impatient."""
    an_hour_passes()
    await anyio.sleep_forever()
