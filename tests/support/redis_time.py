"""Scripts whose time is what a test says, so that a lease ends without waiting."""

from datetime import datetime

from redis.asyncio import Redis

from engine.adapters.redis.scripts import Name, Script, load_scripts
from engine.adapters.redis.wakes import WakeJobs
from engine.codec.shapes import milliseconds

TIME_KEY = "test:time"
ASKED = "redis.call('TIME')"
SAID = f"redis.call('HMGET', '{TIME_KEY}', 'seconds', 'microseconds')"


def scripts_on_test_time(wakes: WakeJobs) -> dict[Name, Script]:
    """Return the scripts, each asking the test for the time."""
    scripts = load_scripts(wakes)
    assert all(1 == script.text.count(ASKED) for script in scripts.values())

    return {
        name: Script.of(script.text.replace(ASKED, SAID))
        for name, script in scripts.items()
    }


async def set_time(redis: Redis, at: datetime) -> None:
    """Say what time it is."""
    seconds, rest = divmod(milliseconds(at), 1_000)
    await redis.hset(  # type: ignore[misc]
        TIME_KEY, mapping={"seconds": seconds, "microseconds": rest * 1_000}
    )
