"""Who is on call, from the fixed table of the directory."""

from collections.abc import Mapping
from datetime import datetime

from engine.errors import LookUpFailedError, StoreUnavailableError
from engine.ports import Configuration, OnCall, OnCallReason
from policies.targets import ScheduleTarget, Target, UserTarget

SOURCE = "table"


class TableLookup:
    """Asks the directory's own table: everybody listed in a schedule is on call."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    async def who(self, target: Target, at: datetime) -> OnCall:  # noqa: ARG002 - no times here
        """
        Return who is behind the target; a schedule that is not listed has nobody.

        Raises:
            LookUpFailedError: If there never was a directory.
        """
        try:
            directory = await self._configuration.read()
        except StoreUnavailableError as error:
            message = f"no directory: {error}"
            raise LookUpFailedError(message) from error

        return answer(target, directory.on_call, SOURCE)


def answer(
    target: Target, schedules: Mapping[str, tuple[str, ...]], source: str
) -> OnCall:
    """Say who is behind a target when everybody in a schedule is always on call."""
    people = _people(target, schedules)
    reason = OnCallReason.FIXED_SHIFT if people else OnCallReason.NONE

    return OnCall(people=people, reason=reason, source=source)


def _people(
    target: Target, schedules: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    match target:
        case UserTarget():
            return (target.id,)
        case ScheduleTarget(id=str(schedule)):
            return tuple(dict.fromkeys(schedules.get(schedule, ())))
        case _:
            return ()
