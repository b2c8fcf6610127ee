"""
A worker with a fault: the real `rung worker`, in which one call of an adapter fails.

Run as `python -m tests.support.faulty_worker WHEN POINT DEED`, as in `before timer
kill`; REDIS_URL comes from the environment as ever. It writes a line when it comes to
the point.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from engine.adapters import arq_timers
from engine.adapters.redis.outbox import RedisOutbox
from engine.adapters.redis.store import RedisStore
from engine.ports import Commit, Lane
from engine.service import Engine
from workers.cli import main

AT_THE_POINT = "is at the point"
# For the deed `outlast`: so long arq gives a job, and what says when it is enough.
SHORT_JOB_SECONDS = 1
UNTIL = "FAULT_UNTIL"
LOOK_AGAIN_SECONDS = 0.02

Call = Callable[..., Awaitable[Any]]
Deed = Callable[[], Awaitable[None]]


class Fault(Exception):  # noqa: N818 - a bug, such as any code may have
    """What a broken call raises."""


def opens(commits: list[Commit]) -> bool:
    """Tell whether a commit opens an incident."""
    return any(commit.claimed.incident is None for commit in commits)


def ends_a_wait(commits: list[Commit]) -> bool:
    """Tell whether a commit is that of a timer of an open incident."""
    return any(one.claimed.incident and one.not_before for one in commits)


def is_for_timers(lane: Lane) -> bool:
    """Tell whether a drain is for timers."""
    return lane is Lane.DUE


POINTS: dict[str, tuple[type, str, Callable[[Any], bool]]] = {
    "opening": (RedisStore, "commit", opens),
    "timer": (RedisStore, "commit", ends_a_wait),
    "begin": (RedisOutbox, "begin", bool),
    "drain": (Engine, "drain", is_for_timers),
}


async def kill() -> None:
    """Be killed: nothing of this process runs after this."""
    os.kill(os.getpid(), signal.SIGKILL)


async def stop() -> None:
    """Be stopped, for as long as whoever watches wants."""
    os.kill(os.getpid(), signal.SIGSTOP)


async def hang() -> None:
    """Never come to an end."""
    await anyio.sleep_forever()


async def fail() -> None:
    """Raise what nobody expects."""
    raise Fault


async def outlast() -> None:
    """Take longer than arq gives a job: until the file that UNTIL names is there."""
    while not Path(os.environ[UNTIL]).exists():  # noqa: ASYNC110 - the test's
        await anyio.sleep(LOOK_AGAIN_SECONDS)


DEEDS: dict[str, Deed] = {
    deed.__name__: deed for deed in (kill, stop, hang, fail, outlast)
}


def break_once(when: str, point: str, deed: Deed) -> None:
    """Have something done before or after the first call at a point; later ones work."""
    owner, name, is_at = POINTS[point]
    call: Call = getattr(owner, name)
    left = 1

    async def broken(self: object, about: Any, *more: Any) -> Any:
        nonlocal left
        is_now = bool(left) and is_at(about)
        left -= is_now
        if is_now and when == "before":
            await do()
        answer = await call(self, about, *more)
        if is_now and when == "after":
            await do()

        return answer

    async def do() -> None:
        print(AT_THE_POINT, flush=True)  # noqa: T201 - the test waits for it
        await deed()

    setattr(owner, name, broken)


def run(when: str, point: str, deed: str) -> None:
    """Run the worker with this fault."""
    if DEEDS[deed] is outlast:
        arq_timers.JOB_TIMEOUT_SECONDS = SHORT_JOB_SECONDS
    break_once(when, point, DEEDS[deed])
    sys.argv[1:] = ["worker"]
    main()


if __name__ == "__main__":
    run(*sys.argv[1:])
