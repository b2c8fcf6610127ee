"""The core alone, under whatever can happen to an incident."""

from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from engine.core.effects import (
    Comment,
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
    SnapshotTaken,
    TargetsResolved,
    TurnTaken,
    WokeUp,
)
from engine.core.incident import Decision, Incident, Status
from engine.core.machine import decide, open_incident, runs_at
from engine.core.reasons import Reason
from engine.directory import ResolveWhen
from policies.policy import Snapshot
from tests.property import drawing
from tests.property.drawing import IDS, NAMES, START
from tests.property.promises import keep, stored
from tests.property.sizes import patient, sized

Question = LookUp | NamePolicy | TakeTurn | TakeSnapshot
QUESTIONS = (LookUp, NamePolicy, TakeTurn, TakeSnapshot)
# What twenty walks can do at most before time has to pass, and some more.
MOVES_AT_ONCE_MAX = 3_000
ZERO = timedelta(0)

pasts = st.sampled_from([ZERO, ZERO, ZERO, -drawing.SECOND, -60 * drawing.MINUTE])
offsets = pasts | st.sampled_from([drawing.SECOND, 60 * drawing.MINUTE])
picks = st.integers(0, 20)


@patient
class Life(RuleBasedStateMachine):
    """The life of one incident."""

    incident: Incident

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.questions: list[Question] = []
        self.sends: dict[tuple[str, int], Send] = {}
        self.keys: dict[str, tuple[str, int]] = {}
        self.paged: dict[tuple[str, datetime], str] = {}
        self.past: list[tuple[Event, Snapshot | None, Decision]] = []
        self.commands = 0
        self.has_ended_quietly = False

    @initialize(
        snapshot=drawing.snapshots(),
        resolve_when=st.sampled_from(ResolveWhen),
        kind=st.sampled_from([Kind.INCIDENT, Kind.INCIDENT, Kind.MAINTENANCE]),
        lasts=st.none() | st.sampled_from([drawing.SECOND, 60 * drawing.MINUTE]),
        data=st.data(),
    )
    def open(
        self,
        snapshot: Snapshot,
        resolve_when: ResolveWhen,
        kind: Kind,
        lasts: timedelta | None,
        data: st.DataObject,
    ) -> None:
        """Open it."""
        alert = data.draw(st.none() | drawing.alerts(1))
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
        """Let time pass, and run what is due then."""
        self.now += by
        self._run()

    @rule(by=drawing.spans, is_answered=st.booleans(), data=st.data())
    def pass_on(self, by: timedelta, is_answered: bool, data: st.DataObject) -> None:  # noqa: FBT001 - drawn
        """Let time pass to what is due next, or somewhat beyond."""
        due = self.incident.next_due
        self.now = max(self.now, due or self.now) + by
        self._run(data if is_answered else None)

    @rule(offset=offsets)
    def wake(self, offset: timedelta) -> None:
        """Wake it up, too early or too late."""
        self._happen(WokeUp(at=self.now + offset))

    @precondition(lambda self: self.questions)
    @rule(pick=picks, offset=offsets, data=st.data())
    def answer(self, pick: int, offset: timedelta, data: st.DataObject) -> None:
        """Answer what it asked, a while ago perhaps, and perhaps again."""
        question = self.questions[-1 - pick % len(self.questions)]
        self._answer(question, self.now + offset, data)

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
        known = [*self.sends] or [("1.0.1.1.nobody", 0), ("webhook.1", 0)]
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
        drawn = data.draw(
            st.lists(drawing.alerts(len(self.past)), min_size=1, max_size=3)
        )
        self._happen(AlertsReceived(at=self.now + offset, alerts=tuple(drawn)))

    @rule(offset=offsets, is_again=st.integers(0, 9), data=st.data())
    def command(self, offset: timedelta, is_again: int, data: st.DataObject) -> None:
        """Have somebody do something, or do it again."""
        self.commands += 0 if is_again == 9 else 1
        name = f"c{self.commands}"
        comments = tuple(one.id for one in self.incident.checklists)
        self._happen(data.draw(drawing.commands(self.now + offset, name, comments)))

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
        while (at := runs_at(self.incident, self.now)) is not None:
            asked = len(self.questions)
            self._happen(WokeUp(at=at))
            for question in self.questions[asked:] if data else []:
                assert data is not None
                self._answer(question, at, data)
            moves += 1
            assert moves < MOVES_AT_ONCE_MAX

    def _answer(self, question: Question, at: datetime, data: st.DataObject) -> None:
        known = self.incident.snapshot
        match question:
            case LookUp(walk=walk, generation=generation):
                names = tuple(str(target) for target in question.targets)
                found = data.draw(drawing.responders(names))
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
                fresh = data.draw(
                    st.none() | st.just(self.root) | drawing.snapshots()
                )
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
        self._note_quiet_end(before)
        self._see_it_go_on(event, decision)
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

    def _see_it_go_on(self, event: Event, decision: Decision) -> None:
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
        for page in self.incident.pages:
            if page.id not in known:
                name = self.paged.setdefault((page.person, page.started_at), page.id)
                assert page.id == name

    def _see_sent(self, send: Send) -> None:
        """A rule of a page goes out once, under a key of its own."""
        assert (send.page, send.rule) not in self.sends
        assert send.due < send.give_up_at
        self.sends[send.page, send.rule] = send
        name = self.keys.setdefault(send.key, (send.page, send.rule))
        assert (send.page, send.rule) == name


TestLife = Life.TestCase
TestLife.settings = sized(200)
