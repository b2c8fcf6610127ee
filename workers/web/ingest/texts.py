"""What people read of an alert: titles, messages, and words for its state."""

from collections.abc import Iterable

from engine.core.alerts import AlertStatus
from workers.web.text import clean, one_line

TITLE_MAX = 255
MESSAGE_MAX = 4_000
# What senders call a state, in lower case without blanks, hyphens and underscores.
FIRING = frozenset(
    {
        "active", "alarm", "alert", "alerting", "critical", "degraded", "down", "error",
        "failed", "failing", "firing", "nodata", "open", "opened", "problem", "trigger",
        "triggered", "unknown", "warning",
    }
)  # fmt: skip
RESOLVED = frozenset(
    {
        "clear", "cleared", "close", "closed", "healthy", "inactive", "normal", "ok",
        "okay", "recovered", "recovery", "resolve", "resolved", "up",
    }
)  # fmt: skip


def status_of(word: str) -> AlertStatus | None:
    """Return what a state means, however it is written; None if it is not known."""
    plain = word.strip().lower()
    for mark in (" ", "-", "_"):
        plain = plain.replace(mark, "")
    if plain in FIRING:
        return AlertStatus.FIRING

    return AlertStatus.RESOLVED if plain in RESOLVED else None


def title_of(candidates: Iterable[str | None]) -> str:
    """Return the first that says anything, on one line."""
    lines = (one_line(text, TITLE_MAX) for text in candidates if text)

    return next((line for line in lines if line), "Alert")


def message_of(candidates: Iterable[str | None]) -> str:
    """Return the first that says anything; empty if none does."""
    texts = (clean(text, MESSAGE_MAX).strip() for text in candidates if text)

    return next((text for text in texts if text), "")
