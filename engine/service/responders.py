"""Responders: who or what is behind the targets of a step, and how they are reached."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.core.effects import LookUp, Named
from engine.core.events import Responder
from engine.directory import Directory, Rule
from engine.service.look_ups import Failed, LookUps
from policies.metadata import Reference
from policies.steps import NO_TIME
from policies.targets import (
    AnyTarget,
    ChannelsTarget,
    ChannelTarget,
    EverybodyTarget,
    LayerTarget,
    MetadataTarget,
    PolicyTarget,
    ScheduleTarget,
    Target,
    TeamTarget,
    UserGroupTarget,
    UserTarget,
)

NOBODY = "nobody on call"
NO_METHOD = "no contact method"
FAILED = "look-up failed"
MISSING = "missing"
# What stands before the id of a place, where people have theirs.
PLACE = "channel:"
KINDS: dict[str, type[AnyTarget]] = {
    "User": UserTarget,
    "Schedule": ScheduleTarget,
    "Team": TeamTarget,
    "Policy": PolicyTarget,
    "UserGroup": UserGroupTarget,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    Who is behind one target.

    Attributes:
        people: User ids, and places with their prefix, each once.
        why: What put them there.
        problem: Why there is nobody.
        until: Up to when that holds; None is unknown.
        is_fixed: Whether it holds until the directory changes.
        policy: The policy that metadata named, instead of anybody.
        unanswered: The target to be asked outside, if nobody here can tell.
    """

    people: tuple[str, ...] = ()
    why: str = ""
    problem: str = MISSING
    until: datetime | None = None
    is_fixed: bool = True
    policy: str | None = None
    unanswered: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Responders:
    """
    Finds responders in one version of the directory.

    Attributes:
        channels: Those that are configured; a method on another reaches nobody.
        is_final: Whether everybody was asked: what is not known by now has failed.
    """

    directory: Directory
    look_ups: LookUps
    channels: frozenset[str]
    is_final: bool = False

    async def behind(  # noqa: C901 - one arm for each kind
        self, target: AnyTarget | Named, question: LookUp
    ) -> Found:
        """Say who is behind a target; nobody is an answer too."""
        match target:
            case Named():
                return await self._named(target, question)
            case UserTarget(id=user):
                return self._people((user,) if user in self.directory.users else ())
            case TeamTarget(id=team_id):
                team = self.directory.team_of(team_id or question.team)
                return self._people(self.directory.members_of(team) if team else ())
            case UserGroupTarget(id=group_id):
                group = self.directory.groups.get(group_id)
                return self._people(group.members if group else ())
            case EverybodyTarget():
                return self._people(tuple(self.directory.users))
            case ChannelTarget(id=place):
                return self._places([place] if place in self.directory.places else [])
            case ChannelsTarget(id=kind):
                places = self.directory.places.values()
                return self._places([one.id for one in places if one.kind == kind])
            case ScheduleTarget() | LayerTarget():
                return await self._on_call(target, question)
            case PolicyTarget(id=policy):
                is_known = policy in self.directory.policies
                return Found(policy=policy if is_known else None)
            case MetadataTarget():
                return Found()

    def responder(
        self, person: str, target: str, why: str, question: LookUp
    ) -> Responder:
        """Return a person, or a place, with the rules by which they are reached."""
        rules = self._rules_of(person, question)

        return Responder(person=person, target=target, why=why, rules=rules)

    def turn_of(self, target: AnyTarget | Named) -> tuple[str, str]:
        """Return what turns are ordered by: username or name, then id."""
        text = str(target)
        user = self.directory.users.get(text.removeprefix("user:"))

        return (user.username or user.name if user else text, text)

    def policy_named(self, named: Named) -> str | None:
        """Return the one policy that metadata names; None if that is not one."""
        known = self.directory.policies
        found = {
            reference.id for reference in named.references if reference.type == "Policy"
        }
        for text in named.texts:
            found |= {one.id for one in known.values() if text in {one.id, one.name}}
        if len(found) != 1:
            return None
        policy = found.pop()

        return policy if policy in known else None

    def _people(self, people: Sequence[str]) -> Found:
        return Found(people=tuple(dict.fromkeys(people)))

    def _places(self, places: Sequence[str]) -> Found:
        return Found(people=tuple(PLACE + place for place in places))

    def _rules_of(self, person: str, question: LookUp) -> tuple[Rule, ...]:
        if not person.startswith(PLACE):
            return self.directory.rules_for(
                person, question.urgency, self.channels, question.channels
            )
        place = self.directory.places.get(person.removeprefix(PLACE))
        if place is None or place.channel not in self.channels:
            return ()

        return (Rule(delay=NO_TIME, method=place.id, channel=place.channel),)

    async def _on_call(
        self, target: ScheduleTarget | LayerTarget, question: LookUp
    ) -> Found:
        """Ask the on-call look-up, or learn that it has to be asked outside."""
        if target.id is None:
            team = self.directory.team_of(question.team)
            if team is None or team.schedule is None:
                return Found()
            target = ScheduleTarget(id=team.schedule)
        is_recall = question.is_recall or self.is_final
        ask = self.look_ups.recall if is_recall else self.look_ups.now
        told = await ask(target, question.at)
        if told is None and not self.is_final:
            return Found(unanswered=target)
        if told is None or isinstance(told, Failed):
            return Found(problem=FAILED, is_fixed=False)

        return Found(
            people=told.people,
            why=told.why,
            problem=NOBODY,
            until=told.until,
            is_fixed=False,
        )

    async def _named(self, named: Named, question: LookUp) -> Found:
        """Find the one object that metadata names."""
        targets = [*map(_target_of, named.references), *self._targets_in(named.texts)]
        if len(targets) != 1 or targets[0] is None:
            return Found()

        return await self.behind(targets[0], question)

    def _targets_in(self, texts: tuple[str, ...]) -> list[AnyTarget | None]:
        """Return the one object that each text names; None where that is unclear."""
        return [self._target_in(text) for text in texts]

    def _target_in(self, text: str) -> AnyTarget | None:
        for candidates in self._candidates(text):
            found = list(candidates)
            if found:
                return found[0] if len(found) == 1 else None

        return None

    def _candidates(self, text: str) -> Iterator[Iterator[AnyTarget]]:
        """Yield what a text may name: user, schedule, team, policy, place, in turn."""
        here = self.directory
        yield (
            UserTarget(id=user.id)
            for user in here.users.values()
            if text in {user.id, user.name} or text.lower() == user.email.lower() != ""
        )
        yield (ScheduleTarget(id=name) for name in here.on_call if name == text)
        yield (
            TeamTarget(id=team.id)
            for team in here.teams.values()
            if text in {team.id, team.name}
        )
        yield (
            PolicyTarget(id=policy.id)
            for policy in here.policies.values()
            if text in {policy.id, policy.name}
        )
        yield (
            ChannelTarget(id=place.id)
            for place in here.places.values()
            if text in {place.id, place.name}
        )


def _target_of(reference: Reference) -> AnyTarget:
    """Return what a reference names; every other kind of object is a place."""
    kind = KINDS.get(reference.type, ChannelTarget)

    return kind(id=reference.id)
