"""
A settlement: what has been decided of one claimed incident, until it is stored.

Each event goes through the core, and what the core asks is answered on the way, if that
can be done in the process; the answers are events like any other. What has to be asked
outside is asked once all of it is stored.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from engine.core.effects import (
    CallWebhook,
    Comment,
    Effect,
    LookUp,
    NamePolicy,
    Notice,
    Publish,
    Send,
    TakeSnapshot,
    TakeTurn,
    Tell,
    Withdraw,
)
from engine.core.events import (
    Acknowledged,
    AlertsReceived,
    Command,
    DeliveryReported,
    Event,
    Outcome,
)
from engine.core.incident import Decision, Incident, Status
from engine.core.machine import decide, open_incident
from engine.core.reasons import Reason
from engine.core.running import TELL_PAGE
from engine.directory import WEBHOOKS
from engine.ids import show_incident_id
from engine.ports import (
    Claimed,
    Commit,
    Counter,
    Entry,
    Mail,
    Measures,
    Routed,
    RoutedAlert,
    Span,
)
from engine.service.addresses import with_provider
from engine.service.directions import Directions, Unanswered
from engine.service.responders import PLACE
from policies.policy import Snapshot

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

PUBLISHED = {
    Notice.NOBODY_REACHED: "incident.reached_nobody",
    Notice.EXHAUSTED: "incident.exhausted",
    Notice.MAINTENANCE_ENDED: "maintenance.ended",
}
# The channel of word to other incidents. Webhooks of policies have that of webhooks.
INCIDENTS = "incident"
SENT_APART_FOR = timedelta(minutes=10)


@dataclass(slots=True, kw_only=True)
class Settlement:
    """
    What has been decided of one claimed incident so far.

    Attributes:
        unanswered: Look-ups to be asked outside once this is stored.
        wanted: A turn without which it does not go on. All that one claim wants are
            taken in one go.
        owed_since: Since when what runs now was due, if it runs late; of several timers
            that do, the first one's. What people and sources do is never late.
        ran: When each timer that ran was due.
    """

    claimed: Claimed
    directions: Directions
    now: datetime
    command: Command | None
    incident: Incident | None
    mail: deque[Mail]
    reason: Reason = Reason.STALE
    history: list[Entry] = field(default_factory=list[Entry])
    sends: dict[tuple[str, int], Send] = field(
        default_factory=dict[tuple[str, int], Send]
    )
    withdrawals: list[Withdraw] = field(default_factory=list[Withdraw])
    ended: list[str] = field(default_factory=list[str])
    read_up_to: int = 0
    repeats: int = 0
    not_before: datetime | None = None
    owed_since: datetime | None = None
    follow_ups: list[Routed] = field(default_factory=list[Routed])
    unanswered: list[Unanswered] = field(default_factory=list[Unanswered])
    wanted: TakeTurn | None = None
    ran: list[datetime] = field(default_factory=list[datetime])
    _answered_after: timedelta | None = None
    _moves: list[tuple[Status, Reason]] = field(
        default_factory=list[tuple[Status, Reason]]
    )
    _published: list[Notice] = field(default_factory=list[Notice])

    async def apply(self, event: Event, snapshot: Snapshot | None = None) -> Reason:
        """
        Decide one event and what its questions' answers lead to.

        Returns:
            What was decided of the event itself.
        """
        assert self.incident is not None
        decision = decide(self.incident, event, snapshot)
        if isinstance(event, Acknowledged) and _is_taken(self.incident, decision):
            self._answered_after = event.at - self.incident.opened_at
        await self._take(event, decision)

        return decision.reason

    async def open(self, routed: RoutedAlert, at: datetime) -> None:
        """Open the incident with its first alert."""
        opened, snapshot = self.directions.opening(self.claimed, routed, at)
        await self._take(opened, open_incident(opened, snapshot))

    @property
    def has_news(self) -> bool:
        """Whether there is anything to store."""
        return self.incident is not None and bool(
            self.history or self.repeats or self.read_up_to or self.ended
        )

    @property
    def is_over(self) -> bool:
        """Whether alerts that fire from here on belong to another incident."""
        return self.incident is not None and not self.incident.status.is_open

    def act(self, stored_at: datetime, measures: Measures) -> None:
        """Do what follows once all of it is stored: tell the log, ask outside."""
        self._log_moves()
        self._measure(stored_at, measures)
        for unanswered in self.unanswered:
            self.directions.ask(self.claimed.incident_id, unanswered)

    def _log_moves(self) -> None:
        for status, reason in self._moves:
            log.info(
                "incident.moved",
                incident_id=show_incident_id(self.claimed.incident_id),
                status=status,
                reason=reason,
                configuration=self.directions.directory.version,
            )
        for notice in self._published:
            log.warning(
                PUBLISHED[notice],
                incident_id=show_incident_id(self.claimed.incident_id),
            )

    def _measure(self, stored_at: datetime, measures: Measures) -> None:
        """Count what came of it: only now, for what is not stored has not happened."""
        for due in self.ran:
            measures.time(Span.LATENESS, stored_at - due)
        if self._answered_after is not None:
            measures.time(Span.ANSWER, self._answered_after)
        exhausted = self._published.count(Notice.EXHAUSTED)
        if exhausted:
            measures.add(Counter.EXHAUSTED, count=exhausted)

    def commit(self) -> Commit:
        """Return what is to be stored."""
        assert self.incident is not None

        return Commit(
            claimed=self.claimed,
            incident=self.incident,
            history=tuple(self.history),
            sends=tuple(self.sends.values()),
            withdrawals=tuple(self.withdrawals),
            read_up_to=self.read_up_to,
            not_before=self.not_before,
            ended=tuple(self.ended),
            repeats=self.repeats,
            follow_ups=tuple(self.follow_ups),
        )

    async def _take(self, event: Event, decision: Decision) -> None:
        self.incident = decision.incident
        if decision.reason.is_recorded:
            comments = tuple(e for e in decision.effects if isinstance(e, Comment))
            self.history.append(
                Entry(event=event, reason=decision.reason, comments=comments)
            )
            self._moves.append((decision.incident.status, decision.reason))
        elif isinstance(event, AlertsReceived):
            self.repeats += len(event.alerts)
        for effect in decision.effects:
            await self._perform(effect)

    async def _perform(self, effect: Effect) -> None:  # noqa: C901 - one arm each
        match effect:
            case LookUp() | NamePolicy() | TakeSnapshot():
                await self._answer(effect)
            case TakeTurn():
                self.wanted = effect
            case Send():
                self._send(effect)
            case Withdraw():
                if self.sends.pop((effect.page, effect.rule), None) is None:
                    self.withdrawals.append(effect)
            case CallWebhook() if WEBHOOKS not in self.directions.channels:
                await self.apply(_not_configured(effect))
            case CallWebhook():
                self._send_apart(
                    effect.page,
                    WEBHOOKS,
                    effect.webhook,
                    effect.key,
                    PLACE + effect.webhook,
                )
            case Tell():
                page = f"{TELL_PAGE}.{effect.id}.{effect.child}"
                method = f"{effect.what}:{effect.child}"
                self._send_apart(page, INCIDENTS, method, effect.id, effect.by)
            case Publish():
                self._published.append(effect.notice)
            case Comment():
                return  # kept with the line of history

    async def _answer(self, question: LookUp | NamePolicy | TakeSnapshot) -> None:
        """Answer in the process what can be; the answer is an event like any other."""
        assert self.incident is not None
        snapshot: Snapshot | None
        match question:
            case LookUp():
                told = await self.directions.resolve(question, self.incident.snapshot)
                if isinstance(told, Unanswered):
                    self.unanswered.append(replace(told, owed_since=self.owed_since))
                else:
                    await self.apply(*told)
            case NamePolicy():
                named, snapshot = self.directions.name_policy(
                    question, self.incident.snapshot
                )
                await self.apply(named, snapshot)
            case TakeSnapshot():
                taken, snapshot = self.directions.take_snapshot(question)
                await self.apply(taken, snapshot)

    def _send(self, send: Send) -> None:
        assert self.incident is not None
        owed_since = self.owed_since
        # The first step of an opening that was read late runs late, and stays its own.
        opens = owed_since is not None and owed_since <= self.incident.opened_at
        sent = replace(
            send,
            owed_since=owed_since,
            caused_by_timer=send.caused_by_timer and not opens,
        )
        self.sends[send.page, send.rule] = with_provider(
            self.directions.directory, sent
        )

    def _send_apart(
        self, page: str, channel: str, method: str, key: str, person: str
    ) -> None:
        """Send what is no page by the outbox too, so that it outlives the process."""
        assert self.incident is not None
        at = self.incident.last_at
        self._send(
            Send(
                page=page,
                rule=0,
                person=person,
                method=method,
                channel=channel,
                key=key,
                due=at,
                give_up_at=at + SENT_APART_FOR,
                caused_by_timer=True,
            )
        )


def _is_taken(before: Incident, decision: Decision) -> bool:
    """
    Tell whether an acknowledgement is somebody's answer to the incident as it opened.

    Not if it was taken already, or given back since: that time is not one of waiting.
    An alert that starts it again does so because nobody has answered yet.
    """
    is_first = before.start == 1 or before.started_again_at is not None
    was_taken = before.status is Status.ACKNOWLEDGED

    return decision.reason is Reason.ACKNOWLEDGED and is_first and not was_taken


def _not_configured(call: CallWebhook) -> DeliveryReported:
    return DeliveryReported(
        at=call.due,
        page=call.page,
        rule=0,
        channel=WEBHOOKS,
        attempt=0,
        outcome=Outcome.FAILED,
        detail="this installation has no channel for webhooks",
    )
