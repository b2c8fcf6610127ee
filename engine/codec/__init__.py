"""
The codec: compact, versioned JSON for everything that is stored. Never pickle.

Each piece starts with its schema version: `1{...}` is plain JSON of version 1,
`1z...` the same deflated with that version's dictionary. What a newer version
wrote is refused by name, so that it can be left for a process that knows it.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from engine.codec.schema import (
    COMMENT,
    CONTENTS,
    DICTIONARY,
    INCIDENT,
    KEPT_ANSWER,
    KNOWN_ON_CALL,
    LETTERS,
    RECORD,
    REJECTED,
    SEND,
    SUMMARY,
    VERSION,
)
from engine.codec.shapes import Shape
from engine.core.alerts import AlertRecord
from engine.core.effects import Send
from engine.core.events import Event
from engine.core.incident import Incident
from engine.core.reasons import Reason
from engine.directory import (
    Directory,
    Integration,
    ObjectKind,
    Place,
    Team,
    Token,
    Urgency,
    User,
    UserGroup,
)
from engine.errors import UnreadableError
from engine.ports import (
    Entry,
    KeptAnswer,
    KnownOnCall,
    RejectedEvent,
    Routed,
    Summary,
)
from policies.policy import Policy, Snapshot
from policies.steps import LENIENT

# What reading a damaged value may meet.
DAMAGE = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

PLAIN = str(VERSION).encode()
DEFLATED = PLAIN + b"z"
DEFLATE_OVER_BYTES = 200
WINDOW_BITS = -15  # raw deflate: no header, no checksum
# How the objects of a directory are written, each for itself.
OBJECTS: Mapping[ObjectKind, TypeAdapter[Any]] = {
    ObjectKind.USERS: TypeAdapter(User),
    ObjectKind.TEAMS: TypeAdapter(Team),
    ObjectKind.GROUPS: TypeAdapter(UserGroup),
    ObjectKind.PLACES: TypeAdapter(Place),
    ObjectKind.URGENCIES: TypeAdapter(Urgency),
    ObjectKind.POLICIES: TypeAdapter(Policy),
    ObjectKind.INTEGRATIONS: TypeAdapter(Integration),
    ObjectKind.TOKENS: TypeAdapter(Token),
    ObjectKind.ON_CALL: TypeAdapter(tuple[str, ...]),
}
ORIGINS, SETTINGS = "origins", "settings"
SETTING_NAMES = ("default_team", "catch_all")
DIRECTORY_KINDS = (*ObjectKind, ORIGINS, SETTINGS)
Stored = Mapping[str, Mapping[str, bytes]]
SNAPSHOT, INTEGRATION, LETTER, REASON, COMMENTS = "h", "n", "t", "y", "yc"


class WrittenIncident(NamedTuple):
    """An incident that is read as far as JSON goes, and the snapshot that it names."""

    snapshot: str
    fields: Mapping[str, Any]


def encode_incident(incident: Incident, *, deflated: bool = False) -> bytes:
    """Write an incident, without its alerts and with only the hash of its snapshot."""
    written = {**INCIDENT.write(incident), SNAPSHOT: incident.snapshot.hash}

    return _packed(written) if deflated else _plain(written)


def read_incident(data: bytes) -> WrittenIncident:
    """
    Read an incident as far as to know which snapshot it walks.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    read = _read("incident", data)
    named: object = read.get(SNAPSHOT)
    if not isinstance(named, str):
        raise UnreadableError("incident", "names no snapshot")

    return WrittenIncident(snapshot=named, fields=read)


def integration_of(data: bytes) -> str | None:
    """Return whose an encoded incident is, also where the rest cannot be read."""
    try:
        named: object = _read("incident", data).get(INTEGRATION)
    except UnreadableError:
        return None

    return named if isinstance(named, str) else None


def incident_from(
    written: WrittenIncident, snapshot: Snapshot, alerts: Mapping[str, AlertRecord]
) -> Incident:
    """
    Return the incident that is written, with what is stored apart from it.

    Raises:
        UnreadableError: If it is damaged.
    """
    try:
        return INCIDENT.read(written.fields, snapshot=snapshot, alerts=alerts)
    except DAMAGE as error:
        raise UnreadableError("incident", str(error)) from error


def decode_incident(
    data: bytes, snapshot: Snapshot, alerts: Mapping[str, AlertRecord]
) -> Incident:
    """
    Read an incident.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    return incident_from(read_incident(data), snapshot, alerts)


def encode_mail(content: Routed | Event) -> bytes:
    """Write a piece of mail."""
    return _packed(_tagged(content))


def decode_mail(data: bytes) -> Routed | Event:
    """
    Read a piece of mail.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    content: Routed | Event = _content("mail", _read("mail", data))

    return content


def encode_entry(entry: Entry) -> bytes:
    """Write a line of history; over 200 bytes it is deflated."""
    written = {**_tagged(entry.event), REASON: entry.reason}
    if entry.comments:
        written[COMMENTS] = [COMMENT.write(comment) for comment in entry.comments]

    return _packed(written)


def decode_entry(data: bytes) -> Entry:
    """
    Read a line of history.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    read = _read("history", data)
    event: Event = _content("history", read)
    try:
        comments = tuple(COMMENT.read(each) for each in read.get(COMMENTS, ()))
        return Entry(event=event, reason=Reason(read[REASON]), comments=comments)
    except DAMAGE as error:
        raise UnreadableError("history", str(error)) from error


def encode_history(lines: Sequence[bytes]) -> bytes:
    """
    Pack lines of history into one.

    Each is kept as it is, whatever version wrote it; ours are inflated first, since
    together they become much smaller than each alone.
    """
    whole = [_inflated(line) for line in lines]

    return _deflated(b"".join(b"%d:%s" % (len(line), line) for line in whole))


def decode_history(data: bytes) -> list[bytes]:
    """
    Unpack lines of history.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    body, lines, begin = _body("history", data), [], 0
    while begin < len(body):
        colon = body.find(b":", begin)
        length = body[begin : max(colon, begin)]
        begin = colon + 1 + int(length) if length.isdigit() else len(body) + 1
        if begin > len(body):
            raise UnreadableError("history", "is damaged")
        lines.append(body[colon + 1 : begin])

    return lines


def encode_send(send: Send) -> bytes:
    """Write an outbox entry."""
    return _plain(SEND.write(send))


def decode_send(data: bytes) -> Send:
    """
    Read an outbox entry.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    return _shaped("outbox entry", SEND, data)


def encode_record(record: AlertRecord) -> bytes:
    """Write what an incident remembers of an alert; over 200 bytes it is deflated."""
    return _packed(RECORD.write(record))


def decode_record(data: bytes) -> AlertRecord:
    """
    Read what an incident remembers of an alert.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    return _shaped("alert", RECORD, data)


def encode_summary(summary: Summary, *, deflated: bool = False) -> bytes:
    """Write what a list shows of an incident."""
    written = SUMMARY.write(summary)

    return _deflated(orjson.dumps(written)) if deflated else _plain(written)


def decode_summary(data: bytes) -> Summary:
    """
    Read what a list shows of an incident.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    return _shaped("summary", SUMMARY, data)


def encode_rejected(event: RejectedEvent) -> bytes:
    """Write what was rejected; over 200 bytes it is deflated."""
    return _packed(REJECTED.write(event))


def decode_rejected(data: bytes) -> RejectedEvent:
    """
    Read what was rejected.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    return _shaped("rejected event", REJECTED, data)


def encode_on_call(known: KnownOnCall) -> bytes:
    """Write who was on call."""
    return _plain(KNOWN_ON_CALL.write(known))


def decode_on_call(data: bytes) -> KnownOnCall:
    """
    Read who was on call.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    return _shaped("on call", KNOWN_ON_CALL, data)


def encode_answer(answer: KeptAnswer) -> bytes:
    """Write what a request was answered with; over 200 bytes it is deflated."""
    return _packed(KEPT_ANSWER.write(answer))


def decode_answer(data: bytes) -> KeptAnswer:
    """
    Read what a request was answered with.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    return _shaped("answer", KEPT_ANSWER, data)


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Write a policy snapshot."""
    return PLAIN + snapshot.model_dump_json().encode()


def decode_snapshot(data: bytes) -> Snapshot:
    """
    Read a policy snapshot.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    return _validated("snapshot", Snapshot, data, LENIENT)


def encode_directory(directory: Directory) -> Stored:
    """
    Write the directory, each object for itself.

    Returns:
        By kind and id. What the installation as a whole has set is a kind of its own.
    """
    written = {
        kind.value: {
            name: PLAIN + OBJECTS[kind].dump_json(one)
            for name, one in directory.objects(kind).items()
        }
        for kind in ObjectKind
    }
    return {
        **written,
        ORIGINS: {name: file.encode() for name, file in directory.origins.items()},
        SETTINGS: {
            name: value.encode()
            for name in SETTING_NAMES
            if (value := getattr(directory, name)) is not None
        },
    }


def decode_directory(version: int, stored: Stored) -> Directory:
    """
    Read the directory.

    Raises:
        UnreadableError: If the data is damaged or of a newer version.
    """
    try:
        fields: dict[str, Any] = {
            kind.value: {
                name: _object(kind, data)
                for name, data in stored.get(kind.value, {}).items()
            }
            for kind in ObjectKind
        }
        origins, settings = (
            {name: data.decode() for name, data in stored.get(kind, {}).items()}
            for kind in (ORIGINS, SETTINGS)
        )
    except ValueError as error:
        raise UnreadableError("directory", str(error)) from error

    # Its parts are checked; nothing is left to check of the whole.
    return Directory.model_construct(
        version=version, origins=origins, **(fields | settings)
    )


def _object(kind: ObjectKind, data: bytes) -> Any:
    return OBJECTS[kind].validate_json(_body(kind.value, data), context=LENIENT)


def _tagged(content: Routed | Event) -> dict[str, Any]:
    letter = LETTERS[type(content)]

    return {LETTER: letter, **CONTENTS[letter].write(content)}


def _content(what: str, read: Mapping[str, Any]) -> Any:
    letter = read.get(LETTER)
    shape = CONTENTS.get(letter) if isinstance(letter, str) else None
    if shape is None:
        raise UnreadableError(what, f"unknown kind {letter!r}")
    try:
        return shape.read(read)
    except DAMAGE as error:
        raise UnreadableError(what, str(error)) from error


def _shaped(what: str, shape: Shape[T], data: bytes) -> T:
    read = _read(what, data)
    try:
        return shape.read(read)
    except DAMAGE as error:
        raise UnreadableError(what, str(error)) from error


def _validated(what: str, model: type[M], data: bytes, context: dict[str, bool]) -> M:
    try:
        return model.model_validate_json(_body(what, data), context=context)
    except ValidationError as error:
        raise UnreadableError(what, str(error)) from error


def _plain(value: dict[str, Any]) -> bytes:
    return PLAIN + orjson.dumps(value)


def _packed(value: dict[str, Any]) -> bytes:
    written = orjson.dumps(value)
    if len(written) <= DEFLATE_OVER_BYTES:
        return PLAIN + written

    return _deflated(written)


def _deflated(written: bytes) -> bytes:
    deflate = zlib.compressobj(6, zlib.DEFLATED, WINDOW_BITS, zdict=DICTIONARY)

    return DEFLATED + deflate.compress(written) + deflate.flush()


def _inflated(line: bytes) -> bytes:
    """Undo the packing of a line of our version; another one is left as it is."""
    try:
        return PLAIN + _body("history", line)
    except UnreadableError:
        return line


def _read(what: str, data: bytes) -> dict[str, Any]:
    try:
        read: object = orjson.loads(_body(what, data))
    except orjson.JSONDecodeError as error:
        raise UnreadableError(what, str(error)) from error
    if not isinstance(read, dict):
        raise UnreadableError(what, "is not an object")

    return read


def _body(what: str, data: bytes) -> bytes:
    """Check the version and undo the packing."""
    if data.startswith(DEFLATED):
        inflate = zlib.decompressobj(WINDOW_BITS, zdict=DICTIONARY)
        try:
            return inflate.decompress(data[len(DEFLATED) :]) + inflate.flush()
        except zlib.error as error:
            raise UnreadableError(what, str(error)) from error
    if data.startswith((PLAIN + b"{", PLAIN + b"[")):
        return data[len(PLAIN) :]
    version = data[:8].split(b"{")[0].split(b"z")[0]
    is_newer = version.isdigit() and int(version) > VERSION
    problem = "was written by a newer version" if is_newer else "is damaged"

    raise UnreadableError(what, problem, is_newer=is_newer)
