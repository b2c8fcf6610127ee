"""Directions: what the directory and the on-call lookup say when the core asks."""

from dataclasses import dataclass, field
from datetime import datetime

import anyio
import structlog

from engine.core.effects import LookUp, NamePolicy, TakeSnapshot, TakeTurn
from engine.core.events import (
    Opened,
    PolicyNamed,
    Responder,
    SnapshotTaken,
    TargetsResolved,
    TurnTaken,
)
from engine.directory import Directory, ResolveWhen
from engine.errors import EngineError
from engine.ports import Claimed, OnCallLookup, RoutedAlert, Turns
from engine.service.responders import NO_METHOD, Responders
from policies.policy import Policy, Snapshot
from policies.targets import AnyTarget, PolicyTarget

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MISSING_POLICY = "missing"
TURN_SECONDS_MAX = 0.2
GUESSED = "no answer in time: the first in the order"


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
    lookup: OnCallLookup
    turns: Turns
    channels: frozenset[str]
    snapshots: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])

    async def resolve(
        self, question: LookUp, known: Snapshot
    ) -> tuple[TargetsResolved, Snapshot]:
        """Say who is behind the targets, in the order named."""
        finder = self._responders()
        people: list[Responder] = []
        missing: dict[str, str] = {}
        policies: list[str] = []
        in_turn: list[tuple[tuple[str, str], str]] = []
        untils: list[datetime] = []
        is_known = True
        for target in question.targets:
            found = await finder.behind(target, question)
            name = str(target)
            if found.policy is not None:
                policies.append(found.policy)
                continue
            here = [
                finder.responder(person, name, found.why, question)
                for person in found.people
            ]
            if any(one.rules for one in here):
                in_turn.append((finder.turn_of(target), name))
            else:
                missing[name] = NO_METHOD if here else found.problem
            people += here
            untils += [found.until] if found.until else []
            is_known = is_known and (found.is_fixed or found.until is not None)
        snapshot = known
        for policy in policies:
            snapshot = snapshot.extended(policy, self.directory.policies)
        answer = TargetsResolved(
            at=question.at,
            walk=question.walk,
            generation=question.generation,
            responders=tuple(people),
            missing=missing,
            order=tuple(dict.fromkeys(name for _, name in sorted(in_turn))),
            policies=tuple(policies),
            snapshot=snapshot.hash if policies else None,
            until=min(untils, default=None) if is_known else None,
        )

        return answer, snapshot

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

    async def take_turn(self, question: TakeTurn) -> TurnTaken:
        """Say whose turn it is; without an answer in time it is the first one's."""
        try:
            with anyio.fail_after(TURN_SECONDS_MAX):
                target, why = (
                    await self.turns.take(
                        question.turn, question.ticket, question.candidates
                    ),
                    "",
                )
        except (TimeoutError, EngineError) as error:
            log.warning("turn.guessed", turn=question.turn, error=str(error))
            target, why = question.candidates[0], GUESSED

        return TurnTaken(
            at=question.at,
            walk=question.walk,
            generation=question.generation,
            target=target,
            why=why,
        )

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
        wanted = integration.policy if integration else None
        policy = self.directory.policies.get(wanted) if wanted is not None else None
        if policy is not None:
            snapshot = self._snapshot(policy)
        else:
            if integration is None or wanted is not None:
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
        )

        return opened, snapshot

    def _responders(self) -> Responders:
        return Responders(
            directory=self.directory, lookup=self.lookup, channels=self.channels
        )

    def _snapshot(self, policy: Policy) -> Snapshot:
        known = self.snapshots.get(policy.id)
        if known is None:
            known = self.snapshots[policy.id] = Snapshot.of(
                policy, self.directory.policies, self.directory.catch_all
            )

        return known
