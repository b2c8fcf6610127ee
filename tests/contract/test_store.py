"""What every store of incidents promises."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.core.alerts import AlertRecord
from engine.core.incident import Status
from engine.core.reasons import Reason
from engine.errors import UnknownIncidentError
from engine.ports import Claimed, Lane, Posting, Receipt, Stored
from policies.policy import Policy, Snapshot
from tests.contract.backends import Backend
from tests.contract.making import (
    LEASE,
    MILLISECOND,
    SECOND,
    SNAPSHOT,
    START,
    a_commit,
    a_firing,
    a_room,
    a_send,
    an_entry,
    an_incident,
    an_open_one,
    claimed_by_mail,
    done,
    resolved,
    walks,
)

NOBODY = "0" * 11
IN_A_MINUTE = START + timedelta(minutes=1)
CLAIM_MAX, MAIL_MAX = 256, 200


async def ids(backend: Backend, lane: Lane, ahead: datetime | None = None) -> list[str]:
    """Claim, and return whom."""
    return [one.incident_id for one in await backend.store.claim(lane, ahead)]


async def moved(
    backend: Backend, claimed: Claimed, due: datetime | None, at: datetime = START
) -> Claimed:
    """Commit another due time; return the incident as it is stored."""
    assert claimed.incident
    after = replace(claimed.incident, walks=walks(due), last_at=at)
    await done(backend, a_commit(claimed, after))

    return await backend.store.load(claimed.incident_id)


class TestClaim:
    """Claims: who is due, for how long, and for whom."""

    async def test_due(self, backend: Backend) -> None:
        """An incident is due at its time, not before, and its claim says when it is."""
        opened = await an_open_one(backend, IN_A_MINUTE)
        early = await ids(backend, Lane.DUE)
        await backend.advance(timedelta(minutes=1))
        [claimed] = await backend.store.claim(Lane.DUE)

        assert [] == early
        assert opened.incident_id == claimed.incident_id
        assert IN_A_MINUTE == claimed.due
        assert IN_A_MINUTE == claimed.claimed_at
        assert opened.revision == claimed.revision
        assert 1 == claimed.history_count
        assert () == claimed.mail

    async def test_ahead(self, backend: Backend) -> None:
        """A claim may reach ahead; the lease counts from the claim."""
        opened = await an_open_one(backend, START + 200 * MILLISECOND)
        too_short = await ids(backend, Lane.DUE, START + 199 * MILLISECOND)
        reached = await ids(backend, Lane.DUE, START + 200 * MILLISECOND)
        await backend.advance(LEASE - MILLISECOND)
        leased = await ids(backend, Lane.DUE)
        await backend.advance(MILLISECOND)

        assert [] == too_short
        assert [opened.incident_id] == reached
        assert [] == leased
        assert [opened.incident_id] == await ids(backend, Lane.DUE)

    async def test_ahead_in_the_past(self, backend: Backend) -> None:
        """What is due by now is claimed, however far behind the caller's clock is."""
        opened = await an_open_one(backend, START)

        assert [opened.incident_id] == await ids(backend, Lane.DUE, START - SECOND)

    @pytest.mark.parametrize("lane", Lane)
    async def test_leased(self, backend: Backend, lane: Lane) -> None:
        """Nobody else gets an incident before the lease is over; then it is due."""
        opened = await an_open_one(backend, START)
        await backend.mailbox.append([a_firing(fingerprint="db2")])
        other = backend.another()
        first = await ids(backend, lane)
        meanwhile = await ids(other, Lane.DUE) + await ids(other, Lane.MAIL)
        await backend.advance(LEASE)

        assert [opened.incident_id] == first
        assert [] == meanwhile
        assert [opened.incident_id] == await ids(other, lane)
        assert [] == await ids(backend, Lane.DUE) + await ids(backend, Lane.MAIL)

    async def test_both_lanes(self, backend: Backend) -> None:
        """A claim that died with its process leaves both lanes as they were."""
        opened = await an_open_one(backend, START)
        await backend.mailbox.append([a_firing(fingerprint="db2")])
        await backend.store.claim(Lane.DUE)
        await backend.advance(LEASE)
        [claimed] = await backend.store.claim(Lane.MAIL)

        assert opened.incident_id == claimed.incident_id
        assert START == claimed.due
        assert 1 == len(claimed.mail)

    async def test_mail_with_timer(self, backend: Backend) -> None:
        """A claim of a timer brings the unread mail along."""
        await an_open_one(backend, START)
        await backend.mailbox.append([a_firing(fingerprint="db2")])
        [claimed] = await backend.store.claim(Lane.DUE)

        assert [2] == [mail.number for mail in claimed.mail]

    async def test_mail_meanwhile(self, backend: Backend) -> None:
        """Mail that comes while a timer is slept upon is seen at once."""
        opened = await an_open_one(backend, START + 200 * MILLISECOND)
        await backend.store.claim(Lane.DUE, START + 250 * MILLISECOND)
        await backend.mailbox.append([a_firing(fingerprint="db2")])

        assert [opened.incident_id] == await ids(backend, Lane.MAIL)

    async def test_mail_only(self, backend: Backend) -> None:
        """The lane of mail has no timers, and the lane of timers no mail alone."""
        await an_open_one(backend, START, key="timer")
        [receipt] = await backend.mailbox.append([a_firing("mail")])

        assert [receipt.incident_id] == await ids(backend, Lane.MAIL)
        assert receipt.incident_id not in await ids(backend, Lane.DUE)

    async def test_much_mail(self, backend: Backend) -> None:
        """At most 200 items are claimed, the oldest; the rest comes after them."""
        await backend.mailbox.append([a_firing()] * (MAIL_MAX + 5))
        claimed = await claimed_by_mail(backend)
        await done(backend, a_commit(claimed, an_incident(claimed)))
        rest = await claimed_by_mail(backend)
        numbers = [mail.number for mail in rest.mail]

        assert MAIL_MAX == claimed.mail[-1].number == len(claimed.mail)
        assert list(range(MAIL_MAX + 1, MAIL_MAX + 6)) == numbers

    async def test_many(self, backend: Backend) -> None:
        """At most 256 are claimed, each once; the others are next."""
        receipts: list[Receipt] = []
        for number in range(CLAIM_MAX + 20):
            receipts += await backend.mailbox.append([a_firing(f"key-{number}")])
            await backend.advance(MILLISECOND)
        claims: list[str] = []
        sizes = []
        while found := await ids(backend, Lane.MAIL):
            claims += found
            sizes.append(len(found))

        assert {receipt.incident_id for receipt in receipts} == set(claims)
        assert len(set(claims)) == CLAIM_MAX + 20
        assert len(receipts) == len(claims)
        assert max(sizes) <= CLAIM_MAX

    async def test_alerts(self, backend: Backend) -> None:
        """Of its alerts an incident holds those that the unread mail speaks of."""
        claimed = await an_open_one(backend)
        without = await backend.store.load(claimed.incident_id)
        await backend.mailbox.append([a_firing(fingerprint="db1")])
        await backend.mailbox.append([a_firing(fingerprint="new")])
        [found] = await backend.store.claim(Lane.MAIL)
        assert found.incident
        assert without.incident

        assert "db1" in found.incident.alerts
        assert "new" not in found.incident.alerts
        assert 1 == without.incident.alert_count

    async def test_bodies(self, backend: Backend) -> None:
        """What was remembered of an alert is there when it is heard of again."""
        await backend.mailbox.append([a_firing()])
        claimed = await claimed_by_mail(backend)
        alert = replace(a_firing().alert, message="99 %" * 100, link="https://graph")
        records = {
            "db1": AlertRecord.of(alert, START, is_bare=False),
            "db2": AlertRecord.of(alert, START, is_bare=True),
        }
        incident = replace(an_incident(claimed), alerts=records, alert_count=2)
        await done(backend, a_commit(claimed, incident))
        again = [a_firing(fingerprint=name) for name in records]
        await backend.mailbox.append(again)
        [found] = await backend.another().store.claim(Lane.MAIL)
        assert found.incident

        assert records == found.incident.alerts


class TestLoad:
    """What a command reads."""

    async def test_unknown(self, backend: Backend) -> None:
        """There is no incident where there is neither state nor mail."""
        with pytest.raises(UnknownIncidentError):
            await backend.store.load(NOBODY)

    async def test_mail_alone(self, backend: Backend) -> None:
        """An incident whose first mail is unread is there, without a state."""
        [receipt] = await backend.mailbox.append([a_firing()])
        assert receipt.incident_id
        loaded = await backend.store.load(receipt.incident_id)

        assert loaded.incident is None
        assert [a_firing()] == [mail.content for mail in loaded.mail]

    async def test_all_mail(self, backend: Backend) -> None:
        """It shows all the unread mail, and takes no lease."""
        [receipt] = await backend.mailbox.append([a_firing()])
        assert receipt.incident_id
        await backend.mailbox.append([a_firing()] * MAIL_MAX)
        loaded = await backend.store.load(receipt.incident_id)

        assert MAIL_MAX + 1 == len(loaded.mail)
        assert [receipt.incident_id] == await ids(backend, Lane.MAIL)


class TestCommit:
    """Commits: in one piece, or not at all."""

    async def test_done(self, backend: Backend) -> None:
        """What was committed is what the next one finds, in this process or another."""
        [receipt] = await backend.mailbox.append([a_firing()])
        claimed = await claimed_by_mail(backend)
        incident = an_incident(claimed, IN_A_MINUTE)
        await done(
            backend, a_commit(claimed, incident, history=(an_entry(), an_entry()))
        )
        await backend.mailbox.append([a_firing()])
        loaded = await backend.another().store.load(claimed.incident_id)

        assert receipt.incident_id == incident.id
        assert incident == loaded.incident
        assert IN_A_MINUTE == loaded.due
        assert 2 == loaded.history_count
        assert "" != loaded.revision
        assert [2] == [mail.number for mail in loaded.mail]

    async def test_no_lease_left(self, backend: Backend) -> None:
        """A commit ends its claim: the new due time counts, not the lease."""
        opened = await an_open_one(backend, START)
        [claimed] = await backend.store.claim(Lane.DUE)
        await moved(backend, claimed, START)

        assert [opened.incident_id] == await ids(backend, Lane.DUE)

    async def test_never_due(self, backend: Backend) -> None:
        """An incident that only others can move is not claimed again."""
        await an_open_one(backend, START)
        [claimed] = await backend.store.claim(Lane.DUE)
        await moved(backend, claimed, None)
        await backend.advance(LEASE)

        assert [] == await ids(backend, Lane.DUE) + await ids(backend, Lane.MAIL)

    async def test_lost(self, backend: Backend) -> None:
        """Of two commits to one version the second is lost, with all that is in it."""
        claimed = await an_open_one(backend, START)
        assert claimed.incident
        first = await moved(backend, claimed, IN_A_MINUTE)
        second = a_commit(
            claimed,
            resolved(claimed.incident),
            sends=(a_send(),),
            history=(an_entry(reason=Reason.RESOLVED),) * 2,
        )
        [stored] = await backend.store.commit([second])
        history = await backend.reader.history(claimed.incident_id)

        assert Stored.LOST is stored
        assert first == await backend.store.load(claimed.incident_id)
        assert [an_entry()] * 2 == list(history)
        assert [] == list(await backend.outbox.claim([a_room()]))

    async def test_opened_twice(self, backend: Backend) -> None:
        """Of two that open an incident the second is lost."""
        await backend.mailbox.append([a_firing()])
        claimed = await claimed_by_mail(backend)
        await done(backend, a_commit(claimed, an_incident(claimed)))
        [stored] = await backend.store.commit([a_commit(claimed, an_incident(claimed))])

        assert Stored.LOST is stored

    async def test_zombie(self, backend: Backend) -> None:
        """Whoever outlived his lease loses to the one who has it now."""
        await an_open_one(backend, START)
        [old] = await backend.store.claim(Lane.DUE)
        await backend.advance(LEASE)
        [new] = await backend.another().store.claim(Lane.DUE)
        after = await moved(backend, new, IN_A_MINUTE)
        assert old.incident
        [stored] = await backend.store.commit([a_commit(old, resolved(old.incident))])

        assert Stored.LOST is stored
        assert after == await backend.store.load(old.incident_id)

    async def test_zombie_first(self, backend: Backend) -> None:
        """Whoever outlived his lease and is first all the same has decided rightly."""
        await an_open_one(backend, START)
        [old] = await backend.store.claim(Lane.DUE)
        await backend.advance(LEASE)
        [new] = await backend.store.claim(Lane.DUE)
        await moved(backend, old, IN_A_MINUTE)
        [stored] = await backend.store.commit([a_commit(new)])

        assert Stored.LOST is stored

    async def test_early(self, backend: Backend) -> None:
        """A timer decided before its time is refused, and changes nothing."""
        claimed = await an_open_one(backend, START + 200 * MILLISECOND)
        commit = a_commit(
            claimed, sends=(a_send(),), not_before=START + 200 * MILLISECOND
        )
        await backend.advance(199 * MILLISECOND)
        [early] = await backend.store.commit([commit])
        after = await backend.store.load(claimed.incident_id)
        nothing = await backend.outbox.claim([a_room()])
        await backend.advance(MILLISECOND)
        [in_time] = await backend.store.commit([commit])

        assert Stored.EARLY is early
        assert (claimed.revision, 1) == (after.revision, after.history_count)
        assert [] == list(nothing)
        assert Stored.DONE is in_time

    async def test_more_mail(self, backend: Backend) -> None:
        """Only closing needs all mail read; else what is unread is claimed at once."""
        claimed = await an_open_one(backend)
        assert claimed.incident
        await backend.mailbox.append([a_firing(fingerprint="db2")])
        [closing] = await backend.store.commit(
            [a_commit(claimed, resolved(claimed.incident))]
        )
        [staying] = await backend.store.commit([a_commit(claimed)])
        again = await claimed_by_mail(backend)
        [read] = await backend.store.commit(
            [a_commit(again, resolved(claimed.incident))]
        )

        assert Stored.MORE_MAIL is closing
        assert Stored.DONE is staying
        assert Stored.DONE is read

    async def test_follow_ups(self, backend: Backend) -> None:
        """What fired after the alert that closes an incident opens the next one."""
        claimed = await an_open_one(backend)
        assert claimed.incident
        later = (a_firing(fingerprint="db2"), a_firing(fingerprint="db3"))
        await done(
            backend, a_commit(claimed, resolved(claimed.incident), follow_ups=later)
        )
        opened = await claimed_by_mail(backend)
        [joined] = await backend.mailbox.append([a_firing()])

        assert claimed.incident_id != opened.incident_id
        assert opened.incident is None
        assert list(later) == [mail.content for mail in opened.mail]
        assert opened.incident_id == joined.incident_id

    async def test_resolved_while_it_fires(self, backend: Backend) -> None:
        """The next one of a key knows that somebody resolved it while it fired."""
        claimed = await an_open_one(backend)
        assert claimed.incident
        await done(backend, a_commit(claimed, resolved(claimed.incident)))
        await backend.mailbox.append([a_firing()])
        following = await claimed_by_mail(backend)
        opened = an_incident(following)
        await done(
            backend, a_commit(following, resolved(replace(opened, firing_count=0)))
        )
        await backend.mailbox.append([a_firing()])
        last = await claimed_by_mail(backend)

        assert claimed.incident_id == following.after
        assert None is last.after

    async def test_changed_snapshot(self, backend: Backend) -> None:
        """An incident that starts again keeps the policies it starts on, and others."""
        claimed = await an_open_one(backend)
        assert claimed.incident
        other = Snapshot.of(Policy(id="first", name="edited"))
        await done(
            backend, a_commit(claimed, replace(claimed.incident, snapshot=other))
        )
        edited = await backend.another().store.load(claimed.incident_id)
        assert edited.incident
        back = replace(edited.incident, snapshot=SNAPSHOT)
        await done(backend, a_commit(edited, back))
        again = await backend.another().store.load(claimed.incident_id)
        assert again.incident

        assert other == edited.incident.snapshot
        assert SNAPSHOT == again.incident.snapshot

    async def test_mail_after_close(self, backend: Backend) -> None:
        """An incident that is closed already may change while mail waits."""
        claimed = await an_open_one(backend, sends=(a_send(),))
        assert claimed.incident
        await done(backend, a_commit(claimed, resolved(claimed.incident)))
        closed = await backend.store.load(claimed.incident_id)

        assert [Stored.DONE] == list(await backend.store.commit([a_commit(closed)]))

    async def test_reopened(self, backend: Backend) -> None:
        """An incident that is opened again takes its key back, and is due again."""
        opened = await an_open_one(backend, IN_A_MINUTE)
        closed = await closed_one(backend, opened)
        assert opened.incident
        await done(backend, a_commit(closed, opened.incident))
        [receipt] = await backend.mailbox.append([a_firing(fingerprint="db2")])
        [summary] = await backend.reader.summaries(frozenset(Status), 9)
        await backend.advance(timedelta(minutes=1))

        assert (Posting.JOINED, opened.incident_id) == (
            receipt.posting,
            receipt.incident_id,
        )
        assert Status.TRIGGERED is summary.status
        assert [opened.incident_id] == await ids(backend, Lane.DUE)

    async def test_reopened_and_closed(self, backend: Backend) -> None:
        """Closed once more, it gives its key away once more."""
        opened = await an_open_one(backend)
        closed = await closed_one(backend, opened)
        assert opened.incident
        await done(backend, a_commit(closed, opened.incident))
        again = await backend.store.load(opened.incident_id)
        await closed_one(backend, again)
        [receipt] = await backend.mailbox.append([a_firing()])

        assert Posting.OPENED is receipt.posting
        assert opened.incident_id != receipt.incident_id

    @pytest.mark.parametrize("is_unread", [True, False])
    async def test_reopened_too_late(
        self, backend: Backend, *, is_unread: bool
    ) -> None:
        """While another open incident has its key, nothing of a reopening is stored."""
        opened = await an_open_one(backend)
        closed = await closed_one(backend, opened)
        [receipt] = await backend.mailbox.append([a_firing()])
        if not is_unread:
            claimed = await claimed_by_mail(backend)
            await done(backend, a_commit(claimed, an_incident(claimed)))
        assert opened.incident
        commit = a_commit(closed, opened.incident, sends=(a_send(),))
        [stored] = await backend.store.commit([commit])
        [joined] = await backend.mailbox.append([a_firing(fingerprint="db2")])

        assert Stored.KEY_TAKEN is stored
        assert closed == await backend.store.load(opened.incident_id)
        assert [] == list(await backend.outbox.claim([a_room()]))
        assert receipt.incident_id == joined.incident_id != opened.incident_id

    async def test_reopened_after_all(self, backend: Backend) -> None:
        """Once the other incident with its key is closed, it can be opened again."""
        opened = await an_open_one(backend)
        closed = await closed_one(backend, opened)
        assert opened.incident
        other = await an_open_one(backend)
        commit = a_commit(closed, opened.incident)
        [early] = await backend.store.commit([commit])
        await closed_one(backend, other)

        assert Stored.KEY_TAKEN is early
        assert [Stored.DONE] == list(await backend.store.commit([commit]))

    async def test_changed_while_closed(self, backend: Backend) -> None:
        """A change to a closed incident leaves the key with whoever has it."""
        opened = await an_open_one(backend)
        closed = await closed_one(backend, opened)
        other = await an_open_one(backend)
        await done(backend, a_commit(closed))
        [receipt] = await backend.mailbox.append([a_firing(fingerprint="db2")])

        assert other.incident_id == receipt.incident_id

    async def test_alone(self, backend: Backend) -> None:
        """Items stand alone: a lost one takes no other with it."""
        one, two, three = [
            await an_open_one(backend, key=key) for key in ("one", "two", "three")
        ]
        await moved(backend, two, IN_A_MINUTE)
        stored = await backend.store.commit([a_commit(c) for c in (one, two, three)])

        assert [Stored.DONE, Stored.LOST, Stored.DONE] == list(stored)

    async def test_opened_and_closed(self, backend: Backend) -> None:
        """What opens and is over in one commit is closed, and its key is free."""
        await backend.mailbox.append([a_firing()])
        claimed = await claimed_by_mail(backend)
        await done(backend, a_commit(claimed, resolved(an_incident(claimed))))
        [summary] = await backend.reader.summaries(frozenset(Status), 9)
        [receipt] = await backend.mailbox.append([a_firing()])

        assert Status.RESOLVED is summary.status
        assert receipt.incident_id != claimed.incident_id

    async def test_nothing(self, backend: Backend) -> None:
        """Committing and releasing nothing does nothing."""
        await backend.store.release([])

        assert [] == list(await backend.store.commit([]))

    async def test_snapshots(self, backend: Backend) -> None:
        """Incidents keep the policies they opened with, shared or not."""
        other = Snapshot.of(Policy(id="other"))
        await backend.mailbox.append([a_firing("one"), a_firing("two"), a_firing("x")])
        claims = await backend.store.claim(Lane.MAIL)
        incidents = [an_incident(claims[0], key=key_of(claims[0]), snapshot=other)]
        incidents += [an_incident(one, key=key_of(one)) for one in claims[1:]]
        pairs = list(zip(claims, incidents, strict=True))
        await done(backend, *[a_commit(one, incident) for one, incident in pairs])
        later = backend.another().store
        loaded = [(await later.load(one.incident_id)).incident for one in claims]

        assert [one.snapshot for one in incidents] == [
            one.snapshot for one in loaded if one
        ]

    async def test_many_sends(self, backend: Backend) -> None:
        """However much a decision sends, none of it is lost."""
        sends = [a_send(f"1.0.1.1.person-{number}") for number in range(700)]
        await an_open_one(backend, sends=sends)
        found = await backend.outbox.claim([a_room("sms", 1_000)])

        assert {send.page for send in sends} == {one.send.page for one in found}


class TestRelease:
    """Ending a claim without a change."""

    async def test_due(self, backend: Backend) -> None:
        """The true due time is written back, not the end of the lease."""
        opened = await an_open_one(backend, START + 100 * MILLISECOND)
        claims = await backend.store.claim(Lane.DUE, START + 250 * MILLISECOND)
        await backend.store.release(claims)
        early = await ids(backend, Lane.DUE)
        await backend.advance(100 * MILLISECOND)

        assert [] == early
        assert [opened.incident_id] == await ids(backend, Lane.DUE)

    async def test_mail(self, backend: Backend) -> None:
        """Unread mail is claimed again at once."""
        await backend.mailbox.append([a_firing()])
        claims = await backend.store.claim(Lane.MAIL)
        await backend.store.release(claims)

        assert list(claims) == list(await backend.store.claim(Lane.MAIL))

    async def test_unchanged(self, backend: Backend) -> None:
        """A claim that was released is still good for a commit."""
        await an_open_one(backend, START)
        [claimed] = await backend.store.claim(Lane.DUE)
        await backend.store.release([claimed])

        assert [Stored.DONE] == list(await backend.store.commit([a_commit(claimed)]))

    async def test_parked(self, backend: Backend) -> None:
        """A parked incident comes back after 2, 4, 8 s and so on, at most 60."""
        await an_open_one(backend, START)
        pauses = []
        for count in range(8):
            [claimed] = await backend.store.claim(Lane.DUE)
            assert count == claimed.failures
            await backend.store.release([claimed], park=True)
            pauses.append(await pause(backend, (2, 4, 8, 16, 32, 60)))

        assert [2, 4, 8, 16, 32, 60, 60, 60] == pauses

    async def test_parked_no_more(self, backend: Backend) -> None:
        """A commit ends the count of failures."""
        await an_open_one(backend, START)
        [claimed] = await backend.store.claim(Lane.DUE)
        await backend.store.release([claimed], park=True)
        after = await moved(backend, claimed, START)
        [again] = await backend.store.claim(Lane.DUE)

        assert 0 == after.failures == again.failures

    async def test_parked_with_mail(self, backend: Backend) -> None:
        """Mail that was there waits for as long as the incident does."""
        await backend.mailbox.append([a_firing()])
        claims = await backend.store.claim(Lane.MAIL)
        await backend.store.release(claims, park=True)
        early = await ids(backend, Lane.MAIL)
        await backend.advance(2 * SECOND)
        [claimed] = await backend.store.claim(Lane.MAIL)

        assert [] == early
        assert 1 == claimed.failures

    async def test_mail_while_parked(self, backend: Backend) -> None:
        """What comes in while an incident is parked waits with it."""
        await an_open_one(backend, START)
        await backend.store.release(await backend.store.claim(Lane.DUE), park=True)
        await backend.mailbox.append([a_firing(fingerprint="db2")])
        early = await ids(backend, Lane.MAIL) + await ids(backend, Lane.DUE)
        await backend.advance(2 * SECOND)
        [claimed] = await backend.store.claim(Lane.DUE)

        assert [] == early
        assert [2] == [mail.number for mail in claimed.mail]

    async def test_commanded_while_parked(self, backend: Backend) -> None:
        """A person can still move an incident that is parked."""
        await an_open_one(backend, START)
        claims = await backend.store.claim(Lane.DUE)
        await backend.store.release(claims, park=True)
        loaded = await backend.store.load(claims[0].incident_id)
        assert loaded.incident
        stored = await backend.store.commit(
            [a_commit(loaded, resolved(loaded.incident))]
        )

        assert [Stored.DONE] == list(stored)


class TestReader:
    """Lists and histories."""

    async def test_order(self, backend: Backend) -> None:
        """Incidents are listed newest first, page by page."""
        opened = [await one_later(backend, f"key-{number}") for number in range(10)]
        newest = [one.incident_id for one in reversed(opened)]
        everything = await listed(backend, 20)
        first = await listed(backend, 4)
        second = await listed(backend, 4, first[-1])
        last = await listed(backend, 4, second[-1])

        assert newest == everything
        assert newest == first + second + last
        assert [] == await listed(backend, 4, last[-1])

    async def test_statuses(self, backend: Backend) -> None:
        """Only incidents of the statuses asked for are listed, as they are now."""
        one, two, three = [
            await one_later(backend, key) for key in ("one", "two", "three")
        ]
        assert one.incident
        assert two.incident
        taken = replace(
            two.incident, status=Status.ACKNOWLEDGED, acknowledged_by="alice"
        )
        await done(backend, a_commit(one, resolved(one.incident)), a_commit(two, taken))
        [acknowledged] = await backend.reader.summaries(
            frozenset({Status.ACKNOWLEDGED}), 9
        )

        assert [one.incident_id] == await listed(backend, 9, None, Status.RESOLVED)
        assert [three.incident_id] == await listed(backend, 9, None, Status.TRIGGERED)
        assert [three.incident_id, two.incident_id, one.incident_id] == await listed(
            backend, 9
        )
        assert "alice" == acknowledged.acknowledged_by
        assert two.incident_id == acknowledged.id

    async def test_few_among_many(self, backend: Backend) -> None:
        """One old incident is found behind any number of others."""
        old = await one_later(backend, "old")
        assert old.incident
        taken = replace(old.incident, status=Status.ACKNOWLEDGED)
        await done(backend, a_commit(old, taken))
        for number in range(12):
            await one_later(backend, f"key-{number}")

        assert [old.incident_id] == await listed(backend, 2, None, Status.ACKNOWLEDGED)

    async def test_unread(self, backend: Backend) -> None:
        """What nobody has opened yet is not listed."""
        await backend.mailbox.append([a_firing()])

        assert [] == await listed(backend, 9)

    async def test_teams(self, backend: Backend) -> None:
        """Of the teams that are asked for, each incident is shown; of others none."""
        ids_of: dict[str | None, list[str]] = {"ops": [], "data": [], None: []}
        for number in range(24):
            team = ("ops", "data", None)[number % 3]
            ids_of[team].append(await one_of(backend, team, number))
        ops = ids_of["ops"][::-1]
        both = sorted(ops + ids_of[None], reverse=True)
        everything, triggered = frozenset(Status), frozenset({Status.TRIGGERED})

        assert ops == await of_teams(backend, everything, "ops")
        assert both == await of_teams(backend, everything, "ops", None)
        assert ops[1::2] == await of_teams(backend, triggered, "ops")
        assert ops[::2] == await of_teams(backend, everything - triggered, "ops")
        assert ops[3:] == await of_teams(backend, everything, "ops", before=ops[2])
        assert [] == await of_teams(backend, everything, "nobody's")
        assert [] == await of_teams(backend, everything)

    async def test_history(self, backend: Backend) -> None:
        """History grows by what each commit brings, in order."""
        claimed = await an_open_one(backend)
        entries = [
            an_entry(START + number * SECOND, Reason.RULE_DUE) for number in range(3)
        ]
        await done(backend, a_commit(claimed, history=tuple(entries)))
        history = await backend.reader.history(claimed.incident_id)

        assert [an_entry(), *entries] == list(history)

    async def test_policies(self, backend: Backend) -> None:
        """The policies that an incident walked are shown, by hash; others are not."""
        claimed = await an_open_one(backend)
        assert claimed.incident
        snapshot = claimed.incident.snapshot
        found = await backend.another().reader.policies_of(
            claimed.incident_id, [snapshot.hash, "0" * 32]
        )

        assert {snapshot.hash: snapshot} == found

    async def test_holder(self, backend: Backend) -> None:
        """The key of an open incident leads to it; nobody's and a closed one's do not."""
        claimed = await an_open_one(backend)
        assert claimed.incident
        name = (claimed.incident.integration, claimed.incident.key)
        held = await backend.reader.holder(*name)
        await closed_one(backend, claimed)

        assert claimed.incident_id == held
        assert None is await backend.reader.holder(*name)
        assert None is await backend.reader.holder(name[0], "another")

    @pytest.mark.parametrize("is_unread", [True, False])
    async def test_no_history(self, backend: Backend, *, is_unread: bool) -> None:
        """What was never opened has no history."""
        incident_id = NOBODY
        if is_unread:
            [receipt] = await backend.mailbox.append([a_firing()])
            incident_id = receipt.incident_id or NOBODY
        with pytest.raises(UnknownIncidentError):
            await backend.reader.history(incident_id)


async def closed_one(backend: Backend, claimed: Claimed) -> Claimed:
    """Close an incident; return it as it is stored."""
    assert claimed.incident
    await done(backend, a_commit(claimed, resolved(claimed.incident)))

    return await backend.store.load(claimed.incident_id)


async def one_later(backend: Backend, key: str) -> Claimed:
    """Open an incident, a moment after the one before."""
    await backend.advance(20 * MILLISECOND)

    return await an_open_one(backend, key=key)


async def one_of(backend: Backend, team: str | None, number: int) -> str:
    """Open an incident of a team, every other of them closed at once."""
    await backend.advance(20 * MILLISECOND)
    key = f"key-{number}"
    await backend.mailbox.append([a_firing(key)])
    claimed = await claimed_by_mail(backend)
    incident = replace(an_incident(claimed, key=key), team=team)
    await done(
        backend, a_commit(claimed, resolved(incident) if number % 2 else incident)
    )

    return claimed.incident_id


async def of_teams(
    backend: Backend,
    statuses: frozenset[Status],
    *teams: str | None,
    before: str | None = None,
) -> list[str]:
    """List ids of teams, a few at a time."""
    found: list[str] = []
    while summaries := await backend.reader.summaries(
        statuses, 3, before, frozenset(teams)
    ):
        found += [summary.id for summary in summaries]
        before = found[-1]

    return found


async def listed(
    backend: Backend, limit: int, before: str | None = None, *statuses: Status
) -> list[str]:
    """List ids."""
    wanted = frozenset(statuses or Status)
    summaries = await backend.reader.summaries(wanted, limit, before)

    return [summary.id for summary in summaries]


async def pause(backend: Backend, expected: Sequence[int]) -> int:
    """Return after how many of these seconds something is due."""
    passed = 0
    for seconds in expected:
        await backend.advance((seconds - passed) * SECOND - MILLISECOND)
        early = await backend.store.claim(Lane.DUE)
        await backend.advance(MILLISECOND)
        passed = seconds
        found = await backend.store.claim(Lane.DUE)
        await backend.store.release([*found, *early])
        if early:
            return -seconds
        if found:
            return seconds

    return 0


def key_of(claimed: Claimed) -> str:
    """Return the key of the alert that opens an incident."""
    content = claimed.mail[0].content
    assert content

    return str(getattr(content, "key", ""))
