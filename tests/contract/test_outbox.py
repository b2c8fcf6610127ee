"""What every outbox promises."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from engine.core.effects import Send
from engine.core.events import DeliveryReported, Outcome
from engine.core.incident import Status
from engine.ports import Delivery, Lane, UnderWay
from tests.contract.backends import Backend
from tests.contract.making import (
    MILLISECOND,
    SECOND,
    SEND_LEASE,
    START,
    a_commit,
    a_room,
    a_send,
    a_withdrawal,
    an_open_one,
    done,
    with_deliveries,
)


async def attempts(backend: Backend, slots: int = 9) -> list[int]:
    """Claim what is due; return which try each of it is."""
    return [one.attempt for one in await backend.outbox.claim([a_room("sms", slots)])]


async def reports(backend: Backend, incident_id: str) -> list[DeliveryReported]:
    """Return what the incident's mailbox holds of outcomes."""
    loaded = await backend.store.load(incident_id)
    contents = [mail.content for mail in loaded.mail]

    return [one for one in contents if isinstance(one, DeliveryReported)]


async def withdraw(backend: Backend, incident_id: str) -> None:
    """Take the notification of the tests back, as an acknowledgement does."""
    loaded = await backend.store.load(incident_id)
    await done(backend, a_commit(loaded, withdrawals=(a_withdrawal(a_send()),)))


async def finish(
    backend: Backend, delivery: Delivery, outcome: Outcome = Outcome.SENT
) -> None:
    """Report an outcome that is final."""
    await backend.outbox.finish(delivery, outcome, "", None)


class TestClaim:
    """Claims: what is due, for how long, in which order."""

    async def test_due(self, backend: Backend) -> None:
        """A notification is due with its commit; the delivery says what to send."""
        claimed, [delivery] = await with_deliveries(backend, a_send())

        assert (
            Delivery(incident_id=claimed.incident_id, send=a_send(), attempt=1)
            == delivery
        )

    async def test_not_yet(self, backend: Backend) -> None:
        """One that is to leave later is not claimed before."""
        await an_open_one(backend, sends=(a_send(due=START + SECOND),))
        early = await attempts(backend)
        await backend.advance(SECOND)

        assert [] == early
        assert [1] == await attempts(backend)

    async def test_leased(self, backend: Backend) -> None:
        """Nobody else gets it for 3 s; then it is another attempt."""
        await with_deliveries(backend, a_send())
        await backend.advance(SEND_LEASE - MILLISECOND)
        meanwhile = await attempts(backend.another())
        await backend.advance(MILLISECOND)

        assert [] == meanwhile
        assert [2] == await attempts(backend.another())

    async def test_slots(self, backend: Backend) -> None:
        """No more are claimed than there are slots, and none of another channel."""
        sends = [a_send(f"1.0.1.1.person-{number}") for number in range(5)]
        await an_open_one(backend, sends=[*sends, a_send("x", channel="console")])

        assert [1, 1] == await attempts(backend, 2)
        assert [1, 1, 1] == await attempts(backend)
        assert [] == await attempts(backend)
        assert 1 == len(await backend.outbox.claim([a_room("console", 9)]))

    async def test_turns(self, backend: Backend) -> None:
        """Timers and openings share the slots; what one leaves the other gets."""
        await an_open_one(backend, sends=mixed(4, 2))
        first = await backend.outbox.claim([a_room("sms", 4)])
        rest = await backend.outbox.claim([a_room("sms", 4)])

        assert [False, False, True, True] == causes(first)
        assert [True, True] == causes(rest)

    async def test_turns_one_by_one(self, backend: Backend) -> None:
        """With one slot free at a time, the cause with fewer under way gets it."""
        await an_open_one(backend, sends=mixed(4, 4))
        found: list[Delivery] = []
        for _ in range(4):
            openings = causes(found).count(False)
            busy = UnderWay(by_timer=len(found) - openings, by_opening=openings)
            found += await backend.outbox.claim(
                [a_room(each=len(found) + 1, under_way={"": busy})]
            )

        assert [False, False, True, True] == causes(found)

    async def test_turns_one_slot(self, backend: Backend) -> None:
        """With a single slot, what is due for longer goes first, whatever caused it."""
        later, first = (
            a_send("timer", due=START + SECOND),
            a_send("b", by_timer=False),
        )
        await an_open_one(backend, sends=[later, first])
        await backend.advance(SECOND)
        found = [await backend.outbox.claim([a_room(each=1)]) for _ in range(2)]

        assert [first, later] == [one.send for [one] in found]

    async def test_providers(self, backend: Backend) -> None:
        """Each provider has slots of its own; those under way are counted in."""
        await an_open_one(backend, sends=[*sends_to("one", 9), *sends_to("two", 9)])
        busy = {"one": UnderWay(by_timer=2, by_opening=1)}
        first = await backend.outbox.claim([a_room(each=4, under_way=busy)])
        full = {"one": UnderWay(by_opening=4), "two": UnderWay(by_timer=4)}
        nothing = await backend.outbox.claim([a_room(each=4, under_way=full)])
        more = {**full, "two": UnderWay(by_timer=3)}
        second = await backend.outbox.claim([a_room(each=4, under_way=more)])

        assert {"one": 1, "two": 4} == providers(first)
        assert {} == providers(nothing)
        assert {"two": 1} == providers(second)

    async def test_channels(self, backend: Backend) -> None:
        """One claim is for several channels; a provider's name is its channel's."""
        sends = [*sends_to("one", 3), *sends_to("one", 3, channel="console")]
        await an_open_one(backend, sends=sends)
        busy = {"one": UnderWay(by_timer=9)}
        found = await backend.outbox.claim(
            [a_room(under_way=busy), a_room("console"), a_room("other")]
        )

        assert ["console"] * 3 == [one.send.channel for one in found]

    async def test_fewest_first(self, backend: Backend) -> None:
        """The provider with the fewest under way gets the free slots of a channel."""
        await an_open_one(backend, sends=[*sends_to("one", 9), *sends_to("two", 9)])
        busy = {"one": UnderWay(by_timer=3)}
        found = await backend.outbox.claim([a_room(slots=3, under_way=busy)])

        assert {"two": 2} == providers(found)

    async def test_a_slot_is_left(self, backend: Backend) -> None:
        """However many providers fill their slots, one that comes later finds one."""
        hanging = [one for n in range(12) for one in sends_to(f"hung-{n}", 9)]
        await an_open_one(backend, sends=hanging)
        taken = await backend.outbox.claim([a_room(slots=50)])
        await an_open_one(backend, key="other", sends=sends_to("good", 1))
        busy = {name: UnderWay(by_timer=n) for name, n in providers(taken).items()}
        found = await backend.outbox.claim(
            [a_room(slots=50 - len(taken), under_way=busy)]
        )

        assert {3, 4} == {one.by_timer for one in busy.values()}
        assert {"good": 1} == providers(found)

    @pytest.mark.parametrize(("early", "late"), [("a", "b"), ("b", "a"), ("a", "a2")])
    async def test_oldest_provider_first(
        self, backend: Backend, early: str, late: str
    ) -> None:
        """Among providers with as many under way, who waits longest comes first."""
        later = sends_to("late", 2, due=START + SECOND)
        await an_open_one(backend, key=late, sends=later)
        await an_open_one(backend, key=early, sends=sends_to("early", 2))
        await backend.advance(SECOND)
        [found] = await backend.outbox.claim([a_room(slots=1)])

        assert "early" == found.send.provider

    async def test_no_room(self, backend: Backend) -> None:
        """Without a channel, or without a slot, nothing is taken."""
        await an_open_one(backend, sends=(a_send(),))

        assert [] == list(await backend.outbox.claim([]))
        assert [] == list(await backend.outbox.claim([a_room(slots=0)]))
        assert [] == list(await backend.outbox.claim([a_room(each=0)]))
        assert [1] == await attempts(backend)

    async def test_left_for_later(self, backend: Backend) -> None:
        """What there was no room for, and what a lease ends for, is claimed later."""
        sends = [*sends_to("one", 3), *sends_to("two", 1, due=START + SECOND)]
        await an_open_one(backend, sends=sends)
        first = await backend.outbox.claim([a_room(each=1)])
        await backend.outbox.renew(first)
        second = await backend.outbox.claim([a_room(each=1)])
        await backend.advance(SECOND)
        third = await backend.outbox.claim([a_room()])
        await backend.advance(SEND_LEASE)
        again = await backend.outbox.claim([a_room()])

        assert [{"one": 1}] * 2 == [providers(first), providers(second)]
        assert {"one": 1, "two": 1} == providers(third)
        assert {"one": 3, "two": 1} == providers(again)

    async def test_renewed(self, backend: Backend) -> None:
        """A renewed lease lasts 3 s from then; an old attempt renews nothing."""
        _, [delivery] = await with_deliveries(backend, a_send())
        await backend.advance(2 * SECOND)
        await backend.outbox.renew([delivery])
        await backend.advance(2 * SECOND)
        held = await attempts(backend)
        await backend.advance(SECOND)
        [second] = await backend.outbox.claim([a_room()])
        await backend.outbox.renew([delivery])
        await backend.advance(SEND_LEASE)

        assert [] == held
        assert 2 == second.attempt
        assert [3] == await attempts(backend)

    async def test_renewed_together(self, backend: Backend) -> None:
        """One call renews all that is under way; what is gone keeps none from it."""
        _, found = await with_deliveries(backend, *sends_to("one", 2), *sends_to("", 1))
        await finish(backend, found[0])
        await backend.advance(2 * SECOND)
        await backend.outbox.renew(found)
        await backend.advance(2 * SECOND)
        held = await attempts(backend)
        await backend.advance(SECOND)

        assert [] == held
        assert [2, 2] == await attempts(backend)

    async def test_renewed_too_late(self, backend: Backend) -> None:
        """A renewal that comes after the outcome leaves the time of the retry alone."""
        _, [delivery] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(delivery)
        retry_at = START + SECOND
        await backend.outbox.finish(delivery, Outcome.FAILED, "busy", retry_at)
        await backend.outbox.renew([delivery])
        begun = await backend.outbox.begin(delivery)
        await backend.advance(SECOND)

        assert begun is None
        assert [2] == await attempts(backend)

    async def test_nothing(self, backend: Backend) -> None:
        """Renewing nothing, or what is gone, does nothing."""
        _, [delivery] = await with_deliveries(backend, a_send())
        await finish(backend, delivery)
        await backend.outbox.renew([])
        await backend.outbox.renew([delivery])
        await backend.advance(SEND_LEASE)

        assert [] == await attempts(backend)


class TestBegin:
    """The last question before the first byte."""

    async def test_now(self, backend: Backend) -> None:
        """The answer is the incident as it is now, not as it was at the claim."""
        claimed, [delivery] = await with_deliveries(backend, a_send())
        assert claimed.incident
        taken = replace(claimed.incident, status=Status.ACKNOWLEDGED)
        await done(backend, a_commit(claimed, taken))
        incident = await backend.another().outbox.begin(delivery)
        assert incident

        assert Status.ACKNOWLEDGED is incident.status
        assert claimed.incident_id == incident.id

    async def test_withdrawn(self, backend: Backend) -> None:
        """What was withdrawn does not begin, now or ever."""
        claimed, [delivery] = await with_deliveries(backend, a_send())
        await withdraw(backend, claimed.incident_id)
        begun = await backend.outbox.begin(delivery)
        await backend.advance(SEND_LEASE)

        assert begun is None
        assert [] == await attempts(backend)

    async def test_unclaimed(self, backend: Backend) -> None:
        """What is withdrawn before anybody claimed it is gone."""
        claimed = await an_open_one(backend, sends=(a_send(),))
        await withdraw(backend, claimed.incident_id)

        assert [] == await attempts(backend)

    async def test_old_attempt(self, backend: Backend) -> None:
        """Whoever lost his lease to a later attempt does not begin."""
        _, [old] = await with_deliveries(backend, a_send())
        await backend.advance(SEND_LEASE)
        [new] = await backend.outbox.claim([a_room()])

        assert await backend.outbox.begin(old) is None
        assert await backend.outbox.begin(new)

    async def test_finished(self, backend: Backend) -> None:
        """What is finished does not begin again."""
        _, [delivery] = await with_deliveries(backend, a_send())
        await finish(backend, delivery)

        assert await backend.outbox.begin(delivery) is None


class TestFinish:
    """What became of it."""

    @pytest.mark.parametrize("outcome", Outcome)
    async def test_reported(self, backend: Backend, outcome: Outcome) -> None:
        """An outcome goes into the incident's mailbox, once, and the entry is gone."""
        await backend.advance(SECOND)
        claimed, [delivery] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(delivery)
        await backend.outbox.finish(delivery, outcome, "as said", None)
        await backend.outbox.finish(delivery, outcome, "as said", None)
        [mailed] = await backend.store.claim(Lane.MAIL)
        [report] = await reports(backend, claimed.incident_id)
        await backend.advance(SEND_LEASE)

        assert claimed.incident_id == mailed.incident_id
        assert START + SECOND == mailed.mail[0].at
        assert ("1.0.1.1.alice", 0, 1, outcome, "as said") == (
            report.page,
            report.rule,
            report.attempt,
            report.outcome,
            report.detail,
        )
        assert [] == await attempts(backend)

    async def test_retried(self, backend: Backend) -> None:
        """With a time to retry it is due again then, and nothing is reported."""
        claimed, [delivery] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(delivery)
        retry_at = START + 5 * SECOND
        await backend.outbox.finish(delivery, Outcome.FAILED, "busy", retry_at)
        await backend.advance(5 * SECOND - MILLISECOND)
        early = await attempts(backend)
        await backend.advance(MILLISECOND)
        [again] = await backend.outbox.claim([a_room()])

        assert [] == early
        assert 2 == again.attempt
        assert [] == await reports(backend, claimed.incident_id)
        assert await backend.outbox.begin(again)

    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN])
    async def test_failure_of_an_old_attempt(
        self, backend: Backend, outcome: Outcome
    ) -> None:
        """What is no success counts only from the latest attempt."""
        claimed, [old] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(old)
        await backend.advance(SEND_LEASE)
        [new] = await backend.outbox.claim([a_room()])
        await finish(backend, old, outcome)
        await backend.outbox.finish(old, outcome, "", START)
        nothing = await reports(backend, claimed.incident_id)

        assert [] == nothing
        assert [] == await attempts(backend)
        assert await backend.outbox.begin(new)

    async def test_unknown_to_an_old_attempt(self, backend: Backend) -> None:
        """An old attempt that does not know does not end the tries of a later one."""
        claimed, [old] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(old)
        await backend.advance(SEND_LEASE)
        [new] = await backend.outbox.claim([a_room()])
        await backend.outbox.begin(new)
        retry_at = START + SEND_LEASE + SECOND
        await backend.outbox.finish(new, Outcome.FAILED, "busy", retry_at)
        await finish(backend, old, Outcome.UNKNOWN)
        await backend.advance(SECOND)

        assert [] == await reports(backend, claimed.incident_id)
        assert [3] == await attempts(backend)

    async def test_old_attempt_asks_for_another(self, backend: Backend) -> None:
        """Only the latest attempt may ask for another one, whatever came of it."""
        claimed, [old] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(old)
        await backend.advance(SEND_LEASE)
        [new] = await backend.outbox.claim([a_room()])
        await backend.outbox.finish(old, Outcome.UNKNOWN, "", START)
        due_at_once = await attempts(backend)
        await backend.outbox.finish(new, Outcome.UNKNOWN, "", START)

        assert [] == due_at_once
        assert [] == await reports(backend, claimed.incident_id)
        assert [3] == await attempts(backend)

    async def test_success_of_an_old_attempt(self, backend: Backend) -> None:
        """A success counts from any attempt, and ends the later ones."""
        claimed, [old] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(old)
        await backend.advance(SEND_LEASE)
        [new] = await backend.outbox.claim([a_room()])
        await finish(backend, old)
        begun = await backend.outbox.begin(new)
        await finish(backend, new, Outcome.FAILED)
        [report] = await reports(backend, claimed.incident_id)

        assert begun is None
        assert (1, Outcome.SENT) == (report.attempt, report.outcome)

    async def test_withdrawn_under_way(self, backend: Backend) -> None:
        """What is withdrawn under way still counts, and is never tried again."""
        claimed, [delivery] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(delivery)
        await withdraw(backend, claimed.incident_id)
        retry_at = START + 5 * SECOND
        await backend.outbox.finish(delivery, Outcome.FAILED, "busy", retry_at)
        [report] = await reports(backend, claimed.incident_id)
        await backend.advance(10 * SECOND)

        assert Outcome.FAILED is report.outcome
        assert [] == await attempts(backend)

    async def test_withdrawn_and_lost(self, backend: Backend) -> None:
        """What was withdrawn under way, and nobody finishes, is not tried again."""
        claimed, [delivery] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(delivery)
        await withdraw(backend, claimed.incident_id)
        await backend.advance(SEND_LEASE)

        assert [] == await attempts(backend)

    async def test_withdrawn_between_attempts(self, backend: Backend) -> None:
        """An attempt that began before another was claimed still counts."""
        claimed, [old] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(old)
        await backend.advance(SEND_LEASE)
        [new] = await backend.outbox.claim([a_room()])
        await withdraw(backend, claimed.incident_id)
        begun = await backend.outbox.begin(new)
        await finish(backend, old)
        [report] = await reports(backend, claimed.incident_id)

        assert begun is None
        assert Outcome.SENT is report.outcome

    async def test_withdrawn_before_a_retry(self, backend: Backend) -> None:
        """What is withdrawn while it waits for another try is gone."""
        claimed, [delivery] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(delivery)
        retry_at = START + 5 * SECOND
        await backend.outbox.finish(delivery, Outcome.FAILED, "busy", retry_at)
        await withdraw(backend, claimed.incident_id)
        await backend.advance(10 * SECOND)

        assert [] == await attempts(backend)


def mixed(timers: int, openings: int) -> list[Send]:
    """Return notifications caused by timers, and such caused by an opening."""
    by_timer = [a_send(f"timer-{number}") for number in range(timers)]
    by_opening = [
        a_send(f"opening-{number}", by_timer=False) for number in range(openings)
    ]

    return by_timer + by_opening


def sends_to(
    provider: str, count: int, channel: str = "sms", due: datetime = START
) -> list[Send]:
    """Return so many notifications for a provider."""
    return [
        a_send(f"{provider}-{n}-{channel}", channel=channel, provider=provider, due=due)
        for n in range(count)
    ]


def providers(deliveries: Sequence[Delivery]) -> dict[str, int]:
    """Return how many there are for each provider."""
    return dict(Counter(one.send.provider for one in deliveries))


def causes(deliveries: Sequence[Delivery]) -> list[bool]:
    """Return of each whether a timer caused it, openings first."""
    return sorted(one.send.caused_by_timer for one in deliveries)
