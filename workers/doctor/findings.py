"""What the doctor says of one thing."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether something is as it should be."""

    OK = "ok"
    FINDING = "finding"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing that was looked at.

    Attributes:
        found: What is there; never a secret.
        remedy: What to do, unless all is well.
    """

    check: str
    verdict: Verdict
    found: str
    remedy: str = ""


def fine(check: str, found: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(check=check, verdict=Verdict.OK, found=found)


def wrong(check: str, found: str, remedy: str) -> Finding:
    """Say that something is not, and what to do."""
    return Finding(check=check, verdict=Verdict.FINDING, found=found, remedy=remedy)


def unsure(check: str, found: str, remedy: str) -> Finding:
    """Say that it cannot be told, and how it can be."""
    return Finding(check=check, verdict=Verdict.UNKNOWN, found=found, remedy=remedy)


def judged(check: str, found: str, remedy: str, *, is_fine: bool) -> Finding:
    """Say whether it is, and if not, what to do."""
    return fine(check, found) if is_fine else wrong(check, found, remedy)
