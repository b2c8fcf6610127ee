"""
A worker that decides and delivers nothing: what it would send stays in the outbox.

Run as `python -m benchmarks.deciding_worker`, with the environment of `rung worker`. It
is the worker of the product in everything else.
"""

import os
import signal
from typing import Self

import anyio

from workers.bootstrap import connect
from workers.escalator import Escalator
from workers.logs import configure_logs
from workers.settings import Settings


class NoCouriers:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def deliver(self) -> None:
        pass

    async def stop(self) -> None:
        pass


async def run() -> None:
    settings = Settings.from_environment(os.environ)
    stopping = anyio.Event()
    async with (
        connect(settings, os.environ["REDIS_URL"]) as installation,
        installation.look_ups,
        anyio.create_task_group() as tasks,
    ):
        await installation.prepare()
        tasks.start_soon(installation.tally.run)

        async def watch():
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                async for _ in signals:
                    stopping.set()
                    break

        tasks.start_soon(watch)
        await Escalator(
            engine=installation.engine,
            couriers=NoCouriers(),
            timers=installation.timers,
            clock=installation.clock,
            caretaker=installation.caretaker,
            living=installation.tell_living,
        ).run(stopping)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    settings = Settings.from_environment(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    anyio.run(run, backend_options={"use_uvloop": True})
