"""
Crashes: a process dies at every call of a port on one alert's way, and another goes on.

`python -m benchmarks crashes --json`. First an alert goes its way (way.py) undisturbed,
and every call that web and worker make of a port is counted, by its name: claims,
commits, look-ups, turns, sends, reports, the directory. Then, for each call and on both
sides of it, just before and just after, an alert goes its way with a process that kills
itself there (SIGKILL); another one is started at once. What has to come of it is said
in promises.py. `--point 17` takes point 17 alone.

Several alerts go their ways at once, each in a database of its own of one Redis, with
processes of their own. How often a process polls is chance: a point such as "the ninth
claim that brings nothing" may never come; it is tried again, and counted as not met.
Not measured: how fast anything is, and Redis, which does not die here.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from typing_extensions import override

from benchmarks.chaos.promises import broken_promises, came_again
from benchmarks.chaos.way import WEB, WORKER, Lane, StuckError, Walked
from benchmarks.options import Figures, Options
from tests.support.dying_process import ABOUT_NOTHING, Fate, Moment
from tests.support.servers import RunningServer, found_servers, running_server

LANES = 8
TRIES_MAX = 3
# How often these are called depends on who is quicker.
POLLS = (ABOUT_NOTHING, "claim", "configuration.read", "renew", "timers.arm")


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a process dies; `number` counts all of them."""

    number: int
    role: str
    moment: Moment

    @property
    def is_poll(self) -> bool:
        """Whether it is chance that a process comes there at all."""
        return _is_poll(self.moment)

    @override
    def __str__(self) -> str:
        """Say where it is, for people."""
        name, number = self.moment

        return f"point {self.number}, {name} {number} of {self.role}"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of one point: whether its process died there, and what was broken."""

    point: Point
    is_met: bool
    broken: tuple[str, ...]
    came_again: int = 0
    seconds: float = 0.0


def measure(options: Options) -> Figures:
    """Try every point, or the one that is named; say what was broken."""
    began = time.monotonic()
    with crashing_ground() as ground:
        plain = ground.walk()
        points = points_of(plain.moments)
        wanted = [one for one in points if options.point in {None, one.number}]
        if not wanted:
            message = f"--point: there are points 1 to {len(points)}"
            raise typer.BadParameter(message)
        tried = list(ground.tried(wanted, plain))

    return {
        "points": len(points),
        "tried": len(tried),
        "met": sum(one.is_met for one in tried),
        "not_met": [str(one.point) for one in tried if not one.is_met],
        "pages_came_again": sum(one.came_again for one in tried),
        "slowest_seconds": round(max((one.seconds for one in tried), default=0), 1),
        "seconds": round(time.monotonic() - began, 1),
        "broken": problems(tried),
    }


def problems(tried: Iterable[Tried]) -> list[str]:
    """
    Name what was broken, with the point and how to repeat it.

    A point that every way comes to, and this one did not, is a broken promise too: it
    was not tried.
    """
    return [
        f"{one.point} (--point {one.point.number}): {promise}"
        for one in tried
        for promise in (*one.broken, *_never_met(one))
    ]


def points_of(moments: Mapping[str, Sequence[Moment]]) -> list[Point]:
    """Number the points of each role; those that are chance come last."""
    found = [(role, moment) for role in (WEB, WORKER) for moment in moments[role]]
    found.sort(key=lambda each: (_is_poll(each[1]), each[0], each[1]))

    return [
        Point(number=number, role=role, moment=moment)
        for number, (role, moment) in enumerate(found, start=1)
    ]


@dataclass
class Ground:
    """Some lanes on one Redis; each has one alert on its way at a time."""

    server: RunningServer
    directory: Path
    stack: ExitStack
    lanes: int

    def __post_init__(self) -> None:
        self._free: SimpleQueue[Lane] = SimpleQueue()
        for number in range(self.lanes):
            place = self.directory / f"lane-{number}"
            self._free.put(Lane(self.server, number, place, self.stack))

    def walk(self, point: Point | None = None) -> Walked:
        """Have an alert go its way, on a lane that is free."""
        fate = Fate(at=point.moment) if point else Fate()
        lane = self._free.get()
        try:
            if point is None or point.role == WEB:
                # A web process of its own, or what it counts is not of this way.
                return lane.walk(web=fate)
            return lane.walk(worker=fate)
        finally:
            self._free.put(lane)

    def tried(self, points: Sequence[Point], plain: Walked) -> Iterator[Tried]:
        """Try points side by side, with a bar for who waits."""
        with _bar(len(points)) as bar, ThreadPoolExecutor(self.lanes) as pool:
            trying = [pool.submit(self._try, point, plain) for point in points]
            for one in as_completed(trying):
                bar.advance(bar.task_ids[0])
                yield one.result()

    def _try(self, point: Point, plain: Walked) -> Tried:
        tried = self._try_once(point, plain)
        for _ in range(TRIES_MAX - 1):
            if tried.is_met or tried.broken:
                break
            tried = self._try_once(point, plain)

        return tried

    def _try_once(self, point: Point, plain: Walked) -> Tried:
        try:
            walked = self.walk(point)
        except StuckError as error:
            return Tried(point=point, is_met=True, broken=(str(error),))
        text = "\n".join(walked.outputs.values())

        return Tried(
            point=point,
            is_met=_says_it_died(text, point.moment),
            broken=tuple(broken_promises(plain, walked)),
            came_again=came_again(walked),
            seconds=walked.seconds,
        )


@contextmanager
def crashing_ground(lanes: int = LANES) -> Iterator[Ground]:
    """Yield lanes on a Redis of their own, for as long as the block lasts."""
    with (
        tempfile.TemporaryDirectory() as place,
        running_server(found_servers()[-1], Path(place)) as server,
        ExitStack() as stack,
    ):
        yield Ground(server, Path(place), stack, lanes)


def _bar(total: int) -> Progress:
    bar = Progress(
        TextColumn("crash points"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
    )
    bar.add_task("", total=total)

    return bar


def _is_poll(moment: Moment) -> bool:
    return any(word in moment.name for word in POLLS)


def _says_it_died(text: str, moment: Moment) -> bool:
    return f"SIGKILL {moment.name}\n" in text


def _never_met(tried: Tried) -> list[str]:
    if tried.is_met or tried.point.is_poll:
        return []

    return [f"no process came there in {TRIES_MAX} tries"]
