"""The surroundings of policies, as lint wants to know them, made from a directory."""

from collections.abc import Iterator, Mapping

from engine.directory.directory import Directory
from engine.directory.people import User
from policies.lint import Person, Room, Surroundings


def surroundings_of(
    directory: Directory, configured: frozenset[str], *, has_schedules: bool = True
) -> Surroundings:
    """
    Say what there is around the policies of a directory.

    Args:
        directory: Where they are.
        configured: The channels of this installation.
        has_schedules: Whether every schedule is in the directory. If not, nobody here
            knows who is on call.
    """
    teams = directory.teams.values()

    return Surroundings(
        people={
            user.id: _person(user, directory, configured)
            for user in directory.users.values()
        },
        teams={team.id: directory.members_of(team) for team in teams},
        team_schedules={team.id: team.schedule for team in teams if team.schedule},
        groups={group.id: group.members for group in directory.groups.values()},
        schedules=directory.on_call if has_schedules else None,
        rooms={
            place.id: Room(kind=place.kind, is_reachable=place.channel in configured)
            for place in directory.places.values()
        },
        urgencies={one.id: one.is_important for one in directory.urgencies.values()},
        channels=configured,
        starts=_starts(directory),
        catch_all=directory.catch_all,
    )


def usable_channels(user: User, configured: frozenset[str]) -> frozenset[str]:
    """Return the configured channels on which a person has a contact method."""
    return configured.intersection(method.channel for method in user.contact_methods)


def _person(user: User, directory: Directory, configured: frozenset[str]) -> Person:
    return Person(
        is_active=user.is_active,
        channels=usable_channels(user, configured),
        urgencies=frozenset(
            urgency
            for urgency in directory.urgencies
            if directory.rules_for(user.id, urgency, configured)
        ),
    )


def _starts(directory: Directory) -> Mapping[str, frozenset[str | None]]:
    """Return the policies that routes name, with the teams of their incidents."""
    starts: dict[str, set[str | None]] = {}
    for policy, team in _routed(directory):
        starts.setdefault(policy, set()).add(team)

    return {policy: frozenset(teams) for policy, teams in starts.items()}


def _routed(directory: Directory) -> Iterator[tuple[str, str | None]]:
    for integration in directory.integrations.values():
        for route in integration.routes:
            if route.policy is not None:
                yield route.policy, integration.team or directory.default_team
