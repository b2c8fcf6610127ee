"""
Plugins: lookups and channels that other distributions bring, by entry points.

All of them are there before anything is claimed, or the process ends: a worker without
a channel that people are reached by must not pretend to page them.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

import anyio
import structlog
from anyio.abc import TaskStatus

from engine.errors import EngineError, show_error
from engine.ports import Channel, OnCallLookup

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

CHANNELS, ON_CALL = "rung.channels", "rung.oncall"
# What a factory returns is entered, if it has to be; then it is there.
START_SECONDS_MAX, END_SECONDS_MAX = 10, 5
SECRET_LENGTH_MIN, SAID_LENGTH_MAX = 6, 300
# Part of the keys that notifications wait under.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
WHAT = {CHANNELS: ("channel", "send"), ON_CALL: ("on-call lookup", "who")}


class PluginError(EngineError):
    """A plugin cannot be used; its name and its distribution are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """
    What other distributions brought.

    Attributes:
        channels: By name.
        lookup: Who is asked who is on call; None: nobody was named.
    """

    channels: Mapping[str, Channel] = field(default_factory=dict[str, Channel])
    lookup: OnCallLookup | None = None

    @property
    def is_lookup_local(self) -> bool:
        """Whether the lookup knows by itself, so that a drain may wait for it."""
        return getattr(self.lookup, "is_local", False) is True


@asynccontextmanager
async def loaded(
    on_call: str | None, environment: Mapping[str, str], own: Iterable[str]
) -> AsyncIterator[Plugins]:
    """
    Load every channel there is, and the lookup that is named, while the block lasts.

    Args:
        on_call: Names the lookup.
        environment: What factories are given.
        own: Names of channels that nobody can bring in place of ours.

    Raises:
        PluginError: If one of them cannot be used.
    """
    given = MappingProxyType(dict(environment))
    named = _lookup_named(on_call) if on_call is not None else None
    channels = _channels(frozenset(own))
    async with AsyncExitStack() as lives:
        yield Plugins(
            lookup=await _start(lives, named, given) if named else None,
            channels={one.name: await _start(lives, one, given) for one in channels},
        )


def _lookup_named(name: str) -> EntryPoint:
    """Return the entry point of a lookup; there has to be one, and one only."""
    found = [one for one in entry_points(group=ON_CALL) if one.name == name]
    if not found:
        known = sorted({one.name for one in entry_points(group=ON_CALL)})
        there = f"there are: {', '.join(known)}" if known else "there is none at all"
        message = f"RUNG_ON_CALL: no on-call lookup {name!r} is installed; {there}"
        raise PluginError(message)
    _check_alone(found)

    return found[0]


def _channels(own: frozenset[str]) -> list[EntryPoint]:
    """Return the entry points of all channels; no name may be there twice."""
    found = sorted(entry_points(group=CHANNELS), key=lambda one: one.name)
    for one in found:
        if one.name in own:
            message = f"{_shown(one)}: rung has a channel of this name: uninstall it"
            raise PluginError(message)
        if not NAME.fullmatch(one.name):
            message = (
                f"{_shown(one)}: the name of a channel is letters, digits and `._-`"
            )
            raise PluginError(message)
        _check_alone([each for each in found if each.name == one.name])

    return found


def _check_alone(of_a_name: list[EntryPoint]) -> None:
    if len(of_a_name) > 1:
        what, _ = WHAT[of_a_name[0].group]
        who = " and ".join(sorted(map(_distribution, of_a_name)))
        message = f"{what} {of_a_name[0].name!r} is brought by {who}: uninstall one"
        raise PluginError(message)


def _make(one: EntryPoint, environment: Mapping[str, str]) -> Any:
    """Import a plugin and call its factory."""
    did = "be imported"
    try:
        factory = one.load()
        did = "be made"
        return factory(environment)
    except (Exception, SystemExit) as error:
        raise _refused(one, f"cannot {did}", error, environment) from error


async def _start(
    lives: AsyncExitStack, one: EntryPoint, environment: Mapping[str, str]
) -> Any:
    """Return what a factory makes, entered for as long as `lives` if it has to be."""
    made = _make(one, environment)
    if isinstance(made, AbstractAsyncContextManager):
        try:
            made = await lives.enter_async_context(_Life(one, made))
        except TimeoutError:
            message = f"{_shown(one)}: did not start within {START_SECONDS_MAX} s"
            raise PluginError(message) from None
        except Exception as error:
            raise _refused(one, "cannot be started", error, environment) from error
    what, method = WHAT[one.group]
    if not callable(getattr(made, method, None)):
        message = f"{_shown(one)}: made no {what}: it has no method {method!r}"
        raise PluginError(message)
    log.info("plugin.loaded", plugin=one.name, distribution=_distribution(one))

    return made


class _Life:
    """
    A plugin that is entered, in a task of its own.

    So it may take its time for a while only, and what it has running in the background
    ends nothing but itself when it fails.
    """

    def __init__(self, one: EntryPoint, made: AbstractAsyncContextManager[Any]) -> None:
        self._one = one
        self._made = made
        self._tasks = anyio.create_task_group()
        self._ending, self._ended = anyio.Event(), anyio.Event()

    async def __aenter__(self) -> Any:
        await self._tasks.__aenter__()
        try:
            with anyio.fail_after(START_SECONDS_MAX):
                return await self._tasks.start(self._live)
        except BaseException:
            await self._end()
            raise

    async def __aexit__(self, *_error: object) -> None:
        self._ending.set()
        with anyio.move_on_after(END_SECONDS_MAX, shield=True):
            await self._ended.wait()
        await self._end()

    async def _end(self) -> None:
        """End the task, without a word of what else went wrong: that is not its own."""
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _live(self, *, task_status: TaskStatus[Any]) -> None:
        has_started = False
        try:
            async with self._made as entered:
                has_started = True
                task_status.started(entered)
                await self._ending.wait()
        except Exception as error:
            if not has_started:
                raise
            log.error(  # noqa: TRY400 - a trace may show what people wrote
                "plugin.failed",
                plugin=self._one.name,
                distribution=_distribution(self._one),
                error=show_error(error),
            )
        finally:
            self._ended.set()


def _shown(one: EntryPoint) -> str:
    """Name a plugin and who brought it."""
    what, _ = WHAT[one.group]

    return f"{what} {one.name!r} of {_distribution(one)}"


def _distribution(one: EntryPoint) -> str:
    return f"{one.dist.name} {one.dist.version}" if one.dist else "(unknown)"


def _refused(
    one: EntryPoint, what: str, error: BaseException, environment: Mapping[str, str]
) -> PluginError:
    """Say on one line why a plugin cannot be used, and what to do about it."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    for name, value in environment.items():
        # It may be a secret, and libraries quote what they were given.
        if len(value) >= SECRET_LENGTH_MIN:
            said = said.replace(value, f"${name}")

    remedy = "correct that, or uninstall it"

    return PluginError(f"{_shown(one)}: {what}: {said[:SAID_LENGTH_MAX]}; {remedy}")
