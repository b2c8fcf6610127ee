"""What every keeper of turns promises."""

from collections.abc import AsyncIterator, Callable

import pytest

from engine.adapters.memory import MemoryTurns
from engine.adapters.redis import keys
from engine.adapters.redis.turns import RedisTurns
from engine.ports import Turn, Turns
from tests.contract.conftest import MEMORY
from tests.contract.making import START
from tests.support.redis_backends import REDISES, OnRedis, Servers, on_redis
from tests.support.redis_fixtures import on_fixture
from tests.support.redis_keys import leaks

__all__ = ["on_fixture"]
PEOPLE = ("user:alice", "user:bob", "user:carol")

Another = Callable[[], Turns]


@pytest.fixture(params=[MEMORY, *REDISES], ids=str)
async def another(
    request: pytest.FixtureRequest, servers: Servers
) -> AsyncIterator[Another]:
    """Return what makes the turns of one more process, on the same store."""
    if request.param == MEMORY:
        only = MemoryTurns()
        yield lambda: only
        return
    async with on_redis(request.param, servers, START) as on:
        yield lambda: RedisTurns(on.another().client)
        found = await leaks(on.redis)

    assert [] == found


def a_turn(ticket: str, *candidates: str, of: str = "root/0") -> Turn:
    """Return a turn to be taken."""
    return Turn(of=of, ticket=ticket, candidates=candidates)


async def take(turns: Turns, ticket: str, *candidates: str, of: str = "root/0") -> str:
    """Take one turn."""
    [taken] = await turns.take([a_turn(ticket, *candidates, of=of)])

    return taken


async def taken(turns: Turns, tickets: str, turn: str = "root/0") -> list[str]:
    """Take a turn with each of these tickets, all of one letter."""
    return list(
        await turns.take([a_turn(ticket, *PEOPLE, of=turn) for ticket in tickets])
    )


async def test_first(another: Another) -> None:
    """Before anybody was taken, it is the first one's turn, whatever their name."""
    assert "user:zoe" == await take(another(), "a", "user:zoe", "user:alice")


async def test_round(another: Another) -> None:
    """Each is taken after the one before, and after the last one the first."""
    assert [*PEOPLE, *PEOPLE[:2]] == await taken(another(), "abcde")


async def test_at_once(another: Another) -> None:
    """Turns that are taken in one go are taken one after the other, each at its step."""
    turns = another()
    asked = [
        a_turn("a", *PEOPLE),
        a_turn("b", *PEOPLE),
        a_turn("c", *PEOPLE, of="root/1"),
        a_turn("a", *PEOPLE),
    ]

    assert ["user:alice", "user:bob", "user:alice", "user:alice"] == list(
        await turns.take(asked)
    )
    assert [] == list(await turns.take([]))


async def test_alone(another: Another) -> None:
    """A single candidate is taken each time."""
    turns = another()
    found = [await take(turns, ticket, "user:bob") for ticket in "abc"]

    assert ["user:bob"] * 3 == found


async def test_shared(another: Another) -> None:
    """Processes take turns together."""
    one, two = another(), another()
    found = await taken(one, "a") + await taken(two, "b") + await taken(one, "c")

    assert [*PEOPLE] == found


async def test_same_ticket(another: Another) -> None:
    """The same ticket gets the same answer, and takes no turn again."""
    one, two = another(), another()
    first = await taken(one, "aaa")
    second = await taken(two, "b")
    late = await taken(two, "a")

    assert ["user:alice"] * 3 == first
    assert ["user:bob"] == second
    assert ["user:alice"] == late
    assert ["user:carol"] == await taken(one, "c")


async def test_same_ticket_without_its_answer(another: Another) -> None:
    """A ticket keeps its answer, though whom it named is no candidate any more."""
    turns = another()
    first = await taken(turns, "a")
    again = await take(turns, "a", "user:bob", "user:carol")

    assert ["user:alice"] == first
    assert "user:alice" == again


async def test_last_is_gone(another: Another) -> None:
    """If the one taken last is not among them any more, the first one is next."""
    turns = another()
    await taken(turns, "ab")
    left = ["user:alice", "user:carol"]
    found = [await take(turns, ticket, *left) for ticket in "cd"]

    assert ["user:alice", "user:carol"] == found


async def test_somebody_new(another: Another) -> None:
    """Whoever was added since is taken when it is their place in the order."""
    turns = another()
    await taken(turns, "a")
    more = ["user:alice", "user:anna", "user:bob"]
    found = [await take(turns, ticket, *more) for ticket in "bcd"]

    assert ["user:anna", "user:bob", "user:alice"] == found


async def test_another_order(another: Another) -> None:
    """It is the order of now that counts, not the one of the turn before."""
    turns = another()
    await taken(turns, "ab")

    assert "user:alice" == await take(turns, "c", "user:bob", "user:alice")


async def test_apart(another: Another) -> None:
    """Each step has turns of its own."""
    turns = another()
    await taken(turns, "ab", "root/0")

    assert ["user:alice"] == await taken(turns, "c", "root/1")
    assert ["user:carol"] == await taken(turns, "d", "root/0")


async def test_any_text(another: Another) -> None:
    """Names are kept as they are written, in any script."""
    turns = another()
    odd = ["team:Ops & Co", "user:Žofie 1", "schedule:a/b:c"]
    found = [await take(turns, f"ž {n}", *odd, of="política {1}/0") for n in range(4)]

    assert [*odd, odd[0]] == found


async def test_ticket_is_forgotten(on: OnRedis) -> None:
    """A ticket is remembered for an hour, and a turn for good."""
    await take(RedisTurns(on.client), "a", *PEOPLE)
    [ticket] = await on.redis.keys(f"{keys.TICKET}*")
    seconds = await on.redis.ttl(ticket)
    await on.redis.delete(ticket)

    assert 3_590 < seconds <= 3_600
    assert "user:bob" == await take(RedisTurns(on.client), "a", *PEOPLE)
