"""A whole engine in memory, with a clock in the test's hand."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from engine.adapters.lookups.table import TableLookup
from engine.adapters.memory import (
    CountingIds,
    ManualClock,
    MemoryChannel,
    MemoryConfiguration,
    MemoryLastKnown,
    MemoryOutbox,
    MemoryStore,
    MemoryTotals,
    MemoryTurns,
)
from engine.core.alerts import Alert, AlertStatus
from engine.core.events import Attached, Command, Outcome
from engine.core.incident import Incident, Status
from engine.core.reasons import Reason
from engine.directory import (
    ContactMethod,
    Directory,
    Integration,
    NotificationRule,
    Place,
    Route,
    Team,
    Urgency,
    User,
)
from engine.ports import (
    Channel,
    DeliveryResult,
    Lane,
    Posting,
    Routed,
    RoutedAcknowledgement,
    RoutedAlert,
)
from engine.service import (
    Couriers,
    Engine,
    LookUps,
    Tally,
)
from policies.policy import Policy
from tests.support.look_ups import Rota

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
PEOPLE = ("alice", "bob", "carol")
SOURCE = "alertmanager"
PUBLIC_URL = "https://rung.example.com/"
CHANNELS = ("console", "sms", "call", "push", "webhook")
T = TypeVar("T")


class Word(NamedTuple):
    """
    What a source says of an alert in a backlog.

    Attributes:
        is_again: Whether it tells of the occurrence that it told of last.
        acknowledges: Whether it says that somebody took the incident of the key.
    """

    key: str
    fingerprint: str
    fires: bool = False
    is_again: bool = False
    acknowledges: bool = False


@dataclass(frozen=True, kw_only=True)
class Process:
    """What lives and dies together; what it keeps is behind its ports."""

    engine: Engine
    couriers: Couriers


class Driver:
    """Drives one engine through time."""

    def __init__(self, *policies: Policy, catch_all: str | None = None) -> None:
        self.clock = ManualClock(MIDNIGHT)
        self.ids = CountingIds()
        self.store = MemoryStore(self.clock, self.ids)
        self.channels = {name: MemoryChannel(self.clock) for name in CHANNELS}
        self._others: dict[str, Channel] = {}
        self.configuration = MemoryConfiguration(a_directory(policies, catch_all))
        self.turns = MemoryTurns()
        self.incidents: dict[str, str] = {}
        self.last_known = MemoryLastKnown(self.clock)
        self.rota = Rota(TableLookup(self.configuration))
        self.totals = MemoryTotals()
        self.tally = Tally(self.totals, "driven")
        self.process = self.assembled()
        self._alerts: dict[str, Alert] = {}

    def assembled(self) -> Process:
        """Make a process anew, on what is kept: the one place that knows its parts."""
        clock, store = self.through(self.clock), self.through(self.store)
        configuration = self.through(self.configuration)

        return Process(
            engine=Engine(
                clock=clock,
                store=store,
                mailbox=store,
                configuration=configuration,
                look_ups=LookUps(
                    self.through(self.rota),
                    mailbox=store,
                    last_known=self.through(self.last_known),
                    clock=clock,
                    is_local=lambda _target: self.rota.is_here,
                ),
                turns=self.through(self.turns),
                channels=frozenset(CHANNELS),
                look_ahead=timedelta(0),
                measures=self.tally,
            ),
            couriers=Couriers(
                outbox=self.through(MemoryOutbox(self.store, self.clock)),
                mailbox=store,
                channels={
                    name: self.through(one)
                    for name, one in {**self.channels, **self._others}.items()
                },
                configuration=configuration,
                clock=clock,
                public_url=PUBLIC_URL,
                measures=self.tally,
            ),
        )

    @property
    def engine(self) -> Engine:
        """The engine of the process that works now."""
        return self.process.engine

    def use(self, name: str, channel: Channel | None) -> None:
        """Have a channel of the test's own in place of the one that remembers, or not."""
        self._others = {name: channel} if channel else {}
        self.process = self.assembled()

    def through(self, port: T) -> T:
        """Return a port as a process is to have it."""
        return port

    async def ask(self, request: Callable[[Engine], Awaitable[T]]) -> T:
        """Ask the engine something from outside, and wait for its answer."""
        return await request(self.process.engine)

    @property
    def directory(self) -> Directory:
        """The configuration as it is now."""
        return self.configuration.directory

    def change(self, **parts: Any) -> None:
        """Change parts of the configuration."""
        self.configuration.put(self.directory.model_copy(update=parts))

    async def alert(
        self,
        key: str,
        fingerprint: str,
        *,
        fires: bool,
        labels: Mapping[str, str] | None = None,
    ) -> Posting:
        """Post one alert and let the engine decide it."""
        posting = await self.take_in(key, fingerprint, fires=fires, labels=labels)
        await self.settle()

        return posting

    async def backlog(self, words: Sequence[Word]) -> str:
        """Post notices while no worker runs, then let one decide them all."""
        for key, fingerprint, fires, is_again, acknowledges in words:
            if fires and not is_again:
                self.forget(fingerprint)
            if acknowledges:
                await self.take_in_acknowledgement(key)
            else:
                await self.take_in(key, fingerprint, fires=fires)
            self.clock.advance(timedelta(milliseconds=1))
        await self.settle()
        opened = len(await self.store.summaries(frozenset(Status), 100))

        return f"{opened} incidents"

    async def take_in(
        self,
        key: str,
        fingerprint: str,
        *,
        fires: bool,
        labels: Mapping[str, str] | None = None,
    ) -> Posting:
        """Post one alert, and leave it at that."""
        known = self._alerts.get(fingerprint)
        alert = Alert(
            id=self.ids.command_id(),
            fingerprint=fingerprint,
            status=AlertStatus.FIRING if fires else AlertStatus.RESOLVED,
            title=key,
            starts_at=known.starts_at if known else self.clock.now(),
            labels={"alertname": key} | dict(labels or {}),
        )
        self._alerts[fingerprint] = replace(alert)

        return await self._take_in(
            RoutedAlert(alert=alert, integration=SOURCE, key=key)
        )

    async def acknowledge_by_source(self, key: str) -> Posting:
        """Post that somebody acknowledged at the source, and let it be decided."""
        posting = await self.take_in_acknowledgement(key)
        await self.settle()

        return posting

    async def take_in_acknowledgement(self, key: str) -> Posting:
        """Post that somebody acknowledged at the source, and leave it at that."""
        command_id = self.ids.command_id()

        return await self._take_in(
            RoutedAcknowledgement(id=command_id, integration=SOURCE, key=key)
        )

    async def _take_in(self, routed: Routed) -> Posting:
        [receipt] = await self.ask(lambda engine: engine.ingest([routed]))
        if receipt.incident_id:
            self.incidents[routed.key] = receipt.incident_id

        return receipt.posting

    async def older_resolve(self, key: str) -> Posting:
        """Post that an occurrence is over from before the one that is known."""
        known = self._alerts[key]
        assert known.starts_at is not None
        self._alerts[key] = replace(
            known, starts_at=known.starts_at - timedelta(minutes=2)
        )
        posting = await self.alert(key, key, fires=False)
        self._alerts[key] = known

        return posting

    def forget(self, fingerprint: str) -> None:
        """Let the next notice of an alert be of a new occurrence."""
        self._alerts.pop(fingerprint, None)

    async def command(self, named: str, make: type[Command], **fields: Any) -> Reason:
        """Give a command, and let the engine do what follows from it."""
        command = make(at=self.clock.now(), id=self.ids.command_id(), **fields)
        incident_id = self.incidents[named]
        decision = await self.ask(lambda engine: engine.obey(incident_id, command))
        await self.settle()

        return decision.reason

    async def attach(self, child: str, parent: str) -> Reason:
        """Make an incident a part of another one."""
        command = Attached(
            at=self.clock.now(),
            id=self.ids.command_id(),
            by="alice",
            parent=self.incidents[parent],
        )
        child_id = self.incidents[child]
        decision = await self.ask(lambda engine: engine.attach(child_id, command))
        await self.settle()

        return decision.reason

    async def incident(self, key: str) -> Incident:
        """Return an incident as it is stored."""
        claimed = await self.store.load(self.incidents[key])
        assert claimed.incident is not None

        return claimed.incident

    def fail(self, person: str, channel: str | None = None) -> None:
        """Let every notification of a person fail for good, or those of a channel."""
        for name, kept in self.channels.items():
            if channel in {None, name}:
                kept.answers[person] = DeliveryResult(
                    outcome=Outcome.FAILED, detail="no such number", is_final=True
                )

    def recover(self, person: str) -> None:
        """Let notifications of a person succeed again."""
        for kept in self.channels.values():
            kept.answers.pop(person, None)

    def sent(self) -> list[tuple[datetime, str]]:
        """Return who was notified when; by which channel, if not by console."""
        found = [
            (at, order, f"{notification.person}{_by(name)}")
            for name, channel in self.channels.items()
            for order, (at, notification) in enumerate(
                zip(channel.sent_at, channel.sent, strict=True)
            )
        ]

        return [(at, text) for at, _, text in sorted(found, key=lambda each: each[:2])]

    async def pass_time(self, by: timedelta) -> None:
        """Let time pass, stopping wherever something is due."""
        until = self.clock.now() + by
        while (due := self.store.next_due()) and due <= until:
            self.clock.advance(max(timedelta(0), due - self.clock.now()))
            await self.settle()
        self.clock.advance(until - self.clock.now())

    def skip(self, by: timedelta) -> None:
        """Let time pass while nobody works."""
        self.clock.advance(by)

    async def settle(self) -> None:
        """Decide and deliver until nothing is due."""
        engine, couriers = self.process.engine, self.process.couriers
        async with couriers, engine.look_ups:
            while (due := self.store.next_due()) and due <= self.clock.now():
                await engine.drain(Lane.MAIL)
                await engine.drain(Lane.DUE)
                await couriers.deliver()
                await couriers.idle()
                if not self.rota.is_silent:
                    await engine.look_ups.idle()

    async def timeline(self, key: str) -> list[Reason]:
        """Return the reasons in an incident's history."""
        return [e.reason for e in await self.store.history(self.incidents[key])]

    async def comments(self, key: str) -> list[str]:
        """Return the comments of an incident, in their order."""
        history = await self.store.history(self.incidents[key])

        return [comment.text for entry in history for comment in entry.comments]


def a_user(name: str, rules: Sequence[tuple[str, timedelta]] = ()) -> User:
    """Return a person with a console, or with these channels after these delays."""
    channels = [channel for channel, _ in rules] or ["console"]
    methods = tuple(
        ContactMethod(id=f"{name}-{channel}", channel=channel)
        for channel in dict.fromkeys(channels)
    )
    high = tuple(
        NotificationRule(method=f"{name}-{channel}", delay=delay)
        for channel, delay in rules
    )

    return User(
        id=name,
        name=name.title(),
        email=f"{name}@example.com",
        contact_methods=methods,
        rules={"high": high} if high else {},
    )


def a_directory(policies: Sequence[Policy], catch_all: str | None) -> Directory:
    """Return a directory with three people and one source of alerts."""
    integration = Integration(
        id=SOURCE,
        name="Alertmanager",
        source=SOURCE,
        key_hash="",
        routes=(Route(policy=policies[0].id),),
    )
    users = {name: a_user(name) for name in PEOPLE}

    return Directory(
        version=1,
        users={**users, "dora": User(id="dora", name="Dora")},
        teams={"ops": Team(id="ops", name="Ops", schedule="primary")},
        default_team="ops",
        places={
            "war-room": Place(
                id="war-room", name="War room", kind="chat", channel="console"
            )
        },
        urgencies={
            "high": Urgency(id="high", name="High", channels=("console", "call")),
            "low": Urgency(id="low", name="Low", channels=("sms",)),
        },
        policies={policy.id: policy for policy in policies},
        integrations={SOURCE: integration},
        on_call={"primary": ("alice",), "nobody": ()},
        catch_all=catch_all,
    )


def _by(channel: str) -> str:
    return "" if channel == "console" else f" by {channel}"
