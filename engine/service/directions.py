"""Directions: what the directory and the on-call lookup say when the core asks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import anyio
import structlog

from engine.core.effects import LookUp
from engine.core.events import Opened, Responder, TargetsResolved
from engine.directory import Directory, ResolveWhen
from engine.errors import LookUpFailedError
from engine.ports import OnCall, OnCallLookup, RoutedAlert
from policies.policy import Policy, Snapshot
from policies.targets import Target

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

NOBODY = "nobody on call"
NO_METHOD = "no contact method"
FAILED = "look-up failed"
MISSING_POLICY = "missing"
# A drain waits for it; other incidents wait for the drain.
LOOK_UP_SECONDS_MAX = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """
    Answers questions from one version of the directory.

    Attributes:
        channels: Those that are configured; a method on another reaches nobody.
        snapshots: Those taken of this version's policies, by policy id.
    """

    directory: Directory
    lookup: OnCallLookup
    channels: frozenset[str]
    snapshots: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])

    async def resolve(self, question: LookUp) -> TargetsResolved:
        """Say who is behind the targets, each person once, in the order named."""
        responders: dict[str, Responder] = {}
        missing: dict[str, str] = {}
        untils = []
        for target in question.targets:
            answer = await self._who(target, question)
            if answer is None:
                missing[str(target)] = FAILED
                continue
            untils.append(answer.until)
            found = list(self._responders(target, answer, question.urgency))
            if not any(responder.rules for responder in found):
                missing[str(target)] = NO_METHOD if found else NOBODY
            for responder in found:
                responders.setdefault(responder.person, responder)
        known = [until for until in untils if until is not None]

        return TargetsResolved(
            at=question.at,
            walk=question.walk,
            generation=question.generation,
            responders=tuple(responders.values()),
            missing=missing,
            until=min(known) if known and len(known) == len(question.targets) else None,
        )

    def opening(
        self, incident_id: str, routed: RoutedAlert, at: datetime
    ) -> tuple[Opened, Snapshot]:
        """
        Say how an incident opens for the first alert of its key.

        An integration or policy that was removed since the alert came in leaves an
        incident that collects alerts and is seen in lists; it is logged as an error.
        """
        integration = self.directory.integrations.get(routed.integration)
        policy = (
            self.directory.policies.get(integration.policy) if integration else None
        )
        if integration is None or policy is None:
            log.error("policy.missing", integration=routed.integration)
            policy = Policy(id=MISSING_POLICY)
        snapshot = self._snapshot(policy)
        opened = Opened(
            at=at,
            incident_id=incident_id,
            key=routed.key,
            integration=routed.integration,
            snapshot=snapshot.hash,
            resolve_when=integration.resolve_when if integration else ResolveWhen.ALL,
            alert=routed.alert,
        )

        return opened, snapshot

    def _snapshot(self, policy: Policy) -> Snapshot:
        known = self.snapshots.get(policy.id)
        if known is None:
            known = self.snapshots[policy.id] = Snapshot.of(policy)

        return known

    async def _who(self, target: Target, question: LookUp) -> OnCall | None:
        try:
            with anyio.fail_after(LOOK_UP_SECONDS_MAX):
                return await self.lookup.who(target, question.at)
        except LookUpFailedError as error:
            failure = str(error)
        except TimeoutError:
            failure = f"no answer in {LOOK_UP_SECONDS_MAX:g} s"
        except Exception as error:  # noqa: BLE001 - a look-up may be anybody's code
            failure = type(error).__name__
        log.warning("look_up.failed", target=str(target), error=failure)

        return None

    def _responders(
        self, target: Target, answer: OnCall, urgency: str
    ) -> Iterator[Responder]:
        for person in answer.people:
            yield Responder(
                person=person,
                why=f"{target} {answer.reason}",
                rules=self.directory.rules_for(person, urgency, self.channels),
            )
