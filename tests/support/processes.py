"""Rung as its users run it: a process of its own, ended by its process id."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx2

PATIENCE_SECONDS = 20
LOOK_AGAIN_SECONDS = 0.02
NOT_PASSED_ON = ("REDIS_URL", "PORT", "RUNG_HOST", "RUNG_DATA_DIR")
AN_ALERT = {
    "alerts": [{"status": "firing", "labels": {"alertname": "DiskFull", "host": "db1"}}]
}


def eventually(holds: Callable[[], bool]) -> None:
    """Return as soon as something holds; fail if it does not for a while."""
    for _ in range(int(PATIENCE_SECONDS / LOOK_AGAIN_SECONDS)):
        if holds():
            return
        time.sleep(LOOK_AGAIN_SECONDS)
    message = f"it did not hold within {PATIENCE_SECONDS} s"
    raise AssertionError(message)


def holds_for(duration: timedelta, holds: Callable[[], bool]) -> None:
    """Return after a while; fail as soon as something no longer holds."""
    until = time.monotonic() + duration.total_seconds()
    while time.monotonic() < until:
        assert holds()
        time.sleep(LOOK_AGAIN_SECONDS)


class Process(Protocol):
    """A process that was started, as `subprocess` has it."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    def poll(self) -> int | None:
        """Return its exit code, if it has ended."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code as soon as it has ended; fail after so many seconds."""
        ...

    def send_signal(self, sig: int) -> None:
        """Send it a signal, unless it has ended."""
        ...


@dataclass
class Rung:
    """A running rung, and what it has written so far."""

    process: Process
    output: Path

    def text(self) -> str:
        """Return what it has written so far."""
        return self.output.read_text(encoding="utf-8")

    def wait_for(self, pattern: str, count: int = 1) -> list[Any]:
        """Return what matches as soon as it has written it so often."""

        def found() -> bool:
            return len(re.findall(pattern, self.text())) >= count

        eventually(lambda: found() or self.process.poll() is not None)
        assert found(), f"no {pattern!r} in:\n{self.text()}"

        return re.findall(pattern, self.text())

    def address(self) -> str:
        """Return where it listens, as soon as it does."""
        [port] = self.wait_for(r'"web.started","address":\["127.0.0.1",(\d+)\]')

        return f"http://127.0.0.1:{port}"

    def wait_until_ready(self) -> None:
        """Return as soon as it says that it is ready."""
        address = self.address()
        eventually(lambda: httpx2.get(f"{address}/readyz").is_success)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and return its exit code."""
        self.process.send_signal(number)

        return self.process.wait(timeout=PATIENCE_SECONDS)


def running_rung(
    output: Path, *arguments: str, **environment: str
) -> AbstractContextManager[Rung]:
    """Run rung for as long as the block lasts, unless it ends before."""
    return running_module("rung", output, *arguments, **environment)


@contextmanager
def running_module(
    module: str, output: Path, *arguments: str, **environment: str
) -> Iterator[Rung]:
    """Run a module of ours, which need not be rung, in the same way."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON
    }
    with output.open("wb") as opened:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", module, *arguments],
            env=inherited | {"PORT": "0"} | environment,
            stdout=opened,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Rung(process, output)
    finally:
        if process.poll() is None:
            process.terminate()
            process.send_signal(signal.SIGCONT)  # one that is stopped would not end
            try:
                process.wait(timeout=PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
