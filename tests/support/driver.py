"""A whole engine in memory, with a clock in the test's hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engine.adapters.lookups.table import TableLookup
from engine.adapters.memory import (
    CountingIds,
    ManualClock,
    MemoryChannel,
    MemoryConfiguration,
    MemoryOutbox,
    MemoryStore,
)
from engine.core.alerts import Alert, AlertStatus
from engine.core.events import Acknowledged, Outcome, Resolved
from engine.core.incident import Status
from engine.core.reasons import Reason
from engine.directory import ContactMethod, Directory, Integration, Urgency, User
from engine.ports import DeliveryResult, Lane, Posting, RoutedAlert
from engine.service import Couriers, Engine
from policies.policy import Policy

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
PEOPLE = ("alice", "bob", "carol")
SOURCE = "alertmanager"


class Driver:
    """Drives one engine through time."""

    def __init__(self, policy: Policy) -> None:
        self.clock = ManualClock(MIDNIGHT)
        self.ids = CountingIds()
        self.store = MemoryStore(self.clock, self.ids)
        self.console = MemoryChannel()
        self.configuration = MemoryConfiguration(a_directory(policy))
        self.incidents: dict[str, str] = {}
        self.engine = Engine(
            clock=self.clock,
            store=self.store,
            mailbox=self.store,
            configuration=self.configuration,
            lookup=TableLookup(self.configuration),
            channels=frozenset({"console"}),
            look_ahead=timedelta(0),
        )
        self._alerts: dict[str, Alert] = {}

    async def alert(self, key: str, fingerprint: str, *, fires: bool) -> Posting:
        """Post one alert and let the engine decide it."""
        posting = await self._post(key, fingerprint, fires=fires)
        await self.settle()

        return posting

    async def backlog(self, notices: list[tuple[str, str, bool]]) -> str:
        """Post alerts while no worker runs, then let one decide them all."""
        for key, fingerprint, fires in notices:
            if not fires:
                await self._post(key, fingerprint, fires=False)
                self.forget(fingerprint)
            else:
                await self._post(key, fingerprint, fires=True)
            self.clock.advance(timedelta(milliseconds=1))
        await self.settle()
        opened = len(await self.store.summaries(frozenset(Status), 100))

        return f"{opened} incidents"

    async def _post(self, key: str, fingerprint: str, *, fires: bool) -> Posting:
        known = self._alerts.get(fingerprint)
        alert = Alert(
            id=self.ids.command_id(),
            fingerprint=fingerprint,
            status=AlertStatus.FIRING if fires else AlertStatus.RESOLVED,
            title=key,
            starts_at=known.starts_at if known else self.clock.now(),
            labels={"alertname": key},
        )
        self._alerts[fingerprint] = replace(alert)
        routed = RoutedAlert(alert=alert, integration=SOURCE, key=key)
        [receipt] = await self.engine.ingest([routed])
        if receipt.incident_id:
            self.incidents[key] = receipt.incident_id

        return receipt.posting

    def forget(self, fingerprint: str) -> None:
        """Let the next notice of an alert be of a new occurrence."""
        self._alerts.pop(fingerprint, None)

    async def acknowledge(self, key: str, by: str) -> Reason:
        """Take an incident."""
        command = Acknowledged(at=self.clock.now(), id=self.ids.command_id(), by=by)

        return (await self.engine.obey(self.incidents[key], command)).reason

    async def resolve(self, key: str, by: str) -> Reason:
        """Close an incident."""
        command = Resolved(at=self.clock.now(), id=self.ids.command_id(), by=by)

        return (await self.engine.obey(self.incidents[key], command)).reason

    def fail(self, person: str) -> None:
        """Let every notification of a person fail for good."""
        self.console.answers[person] = DeliveryResult(
            outcome=Outcome.FAILED, detail="no such number", is_final=True
        )

    async def pass_time(self, by: timedelta) -> None:
        """Let time pass, stopping wherever something is due."""
        until = self.clock.now() + by
        while (due := self.store.next_due()) and due <= until:
            self.clock.advance(max(timedelta(0), due - self.clock.now()))
            await self.settle()
        self.clock.advance(until - self.clock.now())

    async def settle(self) -> None:
        """Decide and deliver until nothing is due."""
        couriers = Couriers(
            outbox=MemoryOutbox(self.store, self.clock),
            channels={"console": self.console},
            configuration=self.configuration,
            clock=self.clock,
        )
        async with couriers:
            while (due := self.store.next_due()) and due <= self.clock.now():
                await self.engine.drain(Lane.MAIL)
                await self.engine.drain(Lane.DUE)
                await couriers.deliver()
                await couriers.settled()

    async def timeline(self, key: str) -> list[Reason]:
        """Return the reasons in an incident's history."""
        return [e.reason for e in await self.store.history(self.incidents[key])]


def a_directory(policy: Policy) -> Directory:
    """Return a directory with three people and one source of alerts."""
    users = {
        name: User(
            id=name,
            name=name.title(),
            contact_methods=(ContactMethod(id=f"{name}-console", channel="console"),),
        )
        for name in PEOPLE
    }
    integration = Integration(
        id=SOURCE, name="Alertmanager", source=SOURCE, key_hash="", policy=policy.id
    )

    return Directory(
        version=1,
        users={**users, "dora": User(id="dora", name="Dora")},
        urgencies={"high": Urgency(id="high", name="High", channels=("console",))},
        policies={policy.id: policy},
        integrations={SOURCE: integration},
        on_call={"primary": ("alice",), "nobody": ()},
    )
