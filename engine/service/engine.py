"""The engine: takes in alerts, obeys commands, drains what is due."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import anyio.lowlevel
import structlog

from engine.core.effects import Following
from engine.core.events import (
    Attached,
    ChildAttached,
    ChildDetached,
    Command,
    Detached,
    ParentMoved,
)
from engine.core.incident import Decision, Incident
from engine.errors import (
    ContendedError,
    EngineError,
    KeyTakenError,
    TryAgainError,
    UnclearError,
    UnknownIncidentError,
)
from engine.ids import show_incident_id
from engine.ports import (
    UNMEASURED,
    Claimed,
    Clock,
    Configuration,
    IncidentStore,
    Lane,
    Mailbox,
    Measures,
    Receipt,
    Routed,
    Stored,
    Turns,
)
from engine.service.directions import Directions
from engine.service.look_ups import LookUps
from engine.service.parking import park
from engine.service.settlement import Settlement
from engine.service.settling import go_on, settle

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# How often the same event is decided again when others moved the incident.
ATTEMPTS_MAX = 20
# A command is tried longer: whoever gave it waits for it.
COMMAND_SECONDS_MAX = 2.0
# A claim reaches this far ahead; the drain then sleeps to the exact time.
LOOK_AHEAD = timedelta(milliseconds=250)
# One run of a drain ends after this, so that no job ever meets its time-out.
RUN_FOR = timedelta(seconds=2)
# A claim older than this is left to its lease: somebody else may have it by now.
CLAIM_GOOD_FOR = timedelta(milliseconds=1_500)
# So many are decided, in some 15 ms, before they are stored: while Redis stores them,
# it goes on. Fewer would be more exchanges for the same.
PIECE_MAX = 64
NOT_STORED = "what was decided of it cannot be stored"
# Loading an incident tells the store's time too: one that was early is not, then.
DECIDED_AGAIN = frozenset({Stored.LOST, Stored.MORE_MAIL, Stored.EARLY})


def _nothing() -> None:
    """Do nothing."""


@dataclass(slots=True, kw_only=True)
class Engine:
    """
    Moves incidents along their policies.

    Attributes:
        channels: Those that this installation can send on.
        measures: Counts what came of what was stored.
        look_ahead: How far ahead of its time a timer may be claimed. Zero on a
            clock that a test moves by hand.
        claimed_at: When a claim last came back, with incidents or without.
    """

    clock: Clock
    store: IncidentStore
    mailbox: Mailbox
    configuration: Configuration
    look_ups: LookUps
    turns: Turns
    channels: frozenset[str]
    look_ahead: timedelta = LOOK_AHEAD
    measures: Measures = UNMEASURED
    claimed_at: datetime | None = field(default=None, init=False)
    _directions: Directions | None = field(default=None, init=False)

    async def ingest(self, notices: Sequence[Routed]) -> Sequence[Receipt]:
        """
        Take notices in. When this returns, each of them is stored and will be decided.

        Raises:
            StoreUnavailableError: If not all was written; sending again is safe.
            OverloadedError: If there is no room; sending again later is safe.
        """
        return await self.mailbox.append(notices)

    async def find(self, incident_id: str) -> Incident:
        """
        Return an incident as it is stored.

        Raises:
            UnknownIncidentError: If there is none, or its first alert is unread yet.
            StoreUnavailableError: If the store cannot be reached.
        """
        claimed = await self.store.load(incident_id)
        if claimed.incident is None:
            raise UnknownIncidentError(incident_id)

        return claimed.incident

    async def obey(self, incident_id: str, command: Command) -> Decision:
        """
        Carry out a person's command, after all that came before it.

        Returns:
            What was decided of the command, committed.

        Raises:
            UnknownIncidentError: If there is no such incident.
            KeyTakenError: If another open incident has the key of one to be reopened.
            ContendedError: If others kept moving it; nothing was written.
            StoreUnavailableError: If nothing is promised; repeating it is safe.
            UnclearError: If it may have been written; repeating it is safe.
        """
        directions = await self._current_directions()
        until = anyio.current_time() + COMMAND_SECONDS_MAX
        attempts = 0
        while attempts < ATTEMPTS_MAX or anyio.current_time() < until:
            attempts += 1
            claimed = await self.store.load(incident_id)
            settlement = await settle(claimed, directions, self.clock.now(), command)
            while settlement.wanted is not None:
                [taken] = await directions.take_turns([settlement.wanted])
                await go_on(settlement, taken)
            stored = await self._store(settlement)
            if stored is Stored.DONE:
                assert settlement.incident is not None
                return Decision(incident=settlement.incident, reason=settlement.reason)
            if stored in {Stored.FAILED, Stored.REFUSED}:
                raise UnclearError(incident_id)
            if stored is Stored.KEY_TAKEN and claimed.incident is not None:
                raise KeyTakenError(incident_id, claimed.incident.key)
        raise ContendedError(incident_id, attempts)

    async def attach(self, incident_id: str, command: Attached) -> Decision:
        """
        Make an incident a part of another one.

        The parent learns of it first: one that tells an incident that was not attached
        after all does no harm, one that does not tell would. One that is over adopts
        nobody; if it ends just now, what it tells may come too soon, so it is looked at
        once more.

        Raises:
            UnknownIncidentError: If there is no such incident, or no such parent.
        """
        child = await self.find(incident_id)
        if _may_be_attached(child):
            adopts = ChildAttached(at=command.at, id=command.id, child=incident_id)
            adopted = await self.obey(command.parent, adopts)
            if incident_id not in adopted.incident.children or _is_over(adopted):
                return Decision(incident=child, reason=adopted.reason)
        attached = await self.obey(incident_id, command)
        if attached.incident.parent != command.parent:
            # Something came between, as when each is attached to the other at once.
            await self._leave(
                command.parent, incident_id, f"{command.id}.left", command
            )
        parent = await self.find(command.parent)
        if attached.incident.parent != parent.id or parent.status.is_open:
            return attached

        return await self._follow(attached, parent, command)

    async def detach(self, incident_id: str, command: Detached) -> Decision:
        """
        Make an incident stand alone again, and let its parent know.

        Raises:
            UnknownIncidentError: If there is no such incident.
        """
        parent = (await self.find(incident_id)).parent
        detached = await self.obey(incident_id, command)
        if parent is not None:
            await self._leave(parent, incident_id, command.id, command)

        return detached

    async def _leave(
        self, parent: str, child: str, command_id: str, command: Attached | Detached
    ) -> None:
        """Let a parent know that an incident is no part of it; unless it is purged."""
        leaves = ChildDetached(at=command.at, id=command_id, child=child)
        with suppress(UnknownIncidentError):
            await self.obey(parent, leaves)

    async def _follow(
        self, attached: Decision, parent: Incident, command: Attached
    ) -> Decision:
        """Resolve what was attached just when its parent ended."""
        moved = ParentMoved(
            at=command.at,
            id=f"{command.id}.followed",
            what=Following.RESOLVE,
            by=parent.resolved_by or "",
            parent=parent.id,
        )
        followed = await self.obey(attached.incident.id, moved)

        return Decision(incident=followed.incident, reason=attached.reason)

    async def drain(self, lane: Lane, stored: Callable[[], None] = _nothing) -> bool:
        """
        Decide all that is due in a lane, for at most 2 s.

        Args:
            lane: Timers or mail.
            stored: Called each time that something has been decided and stored: what
                that sends need not wait for the rest.

        Returns:
            Whether it ended for lack of time: there may be more.
        """
        until = self.clock.now() + RUN_FOR
        while self.clock.now() < until:
            # Before the claim: who cannot read the directory must not take incidents
            # from those who can.
            directions = await self._current_directions()
            ahead = self.clock.now() + self.look_ahead if lane is Lane.DUE else None
            claimed = await self.store.claim(lane, ahead)
            self.claimed_at = self.clock.now()
            if not claimed:
                return False
            await self._decide(claimed, directions)
            stored()

        return True

    async def _decide(self, claimed: Sequence[Claimed], directions: Directions) -> None:
        """Decide each incident of a claim when its time comes."""
        waiting = sorted(claimed, key=_time_of)
        while waiting:
            await self.clock.sleep_until(_time_of(waiting[0]))
            now = self.clock.now()
            ready = [one for one in waiting if _time_of(one) <= now]
            waiting = waiting[len(ready) :]
            fresh = [one for one in ready if now - one.claimed_at < CLAIM_GOOD_FOR]
            if len(fresh) < len(ready):
                log.warning("claims.expired", count=len(ready) - len(fresh))
            await self._decide_now(fresh, directions, now)

    async def _decide_now(
        self, claimed: Sequence[Claimed], directions: Directions, now: datetime
    ) -> None:
        """
        Decide incidents piece by piece; while one is stored, the next is decided.

        Raises:
            EngineError: As the store does; the other pieces are stored all the same.
        """
        errors: list[Exception] = []

        async def store(settled: Sequence[Settlement]) -> None:
            try:
                await self._store_all(settled, directions)
            except Exception as error:  # noqa: BLE001 - it must not stop the others
                errors.append(error)

        async with anyio.create_task_group() as storing:
            for begin in range(0, len(claimed), PIECE_MAX):
                piece = claimed[begin : begin + PIECE_MAX]
                try:
                    settled = await self._settle_all(piece, directions, now)
                except EngineError as error:
                    # One could not be put aside: its piece is left to the lease.
                    errors.append(error)
                    continue
                storing.start_soon(store, settled)
                # Lets it be sent before the next piece keeps this thread busy.
                await anyio.lowlevel.checkpoint()
        if errors:
            raise errors[0]

    async def _store_all(
        self, settled: Sequence[Settlement], directions: Directions
    ) -> None:
        """Store what was decided; what others have moved meanwhile is decided again."""
        for _ in range(ATTEMPTS_MAX):
            await self._end_idle([one for one in settled if not one.has_news])
            moved = [one for one in settled if one.has_news]
            outcomes = await self.store.commit([one.commit() for one in moved])
            stored_at = self.clock.now()
            lost = []
            for settlement, stored in zip(moved, outcomes, strict=True):
                if stored is Stored.DONE:
                    settlement.act(stored_at, self.measures)
                elif stored in DECIDED_AGAIN:
                    _log_fenced(settlement, stored)
                    lost.append(settlement.claimed.incident_id)
                elif stored is Stored.REFUSED:
                    await self._park(settlement.claimed, EngineError(NOT_STORED))
            if not lost:
                return
            claimed = [one for lost_id in lost if (one := await self._reload(lost_id))]
            settled = await self._settle_all(claimed, directions, self.clock.now())

    async def _settle_all(
        self, claimed: Sequence[Claimed], directions: Directions, now: datetime
    ) -> list[Settlement]:
        settled = [
            settlement
            for each in claimed
            if (settlement := await self._try_to_settle(each, directions, now))
        ]

        return await self._take_turns(settled, directions)

    async def _try_to_settle(
        self, claimed: Claimed, directions: Directions, now: datetime
    ) -> Settlement | None:
        """Settle one incident; one that cannot be is put aside and harms no other."""
        if claimed.unreadable is not None:
            await self._park(claimed, claimed.unreadable)
            return None
        try:
            return await settle(claimed, directions, now)
        except Exception as error:  # noqa: BLE001 - one incident must not stop the rest
            await self._put_aside(claimed, error)
            return None

    async def _take_turns(
        self, settlements: Sequence[Settlement], directions: Directions
    ) -> list[Settlement]:
        """Take all the turns that are wanted in one go, until none is wanted."""
        settled = list(settlements)
        while wanting := [one for one in settled if one.wanted is not None]:
            questions = [one.wanted for one in wanting if one.wanted is not None]
            turns = await directions.take_turns(questions)
            for settlement, taken in zip(wanting, turns, strict=True):
                try:
                    await go_on(settlement, taken)
                except Exception as error:  # noqa: BLE001 - nor must this one
                    await self._put_aside(settlement.claimed, error)
                    settled.remove(settlement)

        return settled

    async def _put_aside(self, claimed: Claimed, error: Exception) -> None:
        """Leave it to its lease if the error passes by itself; else park it."""
        if isinstance(error, TryAgainError):
            _log_left(claimed.incident_id, error)
        else:
            await self._park(claimed, error)

    async def _park(self, claimed: Claimed, error: Exception) -> None:
        await park(claimed, error, store=self.store, mailbox=self.mailbox)

    async def _end_idle(self, idle: Sequence[Settlement]) -> None:
        """End claims that led to nothing; mail that opens nothing is put aside."""
        opened = [one.claimed for one in idle if one.incident is not None]
        unopened = [one.claimed for one in idle if one.incident is None]
        if opened:
            await self.store.release(opened)
        if unopened:
            await self.store.release(unopened, park=True)

    async def _current_directions(self) -> Directions:
        directory = await self.configuration.read()
        if self._directions is None or self._directions.directory is not directory:
            self._directions = Directions(
                directory=directory,
                look_ups=self.look_ups,
                turns=self.turns,
                channels=self.channels,
            )

        return self._directions

    async def _store(self, settlement: Settlement) -> Stored:
        if not settlement.has_news:
            # Repeated because it was not safe the first time: now it has to be.
            await self.store.commit([])
            return Stored.DONE
        [stored] = await self.store.commit([settlement.commit()])
        if stored is Stored.DONE:
            settlement.act(self.clock.now(), self.measures)
        _log_fenced(settlement, stored)

        return stored

    async def _reload(self, incident_id: str) -> Claimed | None:
        try:
            return await self.store.load(incident_id)
        except EngineError as error:
            _log_left(incident_id, error)
            return None


def _log_left(incident_id: str, error: EngineError) -> None:
    log.warning(
        "incident.left_to_its_lease",
        incident_id=show_incident_id(incident_id),
        error=str(error),
    )


def _log_fenced(settlement: Settlement, stored: Stored) -> None:
    """Tell of a commit that found the incident moved by others: nothing was written."""
    if stored is Stored.LOST:
        log.info(
            "commit.fenced",
            incident_id=show_incident_id(settlement.claimed.incident_id),
        )


def _may_be_attached(incident: Incident) -> bool:
    """Whether it stands alone; one that does not says itself why it cannot be."""
    is_alone = incident.parent is None and not incident.children

    return is_alone and incident.status.is_open


def _is_over(decision: Decision) -> bool:
    return not decision.incident.status.is_open


def _time_of(claimed: Claimed) -> datetime:
    """When a claimed incident is to be decided: mail at once, a timer when due."""
    if claimed.mail or claimed.due is None:
        return claimed.claimed_at

    return claimed.due
