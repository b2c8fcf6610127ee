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
from typing import Any

import structlog

from engine.adapters.lookups.table import answer
from engine.errors import LookUpFailedError
from engine.ports import Clock, OnCall
from policies.loading import Loaded, Path as YamlPath, YamlError, load_yaml, write_path
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
        where = f"{path}:{line}" if line is not None else str(path)
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
    try:
        return _schedules(path, load_yaml(text))
    except YamlError as error:
        named = f"{write_path(error.path)}: " if error.path else ""
        raise ScheduleFileError(path, named + error.problem, error.line) from error


def _schedules(path: Path, loaded: Loaded) -> Schedules:
    if loaded.value is None:
        raise ScheduleFileError(path, f"is empty; {HOW_TO_WRITE}")
    top = _entries(path, loaded, ())
    if set(top) != {TOP}:
        raise ScheduleFileError(
            path, f"expected `{TOP}:` and nothing else; {HOW_TO_WRITE}", 1
        )

    return {
        schedule: _people(path, loaded, schedule, people)
        for schedule, people in _entries(path, loaded, (TOP,)).items()
    }


def _entries(path: Path, loaded: Loaded, at: YamlPath) -> dict[str, Any]:
    """Return the entries of the whole file, or of what is under a key."""
    value = loaded.value[at[0]] if at else loaded.value
    if not isinstance(value, dict):
        raise ScheduleFileError(
            path, f"expected names with values; {HOW_TO_WRITE}", loaded.line_of(at)
        )

    return value


def _people(path: Path, loaded: Loaded, schedule: str, people: Any) -> tuple[str, ...]:
    remedy = f"write a list of user ids: `{schedule}: [alice, bob]`"
    at: YamlPath = (TOP, schedule)
    if not isinstance(people, list):
        raise ScheduleFileError(
            path, f"{schedule!r} is not a list; {remedy}", loaded.line_of(at)
        )
    for index, person in enumerate(people):
        # A number is read such that it is written as it stands in the file.
        is_id = isinstance(person, str | int | float) and person != ""
        if isinstance(person, bool) or not is_id:
            problem = f"{schedule!r} has an entry that is no user id; {remedy}"
            raise ScheduleFileError(path, problem, loaded.line_of((*at, index)))

    return tuple(map(str, people))


def _version_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None

    return found.st_mtime_ns, found.st_size
