"""What every upkeep promises."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.core.events import Outcome
from engine.core.incident import Status
from engine.core.reasons import Reason
from engine.errors import UnknownIncidentError
from engine.ports import REST, Claimed, Lane, Posting, Repair, Stored
from tests.contract.backends import Backend
from tests.contract.making import (
    MILLISECOND,
    SECOND,
    START,
    a_commit,
    a_firing,
    a_room,
    a_send,
    an_entry,
    an_open_one,
    done,
    resolved,
    walks,
)

MINUTE = timedelta(minutes=1)
IN_A_MINUTE, IN_AN_HOUR = START + MINUTE, START + timedelta(hours=1)
EVERYTHING = START + timedelta(days=365)
HELD_FOR = 15 * SECOND


async def audited(backend: Backend) -> dict[Repair, int]:
    """Audit everything; return what was repaired."""
    repaired: Counter[Repair] = Counter()
    found = await backend.upkeep.audit()
    shares = [found.done]
    repaired.update(found.repaired)
    while found.after is not None:
        found = await backend.upkeep.audit(found.after)
        shares.append(found.done)
        repaired.update(found.repaired)
    assert sorted(shares) == shares
    assert 1 == shares[-1]

    return dict(repaired)


async def purged(backend: Backend, days: float = 0) -> int:
    """Purge all that was closed so many days ago, or earlier; count it."""
    count = 0
    before = backend.clock.now() - timedelta(days=days)
    while found := (await backend.upkeep.purge(before)).count:
        count += found

    return count


async def closed_one(
    backend: Backend, key: str = "db-full", status: Status = Status.RESOLVED
) -> Claimed:
    """Open an incident and close it; return it as it was before."""
    opened = await an_open_one(backend, IN_AN_HOUR, key)
    assert opened.incident
    after = replace(resolved(opened.incident), status=status)
    await done(backend, a_commit(opened, after))

    return opened


async def last_slice(backend: Backend) -> dict[str, timedelta]:
    """Audit everything; return for how long the heads are overdue."""
    found = await backend.upkeep.audit()
    while found.after is not None:
        assert {} == found.overdue
        found = await backend.upkeep.audit(found.after)

    return dict(found.overdue)


class TestHold:
    """Who does the upkeep."""

    async def test_one(self, backend: Backend) -> None:
        """One owner has it at a time, for 15 s from when it took it last."""
        other = backend.another()
        first = await backend.upkeep.hold("one")
        second = await other.upkeep.hold("two")
        await backend.advance(HELD_FOR - MILLISECOND)

        assert first
        assert not second
        assert await backend.upkeep.hold("one")
        assert not await other.upkeep.hold("two")


class TestAudit:
    """What an audit finds and puts right."""

    @pytest.mark.parametrize("ago", [0, 400])
    async def test_lost_timer(self, backend: Backend, ago: int) -> None:
        """A timer that nobody would claim any more is claimed, however old it is."""
        opened = await an_open_one(backend, IN_A_MINUTE)
        await backend.lose(opened.incident_id, Lane.DUE)
        await backend.advance(timedelta(days=ago))
        repaired = await audited(backend)
        await backend.advance(MINUTE)
        [claimed] = await backend.store.claim(Lane.DUE)

        assert {Repair.DUE: 1} == repaired
        assert opened.incident_id == claimed.incident_id
        assert IN_A_MINUTE == claimed.due
        assert opened.revision == claimed.revision

    async def test_timer_far_off(self, backend: Backend) -> None:
        """A timer that stands at a later time than its own is put back."""
        opened = await an_open_one(backend, IN_A_MINUTE)
        await backend.shift(opened.incident_id, Lane.DUE, IN_AN_HOUR)
        repaired = await audited(backend)
        await backend.advance(MINUTE)

        assert {Repair.DUE: 1} == repaired
        assert 1 == len(await backend.store.claim(Lane.DUE))

    @pytest.mark.parametrize("is_open", [True, False])
    async def test_lost_mail(self, backend: Backend, *, is_open: bool) -> None:
        """Mail that nobody would read is read, also if it opens the incident."""
        if is_open:
            await an_open_one(backend)
        [receipt] = await backend.mailbox.append([a_firing()])
        assert receipt.incident_id
        await backend.lose(receipt.incident_id, Lane.MAIL)
        lost = await backend.store.claim(Lane.MAIL)
        repaired = await audited(backend)
        [claimed] = await backend.store.claim(Lane.MAIL)

        assert [] == list(lost)
        assert {Repair.MAIL: 1} == repaired
        assert receipt.incident_id == claimed.incident_id

    async def test_mail_of_a_closed_one(self, backend: Backend) -> None:
        """Lost mail of a closed incident is found too."""
        closed = await closed_one(backend)
        loaded = await backend.store.load(closed.incident_id)
        assert loaded.incident
        await done(backend, a_commit(loaded, sends=(a_send(),)))
        [delivery] = await backend.outbox.claim([a_room()])
        await backend.outbox.finish(delivery, Outcome.SENT, "", None)
        await backend.lose(closed.incident_id, Lane.MAIL)

        assert {Repair.MAIL: 1} == await audited(backend)

    async def test_sound(self, backend: Backend) -> None:
        """What is right is left as it is: due, overdue, claimed, put aside or closed."""
        for number, due in enumerate([None, START, IN_A_MINUTE, IN_AN_HOUR]):
            await an_open_one(backend, due, f"key-{number}")
        await closed_one(backend, "closed")
        await backend.mailbox.append([a_firing(f"key-{n}") for n in range(2, 6)])
        before = await audited(backend)
        claims = await backend.store.claim(Lane.DUE)
        leased = await audited(backend)
        await backend.store.release(claims, park=True)
        parked = await audited(backend)
        await backend.advance(timedelta(days=1))
        overdue = await audited(backend)

        assert [{}] * 4 == [before, leased, parked, overdue]

    async def test_twice(self, backend: Backend) -> None:
        """What one audit has put right the next one finds right."""
        opened = await an_open_one(backend, IN_AN_HOUR)
        await backend.mailbox.append([a_firing()])
        for lane in Lane:
            await backend.lose(opened.incident_id, lane)
        first = await audited(backend)

        assert {Repair.DUE: 1, Repair.MAIL: 1} == first
        assert {} == await audited(backend)

    async def test_many(self, backend: Backend) -> None:
        """Of however many incidents, each is looked at."""
        receipts = await backend.mailbox.append(
            [a_firing(f"key-{number}") for number in range(120)]
        )
        for receipt in receipts:
            assert receipt.incident_id
            await backend.lose(receipt.incident_id, Lane.MAIL)

        assert {Repair.MAIL: 120} == await audited(backend)

    async def test_heads(self, backend: Backend) -> None:
        """The last slice says for how long each head has been overdue."""
        await an_open_one(backend, IN_A_MINUTE)
        early = await last_slice(backend)
        await backend.advance(3 * MINUTE)
        late = await last_slice(backend)

        assert timedelta(0) == max(early.values())
        assert 2 * MINUTE == late["due"]


async def packed(backend: Backend) -> int:
    """Pack all that waits; count it."""
    count = 0
    while found := await backend.upkeep.pack():
        count += found

    return count


class TestPack:
    """What is packed, and that nobody sees a difference."""

    async def test_when(self, backend: Backend) -> None:
        """The history of a closed incident is packed once, a minute after its last."""
        await an_open_one(backend, IN_A_MINUTE, key="open")
        await closed_one(backend)
        at_once = await packed(backend)
        await backend.advance(MINUTE - MILLISECOND)
        early = await packed(backend)
        await backend.advance(MILLISECOND)

        assert [0, 0] == [at_once, early]
        assert 1 == await packed(backend)
        assert 0 == await packed(backend)

    @pytest.mark.parametrize(
        ("due", "count"),
        [(START + REST - MILLISECOND, 0), (START + REST, 1), (None, 1)],
    )
    async def test_at_rest(
        self, backend: Backend, due: datetime | None, count: int
    ) -> None:
        """So is that of an open one with nothing due for ten minutes; then it goes on."""
        opened = await an_open_one(backend, due)
        assert opened.incident
        await backend.advance(MINUTE)
        first = await packed(backend)
        loaded = await backend.store.load(opened.incident_id)
        line = an_entry(START + SECOND, Reason.LATE)
        moved = replace(opened.incident, walks=walks(START + 2 * MINUTE))
        await done(backend, a_commit(loaded, moved, history=(line,)))
        await backend.advance(MINUTE)
        [claimed] = await backend.store.claim(Lane.DUE)

        assert count == first
        assert opened.incident == loaded.incident
        assert [an_entry(), line] == list(
            await backend.reader.history(opened.incident_id)
        )
        assert (moved, 2) == (claimed.incident, claimed.history_count)
        assert not await packed(backend)

    async def test_reading(self, backend: Backend) -> None:
        """It reads the same before and after."""
        opened = await an_open_one(backend)
        assert opened.incident
        lines = tuple(an_entry(START + n * SECOND) for n in range(300))
        closing = a_commit(opened, resolved(opened.incident), history=lines)
        await done(backend, closing)
        before = await backend.reader.history(opened.incident_id)
        await backend.advance(MINUTE)
        count = await packed(backend)
        loaded = await backend.store.load(opened.incident_id)

        assert 1 == count
        assert 301 == len(before) == loaded.history_count
        assert before == await backend.reader.history(opened.incident_id)

    async def test_going_on(self, backend: Backend) -> None:
        """After a packing it goes on: late events, a reopening, another close."""
        before = await closed_one(backend)
        expected = list(await backend.reader.history(before.incident_id))
        assert before.incident
        counts = []
        for number in range(6):
            await backend.advance(MINUTE)
            counts.append(await packed(backend))
            loaded = await backend.store.load(before.incident_id)
            assert len(expected) == loaded.history_count
            line = an_entry(START + number * SECOND, Reason.LATE)
            is_open = number in {2, 3}
            soon = walks(backend.clock.now() + 2 * MINUTE)
            moving = replace(before.incident, walks=soon)
            after = moving if is_open else resolved(before.incident)
            await done(backend, a_commit(loaded, after, history=(line,)))
            expected.append(line)

        assert [1, 1, 1, 0, 0, 1] == counts
        assert expected == list(await backend.reader.history(before.incident_id))

    async def test_without_history(self, backend: Backend) -> None:
        """A commit that adds nothing to a packed history changes nothing of it."""
        before = await closed_one(backend)
        expected = await backend.reader.history(before.incident_id)
        await backend.advance(MINUTE)
        await packed(backend)
        loaded = await backend.store.load(before.incident_id)
        await done(backend, a_commit(loaded, history=(), repeats=1))
        await backend.advance(MINUTE)

        assert expected == await backend.reader.history(before.incident_id)
        assert 0 == await packed(backend)

    async def test_lost_beside(self, backend: Backend) -> None:
        """A packing makes nobody lose who decides meanwhile."""
        before = await closed_one(backend)
        loaded = await backend.store.load(before.incident_id)
        await backend.advance(MINUTE)
        await packed(backend)
        await done(backend, a_commit(loaded))

        assert 3 == len(await backend.reader.history(before.incident_id))

    async def test_purged(self, backend: Backend) -> None:
        """A packed history is purged like another."""
        before = await closed_one(backend)
        await backend.advance(MINUTE)
        await packed(backend)
        count = await purged(backend)
        with pytest.raises(UnknownIncidentError):
            await backend.reader.history(before.incident_id)

        assert 1 == count


class TestPurge:
    """What a purge removes."""

    async def test_old(self, backend: Backend) -> None:
        """Incidents go once they have been closed for so long; not before."""
        closed = await closed_one(backend)
        await backend.advance(timedelta(days=30) - MILLISECOND)
        early = await purged(backend, 30)
        await backend.advance(MILLISECOND)
        in_time = await purged(backend, 30)
        with pytest.raises(UnknownIncidentError):
            await backend.store.load(closed.incident_id)
        with pytest.raises(UnknownIncidentError):
            await backend.reader.history(closed.incident_id)

        assert [0, 1] == [early, in_time]
        assert [] == list(await backend.reader.summaries(frozenset(Status), 9))

    async def test_removed(self, backend: Backend) -> None:
        """What somebody removed keeps its history as long as what was resolved."""
        removed = await closed_one(backend, status=Status.REMOVED)
        await backend.advance(timedelta(days=30) - MILLISECOND)
        early = await purged(backend, 30)
        history = await backend.reader.history(removed.incident_id)
        await backend.advance(MILLISECOND)

        assert 0 == early
        assert 2 == len(history)
        assert 1 == await purged(backend, 30)

    async def test_open(self, backend: Backend) -> None:
        """An open incident stays, also one that was opened again."""
        opened = await an_open_one(backend, key="open")
        before = await closed_one(backend)
        closed = await backend.store.load(before.incident_id)
        assert before.incident
        await done(backend, a_commit(closed, before.incident))
        backend.used_percent = 100
        await backend.advance(timedelta(days=365))

        assert 0 == await purged(backend)
        loaded = await backend.store.load(opened.incident_id)
        assert opened.incident == loaded.incident
        assert 3 == len(await backend.reader.history(before.incident_id))

    async def test_closed_again(self, backend: Backend) -> None:
        """Of one that was opened again its last closing counts."""
        before = await closed_one(backend)
        closed = await backend.store.load(before.incident_id)
        assert before.incident
        await done(backend, a_commit(closed, before.incident))
        await backend.advance(timedelta(days=20))
        again = await backend.store.load(before.incident_id)
        await done(backend, a_commit(again, resolved(before.incident)))
        await backend.advance(timedelta(days=20))
        early = await purged(backend, 30)
        await backend.advance(timedelta(days=10))

        assert 0 == early
        assert 1 == await purged(backend, 30)

    async def test_unread(self, backend: Backend) -> None:
        """One with unread mail stays until it is read, and holds up no other."""
        closed = await closed_one(backend)
        await backend.advance(SECOND)
        await closed_one(backend, "other")
        loaded = await backend.store.load(closed.incident_id)
        await done(backend, a_commit(loaded, sends=(a_send(),)))
        [delivery] = await backend.outbox.claim([a_room()])
        await backend.outbox.finish(delivery, Outcome.SENT, "", None)
        await backend.advance(timedelta(days=30))
        first = await purged(backend, 30)
        [claimed] = await backend.store.claim(Lane.MAIL)
        await done(backend, a_commit(claimed))
        await backend.advance(timedelta(days=30))

        assert 1 == first
        assert 1 == await purged(backend, 30)

    async def test_memory(self, backend: Backend) -> None:
        """While the memory is over 70 % full, those go first that closed first."""
        for number in range(3):
            await closed_one(backend, f"key-{number}")
            await backend.advance(SECOND)
        backend.used_percent = 70
        nothing = await backend.upkeep.purge(START - SECOND)
        backend.used_percent = 71
        some = await backend.upkeep.purge(START)

        assert (0, 0) == (nothing.old, nothing.early)
        assert (1, 2) == (some.old, some.early)
        assert [] == list(await backend.reader.summaries(frozenset(Status), 9))

    async def test_order(self, backend: Backend) -> None:
        """Some at a time, those that closed first before the others."""
        receipts = []
        for number in range(105):
            receipts.append(await closed_one(backend, f"key-{number}"))
            await backend.advance(SECOND)
        first = await backend.upkeep.purge(EVERYTHING)
        left = await backend.reader.summaries(frozenset(Status), 200)
        second = await backend.upkeep.purge(EVERYTHING)

        assert [one.incident_id for one in receipts[first.count :]] == [
            summary.id for summary in reversed(left)
        ]
        assert 0 < first.count < 105
        assert 105 == first.count + second.count

    async def test_afterwards(self, backend: Backend) -> None:
        """Of one that is gone nothing is sent or stored, and its key opens another."""
        closed = await closed_one(backend)
        loaded = await backend.store.load(closed.incident_id)
        await done(backend, a_commit(loaded, sends=(a_send(), a_send(rule=1))))
        [delivery] = await backend.outbox.claim([a_room(each=1)])
        claimed = await backend.store.load(closed.incident_id)
        await purged(backend)
        begun = await backend.outbox.begin(delivery)
        await backend.outbox.finish(delivery, Outcome.SENT, "", None)
        [stored] = await backend.store.commit([a_commit(claimed)])
        await backend.store.release([claimed])
        [receipt] = await backend.mailbox.append([a_firing()])

        assert begun is None
        assert Stored.LOST is stored
        assert [] == list(await backend.outbox.claim([a_room()]))
        assert Posting.OPENED is receipt.posting
        assert closed.incident_id != receipt.incident_id

    async def test_shared_snapshot(self, backend: Backend) -> None:
        """What is left reads its policies, whoever else named them is gone."""
        opened = await an_open_one(backend, key="open")
        for number in range(8):
            await closed_one(backend, f"key-{number}")
        await purged(backend)

        assert opened == await backend.another().store.load(opened.incident_id)
