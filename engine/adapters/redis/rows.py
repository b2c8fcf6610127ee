"""What scripts answer about an incident, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from engine.adapters.redis.recent import RecentIncidents
from engine.codec import (
    WrittenIncident,
    decode_mail,
    decode_record,
    incident_from,
    read_incident,
)
from engine.codec.shapes import instant
from engine.core.changing import changed
from engine.core.incident import Incident
from engine.errors import UnreadableError
from engine.ids import show_incident_id
from engine.ports import Claimed, Mail, RoutedAlert
from policies.policy import Snapshot

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One incident as a claim or a load found it, not yet decoded.

    Attributes:
        written: Its state, if that has to be decoded; None before it opens too.
        known: The incident, if this revision of it is known here.
    """

    incident_id: str
    revision: str
    written: WrittenIncident | None
    known: Incident | None
    due: datetime | None
    history_count: int
    failures: int
    after: str | None
    mail: tuple[Mail, ...]

    @property
    def is_open(self) -> bool:
        """Whether it has been opened."""
        return self.written is not None or self.known is not None

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The alerts that the unread mail speaks of, each once; none to look up."""
        if not self.is_open:
            return ()
        found = {
            mail.content.alert.fingerprint: None
            for mail in self.mail
            if isinstance(mail.content, RoutedAlert)
        }

        return tuple(found)


def read_row(found: Any, recent: RecentIncidents) -> Row:
    """
    Read what a script found of one incident.

    Raises:
        UnreadableError: If it is damaged, or was written by a newer version.
    """
    incident_id = found[0].decode()
    revision, state, due, count, failures, _, after = found[1]
    try:
        named = revision.decode() if revision else ""
        known = recent.find(incident_id, named) if state is not None else None
        is_new = state is not None and known is None
        return Row(
            incident_id=incident_id,
            revision=named,
            written=read_incident(state) if is_new else None,
            known=known,
            due=instant(int(due)) if due else None,
            history_count=int(count or 0),
            failures=int(failures or 0),
            after=after.decode() if after else None,
            mail=tuple([_mail(incident_id, item) for item in found[2]]),
        )
    except (OverflowError, ValueError) as error:
        raise UnreadableError("incident", str(error)) from error


def claimed_from(
    row: Row, snapshot: Snapshot | None, records: Mapping[str, bytes], at: datetime
) -> Claimed:
    """
    Decode an incident.

    Args:
        row: What was found of it.
        snapshot: The one that what is written of it names, if that has to be decoded.
        records: The alerts that its mail speaks of, those that are known.
        at: When it was found.

    Raises:
        UnreadableError: If it is damaged or of a newer version.
    """
    incident = row.known
    alerts = {name: decode_record(record) for name, record in records.items()}
    if row.written is not None and snapshot is not None:
        incident = incident_from(row.written, snapshot, alerts)
    elif incident is not None and alerts:
        incident = changed(incident, alerts=alerts)

    return Claimed(
        incident_id=row.incident_id,
        claimed_at=at,
        incident=incident,
        revision=row.revision,
        history_count=row.history_count,
        due=row.due,
        mail=row.mail,
        failures=row.failures,
        after=row.after,
    )


def _mail(incident_id: str, item: bytes) -> Mail:
    """Read one item of a mailbox; a damaged one must not hold up the others."""
    number, at, body = item.split(b" ", 2)
    try:
        content = decode_mail(body)
    except UnreadableError as error:
        if error.is_newer:
            raise
        log.error(  # noqa: TRY400 - the text says all, and the trace shows payloads
            "mail.unreadable",
            incident_id=show_incident_id(incident_id),
            number=int(number),
            error=str(error),
        )
        content = None

    return Mail(number=int(number), at=instant(int(at)), content=content)
