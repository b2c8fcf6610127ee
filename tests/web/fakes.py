"""Stand-ins for the ports that the web uses; the core behind them is the real one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
from typing_extensions import override

from engine.adapters.memory import (
    ManualClock,
    MemoryIdempotencyKeys,
    MemoryRejectedEvents,
    MemoryTotals,
)
from engine.core.alerts import Alert, AlertStatus
from engine.core.effects import Comment
from engine.core.events import Attached, Command, Detached, Opened
from engine.core.incident import Decision, Incident, Status
from engine.core.machine import decide, open_incident
from engine.directory import (
    Directory,
    Integration,
    Route,
    Scope,
    Token,
    User,
    hash_secret,
)
from engine.errors import UnknownIncidentError
from engine.ids import mint
from engine.ports import (
    Backlog,
    Configuration,
    Due,
    Entry,
    Ids,
    IncidentReader,
    Posting,
    Receipt,
    Routed,
    RoutedAcknowledgement,
    RoutedAlert,
    Summary,
)
from engine.service import Administration, Tally
from policies.policy import Policy, Snapshot
from policies.steps import NotifyStep
from policies.targets import UserTarget
from workers.bootstrap import judge_address
from workers.web.app import Check, WebContext

NOW = datetime(2026, 11, 22, 0, 41, 10, 500_000, tzinfo=UTC)
VERSION = "0.1.0"
INGEST_KEY = "canary-ingest-key"
READ_SECRET = "canary-read-secret"  # noqa: S105 - a fake one
WRITE_SECRET = "canary-write-secret"  # noqa: S105 - a fake one
ALICE_SECRET = "canary-alice-secret"  # noqa: S105 - a fake one
GONE_SECRET = "canary-gone-secret"  # noqa: S105 - a fake one
INCIDENT_ID = mint(NOW, 3, 5)
SHOWN_ID = f"inc_{INCIDENT_ID}"
INGEST_PATH = f"/ingest/alertmanager/{INGEST_KEY}"
ROUTING_KEY = "canary-routing-key"
INGEST_SECRET = "canary-ingest-secret"  # noqa: S105 - a fake one
ADMIN_SECRET = "canary-admin-secret"  # noqa: S105 - a fake one


def a_token(secret: str, name: str, *scopes: Scope, user: str | None = None) -> Token:
    """Make a token of which only the hash is kept."""
    return Token(hash=hash_secret(secret), name=name, scopes=scopes, user=user)


def an_integration(**changes: object) -> Integration:
    """Make an integration for Alertmanager."""
    integration = Integration(
        id="prometheus",
        name="Prometheus",
        source="alertmanager",
        key_hash=hash_secret(INGEST_KEY),
        routes=(Route(policy="default"),),
    )

    return integration.model_copy(update=changes)


def a_directory(**changes: object) -> Directory:
    """Make a directory with one integration, tokens, alice, and bob who left."""
    tokens = (
        a_token(READ_SECRET, "reader", Scope.READ),
        a_token(WRITE_SECRET, "writer", Scope.WRITE),
        a_token(ALICE_SECRET, "laptop", Scope.ADMIN, user="alice"),
        a_token(GONE_SECRET, "old", Scope.ADMIN, user="bob"),
    )

    return Directory(
        users={
            "alice": User(id="alice", name="Alice"),
            "bob": User(id="bob", name="Bob", is_active=False),
        },
        integrations={"prometheus": an_integration()},
        tokens={token.hash: token for token in tokens},
    ).model_copy(update=changes)


def an_alert(**changes: object) -> Alert:
    """Make a firing alert."""
    values: dict[str, object] = {
        "id": "alert-1",
        "fingerprint": "f1",
        "status": AlertStatus.FIRING,
        "title": "disk full",
        "labels": {"severity": "critical"},
        **changes,
    }

    return Alert(**values)  # type: ignore[arg-type] # a builder for tests


def an_opening() -> Opened:
    """Make the event that opens the incident of these tests."""
    return Opened(
        at=NOW,
        incident_id=INCIDENT_ID,
        key="f1",
        integration="prometheus",
        snapshot="s",
        alert=an_alert(),
    )


def an_incident() -> Incident:
    """Make a triggered incident whose policy pages alice."""
    policy = Policy(
        id="default", steps=(NotifyStep(targets=(UserTarget(id="alice"),)),)
    )

    return open_incident(an_opening(), Snapshot.of(policy)).incident


def a_summary(number: int) -> Summary:
    """Make a summary; a higher number is a newer incident."""
    return Summary(
        id=mint(NOW, 0, number),
        title=f"alert {number}",
        status=Status.TRIGGERED,
        integration="prometheus",
        opened_at=NOW,
        alert_count=1,
        firing_count=1,
    )


@dataclass(slots=True)
class FakeEngine:
    """Takes alerts in, and decides commands with the real core; or fails as told."""

    incidents: dict[str, Incident] = field(default_factory=dict[str, Incident])
    received: list[RoutedAlert] = field(default_factory=list[RoutedAlert])
    acknowledged: list[RoutedAcknowledgement] = field(
        default_factory=list[RoutedAcknowledgement]
    )
    commands: list[Command] = field(default_factory=list[Command])
    failure: Exception | None = None
    held_up: anyio.Event | None = None
    posting: Posting = Posting.OPENED
    channels: frozenset[str] = frozenset({"console", "webhook"})
    histories: dict[str, tuple[Entry, ...]] = field(
        default_factory=dict[str, tuple[Entry, ...]]
    )

    async def ingest(self, notices: Sequence[Routed]) -> Sequence[Receipt]:
        """Note the alerts; each key opens an incident."""
        if self.failure:
            raise self.failure
        if self.held_up:
            await self.held_up.wait()
        for one in notices:
            if isinstance(one, RoutedAlert):
                self.received.append(one)
            else:
                self.acknowledged.append(one)
        found = None if self.posting is Posting.LATE else INCIDENT_ID

        return [Receipt(posting=self.posting, incident_id=found) for _ in notices]

    async def obey(self, incident_id: str, command: Command) -> Decision:
        """Decide a command and keep what comes of it."""
        decision = decide(await self.find(incident_id), command)
        self.commands.append(command)
        self.incidents[incident_id] = decision.incident
        if decision.reason.is_recorded:
            said = tuple(one for one in decision.effects if isinstance(one, Comment))
            entry = Entry(event=command, reason=decision.reason, comments=said)
            known = self.histories.get(incident_id, ())
            self.histories[incident_id] = (*known, entry)

        return decision

    async def attach(self, incident_id: str, command: Attached) -> Decision:
        """Decide it of the child alone."""
        return await self.obey(incident_id, command)

    async def detach(self, incident_id: str, command: Detached) -> Decision:
        """Decide it of the child alone."""
        return await self.obey(incident_id, command)

    async def find(self, incident_id: str) -> Incident:
        """Return an incident."""
        if self.failure:
            raise self.failure
        if incident_id not in self.incidents:
            raise UnknownIncidentError(incident_id)

        return self.incidents[incident_id]


@dataclass(slots=True)
class FakeReader(IncidentReader):
    """Shows what a test puts in."""

    listed: list[Summary] = field(default_factory=list[Summary])
    histories: dict[str, tuple[Entry, ...]] = field(
        default_factory=dict[str, tuple[Entry, ...]]
    )
    policies: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])
    holders: dict[tuple[str, str], str] = field(
        default_factory=dict[tuple[str, str], str]
    )
    asked: list[frozenset[Status]] = field(default_factory=list[frozenset[Status]])

    @override
    async def summaries(
        self,
        statuses: frozenset[Status],
        limit: int,
        before: str | None = None,
        teams: frozenset[str | None] | None = None,
    ) -> Sequence[Summary]:
        self.asked.append(statuses)
        newest_first = sorted(self.listed, key=lambda summary: summary.id, reverse=True)
        older = [one for one in newest_first if before is None or one.id < before]

        return [
            one
            for one in older
            if one.status in statuses and (teams is None or one.team in teams)
        ][:limit]

    @override
    async def history(self, incident_id: str) -> Sequence[Entry]:
        if incident_id not in self.histories:
            raise UnknownIncidentError(incident_id)

        return self.histories[incident_id]

    @override
    async def policies_of(
        self, incident_id: str, hashes: Collection[str]
    ) -> Mapping[str, Snapshot]:
        return {hashed: self.policies[hashed] for hashed in hashes}

    @override
    async def holder(self, integration: str, key: str) -> str | None:
        return self.holders.get((integration, key))


@dataclass(slots=True)
class FakeConfiguration(Configuration):
    """
    A directory that a test can change, or take away.

    Attributes:
        meddling: What somebody else changes right before each change, the last first.
    """

    directory: Directory = field(default_factory=a_directory)
    failure: Exception | None = None
    meddling: list[Mapping[str, object]] = field(
        default_factory=list[Mapping[str, object]]
    )

    @override
    async def read(self) -> Directory:
        if self.failure:
            raise self.failure

        return self.directory

    @override
    async def latest(self) -> Directory:
        return await self.read()

    @override
    async def seed(self, directory: Directory) -> bool:
        raise NotImplementedError

    @override
    async def change(self, before: Directory, after: Directory) -> bool:
        if self.meddling:
            update = {**self.meddling.pop(), "version": self.directory.version + 1}
            self.directory = self.directory.model_copy(update=update)
        if before.version != (await self.latest()).version:
            return False
        version = before.version + 1
        self.directory = after.model_copy(update={"version": version})

        return True


class CountedIds(Ids):
    """Counts, so that every id is another one."""

    def __init__(self) -> None:
        self._count = 0

    @override
    def incident_id(self, at: datetime, shard: int) -> str:
        raise NotImplementedError

    @override
    def command_id(self) -> str:
        self._count += 1

        return f"id{self._count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCheck:
    """What a check found."""

    name: str = "redis"
    ok: bool = True
    is_fatal: bool = True
    detail: str = "writable"


@dataclass(slots=True)
class FakeBacklog(Backlog):
    """So much waits as a test says."""

    waits: Due = field(default_factory=lambda: Due(count=0, overdue=0))
    failure: Exception | None = None

    @override
    async def due(self, longer: timedelta) -> Due:
        if self.failure:
            raise self.failure

        return self.waits


@dataclass(slots=True)
class World:
    """Everything around one web app, for a test to set and to look at."""

    engine: FakeEngine = field(default_factory=FakeEngine)
    reader: FakeReader = field(default_factory=FakeReader)
    configuration: FakeConfiguration = field(default_factory=FakeConfiguration)
    rejected_events: MemoryRejectedEvents = field(default_factory=MemoryRejectedEvents)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    idempotency: MemoryIdempotencyKeys = field(init=False)
    checks: list[FakeCheck] = field(default_factory=lambda: [FakeCheck()])
    checks_failure: Exception | None = None
    totals: MemoryTotals = field(default_factory=MemoryTotals)
    backlog: FakeBacklog = field(default_factory=FakeBacklog)
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        self.idempotency = MemoryIdempotencyKeys(self.clock)
        self.engine.histories = self.reader.histories
        self.tally = Tally(self.totals, "here")

    async def look(self) -> Sequence[Check]:
        """Run the checks."""
        if self.checks_failure:
            raise self.checks_failure

        return self.checks

    def judge(self, channel: str, address: str) -> str | None:
        """Judge an address as the installation does that allows nothing internal."""
        return judge_address(channel, address)

    def context(self, **changes: object) -> WebContext:
        """Return the context of the app under test."""
        values: Mapping[str, object] = {
            "engine": self.engine,
            "reader": self.reader,
            "configuration": self.configuration,
            "administration": Administration(
                configuration=self.configuration, judge_address=self.judge
            ),
            "idempotency": self.idempotency,
            "clock": self.clock,
            "ids": CountedIds(),
            "rejected_events": self.rejected_events,
            "checks": self.look,
            "version": VERSION,
            "measures": self.tally,
            "totals": self.totals,
            "backlog": self.backlog,
            **changes,
        }

        return WebContext(**values)  # type: ignore[arg-type] # a builder for tests
