"""
Guests: lookups and channels that others wrote, and what we make of their answers.

What they raise, and what they answer in place of what the ports ask for, counts as a
failure of that one question or attempt. It is recorded, and goes no further. An answer
that is odd in a part is used without that part: who was named is paged.
"""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio

from engine.core.events import Outcome
from engine.errors import EngineError, show_error
from engine.ports import DeliveryResult, OnCall, OnCallReason

# A wait of years is a slip of the channel, and adding it to a time would overflow. Any
# attempt is given up long before an hour is over.
RETRY_AFTER_MAX = timedelta(hours=1)


class GuestError(EngineError):
    """A guest did not do what was asked; the words are ours."""


async def ask(question: Callable[[], object], seconds_max: float) -> object:
    """
    Ask a guest, and wait no longer than that.

    Raises:
        GuestError: If it raised anything at all; of a stranger's error only its kind
            is said. Our own cancellation and KeyboardInterrupt are passed on.
        TimeoutError: If there was no answer in time.
    """
    try:
        with anyio.fail_after(seconds_max):
            return await _asked(question)
    except TimeoutError:
        # Its own time-outs look the same from here, and mean the same.
        raise
    except asyncio.CancelledError:
        # Only ours is passed on: a guest may await something that was cancelled.
        if _is_cancelled():
            raise
        raise GuestError("CancelledError") from None
    except KeyboardInterrupt:
        # It is whoever sits at the terminal who wants that.
        raise
    except Exception as error:
        raise GuestError(show_error(error)) from error
    except (SystemExit, GeneratorExit, BaseExceptionGroup) as error:
        # Among them SystemExit, also in a group. What exits in a task of its own still
        # ends the worker: the event loop raises that itself, past all who wait.
        raise GuestError(type(error).__name__) from error


async def _asked(question: Callable[[], object]) -> object:
    answer: object = question()
    if not inspect.isawaitable(answer):
        message = "answered at once: write `async def`"
        raise GuestError(message)

    return await answer


def read_on_call(answer: object) -> OnCall:
    """
    Return an answer as the port promises it.

    Raises:
        GuestError: If it does not say who is on call.
    """
    if not isinstance(answer, OnCall):
        message = f"answered {_kind_of(answer)} in place of OnCall"
        raise GuestError(message)
    people: object = answer.people
    if not isinstance(people, tuple | list) or not all(map(_is_id, people)):
        message = "answered OnCall with people that are no list of user ids"
        raise GuestError(message)

    return OnCall(
        people=tuple(dict.fromkeys(people)),
        reason=_reason(answer.reason, is_somebody=bool(people)),
        source=_text(answer.source),
        until=_until(answer.until),
    )


def read_result(result: object) -> DeliveryResult:
    """
    Return what a channel says of an attempt as the port promises it.

    Anything else is a failure that may pass: it may not have been sent.
    """
    if not isinstance(result, DeliveryResult):
        return _failed(f"answered {_kind_of(result)} in place of DeliveryResult")
    outcome: object = result.outcome
    if not isinstance(outcome, str) or outcome not in set(Outcome):
        return _failed("answered DeliveryResult with an outcome that is none")
    return replace(
        result,
        outcome=Outcome(outcome),
        detail=_text(result.detail),
        retry_after=_wait(result.retry_after),
    )


def _wait(wait: object) -> timedelta | None:
    """Return how long to leave it alone, within what can be meant."""
    if not isinstance(wait, timedelta):
        return None

    return min(max(wait, timedelta(0)), RETRY_AFTER_MAX)


def _failed(detail: str) -> DeliveryResult:
    return DeliveryResult(outcome=Outcome.FAILED, detail=detail)


def _is_cancelled() -> bool:
    """Tell whether it is this task that was cancelled."""
    task = asyncio.current_task()

    return task is not None and task.cancelling() > 0


def _kind_of(answer: object) -> str:
    return "nothing" if answer is None else type(answer).__name__


def _is_id(person: object) -> bool:
    return isinstance(person, str) and person != "" and person == _text(person)


def _text(text: object) -> str:
    """Return text that can be written: half of a letter cannot."""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def _reason(reason: object, *, is_somebody: bool) -> OnCallReason:
    """Return why they are on call; a word that is none of ours tells of an event."""
    if isinstance(reason, str) and reason in set(OnCallReason):
        return OnCallReason(reason)

    return OnCallReason.EVENT if is_somebody else OnCallReason.NONE


def _until(until: object) -> datetime | None:
    """Return up to when it holds; of a time without a zone nobody can tell."""
    if not isinstance(until, datetime) or until.tzinfo is None:
        return None
    try:
        return until.astimezone(UTC)
    except OverflowError:
        return None
