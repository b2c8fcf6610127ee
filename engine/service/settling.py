"""
Settling: fold all that has happened to a claimed incident into one commit.

Mail and due timers are decided in the order of their times, in one instant mail
first, on while anything is due. Questions that can be answered in the process are
answered on the way; the answers are events like any other.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from engine.core.alerts import Alert, AlertStatus
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
    AlertsReceived,
    Command,
    DeliveryReported,
    Escalated,
    Event,
    Outcome,
    TargetsResolved,
    TurnTaken,
    WokeUp,
)
from engine.core.incident import Decision, Incident, Status
from engine.core.machine import decide, open_incident, runs_at
from engine.core.reasons import Reason
from engine.core.running import TELL_PAGE
from engine.directory import WEBHOOKS
from engine.errors import UnknownIncidentError
from engine.ids import show_incident_id
from engine.ports import Claimed, Commit, Entry, Mail, RoutedAlert
from engine.service.addresses import with_provider
from engine.service.directions import Directions, Unanswered
from engine.service.responders import PLACE
from policies.policy import Snapshot

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Text is kept of so many alerts of one event; of the rest only what decides.
BODIES_MAX = 20
PUBLISHED = {
    Notice.NOBODY_REACHED: "incident.reached_nobody",
    Notice.EXHAUSTED: "incident.exhausted",
    Notice.MAINTENANCE_ENDED: "maintenance.ended",
}
# The channel of word to other incidents. Webhooks of policies have that of webhooks.
INCIDENTS = "incident"
SENT_APART_FOR = timedelta(minutes=10)
# A commit stays small: what is left is due at once and follows in the next one. Only a
# single decision may ask for more.
SENDS_MAX = 500
# A bound for a broken policy; what is left is due at once and comes again.
EVENTS_MAX = 1_000


@dataclass(slots=True, kw_only=True)
class Settlement:
    """
    What has been decided of one claimed incident so far.

    Attributes:
        unanswered: Look-ups to be asked outside once this is stored.
        wanted: A turn without which it does not go on. All that one claim wants are
            taken in one go.
        owed_since: Since when what runs now was due, if it runs late; of several timers
            that do, the first one's.
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
    follow_ups: list[RoutedAlert] = field(default_factory=list[RoutedAlert])
    unanswered: list[Unanswered] = field(default_factory=list[Unanswered])
    wanted: TakeTurn | None = None
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
        await self._take(event, decision)

        return decision.reason

    async def run(self) -> None:
        """
        Decide on, until nothing is due or a turn has to be taken first.

        Raises:
            UnknownIncidentError: If there is a command but no incident to obey it.
        """
        for _ in range(EVENTS_MAX):
            due = _next_timer(self, self.now, self.command)
            if self.mail and (due is None or self.mail[0].at <= due):
                await _read(self, self.mail, due)
            elif due is not None and self.incident is not None:
                await self._wake(due)
            else:
                break
            if self.wanted is not None:
                return
            if len(self.sends) >= SENDS_MAX:
                break
        await self._obey()

    async def go_on(self, taken: TurnTaken) -> None:
        """Go on with the turn that was wanted."""
        self.wanted = None
        await self.apply(taken)
        if self.wanted is None:
            await self.run()

    async def _wake(self, at: datetime) -> None:
        """Run the timer that is due, as of its time or, if that is long ago, of now."""
        assert self.incident is not None
        self.not_before = self.incident.next_due
        if self.not_before is not None and self.not_before < at:
            self.owed_since = self.owed_since or self.not_before
        elif self.not_before != self.incident.last_at:
            # Not what follows at once from one that was late.
            self.owed_since = None
        await self.apply(WokeUp(at=at))

    async def _obey(self) -> None:
        """Carry out the command, once; policies that it names come with it."""
        command, self.command = self.command, None
        if command is None:
            return
        if self.incident is None:
            raise UnknownIncidentError(self.claimed.incident_id)
        snapshot = None
        if isinstance(command, Escalated):
            snapshot = self.directions.with_policies(
                self.incident.snapshot, command.targets
            )
            command = replace(command, snapshot=snapshot.hash)
        self.reason = await self.apply(command, snapshot)

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

    def act(self) -> None:
        """Do what follows once all of it is stored: tell the log, ask outside."""
        self._log_moves()
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
                    self.unanswered.append(told)
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
        owed_since = self.owed_since if send.caused_by_timer else None
        self.sends[send.page, send.rule] = with_provider(
            self.directions.directory, replace(send, owed_since=owed_since)
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


async def settle(
    claimed: Claimed,
    directions: Directions,
    now: datetime,
    command: Command | None = None,
) -> Settlement:
    """
    Decide all mail and every timer due by now, then the command, if there is one.

    It stops where it wants a turn: take that, and `go_on`.

    Raises:
        UnknownIncidentError: If there is a command but no incident to obey it.
    """
    settlement = Settlement(
        claimed=claimed,
        directions=directions,
        now=now,
        command=command,
        incident=claimed.incident,
        mail=deque(claimed.mail),
    )
    await settlement.run()

    return settlement


def _next_timer(
    settlement: Settlement, now: datetime, command: Command | None
) -> datetime | None:
    """
    Tell as of when the next timer runs; None if none does now.

    Due in one instant, what people did comes first (SEMANTICS 1): before a command only
    those run that were due before it.
    """
    incident = settlement.incident
    if incident is None or incident.next_due is None:
        return None
    if command is not None and incident.next_due >= command.at:
        return None

    return runs_at(incident, now)


async def _read(
    settlement: Settlement, mail: deque[Mail], until: datetime | None
) -> None:
    """Read the oldest mail; alerts that follow each other become one event."""
    first = mail.popleft()
    settlement.read_up_to = first.number
    match first.content:
        case None:
            return
        case RoutedAlert() as routed if settlement.incident is None:
            _note_end(settlement, routed.alert)
            # What is over opens nothing; the one that fired was lost on its way.
            if _fires(routed):
                await settlement.open(routed, first.at)
        case RoutedAlert() as routed if _opens_next(settlement, routed):
            settlement.follow_ups.append(routed)
        case RoutedAlert() as routed:
            alerts = [routed.alert, *_more_alerts(settlement, mail, until, routed)]
            for alert in alerts:
                _note_end(settlement, alert)
            await settlement.apply(AlertsReceived(at=first.at, alerts=_bodies(alerts)))
        case event if settlement.incident is not None:
            await _hear(settlement, replace(event, at=max(event.at, first.at)))
        case _:
            log.error(
                "mail.dropped",
                incident_id=show_incident_id(settlement.claimed.incident_id),
            )


async def _hear(settlement: Settlement, event: Event) -> None:
    """Apply what came by mail; policies that an answer names come with it."""
    assert settlement.incident is not None
    snapshot = None
    if isinstance(event, TargetsResolved):
        known = settlement.incident.snapshot
        event, snapshot = settlement.directions.with_named(event, known)
    await settlement.apply(event, snapshot)


def _opens_next(settlement: Settlement, routed: RoutedAlert) -> bool:
    """
    Tell whether an alert belongs to the incident after this one.

    Not if it tells again of an occurrence whose end was read just now: that is late.
    """
    is_late = routed.alert.occurrence in settlement.ended

    return settlement.is_over and _fires(routed) and not is_late


def _more_alerts(
    settlement: Settlement,
    mail: deque[Mail],
    until: datetime | None,
    before: RoutedAlert,
) -> list[Alert]:
    """
    Take the alerts that come next.

    One that fires is never put into one event with one before it that ended: that one
    may close the incident, and then this one opens another.
    """
    alerts = []
    while mail and (until is None or mail[0].at <= until):
        content = mail[0].content
        if not isinstance(content, RoutedAlert):
            break
        if _fires(content) and not _fires(before):
            break
        settlement.read_up_to = mail.popleft().number
        alerts.append(content.alert)
        before = content

    return alerts


def _fires(routed: RoutedAlert) -> bool:
    return routed.alert.status is AlertStatus.FIRING


def _note_end(settlement: Settlement, alert: Alert) -> None:
    if alert.status is AlertStatus.RESOLVED and alert.occurrence:
        settlement.ended.append(alert.occurrence)


def _bodies(alerts: list[Alert]) -> tuple[Alert, ...]:
    bare = [
        replace(alert, labels={}, message="", link="") for alert in alerts[BODIES_MAX:]
    ]

    return (*alerts[:BODIES_MAX], *bare)
