"""
A worker that sends itself a signal at a chosen moment; in all else `rung worker`.

Run as `python -m tests.support.dying_worker SIGKILL "after store.commit" 1`: at the
first moment with such a name. A name may hold wildcards: `*` 7 is the seventh of all.
Each call of a port is two moments, before and after; a claim is one, after it, and
none if it brought nothing. So one journey has the same moments each time.
"""

import os
import signal
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from inspect import iscoroutinefunction
from typing import Any

import anyio

from workers.bootstrap import Installation
from workers.logs import configure_logs
from workers.processes import run_worker
from workers.settings import Settings

# What it says just before; the moment is what a test wants to know.
SIGNALLED = r"(?m)^SIG[A-Z]+ ((?:before|after) [a-z.]+)$"


@dataclass
class Fate:
    """Which signal comes at which moment."""

    signal: signal.Signals
    moment: str
    left: int

    def meet(self, moment: str) -> None:
        """Go past a moment, or not."""
        if not fnmatch(moment, self.moment):
            return
        self.left -= 1
        if self.left == 0:
            sys.stdout.write(f"{self.signal.name} {moment}\n")
            sys.stdout.flush()
            os.kill(os.getpid(), self.signal)


class Watched:
    """A port in front of another one, with its moments."""

    def __init__(self, name: str, port: object, fate: Fate) -> None:
        self._name = name
        self._port = port
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        """Return what the port has; its methods with their moments."""
        method = getattr(self._port, name)
        if not iscoroutinefunction(method):
            return method
        called = f"{self._name}.{name}"

        async def call(*arguments: Any, **named: Any) -> Any:
            is_claim, has_work = name == "claim", [] not in arguments
            if has_work and not is_claim:
                self._fate.meet(f"before {called}")
            answer = await method(*arguments, **named)
            if has_work and not (is_claim and not answer):
                self._fate.meet(f"after {called}")

            return answer

        return call


def watch(installation: Installation, fate: Fate) -> None:
    """Put moments before and after what a worker asks of its ports."""
    engine, couriers = installation.engine, installation.couriers

    def watched(name: str, port: object) -> Any:
        return Watched(name, port, fate)

    engine.store = watched("store", engine.store)
    engine.turns = watched("turns", engine.turns)
    for name in ("outbox", "mailbox"):
        port = getattr(couriers, f"_{name}")
        setattr(couriers, f"_{name}", watched(name, port))
    couriers._channels = {  # noqa: SLF001 - a courier shows its ports to nobody
        name: watched("channel", channel)
        for name, channel in couriers._channels.items()  # noqa: SLF001 - likewise
    }


async def main(fate: Fate) -> None:
    """Work until its fate meets it, or until told to stop."""
    settings = Settings.from_environment(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    assert settings.redis_url is not None

    async def first(installation: Installation) -> None:
        watch(installation, fate)

    await run_worker(settings, settings.redis_url.get_secret_value(), first)


if __name__ == "__main__":
    _, given, moment, count = sys.argv
    chosen = Fate(signal.Signals[given], moment, int(count))
    anyio.run(main, chosen, backend_options={"use_uvloop": True})
