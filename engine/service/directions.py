"""Directions: what the directory and the on-call look-up say when the core asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import anyio
import structlog

from engine.core.effects import LookUp, NamePolicy, TakeSnapshot, TakeTurn
from engine.core.events import (
    Acknowledged,
    Opened,
    PolicyNamed,
    Responder,
    SnapshotTaken,
    TargetsResolved,
    TurnTaken,
)
from engine.directory import Directory, ResolveWhen
from engine.errors import EngineError
from engine.ports import Claimed, RoutedAcknowledgement, RoutedAlert, Turn, Turns
from engine.service.look_ups import Asked, LookUps
from engine.service.responders import NO_METHOD, Found, Responders
from policies.policy import Policy, Snapshot
from policies.targets import AnyTarget, PolicyTarget, Target

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MISSING_POLICY = "missing"
TURN_SECONDS_MAX = 0.2
GUESSED = "no answer in time: the first in the order"
# The integration of incidents that the installation opens about itself.
INSTALLATION = "rung"
NO_POLICIES = Snapshot.of(Policy(id=MISSING_POLICY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """
    A question that nobody here can answer, and the targets that are why.

    Attributes:
        owed_since: Since when what asks was due, if it asks late.
    """

    question: LookUp
    targets: tuple[Target, ...]
    owed_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """
    One target of a question, and what was found behind it.

    Attributes:
        target: As answers name it.
        turn: What turns are ordered by.
    """

    target: str
    turn: tuple[str, str]
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """
    Answers questions from one version of the directory.

    An answer comes with the snapshot that it names, if it names one.

    Attributes:
        channels: Those that are configured; a method on another reaches nobody.
        snapshots: Those taken of this version's policies, by policy id.
    """

    directory: Directory
    look_ups: LookUps
    turns: Turns
    channels: frozenset[str]
    snapshots: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])

    async def resolve(
        self, question: LookUp, known: Snapshot, *, is_final: bool = False
    ) -> tuple[TargetsResolved, Snapshot] | Unanswered:
        """
        Say who is behind the targets, in the order named, if that is known here.

        With `is_final` everybody was asked: what is not known by now has failed.
        """
        finder = self._responders(is_final=is_final)
        sought = [
            Sought(
                target=str(target),
                turn=finder.turn_of(target),
                found=await finder.behind(target, question),
            )
            for target in question.targets
        ]
        unanswered = tuple(
            one.found.unanswered for one in sought if one.found.unanswered
        )
        if unanswered:
            return Unanswered(question=question, targets=unanswered)

        return self.with_named(_answered(question, finder, sought), known)

    def ask(self, incident_id: str, unanswered: Unanswered) -> None:
        """Have it asked outside; the answer comes into the incident's mailbox."""
        question = unanswered.question

        async def answer() -> TargetsResolved:
            resolved = await self.resolve(question, NO_POLICIES, is_final=True)
            assert not isinstance(resolved, Unanswered)
            return replace(resolved[0], owed_since=unanswered.owed_since)

        self.look_ups.start(
            Asked(
                incident_id=incident_id,
                targets=unanswered.targets,
                at=question.at,
                deadline=question.deadline,
                answer=answer,
            )
        )

    def with_named(
        self, answer: TargetsResolved, known: Snapshot
    ) -> tuple[TargetsResolved, Snapshot]:
        """Put the policies that an answer names into the snapshot, as they are now."""
        if not answer.policies:
            return answer, known
        for policy in answer.policies:
            known = known.extended(policy, self.directory.policies)

        return replace(answer, snapshot=known.hash), known

    def name_policy(
        self, question: NamePolicy, known: Snapshot
    ) -> tuple[PolicyNamed, Snapshot]:
        """Say which policy metadata names, and put it into the snapshot."""
        policy = self._responders().policy_named(question.named)
        snapshot = known.extended(policy, self.directory.policies) if policy else known
        answer = PolicyNamed(
            at=question.at,
            walk=question.walk,
            generation=question.generation,
            policy=policy,
            snapshot=snapshot.hash if policy else None,
        )

        return answer, snapshot

    def with_policies(
        self, known: Snapshot, targets: tuple[AnyTarget, ...]
    ) -> Snapshot:
        """Return a snapshot with the policies among these targets, as they are now."""
        for target in targets:
            if isinstance(target, PolicyTarget):
                known = known.extended(target.id, self.directory.policies)

        return known

    async def take_turns(self, questions: Sequence[TakeTurn]) -> list[TurnTaken]:
        """
        Say whose turn it is, for all that ask in one go.

        Without an answer in time it is the first one's, of each of them: one that
        hangs must not be waited for again and again.
        """
        asked = [
            Turn(of=one.turn, ticket=one.ticket, candidates=one.candidates)
            for one in questions
        ]
        try:
            with anyio.fail_after(TURN_SECONDS_MAX):
                taken, why = await self.turns.take(asked), ""
        except (TimeoutError, EngineError) as error:
            log.warning("turn.guessed", turns=len(asked), error=str(error))
            taken, why = [one.candidates[0] for one in asked], GUESSED

        return [
            TurnTaken(
                at=one.at,
                walk=one.walk,
                generation=one.generation,
                target=target,
                why=why,
            )
            for one, target in zip(questions, taken, strict=True)
        ]

    def take_snapshot(
        self, question: TakeSnapshot
    ) -> tuple[SnapshotTaken, Snapshot | None]:
        """Say how the policies are now; None if the root is gone."""
        policy = self.directory.policies.get(question.policy)
        snapshot = self._snapshot(policy) if policy else None
        answer = SnapshotTaken(
            at=question.at,
            generation=question.generation,
            snapshot=snapshot.hash if snapshot else None,
        )

        return answer, snapshot

    def opening(
        self, claimed: Claimed, routed: RoutedAlert, at: datetime
    ) -> tuple[Opened, Snapshot]:
        """
        Say how an incident opens for the first alert of its key.

        An integration or policy that was removed since the alert came in leaves an
        incident that collects alerts and is seen in lists; it is logged as an error.
        """
        integration = self.directory.integrations.get(routed.integration)
        route = integration.route_for(routed.alert.labels) if integration else None
        wanted = route.policy if route else None
        if routed.integration == INSTALLATION:
            wanted = self.directory.catch_all
        policy = self.directory.policies.get(wanted) if wanted is not None else None
        if policy is not None:
            snapshot = self._snapshot(policy)
        else:
            if routed.integration == INSTALLATION:
                log.error("catch_all.missed", title=routed.alert.title)
            elif route is None or wanted is not None:
                log.error("policy.missed", integration=routed.integration)
            snapshot = Snapshot.of(Policy(id=MISSING_POLICY))
        opened = Opened(
            at=at,
            incident_id=claimed.incident_id,
            key=routed.key,
            integration=routed.integration,
            team=integration.team if integration else None,
            snapshot=snapshot.hash,
            resolve_when=integration.resolve_when if integration else ResolveWhen.ALL,
            acknowledged_for=integration.acknowledged_for if integration else None,
            alert=routed.alert,
            after=claimed.after,
            route=" ".join(str(one) for one in route.match) if route else "",
        )

        return opened, snapshot

    def acknowledgement(
        self, routed: RoutedAcknowledgement, at: datetime
    ) -> Acknowledged:
        """Say that the integration acknowledges, by its name; removed, by its id."""
        known = self.directory.integrations.get(routed.integration)
        by = known.name if known else routed.integration

        return Acknowledged(at=at, id=routed.id, by=by)

    def _responders(self, *, is_final: bool = False) -> Responders:
        return Responders(
            directory=self.directory,
            look_ups=self.look_ups,
            channels=self.channels,
            is_final=is_final,
        )

    def _snapshot(self, policy: Policy) -> Snapshot:
        known = self.snapshots.get(policy.id)
        if known is None:
            known = self.snapshots[policy.id] = Snapshot.of(
                policy, self.directory.policies, self.directory.catch_all
            )

        return known


def _answered(
    question: LookUp,
    finder: Responders,
    sought: Sequence[Sought],
) -> TargetsResolved:
    """Put together what was found behind each target."""
    people: list[Responder] = []
    missing: dict[str, str] = {}
    in_turn: list[Sought] = []
    # A policy that metadata named is walked; nobody is paged for it here.
    policies = [one.found.policy for one in sought if one.found.policy is not None]
    of_people = [one for one in sought if one.found.policy is None]
    for one in of_people:
        here = [
            finder.responder(person, one.target, one.found.why, question)
            for person in one.found.people
        ]
        if any(responder.rules for responder in here):
            in_turn.append(one)
        else:
            missing[one.target] = NO_METHOD if here else one.found.problem
        people += here
    in_turn.sort(key=lambda one: (one.turn, one.target))
    found = [one.found for one in of_people]
    untils = [one.until for one in found if one.until]
    is_known = all(one.is_fixed or one.until is not None for one in found)

    return TargetsResolved(
        at=question.at,
        walk=question.walk,
        generation=question.generation,
        responders=tuple(people),
        missing=missing,
        order=tuple(dict.fromkeys(one.target for one in in_turn)),
        policies=tuple(policies),
        until=min(untils, default=None) if is_known else None,
    )
