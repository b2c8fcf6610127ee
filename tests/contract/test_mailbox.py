"""What every mailbox promises."""

from datetime import timedelta

import pytest

from engine.core.events import DeliveryReported, Outcome
from engine.errors import OverloadedError
from engine.ports import (
    Answer,
    Lane,
    Posting,
    Receipt,
    RoutedAcknowledgement,
    RoutedAlert,
    Stored,
)
from tests.contract.backends import Backend, InMemory
from tests.contract.making import (
    KEY,
    MILLISECOND,
    SECOND,
    START,
    a_commit,
    a_firing,
    a_resolve,
    an_incident,
    an_open_one,
    claimed_by_mail,
    done,
    resolved,
)

LATE = Receipt(posting=Posting.LATE, incident_id=None)
MAILBOX_MAX = 10_000


async def test_opens(backend: Backend) -> None:
    """A firing alert without an open incident claims a new one, decided by others."""
    await backend.advance(5 * MILLISECOND)
    [receipt] = await backend.mailbox.append([a_firing()])
    claimed = await claimed_by_mail(backend)
    [mail] = claimed.mail

    assert Posting.OPENED is receipt.posting
    assert receipt.incident_id == claimed.incident_id
    assert claimed.incident is None
    assert "" == claimed.revision
    assert (1, START + 5 * MILLISECOND, a_firing()) == (
        mail.number,
        mail.at,
        mail.content,
    )


async def test_joins(backend: Backend) -> None:
    """A second alert of the key joins, whether or not the first has been read."""
    [opened] = await backend.mailbox.append([a_firing()])
    [unread] = await backend.mailbox.append([a_firing(fingerprint="db2")])
    claimed = await claimed_by_mail(backend)
    await done(backend, a_commit(claimed, an_incident(claimed)))
    [read] = await backend.mailbox.append([a_firing(fingerprint="db3")])

    assert Receipt(posting=Posting.JOINED, incident_id=opened.incident_id) == unread
    assert unread == read


async def test_keys(backend: Backend) -> None:
    """Another key, or the same key of another integration, is another incident."""
    receipts = await backend.mailbox.append(
        [a_firing("one"), a_firing("two"), a_firing("one", integration="grafana")]
    )

    assert 3 == len({receipt.incident_id for receipt in receipts})
    assert {Posting.OPENED} == {receipt.posting for receipt in receipts}


async def test_in_order(backend: Backend) -> None:
    """Alerts of one request are numbered in its order, the receipts come in it too."""
    alerts = [a_firing(fingerprint=f"db{number}") for number in range(20)]
    receipts = await backend.mailbox.append([*alerts, a_firing("other")])
    claims = await backend.store.claim(Lane.MAIL)
    [claimed] = [one for one in claims if one.incident_id == receipts[0].incident_id]

    assert list(range(1, 21)) == [mail.number for mail in claimed.mail]
    assert alerts == [mail.content for mail in claimed.mail]
    assert receipts[20].incident_id != receipts[0].incident_id


async def test_burst(backend: Backend) -> None:
    """However many keys come in one instant, each gets an incident of its own."""
    alerts = [a_firing(f"key-{number}") for number in range(1_000)]
    receipts = await backend.mailbox.append(alerts)

    assert 1_000 == len({receipt.incident_id for receipt in receipts})


async def test_nothing(backend: Backend) -> None:
    """A request without alerts does nothing."""
    assert [] == list(await backend.mailbox.append([]))


async def test_resolve_without_incident(backend: Backend) -> None:
    """A resolve without an open incident is a late notice and no further."""
    receipts = await backend.mailbox.append([a_resolve()])

    assert [LATE] == list(receipts)
    assert 1 == await backend.late_count()
    assert [] == list(await backend.store.claim(Lane.MAIL))


async def test_resolve_before_trigger(backend: Backend) -> None:
    """A resolve that overtakes its trigger makes that late; the next one opens."""
    await backend.mailbox.append([a_resolve(starts_at=START)])
    [overtaken] = await backend.mailbox.append([a_firing(starts_at=START)])
    [again] = await backend.mailbox.append([a_firing(starts_at=START + SECOND)])

    assert LATE == overtaken
    assert 2 == await backend.late_count()
    assert Posting.OPENED is again.posting


async def test_no_start(backend: Backend) -> None:
    """Of a source that gives no start, nothing that fires is late."""
    await backend.mailbox.append([a_resolve()])
    [receipt] = await backend.mailbox.append([a_firing()])

    assert Posting.OPENED is receipt.posting


@pytest.mark.parametrize("is_open", [True, False])
async def test_ended(backend: Backend, *, is_open: bool) -> None:
    """An occurrence that a commit says is over is late, with or without incident."""
    claimed = await an_open_one(backend)
    assert claimed.incident
    routed = a_firing(starts_at=START)
    after = claimed.incident if is_open else resolved(claimed.incident)
    await done(backend, a_commit(claimed, after, ended=(occurrence_of(routed),)))
    [receipt] = await backend.mailbox.append([routed])
    [other] = await backend.mailbox.append([a_firing(starts_at=START + SECOND)])

    assert LATE == receipt
    assert (Posting.JOINED if is_open else Posting.OPENED) is other.posting


async def test_ended_of_another(backend: Backend) -> None:
    """What one integration calls over is not over for another."""
    routed = a_firing(starts_at=START)
    await backend.mailbox.append([a_resolve(starts_at=START)])
    [receipt] = await backend.mailbox.append(
        [RoutedAlert(alert=routed.alert, integration="grafana", key=routed.key)]
    )

    assert Posting.OPENED is receipt.posting


async def test_forgotten(backend: Backend) -> None:
    """After a day an occurrence may fire again."""
    if not isinstance(backend, InMemory):
        pytest.skip("Redis forgets by its own clock; the key test looks at that")
    await backend.mailbox.append([a_resolve(starts_at=START)])
    await backend.advance(timedelta(days=1))
    [receipt] = await backend.mailbox.append([a_firing(starts_at=START)])

    assert Posting.OPENED is receipt.posting


async def test_full(backend: Backend) -> None:
    """The 10,001st unread mail is refused; other incidents go on."""
    [receipt] = await backend.mailbox.append([a_firing()])
    assert receipt.incident_id
    await backend.fill(receipt.incident_id, MAILBOX_MAX - 2)
    [last] = await backend.mailbox.append([a_firing()])
    with pytest.raises(OverloadedError):
        await backend.mailbox.append([a_firing()])
    [other] = await backend.mailbox.append([a_firing("other")])

    assert Posting.JOINED is last.posting
    assert Posting.OPENED is other.posting


async def test_closed(backend: Backend) -> None:
    """The commit that closes an incident lets go of its key."""
    claimed = await an_open_one(backend)
    assert claimed.incident
    await done(backend, a_commit(claimed, resolved(claimed.incident)))
    [receipt] = await backend.mailbox.append([a_firing()])

    assert Posting.OPENED is receipt.posting
    assert receipt.incident_id != claimed.incident_id


async def test_closing_race(backend: Backend) -> None:
    """An alert that comes before the close is read before it; none is closed away."""
    claimed = await an_open_one(backend)
    assert claimed.incident
    [receipt] = await backend.mailbox.append([a_firing(fingerprint="db2")])
    [stored] = await backend.store.commit(
        [a_commit(claimed, resolved(claimed.incident))]
    )
    loaded = await backend.store.load(claimed.incident_id)

    assert receipt.incident_id == claimed.incident_id
    assert Stored.MORE_MAIL is stored
    assert [a_firing(fingerprint="db2")] == [mail.content for mail in loaded.mail]


async def test_acknowledgement(backend: Backend) -> None:
    """An acknowledgement goes to the open incident of its key, behind what is there."""
    [opened] = await backend.mailbox.append([a_firing()])
    [receipt] = await backend.mailbox.append([an_acknowledgement()])
    claimed = await claimed_by_mail(backend)

    assert Receipt(posting=Posting.JOINED, incident_id=opened.incident_id) == receipt
    assert [a_firing(), an_acknowledgement()] == [one.content for one in claimed.mail]


async def test_acknowledgement_of_nothing(backend: Backend) -> None:
    """Of a key that no open incident has it is late; the next alert opens all the same."""
    [receipt] = await backend.mailbox.append([an_acknowledgement()])
    [opened] = await backend.mailbox.append([a_firing(starts_at=START)])

    assert LATE == receipt
    assert 1 == await backend.late_count()
    assert Posting.OPENED is opened.posting


async def test_acknowledgement_of_another(backend: Backend) -> None:
    """What another integration acknowledges under the same key is not this incident."""
    await backend.mailbox.append([a_firing()])
    [receipt] = await backend.mailbox.append([an_acknowledgement("grafana")])

    assert LATE == receipt


async def test_answers(backend: Backend) -> None:
    """An answer goes into its incident's mailbox, behind what is there."""
    claimed = await an_open_one(backend)
    report = a_report()
    await backend.mailbox.append([a_firing(fingerprint="db2")])
    await backend.mailbox.post([Answer(incident_id=claimed.incident_id, event=report)])
    again = await claimed_by_mail(backend)

    assert [2, 3] == [mail.number for mail in again.mail]
    assert report == again.mail[-1].content


async def test_answer_to_nobody(backend: Backend) -> None:
    """An answer to an incident that does not exist is dropped."""
    await backend.mailbox.post([Answer(incident_id="0" * 11, event=a_report())])

    assert [] == list(await backend.store.claim(Lane.MAIL))


def an_acknowledgement(integration: str = "prometheus") -> RoutedAcknowledgement:
    """Return what a source says when somebody took it there."""
    return RoutedAcknowledgement(id="taken", integration=integration, key=KEY)


def a_report() -> DeliveryReported:
    """Return an answer."""
    return DeliveryReported(
        at=START, page="1.0.1.1.alice", rule=0, attempt=1, outcome=Outcome.SENT
    )


def occurrence_of(routed: RoutedAlert) -> str:
    """Return the name of an alert's occurrence."""
    assert routed.alert.occurrence

    return routed.alert.occurrence
