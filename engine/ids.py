"""
Ids: 53 bits, so that every client keeps a JSON number.

From the left: hundredths of a second since 2025 (38 bits), the shard (8 bits),
random (7 bits). As text they are 11 characters of Crockford's base32 and sort by
time; surfaces that want numbers show them in decimal. An incident's id carries
its shard, so all that belongs to it lies together.
"""

from datetime import UTC, datetime, timedelta

from engine.errors import CallerError

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=10)
SHARD_BITS, RANDOM_BITS, ID_BITS = 8, 7, 53
SHARDS_MAX = 1 << SHARD_BITS
LENGTH = 11
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
INCIDENT_PREFIX = "inc_"


class MalformedIdError(CallerError):
    """The text is not an id."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:40]!r} is not an id: expected 11 letters and digits")


def mint(at: datetime, shard: int, random: int) -> str:
    """
    Make an id.

    Args:
        at: The time it carries, to a hundredth of a second.
        shard: 0 to 255; of configuration any.
        random: Any number; its lowest 7 bits are used.
    """
    number = (at - EPOCH) // TICK
    number = number << SHARD_BITS | shard % SHARDS_MAX
    number = number << RANDOM_BITS | random % (1 << RANDOM_BITS)

    return to_text(number % (1 << ID_BITS))


def to_text(number: int) -> str:
    """Write a number of 53 bits as 11 characters."""
    letters = ""
    for _ in range(LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        letters = ALPHABET[digit] + letters

    return letters


def to_number(text: str) -> int:
    """
    Read 11 characters as a number.

    Raises:
        MalformedIdError: If they are not an id.
    """
    number = 0
    for letter in text:
        if letter not in VALUES:
            raise MalformedIdError(text)
        number = number * len(ALPHABET) + VALUES[letter]
    if len(text) != LENGTH or number >= 1 << ID_BITS:
        raise MalformedIdError(text)

    return number


def shard_of(text: str) -> int:
    """
    Return the shard that an id carries.

    Raises:
        MalformedIdError: If the text is not an id.
    """
    return to_number(text) >> RANDOM_BITS & (SHARDS_MAX - 1)


def read_incident_id(shown: str) -> str:
    """
    Read an incident's id as people write it: with its prefix or without.

    Raises:
        MalformedIdError: If it is not an id.
    """
    text = shown.removeprefix(INCIDENT_PREFIX).upper()
    try:
        to_number(text)
    except MalformedIdError:
        raise MalformedIdError(shown) from None

    return text


def show_incident_id(incident_id: str) -> str:
    """Write an incident's id the way people meet it: in the API, logs and messages."""
    return INCIDENT_PREFIX + incident_id
