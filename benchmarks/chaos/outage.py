"""
Outage: no worker for 26 hours of virtual time, and then one.

`python -m benchmarks outage --json`. A real redis-server, whose scripts read a time
that moves only when it is told to, holds incidents in every state that one can be in
(states.py): they wait, page by later rules, are acknowledged or snoozed for a while or
for longer, ask who is on call, are unread, unsent, in flight, exhausted, resolved. Then
the only worker dies: nothing it has begun is ended. 26 hours later another one starts,
the real one, woken by arq.

Redis counts times to live by its own clock. So what expires within 26 hours, by the
time to live it has, is deleted, and the rest has so much less: arq's job keys, last
known answers, tickets of turns (Virtual.expire).

Checked: whatever was due fires once, at once; pages say how late they are; what was
not due is left alone; later waits count from then. Then four more hours go by, in which
what was due is escalated to the end. Figures: incidents, overdue ones, pages, lost,
doubled, and the real seconds until all that was overdue had run. Not measured: what a
worker can do that does not share its cores and its process with the one who looks.
"""

import logging
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import structlog

from benchmarks.chaos.late_pages import Ledger, Sent, problems
from benchmarks.chaos.states import STATES, Brought, State, configured
from benchmarks.options import Figures, Options
from engine.core.alerts import Alert, AlertStatus
from engine.core.events import Acknowledged, Outcome, Resolved, Snoozed
from engine.ports import Channel, Clock, DeliveryResult, Lane, Notification, RoutedAlert
from tests.support.driver import CHANNELS
from tests.support.virtual import Virtual, VirtualProcess, eventually, virtual

DOWN_FOR, FOLLOWED_FOR = timedelta(hours=26), timedelta(hours=4)
INCIDENTS_EACH = 60
# A send that hangs holds a slot of the worker; it needs the others.
IN_FLIGHT_MAX = 10
# Leases and look-ups are due so soon; whatever a policy waits for is due later.
SOON = timedelta(seconds=10)
# Late enough for the sweep to see that nobody was woken: time jumps too far for arq.
LATE = timedelta(milliseconds=400)
# The last three once no worker works any more; what is unread must stay so.
LATE_ONES = (Brought.UNSENT, Brought.ASKING, Brought.UNREAD)
ORDER = (
    Brought.PAGED,
    Brought.ACKNOWLEDGED,
    Brought.SNOOZED,
    Brought.RESOLVED,
    Brought.IN_FLIGHT,
    *LATE_ONES,
)
SETTLED_SECONDS_MAX = 120.0


@dataclass
class Console:
    """
    Remembers what it was given, and when by virtual time.

    Attributes:
        hangs_at: Titles of what it never says it has sent.
        hanging: How many it has been given of those.
    """

    clock: Clock
    sent: list[Sent]
    hangs_at: frozenset[str] = frozenset()
    hanging: int = 0

    async def send(self, notification: Notification) -> DeliveryResult:
        """Remember it; then hang, or say that it is sent."""
        self.sent.append(
            Sent(
                at=self.clock.now(),
                incident=notification.incident_id,
                person=notification.person,
                key=notification.key,
                late=timedelta(seconds=notification.late_by_seconds),
            )
        )
        if notification.title in self.hangs_at:
            self.hanging += 1
            await anyio.sleep_forever()

        return DeliveryResult(outcome=Outcome.SENT)


@dataclass
class Outage:
    """
    One outage, from the first alert to four hours after it.

    Attributes:
        incidents: The state of each incident, by id.
        expired: The keys that were gone by its end.
        seconds: How long it took until all that was overdue had run.
    """

    world: Virtual
    each: int
    sent: list[Sent] = field(default_factory=list[Sent])
    incidents: dict[str, State] = field(default_factory=dict[str, State])
    expired: Sequence[str] = ()
    seconds: float = 0.0
    consoles: list[Console] = field(default_factory=list[Console])

    def channels(self, clock: Clock) -> Mapping[str, Channel]:
        """Return the channels of a process: one, which remembers for all of them."""
        hangs_at = frozenset({Brought.IN_FLIGHT.name})
        # Only that of the worker that dies; those after it find theirs well again.
        hangs_at = hangs_at if not self.consoles else frozenset()
        self.consoles.append(Console(clock, self.sent, hangs_at))

        return dict.fromkeys(CHANNELS, self.consoles[-1])

    async def run(self) -> Ledger:
        """Go through all of it; return what came of it."""
        began_at = self.world.time.now
        await self._bring_about()
        before = tuple(self.sent)
        self.sent.clear()
        self.expired = await self.world.expire(DOWN_FOR)
        back_at = began_at + DOWN_FOR
        await self.world.jump_to(back_at)
        worker = self.world.process()
        async with worker.working():
            began = time.monotonic()
            await eventually(self._is_settled, SETTLED_SECONDS_MAX)
            self.seconds = time.monotonic() - began
            await self._go_on(back_at + FOLLOWED_FOR)
            statuses = {
                one: (await worker.engine.find(one)).status for one in self.incidents
            }

        return Ledger(
            down_for=DOWN_FOR,
            back_at=back_at,
            states=self.incidents,
            before=before,
            sent=tuple(self.sent),
            statuses=statuses,
        )

    async def _bring_about(self) -> None:
        """Bring incidents into their states; then nobody works any more."""
        states = sorted(STATES, key=lambda state: ORDER.index(state.brought))
        late = [state for state in states if state.brought in LATE_ONES]
        await self._work_and_die(states[: -len(late)])
        for state in late:
            process = self.world.process()
            self.world.rota.is_silent = state.brought is Brought.ASKING
            async with process.engine.look_ups:
                await self._fire(process, state)
                if state.brought is not Brought.UNREAD:
                    await process.engine.drain(Lane.MAIL)
                if state.brought is Brought.UNSENT:
                    await process.engine.look_ups.idle()
                    await process.engine.drain(Lane.MAIL)
        self.world.rota.is_silent = False

    async def _work_and_die(self, states: Sequence[State]) -> None:
        worker = self.world.process()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.work)
            for state in states:
                ids = await self._fire(worker, state)
                if state.is_in_flight:
                    hanging = len(ids)
                    continue
                await eventually(self._is_settled, SETTLED_SECONDS_MAX)
                for incident in ids:
                    await _command(worker, state, incident)
            await eventually(lambda: self._hang(hanging))
            # As by SIGKILL: what it has begun is not ended, nor given back.
            tasks.cancel_scope.cancel()

    async def _fire(self, process: VirtualProcess, state: State) -> list[str]:
        count = min(self.each, IN_FLIGHT_MAX) if state.is_in_flight else self.each
        routed = [
            RoutedAlert(
                alert=_alert(state, number),
                integration=state.name,
                key=f"{state.name}-{number}",
            )
            for number in range(count)
        ]
        receipts = await process.engine.ingest(routed)
        ids = [str(receipt.incident_id) for receipt in receipts]
        self.incidents |= dict.fromkeys(ids, state)

        return ids

    async def _go_on(self, until: datetime) -> None:
        """Let time pass, stopping wherever something is due."""
        while (due := await self.world.next_due()) and due < until:
            await self.world.jump_to(due + LATE)
            await eventually(self._is_settled, SETTLED_SECONDS_MAX)

    async def _is_settled(self) -> bool:
        """Tell whether nothing is due, unread, unsent, leased or asked for."""
        due = await self.world.next_due()
        is_idle = await self.world.is_quiet()

        return is_idle and (due is None or due > self.world.time.now + SOON)

    async def _hang(self, count: int) -> bool:
        return self.consoles[-1].hanging >= count


async def run_outage(
    directory: Path, each: int = INCIDENTS_EACH
) -> tuple[Outage, Ledger]:
    """Run one outage with so many incidents in each state."""
    consoles: list[Outage] = []

    def channels(clock: Clock) -> Mapping[str, Channel]:
        return consoles[0].channels(clock)

    async with virtual(directory, configured(), channels) as world:
        world.rota.is_here = False
        consoles.append(Outage(world, each))

        return consoles[0], await consoles[0].run()


def measure(_options: Options) -> Figures:
    """Run one outage, and say what was lost, doubled or not as it should be."""
    # The worker runs in this process, whose output is one line.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with tempfile.TemporaryDirectory() as directory:
        outage, ledger = anyio.run(run_outage, Path(directory))
    found = problems(ledger)

    return {
        "incidents": len(ledger.states),
        "overdue": sum(state.is_overdue for state in ledger.states.values()),
        "pages": len(ledger.sent),
        "came_again": len(ledger.came_again),
        **{name: len(each) for name, each in found.items()},
        "expired_keys": len(outage.expired),
        "seconds": round(outage.seconds, 2),
        "broken": [f"{name}: {one}" for name, each in found.items() for one in each],
    }


async def _command(worker: VirtualProcess, state: State, incident: str) -> None:
    """Have somebody do what brings an incident into its state."""
    at, name, by = worker.clock.now(), f"{incident}.{state.brought}", "bob"
    match state.brought:
        case Brought.ACKNOWLEDGED:
            taken = Acknowledged(at=at, id=name, by=by)
            await worker.engine.obey(incident, taken)
        case Brought.SNOOZED:
            until = at + state.lasts if state.lasts else None
            await worker.engine.obey(
                incident, Snoozed(at=at, id=name, by=by, until=until)
            )
        case Brought.RESOLVED:
            await worker.engine.obey(incident, Resolved(at=at, id=name, by=by))
        case _:
            pass


def _alert(state: State, number: int) -> Alert:
    return Alert(
        id=f"{state.name}-{number}",
        fingerprint=f"{state.name}-{number}",
        status=AlertStatus.FIRING,
        title=state.brought.name,
        labels={},
    )
