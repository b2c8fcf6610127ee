"""
A worker with a fault: the real `rung worker`, in which one call of a port fails.

Run as `python -m tests.support.faulty_worker WHEN POINT DEED`, as in `before timer
kill`; REDIS_URL comes from the environment as ever. It writes a line when it comes to
the point.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio

from engine.adapters import arq_timers
from engine.ports import Commit, Lane
from tests.support.dying_process import configured
from workers.processes import run_worker

AT_THE_POINT = "is at the point"
# For the deed `outlast`: so long arq gives a job, and what says when it is enough.
SHORT_JOB_SECONDS = 1
UNTIL = "FAULT_UNTIL"
LOOK_AGAIN_SECONDS = 0.02

Call = Callable[..., Awaitable[Any]]
Deed = Callable[[], Awaitable[None]]
T = TypeVar("T")


class Fault(Exception):  # noqa: N818 - a bug, such as any code may have
    """What a broken call raises."""


def opens(commits: list[Commit]) -> bool:
    """Tell whether a commit opens an incident."""
    return any(commit.claimed.incident is None for commit in commits)


def ends_a_wait(commits: list[Commit]) -> bool:
    """Tell whether a commit is that of a timer of an open incident."""
    return any(one.claimed.incident and one.not_before for one in commits)


def is_for_timers(lane: Lane) -> bool:
    """Tell whether a claim is for timers."""
    return lane is Lane.DUE


# A port, one of its methods, and which of its calls is meant, by what it is about.
POINTS: dict[str, tuple[str, str, Callable[[Any], bool]]] = {
    "opening": ("store", "commit", opens),
    "timer": ("store", "commit", ends_a_wait),
    "begin": ("outbox", "begin", bool),
    "drain": ("store", "claim", is_for_timers),
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


class Broken:
    """A port of which one call does something before or after it; later ones work."""

    def __init__(self, port: object, when: str, point: str, deed: Deed) -> None:
        self._port = port
        self._when = when
        _, self._method, self._is_at = POINTS[point]
        self._deed = deed
        self._is_left = True

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)

        return partial(self._call, found) if name == self._method else found

    async def _call(self, call: Call, about: Any, *more: Any) -> Any:
        is_now = self._is_left and self._is_at(about)
        self._is_left = self._is_left and not is_now
        if is_now and self._when == "before":
            await self._do()
        answer = await call(about, *more)
        if is_now and self._when == "after":
            await self._do()

        return answer

    async def _do(self) -> None:
        print(AT_THE_POINT, flush=True)  # noqa: T201 - the test waits for it
        await self._deed()


def run(when: str, point: str, deed: str) -> None:
    """Run the worker with this fault."""
    if DEEDS[deed] is outlast:
        arq_timers.JOB_TIMEOUT_SECONDS = SHORT_JOB_SECONDS
    settings, url = configured()

    def through(name: str, port: T) -> T:
        if name != POINTS[point][0]:
            return port
        return cast("T", Broken(port, when, point, DEEDS[deed]))

    async def work() -> None:
        await run_worker(settings, url, through=through)

    anyio.run(work, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    run(*sys.argv[1:])
