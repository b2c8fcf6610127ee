"""What scripts answer about an incident, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from engine.codec import decode_incident, decode_mail, snapshot_hash
from engine.codec.shapes import instant
from engine.core.alerts import AlertRecord
from engine.errors import UnreadableError
from engine.ids import show_incident_id
from engine.ports import Claimed, Mail, RoutedAlert
from policies.policy import Snapshot

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One incident as a claim or a load found it, not yet decoded."""

    incident_id: str
    revision: str
    state: bytes | None
    due: datetime | None
    history_count: int
    failures: int
    mail: tuple[Mail, ...]

    @property
    def fingerprints(self) -> list[str]:
        """The alerts that the unread mail speaks of, each once."""
        found = {
            mail.content.alert.fingerprint: None
            for mail in self.mail
            if isinstance(mail.content, RoutedAlert)
        }

        return list(found)


def read_row(found: Any) -> Row:
    """
    Read what a script found of one incident.

    Raises:
        UnreadableError: If its mail was written by a newer version.
    """
    incident_id, (revision, state, due, count, failures), mail = found

    return Row(
        incident_id=incident_id.decode(),
        revision=revision.decode() if revision else "",
        state=state,
        due=instant(int(due)) if due else None,
        history_count=int(count or 0),
        failures=int(failures or 0),
        mail=tuple(_mail(incident_id.decode(), item) for item in mail),
    )


def snapshot_named(row: Row) -> str | None:
    """
    Return the hash of the snapshot that an incident walks; None before it opens.

    Raises:
        UnreadableError: If the state is damaged or of a newer version.
    """
    return snapshot_hash(row.state) if row.state is not None else None


def claimed_from(
    row: Row, snapshot: Snapshot | None, alerts: Mapping[str, AlertRecord], at: datetime
) -> Claimed:
    """
    Decode an incident.

    Raises:
        UnreadableError: If it is damaged or of a newer version.
    """
    incident = None
    if row.state is not None:
        if snapshot is None:
            raise UnreadableError("snapshot", "is missing")
        incident = decode_incident(row.state, snapshot, alerts)

    return Claimed(
        incident_id=row.incident_id,
        claimed_at=at,
        incident=incident,
        revision=row.revision,
        history_count=row.history_count,
        due=row.due,
        mail=row.mail,
        failures=row.failures,
    )


def _mail(incident_id: str, item: bytes) -> Mail:
    """Read one item of a mailbox; a damaged one must not hold up the others."""
    number, at, body = item.split(b" ", 2)
    try:
        content = decode_mail(body)
    except UnreadableError as error:
        if error.is_newer:
            raise
        log.exception("mail.unreadable", incident_id=show_incident_id(incident_id))
        content = None

    return Mail(number=int(number), at=instant(int(at)), content=content)
