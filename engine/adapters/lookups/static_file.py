"""
Who is on call, from a YAML file that somebody edits.

    schedules:
      primary: [alice, bob]
      manager: [carol]

Everybody listed is on call, in this order. An edit counts within a second. A file
that was broken by one is named in the log, and the last good one goes on.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.adapters.lookups.table import answer
from engine.errors import LookUpFailedError
from engine.ports import Clock, OnCall
from policies.targets import Target, UserTarget

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LOOK_AGAIN_AFTER = timedelta(seconds=1)
# Read while a drain waits: this takes about a tenth of a second.
FILE_BYTES_MAX = 1 << 16
TOP = "schedules"
HOW_TO_WRITE = "write it like `schedules: {primary: [alice, bob]}`"

Schedules = Mapping[str, tuple[str, ...]]


class ScheduleFileError(LookUpFailedError):
    """The file of schedules cannot be used."""

    def __init__(self, path: Path, problem: str, line: int | None = None) -> None:
        where = f"{path}:{line + 1}" if line is not None else str(path)
        super().__init__(f"{where}: {problem}")


class StaticFileLookup:
    """Asks a file. It is read again when its time of change or its size differs."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._looked_at: datetime | None = None
        self._version: tuple[int, int] | None = None
        self._schedules: Schedules | None = None
        self._error: ScheduleFileError | None = None

    async def who(self, target: Target, at: datetime) -> OnCall:  # noqa: ARG002 - no times here
        """
        Return who is behind the target; a schedule that is not listed has nobody.

        Raises:
            ScheduleFileError: If there never was a file that could be read, and it is
                needed: who a user is stands in no file.
        """
        if isinstance(target, UserTarget):
            return answer(target, {}, str(self._path))
        self._look()
        if self._schedules is None:
            assert self._error is not None
            raise self._error

        return answer(target, self._schedules, str(self._path))

    def _look(self) -> None:
        now = self._clock.now()
        is_first = self._looked_at is None
        if (
            self._looked_at is not None
            and abs(now - self._looked_at) < LOOK_AGAIN_AFTER
        ):
            return
        self._looked_at = now
        version = _version_of(self._path)
        if is_first or version != self._version:
            self._version = version
            self._read()

    def _read(self) -> None:
        try:
            self._schedules, self._error = read_schedules(self._path), None
        except ScheduleFileError as error:
            self._error = error
            log.error(  # noqa: TRY400 - a traceback says nothing to who edits a file
                "schedule_file.refused",
                error=str(error),
                has_last_good=self._schedules is not None,
            )


def read_schedules(path: Path) -> Schedules:
    """
    Read who is on call in each schedule of a file.

    Raises:
        ScheduleFileError: If it is not such a file; it says where and what to do.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise ScheduleFileError(
            path, f"there is no such file; {HOW_TO_WRITE}"
        ) from None
    except (OSError, ValueError) as error:
        raise ScheduleFileError(path, f"cannot be read: {error}") from error
    if len(text) > FILE_BYTES_MAX:
        raise ScheduleFileError(
            path, f"is larger than {FILE_BYTES_MAX >> 10} KiB; split it"
        )
    top = _entries(path, _parse(path, text))
    if set(top) != {TOP}:
        raise ScheduleFileError(
            path, f"expected `{TOP}:` and nothing else; {HOW_TO_WRITE}", 0
        )

    return {
        schedule: _people(path, schedule, node)
        for schedule, node in _entries(path, top[TOP]).items()
    }


def _parse(path: Path, text: str) -> Node:
    try:
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else None
        raise ScheduleFileError(path, f"not YAML: {error.problem}", line) from error
    except (YAMLError, RecursionError) as error:
        raise ScheduleFileError(path, f"not YAML: {error}") from error
    if root is None:
        raise ScheduleFileError(path, f"is empty; {HOW_TO_WRITE}")

    return root


def _entries(path: Path, node: Node) -> dict[str, Node]:
    """Return the entries of a mapping whose keys are plain and different."""
    if not isinstance(node, MappingNode):
        raise ScheduleFileError(
            path, f"expected names with values; {HOW_TO_WRITE}", _line_of(node)
        )
    entries: dict[str, Node] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode) or not key.value:
            raise ScheduleFileError(
                path, f"a name is expected here; {HOW_TO_WRITE}", _line_of(key)
            )
        if key.value in entries:
            raise ScheduleFileError(
                path, f"{key.value!r} is there twice; remove one", _line_of(key)
            )
        entries[key.value] = value

    return entries


def _people(path: Path, schedule: str, node: Node) -> tuple[str, ...]:
    remedy = f"write a list of user ids: `{schedule}: [alice, bob]`"
    if not isinstance(node, SequenceNode):
        raise ScheduleFileError(
            path, f"{schedule!r} is not a list; {remedy}", _line_of(node)
        )
    for person in node.value:
        if not isinstance(person, ScalarNode) or not person.value:
            problem = f"{schedule!r} has an entry that is no user id; {remedy}"
            raise ScheduleFileError(path, problem, _line_of(person))

    return tuple(person.value for person in node.value)


def _line_of(node: Node) -> int:
    line: int = node.start_mark.line

    return line


def _version_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None

    return found.st_mtime_ns, found.st_size
