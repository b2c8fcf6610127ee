"""What every outbox promises."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.core.effects import Send
from engine.core.events import DeliveryReported, Outcome
from engine.core.incident import Status
from engine.ports import Delivery, Lane
from tests.contract.backends import Backend
from tests.contract.making import (
    MILLISECOND,
    SECOND,
    SEND_LEASE,
    START,
    a_commit,
    a_send,
    a_withdrawal,
    an_open_one,
    done,
    with_deliveries,
)


async def attempts(backend: Backend, slots: int = 9) -> list[int]:
    """Claim what is due; return which try each of it is."""
    return [one.attempt for one in await backend.outbox.claim("sms", slots)]


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
        assert 1 == len(await backend.outbox.claim("console", 9))

    async def test_turns(self, backend: Backend) -> None:
        """Timers and openings share the slots; what one leaves the other gets."""
        await an_open_one(backend, sends=mixed(4, 2))
        first = await backend.outbox.claim("sms", 4)
        rest = await backend.outbox.claim("sms", 4)

        assert [False, False, True, True] == causes(first)
        assert [True, True] == causes(rest)

    async def test_turns_one_by_one(self, backend: Backend) -> None:
        """With one slot free at a time, neither cause starves."""
        await an_open_one(backend, sends=mixed(4, 4))
        found = [await backend.outbox.claim("sms", 1) for _ in range(4)]

        assert [False, False, True, True] == causes([one for [one] in found])

    async def test_renewed(self, backend: Backend) -> None:
        """A renewed lease lasts 3 s from then; an old attempt renews nothing."""
        _, [delivery] = await with_deliveries(backend, a_send())
        await backend.advance(2 * SECOND)
        await backend.outbox.renew([delivery])
        await backend.advance(2 * SECOND)
        held = await attempts(backend)
        await backend.advance(SECOND)
        [second] = await backend.outbox.claim("sms", 9)
        await backend.outbox.renew([delivery])
        await backend.advance(SEND_LEASE)

        assert [] == held
        assert 2 == second.attempt
        assert [3] == await attempts(backend)

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
        [new] = await backend.outbox.claim("sms", 9)

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

        assert [] == early
        assert [2] == await attempts(backend)
        assert [] == await reports(backend, claimed.incident_id)

    async def test_failure_of_an_old_attempt(self, backend: Backend) -> None:
        """A failure counts only from the latest attempt."""
        claimed, [old] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(old)
        await backend.advance(SEND_LEASE)
        [new] = await backend.outbox.claim("sms", 9)
        await finish(backend, old, Outcome.FAILED)
        await backend.outbox.finish(old, Outcome.FAILED, "", START)
        nothing = await reports(backend, claimed.incident_id)

        assert [] == nothing
        assert [] == await attempts(backend)
        assert await backend.outbox.begin(new)

    async def test_old_attempt_asks_for_another(self, backend: Backend) -> None:
        """Only the latest attempt may ask for another one, whatever came of it."""
        claimed, [old] = await with_deliveries(backend, a_send())
        await backend.outbox.begin(old)
        await backend.advance(SEND_LEASE)
        [new] = await backend.outbox.claim("sms", 9)
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
        [new] = await backend.outbox.claim("sms", 9)
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
        [new] = await backend.outbox.claim("sms", 9)
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


def causes(deliveries: Sequence[Delivery]) -> list[bool]:
    """Return of each whether a timer caused it, openings first."""
    return sorted(one.send.caused_by_timer for one in deliveries)
