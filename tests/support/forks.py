"""
Processes that start at once: forked by one that has imported all of rung.

A process of its own takes most of a second of imports before it does anything; here
that is paid once. Each still has its own memory, output and death.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import ParamSpec

from tests.support.processes import LOOK_AGAIN_SECONDS, PATIENCE_SECONDS, Rung

PREPARED = ["tests.support.dying_process", "workers.serving"]
STDOUT, STDERR = 1, 2
P = ParamSpec("P")

# Who starts a process asks after all that have ended; an end is told only once.
_one_at_a_time = threading.Lock()
_context = get_context("forkserver")
_context.set_forkserver_preload(PREPARED)


@dataclass(frozen=True)
class Forked:
    """A process that was forked, told what to do as one that was started is."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None, "it was not started"

        return self.process.pid

    def poll(self) -> int | None:
        """Return its exit code, if it has ended."""
        with _one_at_a_time:
            return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code as soon as it has ended; fail after so many seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            assert until is None or time.monotonic() < until, "it has not ended in time"
            time.sleep(LOOK_AGAIN_SECONDS)

        return code

    def send_signal(self, sig: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)


@contextmanager
def running_fork(
    output: Path,
    environment: Mapping[str, str],
    body: Callable[P, None],
    /,
    *arguments: P.args,
    **named: P.kwargs,
) -> Iterator[Rung]:
    """Run a function of a module as a process, unless it ends before the block does."""
    process = _context.Process(
        target=_live, args=(output, dict(environment), body, arguments, named)
    )
    output.touch()
    with _one_at_a_time:
        process.start()
    forked = Forked(process)
    try:
        yield Rung(forked, output)
    finally:
        forked.send_signal(signal.SIGTERM)
        forked.send_signal(signal.SIGCONT)
        with suppress(AssertionError):
            forked.wait(PATIENCE_SECONDS)
        forked.send_signal(signal.SIGKILL)
        forked.wait()
        with _one_at_a_time:
            process.close()


def _live(
    output: Path,
    environment: dict[str, str],
    body: Callable[..., None],
    arguments: tuple[object, ...],
    named: dict[str, object],
) -> None:
    """Do what there is to do, with an environment and an output of its own."""
    os.environ.update(environment)
    for path in reversed(environment.get("PYTHONPATH", "").split(os.pathsep)):
        if path and path not in sys.path:
            sys.path.insert(0, path)
    with output.open("ab") as opened:
        for stream in (STDOUT, STDERR):
            os.dup2(opened.fileno(), stream)
    body(*arguments, **named)
