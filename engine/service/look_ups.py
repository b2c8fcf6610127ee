"""
Look-ups: who is behind a target, asked so that no drain waits for it.

What this process and its store know is told while the drain waits. Anything else is
asked in a task of the process, once however many incidents want to know, and the answer
goes into the mailbox of each. Whoever gets none in time takes what was known last:
somebody who was on call an hour ago is better than nobody.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Self

import anyio
import structlog
from anyio.abc import TaskGroup

from engine.core.events import TargetsResolved
from engine.errors import EngineError, TryAgainError, show_error
from engine.ids import show_incident_id
from engine.ports import (
    Answer,
    Clock,
    KnownOnCall,
    LastKnown,
    Mailbox,
    OnCall,
    OnCallLookup,
)
from engine.service.guests import ask, read_on_call
from policies.targets import Target

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# A drain waits for it, and other incidents for the drain.
LOCAL_SECONDS_MAX = 1.0
# A second less than the core waits: the answer has to be written too.
REMOTE_SECONDS_MAX = 3.0
# So long an answer does for others who ask, if it says no end itself.
FRESH = timedelta(seconds=5)
# It is remembered for a day: an answer that stays the same is noted again in time.
NOTED_EVERY = timedelta(hours=1)
CALLS_AT_ONCE_MAX = 64
POST_PAUSE_SECONDS = 0.2

IsLocal = Callable[[Target], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who is behind a target, and what put them there."""

    people: tuple[str, ...]
    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It cannot be told who is behind a target."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    A question of an incident that has to be asked outside.

    Attributes:
        targets: Those that nobody here knows.
        answer: Makes the answer of all that is known when it is called.
    """

    incident_id: str
    targets: tuple[Target, ...]
    at: datetime
    deadline: datetime
    answer: Callable[[], Awaitable[TargetsResolved]]


def always_local(_target: Target) -> bool:
    """Say of every target that it can be told here."""
    return True


class LookUps:
    """Asks the on-call look-up; those who are remote only inside of `async with`."""

    def __init__(
        self,
        lookup: OnCallLookup,
        *,
        mailbox: Mailbox,
        last_known: LastKnown,
        clock: Clock,
        is_local: IsLocal = always_local,
        is_guest: bool = True,
    ) -> None:
        """
        Wire it up.

        Args:
            lookup: Knows who is on call.
            mailbox: Takes the answers of remote look-ups.
            last_known: Remembers them for when there is none.
            clock: Says how old an answer is.
            is_local: Whether the look-up tells of a target what this process and its
                store know: then it is waited for.
            is_guest: Whether others wrote the look-up: then what it answers is looked
                at, and it is waited for only so long.
        """
        self._lookup = lookup
        self._mailbox = mailbox
        self._last_known = last_known
        self._clock = clock
        self._is_local = is_local
        self._is_guest = is_guest
        self._fresh: dict[str, KnownOnCall] = {}
        self._noted: dict[str, KnownOnCall] = {}
        self._calls: dict[str, anyio.Event] = {}
        self._limit = anyio.Semaphore(CALLS_AT_ONCE_MAX)
        self._tasks: TaskGroup | None = None
        self._under_way = 0
        self._changed = anyio.Event()

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()

        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._tasks is not None
        # What is not answered yet is taken up at its deadline, by whoever works then.
        self._tasks.cancel_scope.cancel()
        try:
            # Not with the error of whoever ends: it would come out wrapped in a group.
            await self._tasks.__aexit__(None, None, None)
        finally:
            self._tasks = None

    async def now(self, target: Target, at: datetime) -> Told | Failed | None:
        """
        Say who is behind a target; None: nobody here knows, it has to be asked.

        Raises:
            TryAgainError: If it cannot be told, nor for now who was known last.
        """
        if self._is_local(target):
            return await self._told_here(target, at)
        fresh = self._fresh_of(target, at)

        return _told(fresh) if fresh else None

    async def recall(self, target: Target, at: datetime) -> Told | Failed | None:
        """
        Say who is behind a target, now or when it was last known; None: never.

        Raises:
            TryAgainError: If it cannot be read who was known last; that is not nobody.
        """
        told = await self.now(target, at)

        return await self._recalled(target) if told is None else told

    async def _recalled(self, target: Target) -> Told | None:
        try:
            known = await self._last_known.recall(str(target))
        except TryAgainError:
            # Somebody may well be known, and would be passed over.
            raise
        except EngineError as error:
            log.warning("look_up.not_recalled", target=str(target), error=str(error))
            return None
        if known is None:
            return None
        log.warning("look_up.recalled", target=str(target), known_at=str(known.at))
        why = f"{known.answer.reason} at {known.at:%Y-%m-%d %H:%M} UTC, known last"

        return Told(people=known.answer.people, why=why)

    def start(self, asked: Asked) -> None:
        """Ask for what an incident wants to know; its mailbox gets the answer."""
        if self._tasks is None:
            return
        self._under_way += 1
        self._tasks.start_soon(self._find, asked)

    async def idle(self) -> None:
        """Return when every question has been answered."""
        while self._under_way:
            await self._changed.wait()

    async def _told_here(self, target: Target, at: datetime) -> Told | Failed:
        """Ask while the drain waits; if that fails, it is whoever was known last."""
        answer = await self._who(target, at, LOCAL_SECONDS_MAX)
        if isinstance(answer, Failed):
            return await self._recalled(target) or answer
        known = KnownOnCall(answer=answer, at=self._clock.now())
        if self._is_news(target, known):
            await self._note(target, known)

        return _told(answer)

    def _is_news(self, target: Target, known: KnownOnCall) -> bool:
        """Tell whether to note an answer: another one, or one not noted for an hour."""
        noted = self._noted.get(str(target))

        return (
            noted is None
            or noted.answer.people != known.answer.people
            or known.at - noted.at >= NOTED_EVERY
        )

    async def _note(self, target: Target, known: KnownOnCall) -> None:
        """Remember an answer for when there is none; if that fails, it counts still."""
        try:
            await self._last_known.note(str(target), known)
        except EngineError as error:
            log.warning("look_up.not_noted", target=str(target), error=str(error))
        else:
            self._noted[str(target)] = known

    async def _who(
        self, target: Target, at: datetime, seconds_max: float
    ) -> OnCall | Failed:
        """Ask; whatever goes wrong there harms nobody else."""
        try:
            if not self._is_guest:
                return await self._lookup.who(target, at)
            return read_on_call(
                await ask(partial(self._lookup.who, target, at), seconds_max)
            )
        except TimeoutError:
            problem = f"no answer in {seconds_max:g} s"
        except EngineError as error:
            problem = str(error)
        log.warning("look_up.failed", target=str(target), error=problem)

        return Failed(problem=problem)

    def _fresh_of(self, target: Target, at: datetime) -> OnCall | None:
        """Return an answer that still does: not one from before a hand-off."""
        known = self._fresh.get(str(target))
        if known is None or self._clock.now() - known.at > FRESH:
            return None
        until = known.answer.until

        return known.answer if until is None or at < until else None

    async def _find(self, asked: Asked) -> None:
        """Ask after each target, then say what became of it."""
        try:
            with anyio.move_on_after(REMOTE_SECONDS_MAX):
                await self._ask(asked.targets, asked.at)
            await self._post(asked)
        finally:
            self._under_way -= 1
            self._changed.set()
            self._changed = anyio.Event()

    async def _ask(self, targets: Sequence[Target], at: datetime) -> None:
        """
        Ask after targets, each once at a time; return when all have answered.

        A question that was under way may be from before a hand-off: then it is asked
        once more, or who has just gone off call would be taken for known last.
        """
        for one in [self._answered(target, at) for target in targets]:
            await one.wait()
        over = [target for target in targets if self._is_over(target, at)]
        for one in [self._answered(target, at) for target in over]:
            await one.wait()

    def _answered(self, target: Target, at: datetime) -> anyio.Event:
        """Ask after a target, unless somebody does; return what the answer sets."""
        assert self._tasks is not None
        if str(target) not in self._calls:
            self._calls[str(target)] = anyio.Event()
            self._tasks.start_soon(self._call, target, at)

        return self._calls[str(target)]

    def _is_over(self, target: Target, at: datetime) -> bool:
        """Tell whether what is known of a target held only up to a time before this."""
        known = self._fresh.get(str(target))
        until = known.answer.until if known else None

        return until is not None and until <= at

    async def _call(self, target: Target, at: datetime) -> None:
        """Ask after a target, in a task of its own: who waits for it may give up."""
        try:
            async with self._limit:
                answer = await self._who(target, at, REMOTE_SECONDS_MAX)
            if isinstance(answer, OnCall):
                known = KnownOnCall(answer=answer, at=self._clock.now())
                self._fresh[str(target)] = known
        finally:
            # Before it is noted: who waits for the answer does not wait for that.
            self._calls.pop(str(target)).set()
        if isinstance(answer, OnCall):
            await self._note(target, self._fresh[str(target)])

    async def _post(self, asked: Asked) -> None:
        """Put the answer into the mailbox, unless its deadline comes first."""
        while self._clock.now() < asked.deadline:
            try:
                event = await asked.answer()
                await self._mailbox.post(
                    [Answer(incident_id=asked.incident_id, event=event)]
                )
            except TryAgainError as error:
                log.warning("answer.kept", error=str(error))
                await anyio.sleep(POST_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - the deadline takes it up
                log.error(  # noqa: TRY400 - a trace may show what people wrote
                    "answer.lost",
                    incident_id=show_incident_id(asked.incident_id),
                    error=show_error(error),
                )
                return
            else:
                return


def _told(answer: OnCall) -> Told:
    return Told(people=answer.people, why=answer.reason, until=answer.until)
