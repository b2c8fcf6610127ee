"""
The processes: web, worker, and both in one.

Each runs until SIGTERM or SIGINT and then ends in order: web first, so that nothing
more comes in, then the worker with its sends. A second signal ends it at once.
"""

import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import structlog

from engine.errors import EngineError, TryAgainError, UnclearError
from workers.bootstrap import Installation, Through, connect, straight
from workers.demo import SecretsError
from workers.escalator import Escalator
from workers.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.5
# The collector's thresholds, of three generations; Python's own are 700, 10, 10. It
# then looks through some 10 ms worth of values at most.
COLLECTED = (10_000, 10, 20)

First = Callable[[Installation], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Stop:
    """When to stop, and which error is the cause, if any."""

    event: anyio.Event = field(default_factory=anyio.Event)
    error: EngineError | SecretsError | None = None


Body = Callable[[Installation, Stop], Awaitable[None]]


async def run_web(
    settings: Settings,
    redis_url: str,
    listener: socket.socket,
    version: str,
    through: Through = straight,
) -> None:
    """
    Serve HTTP until told to stop. It starts, and is not ready, without Redis too.

    Raises:
        EngineError: If the store is not one of ours.
    """
    from workers.serving import serve  # noqa: PLC0415 - a worker needs none of it

    async def run(installation: Installation, stop: Stop) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_prepare, installation, stop, _nothing)
            await serve(installation, settings, listener, version, stop.event)
            tasks.cancel_scope.cancel()

    await _run(settings, redis_url, run, through)


async def run_worker(
    settings: Settings,
    redis_url: str,
    first: First | None = None,
    through: Through = straight,
) -> None:
    """
    Drain and deliver until told to stop, after `first` has been done with the store.

    It starts, and waits, without Redis too.

    Raises:
        EngineError: If the store is not one of ours.
    """

    async def run(installation: Installation, stop: Stop) -> None:
        await _escalate(installation, stop, first or _nothing, stop.event)

    await _run(settings, redis_url, run, through)


async def run_up(
    settings: Settings,
    redis_url: str,
    listener: socket.socket,
    version: str,
    first: First,
) -> None:
    """
    Do both in one process, after `first` has been done with the store.

    Raises:
        EngineError: If the store is not one of ours.
    """
    from workers.serving import serve  # noqa: PLC0415 - a worker needs none of it

    async def run(installation: Installation, stop: Stop) -> None:
        web_ended = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_escalate, installation, stop, first, web_ended)
            await serve(installation, settings, listener, version, stop.event)
            web_ended.set()

    await _run(settings, redis_url, run)


async def _run(
    settings: Settings, redis_url: str, body: Body, through: Through = straight
) -> None:
    stop = Stop()
    _spare_what_stays()
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with (
            connect(settings, redis_url, through) as installation,
            installation.look_ups,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(_watch, signals, stop, tasks.cancel_scope)
            tasks.start_soon(installation.tally.run)
            await body(installation, stop)
            await installation.tally.close()
            tasks.cancel_scope.cancel()
    if stop.error is not None:
        raise stop.error


def _spare_what_stays() -> None:
    """
    Have the collector look for cycles seldom, and never among what is loaded by now.

    Values here are frozen and refer to none that refer back: they go when nobody has
    them any more. A collection of all that a worker knows would only make timers late.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)


async def _watch(
    signals: AsyncIterator[signal.Signals], stop: Stop, everything: anyio.CancelScope
) -> None:
    """Stop in order at the first signal, and at once at the second."""
    async for number in signals:
        if stop.event.is_set():
            everything.cancel()
            return
        log.info("process.stopping", signal=number.name)
        stop.event.set()


async def _escalate(
    installation: Installation, stop: Stop, first: First, ending: anyio.Event
) -> None:
    """Escalate as soon as the store is there, until `ending`."""
    await _prepare(installation, stop, first)
    if not installation.is_ready:
        return
    escalator = Escalator(
        engine=installation.engine,
        couriers=installation.couriers,
        timers=installation.timers,
        clock=installation.clock,
        caretaker=installation.caretaker,
        living=installation.tell_living,
    )
    await escalator.run(ending)


async def _prepare(installation: Installation, stop: Stop, first: First) -> None:
    """Wait for the store, and make it ready; give up if told to stop."""

    async def prepare() -> None:
        try:
            await installation.prepare()
            await _until_done(lambda: first(installation))
            installation.is_ready = True
        except (EngineError, SecretsError) as error:
            stop.error = error
            stop.event.set()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(prepare)
        await stop.event.wait()
        tasks.cancel_scope.cancel()


async def _until_done(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await work()
        except (TryAgainError, UnclearError) as error:
            log.warning("start.waits", error=str(error), pause_seconds=PAUSE_SECONDS)
        await anyio.sleep(PAUSE_SECONDS)


async def _nothing(_installation: Installation) -> None:
    """Do nothing first."""
