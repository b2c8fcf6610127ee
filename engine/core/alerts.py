"""
Alerts: what a source says of one thing that it watches.

An alert is known by its fingerprint. One *occurrence* of it, from firing to
resolved, is known by the fingerprint and the time at which the source says it
started; a source that gives no start has no late notices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self


class AlertStatus(StrEnum):
    """What the source says."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """
    One notice from a source.

    Attributes:
        id: The sender's delivery id, else minted with the request.
        fingerprint: Names the alert at its source; not the group's key.
        starts_at: When the source says that it began, if it says so.
        unread: Names of fields that could not be read; the timeline shows them.
    """

    id: str
    fingerprint: str
    status: AlertStatus
    title: str
    starts_at: datetime | None = None
    labels: Mapping[str, str]
    message: str = ""
    link: str = ""
    unread: tuple[str, ...] = ()

    @property
    def occurrence(self) -> str | None:
        """The name of this occurrence, or None if its start is not known."""
        if self.starts_at is None:
            return None

        return f"{self.fingerprint}@{self.starts_at.isoformat()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """
    What an incident remembers of one of its alerts.

    Attributes:
        is_bare: Whether it came when there was no room for what it says any more: then
            only what decides is remembered.
    """

    status: AlertStatus
    title: str = ""
    starts_at: datetime | None = None
    changed_at: datetime
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    message: str = ""
    link: str = ""
    is_bare: bool = False

    @classmethod
    def of(cls, alert: Alert, at: datetime, *, is_bare: bool) -> Self:
        """Remember a notice that came at this time."""
        bare = cls(
            status=alert.status,
            starts_at=alert.starts_at,
            changed_at=at,
            is_bare=is_bare,
        )
        if is_bare:
            return bare

        return replace(
            bare,
            title=alert.title,
            labels=alert.labels,
            message=alert.message,
            link=alert.link,
        )

    @property
    def is_firing(self) -> bool:
        """Whether the source has not yet said that it is over."""
        return self.status is AlertStatus.FIRING
