"""
A process that is killed at a port, and everybody outside, who goes on.

Every port of a process leads through a line that counts its calls. At a chosen one the
process is killed: *before* the call, or *after* it has taken effect, its answer lost.
Nothing of the process is kept; the next one finds what the ports keep, and the clock.
What was claimed stays claimed until its lease ends: there is no kick and no sweep.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar, cast

from anyio import get_current_task
from typing_extensions import override

from engine.core.events import (
    Command,
    Escalated,
    Reassigned,
    Reopened,
    Unacknowledged,
    Unsnoozed,
)
from engine.core.reasons import Reason
from engine.ports import Delivery
from engine.service import Engine
from policies.policy import Policy
from tests.support.driver import Driver
from tests.support.tapping import Tapped

T = TypeVar("T")
# How long others leave alone what somebody claimed who died, incidents and sends.
INCIDENT_LEASE, SEND_LEASE = timedelta(seconds=2), timedelta(seconds=3)
# The longest that anybody waits for a process that died: for an answer it asked for.
LATE_MAX = timedelta(seconds=4)
# Two pages of one person for steps of one instant are one to a provider: they have one
# key. In a transcript people ask twice in one instant; here they are a little slower.
MOMENT = timedelta(milliseconds=1)
CAUGHT = "something caught that the process was killed"
PAGES_ANEW = (Escalated, Reassigned, Reopened, Unacknowledged, Unsnoozed)


class Killed(BaseException):
    """The process was killed. Nobody in it may catch this."""


class Kill(NamedTuple):
    """At which call a process is killed, and on which side of it."""

    number: int
    is_after: bool


@dataclass(eq=False)
class Line:
    """
    What lies between one process and its ports.

    Attributes:
        kill: Where the process is killed; None: nowhere.
        calls: The port and the method of each call.
        in_flight: The keys of what has begun to be sent and has not finished.
        cut_in: The task in which the process was killed. Others of it may come to one
            more call before they are cancelled, which is in vain; this one may not.
    """

    kill: Kill | None = None
    calls: list[str] = field(default_factory=list[str])
    in_flight: set[str] = field(default_factory=set[str])
    cut_in: int | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the process was killed."""
        return self.cut_in is not None

    def before(self, name: str, _arguments: tuple[Any, ...]) -> None:
        """Let the process make a call; one that was killed makes none."""
        if self.is_cut:
            assert get_current_task().id != self.cut_in, CAUGHT
            raise Killed
        self.calls.append(name)
        self._cut_if(is_after=False)

    def after(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        """Note what a call did, and let the process have its answer."""
        match name.partition(".")[2], arguments:
            case "begin", (Delivery(send=send), *_) if answer is not None:
                self.in_flight.add(send.key)
            case "finish", (Delivery(send=send), *_):
                self.in_flight.discard(send.key)
            case _:
                pass
        self._cut_if(is_after=True)

    def _cut_if(self, *, is_after: bool) -> None:
        if self.kill == Kill(len(self.calls) - 1, is_after):
            self.cut_in = get_current_task().id
            raise Killed


@dataclass(frozen=True, kw_only=True)
class Course:
    """
    How a telling of a story goes.

    Attributes:
        kill: Where the first process is killed; None: nowhere.
        later_by: How much later people are from then on. What they have to wait beyond
            that, until every lease is over, they make up for.
        comes_late: How much later than all others the first worker looks.
        taps_clock: Whether reading the clock is a call, too.
        spoilt: By kinds of ports, something broken that stands before each of these.
    """

    kill: Kill | None = None
    later_by: timedelta = LATE_MAX
    comes_late: timedelta = timedelta(0)
    taps_clock: bool = False
    spoilt: Mapping[type, Callable[[object], object]] = field(
        default_factory=dict[type, Callable[[object], object]]
    )


class Mortal(Driver):
    """
    Drives processes that may be killed, and does what people and senders do then.

    Who has no answer asks again: a sender sends the same notices, with the same ids, a
    person gives the same command, with the same id. What happens by itself goes on in a
    process made anew, when leases and due times say so.

    Attributes:
        line: That of the first process.
    """

    def __init__(
        self, *policies: Policy, course: Course, catch_all: str | None = None
    ) -> None:
        self.course = course
        self.line = self._living = Line(course.kill)
        self._comes_late = course.comes_late
        self._killed_at: datetime | None = None
        self._owed = timedelta(0)
        super().__init__(*policies, catch_all=catch_all)

    @override
    def through(self, port: T) -> T:
        if port is self.clock and not self.course.taps_clock:
            return port

        tapped: object = Tapped(type(port).__name__, port, self._living)
        spoil = self.course.spoilt.get(type(port))

        return cast("T", spoil(tapped) if spoil else tapped)

    @override
    async def ask(self, request: Callable[[Engine], Awaitable[T]]) -> T:
        return await self._survive(lambda: super(Mortal, self).ask(request))

    @override
    async def command(self, named: str, make: type[Command], **fields: Any) -> Reason:
        if issubclass(make, PAGES_ANEW):
            self.clock.advance(MOMENT)

        return await super().command(named, make, **fields)

    @override
    async def settle(self) -> None:
        self.clock.advance(self._comes_late)
        self._comes_late = timedelta(0)
        await self._survive(super().settle)

    @override
    async def pass_time(self, by: timedelta) -> None:
        await super().pass_time(self._less(by))

    @override
    def skip(self, by: timedelta) -> None:
        super().skip(self._less(by))

    async def wait(self) -> None:
        """Wait until every lease is over that the killed process had."""
        assert self._killed_at is not None
        left = self._killed_at + SEND_LEASE - self.clock.now()
        waited = max(left, self.course.later_by)
        await super().pass_time(waited)
        self._owed = waited - self.course.later_by

    def _less(self, by: timedelta) -> timedelta:
        """Return how long is left of a time when what is owed is made up for."""
        made_up = min(by, self._owed)
        self._owed -= made_up

        return by - made_up

    async def _survive(self, action: Callable[[], Awaitable[T]]) -> T:
        """Do something; again, and by another process, if the first one was killed."""
        try:
            answer = await action()
        except BaseException as error:
            if not _is_killed(error):
                raise
        else:
            assert not self._living.is_cut, CAUGHT
            return answer
        self._killed_at = self.clock.now()
        self._living = Line()
        self.process = self.assembled()

        return await action()


def _is_killed(error: BaseException) -> bool:
    """Tell whether this says that a process was killed, and nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_killed, error.exceptions))

    return isinstance(error, Killed)
