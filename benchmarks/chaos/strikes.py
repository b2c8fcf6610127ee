"""What was struck, and which pages were in flight then."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.chaos.plan import Victim
from benchmarks.chaos.provider import Receipt

# From *begin* in Redis until the channel is called, on a machine that is busy; and from
# the provider's answer until the outcome is in Redis.
BEGUN_SECONDS, WRITTEN_SECONDS = 0.5, 0.5
# Whoever is struck in another way has nothing in flight that can come twice.
SENDING = {Victim.WORKER, Victim.STOPPED, Victim.REDIS, Victim.RESTARTED}


@dataclass(frozen=True, kw_only=True)
class Strike:
    """What was struck, and when; `process` numbers the starts of processes."""

    victim: Victim
    at: float
    until: float
    process: int | None = None


def is_struck(
    before: Receipt,
    again: Receipt,
    strikes: Sequence[Strike],
    reported_at: float | None = None,
) -> bool:
    """
    Tell whether a page was in flight when a process of it, or Redis, was struck.

    Either the earlier one: from its begin until its outcome was written. Or the later
    one had begun before its process was stopped, and went on after that.

    Args:
        before: The page.
        again: The same page, as it came again.
        strikes: All there were.
        reported_at: When the history says what became of it, if it was looked up. If
            that is after it was begun again, nothing was written until then.
    """
    begun, written = before.begun_at, before.finished_at + WRITTEN_SECONDS
    if reported_at is not None and reported_at > again.begun_at:
        written = max(written, again.begun_at)

    return any(
        strike.process in {None, before.process}
        and strike.at < written
        and strike.until > begun - BEGUN_SECONDS
        for strike in strikes
        if strike.victim in SENDING
    ) or any(
        strike.at < again.received_at and strike.until > again.begun_at - BEGUN_SECONDS
        for strike in strikes
        if strike.victim is Victim.STOPPED and strike.process == again.process
    )


def seconds_awake(receipt: Receipt, since: float, strikes: Sequence[Strike]) -> float:
    """Return for how long its process ran from then until it began the page."""
    asleep = sum(
        max(0, min(strike.until, receipt.begun_at) - max(strike.at, since))
        for strike in strikes
        if strike.victim is Victim.STOPPED and strike.process == receipt.process
    )

    return receipt.begun_at - since - asleep
