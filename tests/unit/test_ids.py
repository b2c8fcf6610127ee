"""Ids: numbers of 53 bits that sort by time and know their shard."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from engine.errors import CallerError
from engine.ids import (
    ALPHABET,
    EPOCH,
    TICK,
    MalformedIdError,
    mint,
    read_incident_id,
    shard_of,
    show_incident_id,
    to_number,
    to_text,
)

NUMBER_MAX = 2**53 - 1
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SOME_ID = "05HSHDR01C5"
BROKEN = [
    "",
    "0000000000",
    "000000000000",
    "80000000000",
    "ZZZZZZZZZZZ",
    "0000000000I",
    "0000000000L",
    "0000000000O",
    "0000000000U",
    "0000000000-",
    "0000000000é",
    " 0000000000",
    "0000000000\n",
    "\u06600000000000",
]

numbers = st.integers(0, NUMBER_MAX)
ticks = st.integers(0, 2**38 - 2)
shards = st.integers(0, 255)
randoms = st.integers(0, 127)


@given(numbers)
@settings(deadline=None)
def test_round_trip(number: int) -> None:
    """What is written as text is read as the same number."""
    assert number == to_number(to_text(number))


@given(numbers)
@settings(deadline=None)
def test_alphabet(number: int) -> None:
    """An id is 11 characters, none of which is taken for another: no I, L, O or U."""
    text = to_text(number)

    assert 11 == len(text)
    assert set(text) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def test_ends() -> None:
    """The smallest and the largest number have their 11 characters as well."""
    assert "00000000000" == to_text(0)
    assert "7ZZZZZZZZZZ" == to_text(NUMBER_MAX)


@given(numbers, numbers)
@settings(deadline=None)
def test_texts_sort_as_numbers(one: int, other: int) -> None:
    """Sorting the texts and sorting the numbers is the same."""
    assert (one < other) == (to_text(one) < to_text(other))


@given(st.data(), ticks)
@settings(deadline=None)
def test_sorts_by_time(data: st.DataObject, tick: int) -> None:
    """The earlier id sorts first, whatever its shard and its random part."""
    earlier = data.draw(st.integers(0, tick))
    first, second = (
        mint(EPOCH + TICK * each, data.draw(shards), data.draw(randoms))
        for each in (earlier, tick + 1)
    )

    assert first < second


@given(ticks, shards, randoms)
@settings(deadline=None)
def test_carries(tick: int, shard: int, random: int) -> None:
    """An id holds the hundredth of a second, the shard and the random part, in full."""
    number = to_number(mint(EPOCH + TICK * tick, shard, random))

    assert (tick, shard, random) == (number >> 15, number >> 7 & 255, number & 127)


@given(ticks, shards, randoms)
@settings(deadline=None)
def test_shard(tick: int, shard: int, random: int) -> None:
    """An incident is found by its id alone: the shard can be read from it."""
    assert shard == shard_of(mint(EPOCH + TICK * tick, shard, random))


@given(ticks, shards, st.integers(0, 2**64))
@settings(deadline=None)
def test_json_number(tick: int, shard: int, random: int) -> None:
    """A client that keeps numbers as doubles loses nothing of an id."""
    number = to_number(mint(EPOCH + TICK * tick, shard, random))

    assert number == int(float(number))
    assert number <= NUMBER_MAX


def test_one_hundredth_of_a_second() -> None:
    """Times within one hundredth of a second are one; the next one is another."""
    within = mint(NOON + TICK - timedelta(microseconds=1), 0, 0)

    assert mint(NOON, 0, 0) == within
    assert within < mint(NOON + TICK, 0, 0)


def test_random_part() -> None:
    """One shard has 128 ids in a hundredth of a second; more bits are not looked at."""
    ids = [mint(NOON, 4, random) for random in range(256)]

    assert 128 == len(set(ids))
    assert ids[:128] == ids[128:]


def test_stays() -> None:
    """Ids that people have bookmarked are still minted and read the same way."""
    assert SOME_ID == mint(NOON, 11, 5)
    assert 11 == shard_of(SOME_ID)


@pytest.mark.parametrize("text", BROKEN)
def test_malformed(text: str) -> None:
    """A text of another length, with other characters or beyond 53 bits is no id."""
    with pytest.raises(MalformedIdError, match="is not an id"):
        to_number(text)


@pytest.mark.parametrize("text", BROKEN)
def test_malformed_everywhere(text: str) -> None:
    """Neither a shard nor an incident is read from what is not an id."""
    for read in (shard_of, read_incident_id):
        with pytest.raises(MalformedIdError):
            read(text)


def test_callers_fault() -> None:
    """An id that cannot be read is the caller's mistake, not ours."""
    with pytest.raises(CallerError):
        to_number("?")


def test_long_text_is_cut() -> None:
    """However long a text was sent, the message stays one short line."""
    with pytest.raises(MalformedIdError) as caught:
        to_number("\n" * 100_000)

    assert len(str(caught.value)) <= 140
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shown", [f"inc_{SOME_ID}", SOME_ID, f"inc_{SOME_ID.lower()}", SOME_ID.lower()]
)
def test_read_as_written(shown: str) -> None:
    """People may leave the prefix away and write small letters."""
    assert SOME_ID == read_incident_id(shown)


@pytest.mark.parametrize(
    "shown", ["inc_", f"inc_inc_{SOME_ID}", f"usr_{SOME_ID}", f"{SOME_ID}inc_"]
)
def test_other_prefix(shown: str) -> None:
    """Only an incident's own prefix is taken off, once, and only in front."""
    with pytest.raises(MalformedIdError):
        read_incident_id(shown)


@given(numbers)
@settings(deadline=None)
def test_show_and_read(number: int) -> None:
    """An id that was shown is read as the id it is."""
    text = to_text(number)

    assert f"inc_{text}" == show_incident_id(text)
    assert text == read_incident_id(show_incident_id(text))


def test_letters_sort() -> None:
    """The letters stand in the order in which text sorts, each once."""
    assert sorted(set(ALPHABET)) == list(ALPHABET)
    assert 32 == len(ALPHABET)
