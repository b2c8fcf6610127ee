"""The core alone, under whatever can happen to an incident."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from typing_extensions import override

from engine.codec import decode_snapshot, encode_snapshot
from engine.core.alerts import Alert
from engine.core.effects import (
    LookUp,
    NamePolicy,
    Send,
    TakeSnapshot,
    TakeTurn,
)
from engine.core.events import (
    AlertsReceived,
    DeliveryReported,
    Event,
    Kind,
    Opened,
    Outcome,
    PolicyNamed,
    Responder,
    SnapshotTaken,
    TargetsResolved,
    TurnTaken,
    WokeUp,
)
from engine.core.incident import Decision, Incident, Status
from engine.core.machine import as_of, decide, open_incident
from engine.core.reasons import Reason
from engine.core.walk import WALKS_MAX
from engine.directory import ResolveWhen
from policies.policy import Policy, Snapshot
from policies.steps import NotifyStep, WaitStep
from policies.targets import MetadataTarget, PolicyTarget
from tests.property import drawing
from tests.property.drawing import NAMES, START, Done
from tests.property.promises import keep, see_gate_open, stored
from tests.property.sizes import patient, sized

Question = LookUp | NamePolicy | TakeTurn | TakeSnapshot
QUESTIONS = (LookUp, NamePolicy, TakeTurn, TakeSnapshot)
# What twenty walks can do at most before time has to pass, and some more.
MOVES_AT_ONCE_MAX = 300
ZERO = timedelta(0)
A_DAY = WaitStep(duration=timedelta(days=1))

pasts = st.sampled_from([ZERO, ZERO, ZERO, -drawing.SECOND, -60 * drawing.MINUTE])
offsets = pasts | st.sampled_from([drawing.SECOND, 60 * drawing.MINUTE])
late = st.sampled_from([ZERO, ZERO, drawing.SECOND, 3 * drawing.SECOND])
picks = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 5, 8])


@patient
class Life(RuleBasedStateMachine):
    """The life of one incident."""

    incident: Incident

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.questions: list[Question] = []
        self.sends: dict[tuple[str, int], Send] = {}
        self.keys: dict[str, tuple[str, str, int]] = {}
        self.paged: dict[tuple[str, datetime], str] = {}
        self.past: list[tuple[Event, Snapshot | None, Decision]] = []
        self.count = 0
        self.has_ended_quietly = False

    @initialize(
        snapshot=drawing.snapshots(),
        resolve_when=st.sampled_from(ResolveWhen),
        kind=st.sampled_from([Kind.INCIDENT, Kind.INCIDENT, Kind.MAINTENANCE]),
        lasts=st.none() | st.sampled_from([drawing.SECOND, 60 * drawing.MINUTE]),
        alert=st.none() | drawing.notices,
    )
    def open(
        self,
        snapshot: Snapshot,
        resolve_when: ResolveWhen,
        kind: Kind,
        lasts: timedelta | None,
        alert: Alert | None,
    ) -> None:
        """Open it."""
        opened = Opened(
            at=self.now,
            incident_id="incident",
            kind=kind,
            key="db-full",
            integration="prometheus",
            snapshot=snapshot.hash,
            resolve_when=resolve_when,
            acknowledged_for=lasts,
            alert=alert,
            title="Database full",
            metadata={"owner": ("second",)} if lasts else {},
        )
        decision = open_incident(opened, snapshot)
        self.incident = decision.incident
        self.opened, self.root = opened, snapshot

        assert decision == open_incident(opened, snapshot)
        assert self.incident == stored(self.incident)

    @rule(by=drawing.spans)
    def pass_time(self, by: timedelta) -> None:
        """Let time pass, and run what is due then; nobody answers meanwhile."""
        self.now += by
        self._run()
        self._happen(WokeUp(at=self.now))

    @rule(by=late, data=st.data())
    def pass_on(self, by: timedelta, data: st.DataObject) -> None:
        """Let time pass to what is due next, or somewhat beyond."""
        due = self.incident.next_due
        self.now = max(self.now, due or self.now) + by
        self._run(data)

    @precondition(lambda self: self.questions)
    @rule(pick=picks, offset=offsets, data=st.data())
    def answer(self, pick: int, offset: timedelta, data: st.DataObject) -> None:
        """Answer what it asked, a while ago perhaps, and perhaps again."""
        question = self.questions[-1 - pick % len(self.questions)]
        self._answer(question, self.now + offset, data)

    @precondition(lambda self: self.sends)
    @rule(
        pick=picks,
        offset=offsets,
        outcome=st.sampled_from(Outcome),
        attempt=st.integers(1, 3),
    )
    def report(
        self, pick: int, offset: timedelta, outcome: Outcome, attempt: int
    ) -> None:
        """Report on a notification, a while ago perhaps, and perhaps again."""
        known = [("1.0.1.1.nobody", 0), ("webhook.1", 0), *self.sends]
        page, number = known[-1 - pick % len(known)]
        self._happen(
            DeliveryReported(
                at=self.now + offset,
                page=page,
                rule=number,
                attempt=attempt,
                outcome=outcome,
            )
        )

    @rule(offset=offsets, data=st.data())
    def receive(self, offset: timedelta, data: st.DataObject) -> None:
        """Have notices come in, new ones and old ones."""
        drawn = []
        for notice in data.draw(st.lists(drawing.notices, min_size=1, max_size=3)):
            self.count += data.draw(st.sampled_from([0, 1, 1, 1]))
            drawn.append(replace(notice, id=f"a{self.count}"))
        self._happen(AlertsReceived(at=self.now + offset, alerts=tuple(drawn)))

    @rule(
        offset=offsets,
        command=drawing.commands,
        more=st.sampled_from([0, 1, 1, 1, 1, 1]),
    )
    def command(self, offset: timedelta, command: Done, more: int) -> None:
        """Have somebody do something, or do it again."""
        self.count += more
        self._happen(command(self.now + offset, f"c{self.count}"))

    @precondition(lambda self: self.incident.checklists)
    @rule(pick=picks, text=drawing.texts)
    def edit(self, pick: int, text: str) -> None:
        """Have somebody tick boxes."""
        self.count += 1
        known = self.incident.checklists
        comment = known[pick % len(known)].id
        self._happen(drawing.edited(self.now, f"c{self.count}", comment, text))

    @override
    def teardown(self) -> None:
        """What happened to it once means the same when it happens again."""
        if not hasattr(self, "opened"):
            return
        again = open_incident(self.opened, self.root).incident
        for event, snapshot, decision in self.past:
            repeated = decide(again, event, snapshot)
            again = repeated.incident
            assert decision == repeated

    def _run(self, data: st.DataObject | None = None) -> None:
        """Run what is due by now; that has an end."""
        moves = 0
        while (at := as_of(self.incident.next_due, self.now)) is not None:
            asked = len(self.questions)
            self._happen(WokeUp(at=at))
            for question in self.questions[asked:] if data else []:
                assert data is not None
                self._answer(question, at, data)
            moves += 1
            if moves > MOVES_AT_ONCE_MAX and _starts_policies(self.incident):
                return
            assert moves <= MOVES_AT_ONCE_MAX

    def _answer(self, question: Question, at: datetime, data: st.DataObject) -> None:
        known = self.incident.snapshot
        match question:
            case LookUp(walk=walk, generation=generation):
                names = [str(one) for one in question.targets] or ["user:alice"]
                found = tuple(
                    Responder(person=person, target=names[n % len(names)], rules=rules)
                    for n, (person, rules) in enumerate(data.draw(drawing.people))
                )
                reached = [one.target for one in found if one.rules]
                named = data.draw(drawing.some(st.sampled_from(NAMES), 1))
                self._happen(
                    TargetsResolved(
                        at=at,
                        walk=walk,
                        generation=generation,
                        responders=found,
                        order=tuple(sorted(set(reached))),
                        policies=named,
                        snapshot=known.hash if named else None,
                    ),
                    known,
                )
            case NamePolicy(walk=walk, generation=generation):
                policy = data.draw(st.none() | drawing.ids)
                self._happen(
                    PolicyNamed(
                        at=at,
                        walk=walk,
                        generation=generation,
                        policy=policy,
                        snapshot=known.hash,
                    ),
                    known,
                )
            case TakeTurn(walk=walk, generation=generation):
                target = data.draw(st.sampled_from([*question.candidates, "user:gone"]))
                self._happen(
                    TurnTaken(at=at, walk=walk, generation=generation, target=target)
                )
            case TakeSnapshot(generation=generation):
                fresh = data.draw(st.none() | st.just(known) | drawing.snapshots())
                name = fresh.hash if fresh else None
                taken = SnapshotTaken(at=at, generation=generation, snapshot=name)
                self._happen(taken, fresh)

    def _happen(self, event: Event, snapshot: Snapshot | None = None) -> None:
        """Decide an event, and see every promise kept."""
        before = self.incident
        decision = decide(before, event, snapshot)
        self.past.append((event, snapshot, decision))
        self.incident = decision.incident
        keep(before, event, snapshot, decision)
        see_gate_open(before, event, decision)
        self._note_quiet_end(before)
        self._see_it_go_on(decision)
        self._see_who_is_paged(before, event)
        for effect in decision.effects:
            if isinstance(effect, QUESTIONS):
                self.questions.append(effect)
            if isinstance(effect, Send):
                self._see_sent(effect)

    def _note_quiet_end(self, before: Incident) -> None:
        """Note whether a walk has ended in silence, as its policy says."""
        after = self.incident
        is_same = before.start == after.start and after.status is Status.TRIGGERED
        has_ended = len(after.walks) < len(before.walks) and not after.has_run_out
        self.has_ended_quietly = is_same and (self.has_ended_quietly or has_ended)

    def _see_it_go_on(self, decision: Decision) -> None:
        """A triggered incident moves by itself, or there is a reason why not."""
        incident = self.incident
        if incident.status is not Status.TRIGGERED or incident.next_due:
            return
        collects = not incident.snapshot.policies[incident.snapshot.root].steps

        assert (
            incident.walks
            or incident.parent
            or incident.exhausted_at
            or self.has_ended_quietly
            or collects
        ), decision.reason
        assert all(walk.due is None for walk in incident.walks)

    def _see_who_is_paged(self, before: Incident, event: Event) -> None:
        """In one instant a person is paged once."""
        if not isinstance(event, WokeUp | TargetsResolved | TurnTaken):
            self.paged.clear()
        known = {page.id for page in before.pages}
        assert len(self.incident.pages) == len({p.id for p in self.incident.pages})
        for page in self.incident.pages:
            if page.id not in known:
                name = self.paged.setdefault((page.person, page.started_at), page.id)
                assert page.id == name

    def _see_sent(self, send: Send) -> None:
        """A key is one person's, by one method, and never another one's."""
        assert send.due < send.give_up_at
        assert (send.page, send.rule) not in self.sends
        self.sends[send.page, send.rule] = send
        name = self.keys.setdefault(send.key, (send.person, send.method, send.rule))
        assert (send.person, send.method, send.rule) == name


def _starts_policies(incident: Incident) -> bool:
    """Tell whether a walk may start others, which SEMANTICS 1 does not bound yet."""
    return any(
        isinstance(target, PolicyTarget | MetadataTarget)
        for policy in incident.snapshot.policies.values()
        for step in policy.steps
        if isinstance(step, NotifyStep)
        for target in step.targets
    )


TestLife = Life.TestCase
TestLife.settings = sized(300)


@given(drawing.snapshots())
@sized(50)
def test_snapshot(snapshot: Snapshot) -> None:
    """Policies are read as they were written, also what nobody filled in or knows."""
    assert snapshot == decode_snapshot(encode_snapshot(snapshot))


@pytest.mark.parametrize("count", [19, 20, 30])
def test_walks(count: int) -> None:
    """However many policies are started beside each other, at most twenty walk."""
    beside = {f"p{n}": Policy(id=f"p{n}", steps=(A_DAY,)) for n in range(count)}
    named = tuple(PolicyTarget(id=name) for name in beside)
    first = Policy(id="first", steps=(NotifyStep(targets=named), A_DAY))
    snapshot = Snapshot.of(first, beside)
    opened = Opened(
        at=START,
        incident_id="incident",
        key="db-full",
        integration="prometheus",
        snapshot=snapshot.hash,
    )
    incident = open_incident(opened, snapshot).incident
    decision = decide(incident, WokeUp(at=START))

    assert min(count + 1, WALKS_MAX) == len(decision.incident.walks)
    assert (Reason.TOO_MANY_WALKS is decision.reason) == (count >= WALKS_MAX)
