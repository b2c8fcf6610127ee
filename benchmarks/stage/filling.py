"""
Filling a store with open incidents, whose first timer is due when a benchmark says.

The product takes them in and decides them: append, claim, decide, commit, in this
process and in its own batches. One thing is not as it happened: the alert came, as the
engine is told, so long ago that the first wait is over at the time that is wanted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import anyio

from benchmarks.progress import Told, counted
from benchmarks.stage.directory import INTEGRATION, LABELS, POLICY_LABEL, SUMMARY
from benchmarks.stage.stage import Stage
from engine.core.alerts import Alert, AlertStatus
from engine.ports import Claimed, IncidentStore, Lane, Mail, RoutedAlert
from engine.service import Engine
from workers.bootstrap import connect
from workers.settings import Settings

# So many are appended in one round trip, while those before are decided.
BATCH = 1_000
NEVER_SAVED = "no"


@dataclass(frozen=True, slots=True)
class Backdated:
    """A store whose alerts came so long ago that they are due when they should be."""

    store: IncidentStore
    opened_at: Mapping[str, datetime]

    def __getattr__(self, name: str) -> Any:
        """Return what the store has."""
        return getattr(self.store, name)

    async def claim(
        self, lane: Lane, ahead_until: datetime | None = None
    ) -> Sequence[Claimed]:
        """Claim, and say of what opens an incident when it came."""
        claimed = await self.store.claim(lane, ahead_until)

        return [
            replace(one, mail=tuple(self._came(mail) for mail in one.mail))
            for one in claimed
        ]

    def _came(self, mail: Mail) -> Mail:
        match mail.content:
            case RoutedAlert(key=key):
                return replace(mail, at=self.opened_at[key])
            case _:
                return mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """
    Incidents to be stored.

    Attributes:
        dues: By name, which is the title too: when it is due, in seconds since 1970.
        wait: The first step of the policy.
        policy: By which label says; empty: the first.
    """

    dues: Mapping[str, float]
    wait: timedelta
    policy: str = ""

    def opened_at(self) -> dict[str, datetime]:
        """Return when each alert has to have come, by its dedup key."""
        return {name: _instant(due) - self.wait for name, due in self.dues.items()}

    def batches(self) -> Iterator[list[RoutedAlert]]:
        """Yield the alerts, so many at a time."""
        names = [*self.dues]
        for at in range(0, len(names), BATCH):
            yield [routed(name, self.policy) for name in names[at : at + BATCH]]


def fill(stage: Stage, filling: Filling) -> None:
    """
    Store incidents. No worker may run meanwhile, for it would open some as of now.

    What is answered meanwhile is on no disk before this returns: nobody is promised
    anything.
    """
    stage.set_fsync(NEVER_SAVED)
    with counted(f"storing {len(filling.dues):,} incidents") as told:
        anyio.run(
            partial(_fill, stage.server.url, filling, told),
            backend_options={"use_uvloop": True},
        )
    stage.set_fsync(stage.appendfsync)


async def _fill(url: str, filling: Filling, told: Told) -> None:
    done = 0
    async with connect(Settings(), url) as installation:
        await installation.prepare()
        backdated: object = Backdated(installation.engine.store, filling.opened_at())
        store = cast("IncidentStore", backdated)
        engine = replace(installation.engine, store=store)
        for batch in [*filling.batches(), []]:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(engine.ingest, batch)
                tasks.start_soon(_decide, engine)
            told(done, len(filling.dues))
            done += len(batch)


async def _decide(engine: Engine) -> None:
    while await engine.drain(Lane.MAIL):
        pass


def routed(name: str, policy: str = "") -> RoutedAlert:
    """Return a typical alert under a name, which is its dedup key and its title."""
    chosen = {POLICY_LABEL: policy} if policy else {}
    alert = Alert(
        id=name,
        fingerprint=name,
        status=AlertStatus.FIRING,
        title=name,
        labels={**LABELS, "instance": name, **chosen},
        message=SUMMARY,
    )

    return RoutedAlert(alert=alert, integration=INTEGRATION, key=name)


def _instant(seconds: float) -> datetime:
    """Return a time to a millisecond, as the store keeps it."""
    return datetime.fromtimestamp(round(seconds, 3), UTC)
