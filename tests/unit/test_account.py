"""The account of a failover finds what was planted in it."""

from typing import Any

import pytest

from benchmarks.chaos.account import Account, Paged, Promised
from benchmarks.chaos.sentinel import broken

KILLED_AT = 100.0
DUE = {"alice": 0.0, "bob": 2.0}


def a_promise(incident: str, at: float, took: float = 0.5) -> Promised:
    """Return an alert that was answered at a time."""
    return Promised(incident=incident, sent_at=at - took, answered_at=at)


def pages(incident: str, at: float) -> tuple[Paged, Paged]:
    """Return what is owed for an alert that was answered at a time."""
    return (
        Paged(incident=incident, person="alice", key="a" + incident, at=at),
        Paged(incident=incident, person="bob", key="b" + incident, at=at + 2),
    )


BEFORE, LATER = a_promise("before", 99), a_promise("later", 103)
ALL = (*pages("before", 99.1), *pages("later", 103.25))


def an_account(**changes: Any) -> Account:
    """Return one of an alert before the kill and one after it; all is well."""
    well: dict[str, Any] = {
        "due": DUE,
        "promised": (BEFORE, LATER),
        "paged": ALL,
        "known": frozenset({"before", "later"}),
        "killed_at": KILLED_AT,
    }

    return Account(**(well | changes))


ANEW = Paged(incident="before", person="alice", key="x", at=104)
# Without WAIT something has to be lost, or the run has shown nothing.
LOSSY = an_account(known=frozenset({"later"}), paged=ALL[:1] + ALL[2:])


def test_all_is_well() -> None:
    """Nothing is found where all was paged; times count from the kill."""
    account = an_account()

    assert [] == list(broken(account, LOSSY))
    assert (3.0, 3.25) == (account.answered_again_seconds, account.paged_again_seconds)
    assert account.latest_seconds == pytest.approx(0.25)


def test_sent_before() -> None:
    """An answer to what was sent before the kill does not tell when it is answered again."""
    under_way = a_promise("later", 100.1)
    account = an_account(promised=(BEFORE, under_way))

    assert None is account.answered_again_seconds
    assert None is account.paged_again_seconds


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"paged": ALL[:3]}, "lost after WAIT 1: [], ['bob for later']"),
        ({"known": {"later"}}, "lost after WAIT 1: ['before'], []"),
        ({"paged": ALL[:2]}, "nobody was paged for an alert that came after the kill"),
        ({"unanswered": 1}, "1 alerts were never answered 202"),
        (
            {"paged": (*ALL, ANEW)},
            "paged again under another key: ['alice for before']",
        ),
    ],
)
def test_planted(changes: dict[str, Any], told: str) -> None:
    """What was promised and is gone, or was never paged, is named."""
    assert told in list(broken(an_account(**changes), LOSSY))


def test_without_wait() -> None:
    """What is gone with its store is counted and no broken promise; what is stuck is one."""
    stuck = an_account(known=frozenset({"later"}), paged=ALL[:3])
    figures = LOSSY.figures()

    assert 1 == figures["incidents_gone"]
    assert 1 == figures["pages_lost"]
    assert ["not paged, though the store has them: ['bob for later']"] == list(
        broken(an_account(), stuck)
    )
    assert ["without WAIT nothing was lost: the link was not cut in time"] == list(
        broken(an_account(), an_account())
    )


def test_counted() -> None:
    """Pages that came again, and those for what was never promised, are counted."""
    again = Paged(incident="before", person="bob", key="bbefore", at=104)
    stray = Paged(incident="stray", person="alice", key="s", at=99)
    figures = an_account(paged=(*ALL, again, ANEW, stray)).figures()

    assert 2 == figures["pages_more_than_once"]
    assert 1 == figures["pages_again_under_another_key"]
    assert 1 == figures["incidents_paged_and_not_promised"]
    assert 0 == figures["pages_lost"]
