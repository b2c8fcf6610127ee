"""Requests that are sent again: what was answered the first time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyClaim:
    """
    One run of a request that carries a key.

    Attributes:
        key: Whose key it is, and which.
        request: Tells what is asked for; another request has another one.
        owner: Names this run; one that sends the same again has another name.
    """

    key: str
    request: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What was answered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str = ""


class KeyUse(StrEnum):
    """
    What a key is used for at the moment.

    BEGUN: for the run that asks, from now on. IN_USE: for the same request, which is
    under way. REUSED: for another request, answered or under way.
    """

    BEGUN = "begun"
    IN_USE = "in_use"
    REUSED = "reused"


class IdempotencyKeys(Protocol):
    """
    Remembers what requests with a key were answered with.

    Every method raises StoreUnavailableError if the store cannot be reached.
    """

    async def begin(self, claim: KeyClaim) -> KeyUse | KeptAnswer:
        """
        Take a key for a run, unless it is used already; return what is kept of it.

        The key is the run's for a minute: if the process dies, somebody else may take
        it then. The same run may ask twice.
        """
        ...

    async def keep(self, claim: KeyClaim, answer: KeptAnswer) -> None:
        """
        Keep the answer of a run, for a day.

        One that lost its key meanwhile changes nothing.
        """
        ...

    async def release(self, claim: KeyClaim) -> None:
        """
        Give the key back: whoever comes next carries the request out.

        One that lost its key meanwhile changes nothing.
        """
        ...
