"""Incidents and policies for tests of the core alone: values in, values out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.core.alerts import Alert, AlertStatus
from engine.core.effects import Effect, LookUp, NamePolicy, Send, TakeSnapshot, TakeTurn
from engine.core.events import (
    AlertsReceived,
    DeliveryReported,
    Event,
    Opened,
    Outcome,
    PolicyNamed,
    Responder,
    SnapshotTaken,
    TargetsResolved,
    TurnTaken,
    WokeUp,
)
from engine.core.incident import Decision, Incident
from engine.core.machine import as_of, decide, open_incident
from engine.core.reasons import Reason
from engine.directory import Rule
from policies.policy import Policy, Snapshot
from policies.steps import LENIENT

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
CONSOLE = (Rule(delay=timedelta(), method="m", channel="console"),)


def a_policy(*steps: Mapping[str, Any], name: str = "root", **settings: Any) -> Policy:
    """Return a policy as some surface could have made it."""
    fields = {"id": name, "steps": list(steps), **settings}

    return Policy.model_validate(fields, context=LENIENT)


def notify(*targets: str, **fields: Any) -> dict[str, Any]:
    """Return a step that pages."""
    return {"kind": "notify", "targets": list(targets), **fields}


def wait(duration: str) -> dict[str, Any]:
    """Return a step that waits."""
    return {"kind": "wait", "duration": duration}


def a_firing(fingerprint: str = "a", number: int = 1, **fields: Any) -> Alert:
    """Return an alert that fires."""
    given = {
        "id": f"{fingerprint}{number}",
        "fingerprint": fingerprint,
        "status": AlertStatus.FIRING,
        "title": fingerprint,
        "labels": {},
    }

    return Alert(**(given | fields))


def a_resolved(fingerprint: str = "a", number: int = 9, **fields: Any) -> Alert:
    """Return an alert that is over."""
    return a_firing(fingerprint, number, status=AlertStatus.RESOLVED, **fields)


@dataclass
class World:
    """
    One incident, and an outside world that answers what it asks at once.

    Attributes:
        people: The rules of everybody there is; who has none cannot be reached.
        is_silent: Whether questions get no answer.
    """

    incident: Incident
    now: datetime = START
    people: dict[str, tuple[Rule, ...]] = field(
        default_factory=lambda: dict.fromkeys(["alice", "bob", "carol"], CONSOLE)
    )
    policies: dict[str, Policy] = field(default_factory=dict[str, Policy])
    effects: list[Effect] = field(default_factory=list[Effect])
    reasons: list[Reason] = field(default_factory=list[Reason])
    is_silent: bool = False

    @classmethod
    def opened(
        cls, *policies: Policy, catch_all: str | None = None, **fields: Any
    ) -> "World":
        """Open an incident that walks the first of these policies."""
        known = {policy.id: policy for policy in policies}
        snapshot = Snapshot.of(policies[0], known, catch_all)
        given: dict[str, Any] = {
            "at": START,
            "incident_id": "00000000001",
            "key": "k",
            "integration": "i",
            "snapshot": snapshot.hash,
            "alert": a_firing(),
        }
        decision = open_incident(Opened(**(given | fields)), snapshot)
        world = cls(decision.incident, policies=known)
        world._take(decision)

        return world

    def happen(self, event: Event, snapshot: Snapshot | None = None) -> Decision:
        """Decide an event, and answer what it leads to."""
        decision = decide(self.incident, event, snapshot)
        self._take(decision)

        return decision

    def command(self, make: type[Any], **fields: Any) -> Reason:
        """Give a command."""
        number = len(self.reasons)
        given = {"at": self.now, "id": f"c{number}", "by": "alice"} | fields

        return self.happen(make(**given)).reason

    def alert(self, *alerts: Alert) -> Reason:
        """Have alerts come in."""
        return self.happen(AlertsReceived(at=self.now, alerts=alerts)).reason

    def advance(self, by: timedelta) -> "World":
        """Let time pass, and run every timer when it is due."""
        until = self.now + by
        self.run()
        while (due := self.incident.next_due) and due <= until:
            self.now = max(due, self.now)
            self.run()
        self.now = until

        return self

    def run(self) -> "World":
        """Run every timer that is due now."""
        for _ in range(1_000):
            at = as_of(self.incident.next_due, self.now)
            if at is None:
                return self
            self.happen(WokeUp(at=at))
        message = "it never ends"
        raise AssertionError(message)

    def report(self, outcome: Outcome = Outcome.SENT, last: int = 1) -> Reason:
        """Report on the notification that was sent so many before the end."""
        send = self.sends()[-last]
        event = DeliveryReported(
            at=self.now, page=send.page, rule=send.rule, attempt=1, outcome=outcome
        )

        return self.happen(event).reason

    def sends(self) -> list[Send]:
        """Return the notifications that were asked for so far."""
        return [effect for effect in self.effects if isinstance(effect, Send)]

    def sent(self) -> list[tuple[int, str]]:
        """Return who is notified after how many seconds."""
        return [
            (int((send.due - START).total_seconds()), send.person)
            for send in self.sends()
        ]

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the effects of a kind so far."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def _take(self, decision: Decision) -> None:
        self.incident = decision.incident
        self.reasons.append(decision.reason)
        self.effects += decision.effects
        for effect in decision.effects:
            if not self.is_silent:
                self._answer(effect)

    def _answer(self, effect: Effect) -> None:
        match effect:
            case LookUp():
                self.happen(self.answer_to(effect))
            case NamePolicy():
                self._name(effect)
            case TakeTurn():
                turn = TurnTaken(
                    at=effect.at,
                    walk=effect.walk,
                    generation=effect.generation,
                    target=effect.candidates[0],
                )
                self.happen(turn)
            case TakeSnapshot():
                self._take_snapshot(effect)
            case _:
                return

    def answer_to(self, question: LookUp) -> TargetsResolved:
        """Return who is behind `user:` targets; nobody is behind others."""
        names = [str(target) for target in question.targets]
        responders = tuple(
            Responder(
                person=name.removeprefix("user:"),
                target=name,
                rules=self.people.get(name.removeprefix("user:"), ()),
            )
            for name in names
            if name.startswith("user:")
        )

        return TargetsResolved(
            at=question.at,
            walk=question.walk,
            generation=question.generation,
            responders=responders,
            order=tuple(one.target for one in responders if one.rules),
        )

    def _name(self, question: NamePolicy) -> None:
        named = next((t for t in question.named.texts if t in self.policies), None)
        snapshot = self.incident.snapshot
        if named:
            snapshot = snapshot.extended(named, self.policies)
        event = PolicyNamed(
            at=question.at,
            walk=question.walk,
            generation=question.generation,
            policy=named,
            snapshot=snapshot.hash if named else None,
        )
        self.happen(event, snapshot)

    def _take_snapshot(self, question: TakeSnapshot) -> None:
        policy = self.policies.get(question.policy)
        snapshot = Snapshot.of(policy, self.policies) if policy else None
        event = SnapshotTaken(
            at=question.at,
            generation=question.generation,
            snapshot=snapshot.hash if snapshot else None,
        )
        self.happen(event, snapshot)
