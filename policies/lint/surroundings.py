"""
Surroundings: what lint has to know of people, and of who walks a policy.

Plain values, made from a directory by whoever has one. Where nothing is known, as of
schedules that another service keeps, nothing is found.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from policies.targets import (
    AnyTarget,
    ChannelsTarget,
    ChannelTarget,
    EverybodyTarget,
    ScheduleTarget,
    TeamTarget,
    UserGroupTarget,
    UserTarget,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """
    How somebody can be reached.

    Attributes:
        channels: The configured channels on which there is a contact method.
        urgencies: The urgencies whose pages reach this person.
    """

    is_active: bool = True
    channels: frozenset[str] = frozenset()
    urgencies: frozenset[str] = frozenset()

    def is_reachable(self, urgency: str, channels: Collection[str]) -> bool:
        """Tell whether a step of this urgency, or with exactly these channels, does."""
        if not self.is_active:
            return False

        return (
            bool(self.channels.intersection(channels))
            if channels
            else urgency in self.urgencies
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """
    A place that many read.

    Attributes:
        kind: What a step calls all places of this kind.
        is_reachable: Whether its channel is configured.
    """

    kind: str
    is_reachable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """
    Who and what is behind a target.

    Attributes:
        words: What to call it.
        nobody: Why there is nobody, and what to do, if there cannot be.
    """

    words: str
    nobody: str | None = None
    people: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """
    What there is around policies.

    Attributes:
        teams: Who is in each team; of the default team, whoever really is.
        team_schedules: The default schedule of each team that has one.
        schedules: Who may be on call in each; None: another service knows.
        urgencies: Whether each is important.
        channels: Those that are configured.
        starts: The policies that routes name, and the teams of their incidents; None is
            an incident without any team.
        catch_all: The policy that exhausted incidents walk at last.
    """

    people: Mapping[str, Person] = field(default_factory=dict[str, Person])
    teams: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    team_schedules: Mapping[str, str] = field(default_factory=dict[str, str])
    groups: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    schedules: Mapping[str, tuple[str, ...]] | None = None
    rooms: Mapping[str, Room] = field(default_factory=dict[str, Room])
    urgencies: Mapping[str, bool] = field(default_factory=dict[str, bool])
    channels: frozenset[str] = frozenset()
    starts: Mapping[str, frozenset[str | None]] = field(
        default_factory=dict[str, frozenset[str | None]]
    )
    catch_all: str | None = None

    def behind(  # noqa: C901 - one arm for each kind
        self, target: AnyTarget, teams: Collection[str | None]
    ) -> list[Behind]:
        """
        Say who is behind a target: once, or for each team whose incidents come here.

        What nobody here can know is left out, and so are names of nothing: those are
        mistakes, and told as such.
        """
        match target:
            case UserTarget(id=user) if user in self.people:
                return [Behind(words=f"user {user!r}", people=(user,))]
            case TeamTarget(id=None):
                return [self._of_team_of_incident(team) for team in teams]
            case TeamTarget(id=str(team)) if team in self.teams:
                return [Behind(words=f"team {team!r}", people=self.teams[team])]
            case UserGroupTarget(id=group) if group in self.groups:
                return [Behind(words=f"group {group!r}", people=self.groups[group])]
            case ScheduleTarget(id=None):
                return [one for team in teams for one in self._of_default(team)]
            case ScheduleTarget(id=str(schedule)):
                return self._of_schedule(schedule)
            case EverybodyTarget():
                return [Behind(words="everybody", people=tuple(self.people))]
            case ChannelTarget(id=room) if room in self.rooms:
                return [Behind(words=f"channel {room!r}", rooms=(room,))]
            case ChannelsTarget(id=kind):
                return self._of_kind(kind)
            case _:
                return []

    def _of_team_of_incident(self, team: str | None) -> Behind:
        if team is None:
            nobody = (
                "incidents come here that have no team: give their integration one, "
                "set default_team, or name a team"
            )
            return Behind(words="team", nobody=nobody)

        return Behind(words=f"team {team!r}", people=self.teams.get(team, ()))

    def _of_default(self, team: str | None) -> list[Behind]:
        """Say who is behind the default schedule of a team."""
        schedule = self.team_schedules.get(team) if team is not None else None
        if schedule is None:
            whose = f"team {team!r}" if team is not None else "no team"
            nobody = (
                f"incidents of {whose} come here, and it has no default schedule: give "
                "it one, or name a schedule"
            )
            return [Behind(words="schedule", nobody=nobody)]

        return self._of_schedule(schedule)

    def _of_schedule(self, schedule: str) -> list[Behind]:
        if self.schedules is None or schedule not in self.schedules:
            return []
        people = self.schedules[schedule]

        return [Behind(words=f"schedule {schedule!r}", people=people)]

    def _of_kind(self, kind: str) -> list[Behind]:
        rooms = tuple(name for name, room in self.rooms.items() if room.kind == kind)

        return (
            [Behind(words=f"channels of kind {kind!r}", rooms=rooms)] if rooms else []
        )
