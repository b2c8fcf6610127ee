"""
A worker or a web process that sends itself a signal at a chosen moment.

In all else it is `rung worker` or `rung web`. A worker may be run by
`python -m tests.support.dying_process SIGKILL "after store.commit" 1`: the signal comes
at the first moment with this name. Each call of a port is two moments, before and after;
what a claim brought is known after it only. Calls about nothing, and claims that bring
nothing, have names of their own: how many of those there are is chance. A worker's
moments count from the first claim that brought it something.
"""

import os
import re
import socket
import sys
from collections import Counter
from dataclasses import dataclass, field
from signal import SIGKILL, Signals
from typing import Any, NamedTuple, TypeVar, cast

import anyio

from engine.ports import Delivery
from engine.service import INCIDENTS
from tests.support.tapping import Tapped
from workers.bootstrap import Through
from workers.logs import configure_logs
from workers.processes import run_web, run_worker
from workers.settings import Settings

# What it says just before; the moment is what a test wants to know.
SIGNALLED = r"(?m)^SIG[A-Z]+ ((?:before|after) [a-z._ ]+)$"
MOMENT = r"(?m)^MOMENT ((?:before|after) [a-z._ ]+) (\d+)$"
IN_FLIGHT = r"(?m)^IN FLIGHT (\w+)$"
ABOUT_NOTHING = " of nothing"
T = TypeVar("T")


class Moment(NamedTuple):
    """The moment of this number among those of its name in the life of a process."""

    name: str
    number: int


@dataclass(kw_only=True)
class Fate:
    """
    What becomes of a process, and when.

    Attributes:
        at: The moment at which the signal comes; None: it never does.
        is_under_way: Whether moments count.
        in_flight: The keys of what has begun to be sent and has not finished.
    """

    signal: Signals = SIGKILL
    at: Moment | None = None
    is_under_way: bool = False
    in_flight: set[str] = field(default_factory=set[str])
    _counts: Counter[str] = field(default_factory=Counter[str])

    def before(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Go past the moment before a call, or not."""
        self._meet("before", name, is_idle=[] in arguments)

    def after(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        """Go past the moment after a call, or not."""
        match name, arguments:
            case "store.claim", _ if answer:
                self.is_under_way = True
            case "outbox.begin", (Delivery(send=send), *_) if (
                answer is not None and send.channel != INCIDENTS
            ):
                self.in_flight.add(send.key)
            case "outbox.finish", (Delivery(send=send), *_):
                self.in_flight.discard(send.key)
            case _:
                pass
        is_vain = name.endswith(".claim") and not answer
        self._meet("after", name, is_idle=is_vain or [] in arguments)

    def _meet(self, side: str, called: str, *, is_idle: bool) -> None:
        if not self.is_under_way:
            return
        name = f"{side} {called}{ABOUT_NOTHING if is_idle else ''}"
        self._counts[name] += 1
        moment = Moment(name, self._counts[name])
        _say(f"MOMENT {moment.name} {moment.number}")
        if moment == self.at:
            for key in self.in_flight:
                _say(f"IN FLIGHT {key}")
            _say(f"{self.signal.name} {moment.name}")
            os.kill(os.getpid(), self.signal)


def moments_in(text: str) -> tuple[Moment, ...]:
    """Return the moments that a process says it has come to, in order."""
    return tuple(Moment(name, int(number)) for name, number in re.findall(MOMENT, text))


def through(fate: Fate) -> Through:
    """Return what leads to ports by way of a fate."""

    def led(name: str, port: T) -> T:
        return cast("T", Tapped(name, port, fate))

    return led


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def be_worker(fate: Fate) -> None:
    """Work until its fate meets it, or until told to stop."""
    settings, url = configured()

    async def work() -> None:
        await run_worker(settings, url, through=through(fate))

    anyio.run(work, backend_options={"use_uvloop": True})


def be_web(fate: Fate) -> None:
    """Serve until its fate meets it, or until told to stop."""
    settings, url = configured()
    fate.is_under_way = True

    async def serve() -> None:
        listener = socket.create_server((settings.host, settings.port))
        with listener:
            await run_web(settings, url, listener, "dying", through(fate))

    anyio.run(serve, backend_options={"use_uvloop": True})


def configured() -> tuple[Settings, str]:
    """Return what the environment says, and write logs as it wants."""
    settings = Settings.from_environment(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    assert settings.redis_url is not None

    return settings, settings.redis_url.get_secret_value()


if __name__ == "__main__":
    _, given, moment_name, count = sys.argv
    be_worker(Fate(signal=Signals[given], at=Moment(moment_name, int(count))))
