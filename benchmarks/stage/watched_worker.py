"""
`rung worker`, and somebody who writes down when each timer's decision was stored.

Nothing else is changed: the store that the engine commits to is put behind one that
looks at the clock before and after. Run by a stage, which sets the variables.
"""

import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import anyio

from engine.codec.shapes import milliseconds
from engine.core.events import WokeUp
from engine.ports import Commit, Delivery, IncidentStore, Outbox, Room, Stored
from engine.service import Couriers
from workers.bootstrap import Installation
from workers.logs import configure_logs
from workers.processes import run_worker
from workers.settings import Settings, SettingsError

MODULE = "benchmarks.stage.watched_worker"
FILE_VARIABLE = "BENCHMARK_STEPS"
# Is set for a worker whose couriers do nothing.
IDLE_VARIABLE = "BENCHMARK_IDLE_COURIERS"
MS_PER_SECOND, NS_PER_SECOND = 1e3, 1e9


class Ran(NamedTuple):
    """
    A timer that ran: when it was due, was decided and was stored, by the time of day.

    Decided is when the whole batch that it is in had been; stored, when Redis had said
    so of all of it.

    Attributes:
        moves: How many steps of the policy ran in it: each has its line of history.
    """

    incident: str
    due: float
    decided: float
    stored: float
    moves: int = 0


class WatchedStore:
    """A store that writes down what timers led to; in all else the one behind it."""

    def __init__(self, store: IncidentStore, path: str) -> None:
        self._store = store
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __getattr__(self, name: str) -> Any:
        """Return what the store has."""
        return getattr(self._store, name)

    async def commit(self, commits: Sequence[Commit]) -> Sequence[Stored]:
        """Commit, and write a line for each timer that ran."""
        decided = time.time_ns()
        outcomes = await self._store.commit(commits)
        stored = time.time_ns()
        lines = [
            f"{one.incident.id} {milliseconds(one.claimed.due)} {decided} {stored}"
            f" {sum(isinstance(line.event, WokeUp) for line in one.history)}\n"
            for one, outcome in zip(commits, outcomes, strict=True)
            if one.not_before and one.claimed.due and outcome is Stored.DONE
        ]
        if lines:
            os.write(self._file, "".join(lines).encode())

        return outcomes


class EmptyOutbox:
    """An outbox in which nothing is ever due: what is stored stays in the real one."""

    async def claim(self, rooms: Sequence[Room]) -> Sequence[Delivery]:
        """Return nothing."""
        del rooms

        return ()

    def __getattr__(self, name: str) -> Any:
        """Refuse what is asked about what was never claimed."""
        raise AttributeError(name)


def idle_couriers(installation: Installation) -> Couriers:
    """Return couriers who never have anything to send."""
    empty: object = EmptyOutbox()

    return Couriers(
        outbox=cast("Outbox", empty),
        mailbox=installation.engine.mailbox,
        channels={},
        configuration=installation.configuration,
        clock=installation.clock,
    )


def read_ran(line: str) -> Ran:
    """Read a line of the file."""
    incident, due, decided, stored, moves = line.split()

    return Ran(
        incident,
        int(due) / MS_PER_SECOND,
        int(decided) / NS_PER_SECOND,
        int(stored) / NS_PER_SECOND,
        int(moves),
    )


async def main() -> None:
    """Work until told to stop."""
    settings = Settings.from_environment(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    if settings.redis_url is None:
        message = "REDIS_URL is not set"
        raise SettingsError(message)

    async def first(installation: Installation) -> None:
        engine = installation.engine
        watched: object = WatchedStore(engine.store, os.environ[FILE_VARIABLE])
        engine.store = cast("IncidentStore", watched)
        if os.environ.get(IDLE_VARIABLE):
            installation.couriers = idle_couriers(installation)

    await run_worker(settings, settings.redis_url.get_secret_value(), first)


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
