"""
Errors as callers see them: RFC 9457 problem documents with stable codes.

A problem says what is wrong and what to do about it. It never shows what only we
may know: a key, an address of Redis, a traceback.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from engine.errors import (
    ConfigurationContendedError,
    ConfigurationUnclearError,
    ContendedError,
    EngineError,
    KeyTakenError,
    OverloadedError,
    TryAgainError,
    UnclearError,
    UnknownIncidentError,
    UnreadableError,
)
from engine.ids import MalformedIdError
from engine.service.object_errors import (
    AlwaysThereError,
    InvalidObjectError,
    LastAdminError,
    ObjectError,
    ObjectExistsError,
    OwnedByFileError,
    UnknownObjectError,
)
from workers.web.methods import allowed

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
FIELD_ERRORS_MAX = 50
_RETRY_LATER = {"Retry-After": str(RETRY_AFTER_SECONDS)}
_PLACE_OF_PARAMETERS = frozenset({"path", "query", "header", "cookie"})


@dataclass(frozen=True, slots=True)
class Kind:
    """What sort of problem it is. The code never changes once it is published."""

    status: HTTPStatus
    code: str
    title: str


INVALID_JSON = Kind(HTTPStatus.BAD_REQUEST, "invalid_json", "The body is not JSON")
TOO_DEEP = Kind(HTTPStatus.BAD_REQUEST, "too_deep", "The body is nested too deep")
INCOMPLETE = Kind(HTTPStatus.BAD_REQUEST, "incomplete_body", "The body broke off")
BAD_REQUEST = Kind(HTTPStatus.BAD_REQUEST, "bad_request", "The request is not valid")
UNAUTHORIZED = Kind(HTTPStatus.UNAUTHORIZED, "unauthorized", "No valid token")
LOW_SCOPE = Kind(HTTPStatus.FORBIDDEN, "low_scope", "The token may not do this")
NO_ADDRESS = Kind(
    HTTPStatus.NOT_FOUND, "unknown_ingest_address", "No integration has this address"
)
NO_COMMENT = Kind(HTTPStatus.NOT_FOUND, "unknown_comment", "No such comment")
NO_INCIDENT = Kind(HTTPStatus.NOT_FOUND, "unknown_incident", "No such incident")
KEY_TAKEN = Kind(HTTPStatus.CONFLICT, "key_taken", "Another incident has the key")
NO_OBJECT = Kind(HTTPStatus.NOT_FOUND, "unknown_object", "No such object")
EXISTS = Kind(HTTPStatus.CONFLICT, "already_exists", "There is one already")
OWNED = Kind(HTTPStatus.CONFLICT, "owned_by_file", "It comes from a file")
ALWAYS_THERE = Kind(HTTPStatus.CONFLICT, "always_there", "It cannot be removed")
LAST_ADMIN = Kind(HTTPStatus.CONFLICT, "last_admin_token", "Nobody could change it")
CHANGED = Kind(
    HTTPStatus.PRECONDITION_FAILED, "precondition_failed", "It is not as you expect"
)
KEY_IN_USE = Kind(
    HTTPStatus.CONFLICT, "idempotency_key_in_use", "The request is under way"
)
KEY_REUSED = Kind(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "idempotency_key_reused",
    "The key was used for another request",
)
ANSWER_NOT_KEPT = Kind(
    HTTPStatus.CONFLICT, "answer_not_kept", "It was done, its answer is not kept"
)
NO_ROUTE = Kind(HTTPStatus.NOT_FOUND, "unknown_path", "No such path")
NO_METHOD = Kind(
    HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "Not by this method"
)
TOO_LARGE = Kind(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", "The body is too large"
)
ENCODED = Kind(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoded_body", "The body is compressed"
)
INVALID = Kind(
    HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", "A value is not valid"
)
UNEXPECTED = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", "Our own mistake")
UNAVAILABLE = Kind(
    HTTPStatus.SERVICE_UNAVAILABLE, "store_unavailable", "Nothing can be stored now"
)
OVERLOADED = Kind(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "Too much at once")
TOO_SLOW = Kind(
    HTTPStatus.SERVICE_UNAVAILABLE, "body_too_slow", "The body came too slowly"
)
STOPPING = Kind(HTTPStatus.SERVICE_UNAVAILABLE, "stopping", "This process is stopping")
CONTENDED = Kind(
    HTTPStatus.SERVICE_UNAVAILABLE, "contended", "Others kept moving the incident"
)
CONFIGURATION_CONTENDED = Kind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "configuration_contended",
    "Others kept changing the configuration",
)
UNREADABLE = Kind(
    HTTPStatus.SERVICE_UNAVAILABLE, "unreadable", "What is stored cannot be read here"
)
UNCLEAR = Kind(HTTPStatus.GATEWAY_TIMEOUT, "unclear", "It may have been written or not")

_NO_INCIDENT_DETAIL = (
    "No incident has this id. Check it against GET /v1/incidents; one that an alert "
    "opened this very moment appears there within a second."
)
# The message of an engine error is for the log: it may name an address of Redis.
_ENGINE_PROBLEMS: Mapping[type[Exception], tuple[Kind, str]] = {
    UnknownIncidentError: (NO_INCIDENT, _NO_INCIDENT_DETAIL),
    MalformedIdError: (NO_INCIDENT, _NO_INCIDENT_DETAIL),
    KeyTakenError: (
        KEY_TAKEN,
        "An open incident has the same dedup key: resolve that one first.",
    ),
    OverloadedError: (OVERLOADED, "Nothing was written. Send it again a little later."),
    ContendedError: (CONTENDED, "Nothing was written. Send it again."),
    ConfigurationContendedError: (
        CONFIGURATION_CONTENDED,
        "Nothing was written. Send it again.",
    ),
    TryAgainError: (UNAVAILABLE, "Nothing is promised. Send it again a little later."),
    UnclearError: (
        UNCLEAR,
        "Send it again with the same Idempotency-Key: doing so twice changes nothing.",
    ),
    ConfigurationUnclearError: (
        UNCLEAR,
        "It may have been stored or not. Read it, and send it again if it was not.",
    ),
    UnreadableError: (
        UNREADABLE,
        "A newer version wrote it, or it is damaged. Let all processes run the same.",
    ),
    EngineError: (UNEXPECTED, "The log says what happened, under the request id."),
}

# What these say is for whoever asked.
_OBJECT_PROBLEMS: Mapping[type[ObjectError], Kind] = {
    UnknownObjectError: NO_OBJECT,
    ObjectExistsError: EXISTS,
    OwnedByFileError: OWNED,
    AlwaysThereError: ALWAYS_THERE,
    LastAdminError: LAST_ADMIN,
}


class FieldError(BaseModel):
    """One value that is not valid, by the path of its field."""

    field: str
    problem: str


class Problem(BaseModel):
    """
    An error (RFC 9457).

    Attributes:
        code: Names the kind of problem; it stays the same over all versions.
        detail: What is wrong this time, and what to do about it.
        errors: The fields that are not valid, if that is the problem.
        incident_id: The incident that is in the way, if one is.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldError] = []
    incident_id: str | None = None


class ProblemError(Exception):
    """The request cannot be answered as asked."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
        incident_id: str | None = None,
    ) -> None:
        super().__init__(f"{kind.code}: {detail}")
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        self.errors = errors
        self.incident_id = incident_id


def install(app: FastAPI) -> None:
    """Make the app answer every error as a problem."""
    for error in (ProblemError, EngineError, HTTPException, RequestValidationError):
        app.add_exception_handler(error, answer)


def to_response(problem: ProblemError) -> Response:
    """Write a problem as an answer."""
    kind = problem.kind
    document: dict[str, object] = {
        "type": f"urn:rung:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        "detail": problem.detail,
    }
    if problem.errors:
        document["errors"] = [error.model_dump() for error in problem.errors]
    if problem.incident_id is not None:
        document["incident_id"] = problem.incident_id
    is_temporary = kind.status is HTTPStatus.SERVICE_UNAVAILABLE
    headers = {**(_RETRY_LATER if is_temporary else {}), **problem.headers}

    return Response(orjson.dumps(document), kind.status, headers, MEDIA_TYPE)


def invalid(found: Iterable[Mapping[str, Any]]) -> ProblemError:
    """Say which values are not valid, from the errors that pydantic found."""
    return refused(
        FieldError(field=_path_of(one["loc"]), problem=str(one["msg"])) for one in found
    )


def invalid_body(found: Iterable[Mapping[str, Any]], sent: Any) -> ProblemError:
    """
    Say which values of a body are not valid, by where they are in what was sent.

    Pydantic names the kind of a step or target too, as if it were a key.
    """
    return refused(
        FieldError(
            field=_path_of(_path_in(sent, one["loc"])),
            problem=str(one["msg"]).removeprefix("Value error, "),
        )
        for one in found
    )


def refused(found: Iterable[FieldError]) -> ProblemError:
    """Say which values are not valid; the first ones, if there are very many."""
    errors = list(found)[:FIELD_ERRORS_MAX]
    told = "; ".join(f"{error.field}: {error.problem}" for error in errors)

    return ProblemError(INVALID, f"Correct and send again: {told}", errors=errors)


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that a route may answer with, for the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Problem"}

    return {
        status.value: {
            "description": status.phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


async def answer(request: Request, error: Exception) -> Response:
    """Answer an error as a problem; one that nobody foresaw is raised again."""
    match error:
        case ProblemError():
            return to_response(error)
        case EngineError():
            return to_response(_of_engine(error))
        case RequestValidationError():
            return to_response(invalid(error.errors()))
        case HTTPException():
            return to_response(_of_framework(request, error))
        case _:
            raise error


def _of_object(error: ObjectError) -> ProblemError:
    if isinstance(error, InvalidObjectError):
        return refused(
            FieldError(field=one.path or "body", problem=one.problem)
            for one in error.problems
        )

    return ProblemError(_OBJECT_PROBLEMS[type(error)], str(error))


def problem_of(error: EngineError) -> ProblemError:
    """Say what an error of the engine means for who asked."""
    if isinstance(error, ObjectError):
        return _of_object(error)
    known = next(kind for kind in type(error).__mro__ if kind in _ENGINE_PROBLEMS)

    return ProblemError(*_ENGINE_PROBLEMS[known])


def _of_engine(error: EngineError) -> ProblemError:
    problem = problem_of(error)
    if problem.kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request.refused", code=problem.kind.code, error=str(error))

    return problem


def _of_framework(request: Request, error: HTTPException) -> ProblemError:
    """Translate what the router raises. The path stays out: it may hold a key."""
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return ProblemError(NO_ROUTE, "Nothing is served here. See /docs.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            methods = allowed(request)
            detail = f"Use {methods or 'another method'}."
            return ProblemError(NO_METHOD, detail, headers={"Allow": methods})
        case status:
            kind = Kind(HTTPStatus(status), BAD_REQUEST.code, BAD_REQUEST.title)
            return ProblemError(kind, str(error.detail), headers=error.headers)


def _path_of(place: Sequence[str | int]) -> str:
    """Write the path of a field as people do: `steps[2].targets[0]`."""
    parts = place[1:] if place and place[0] in _PLACE_OF_PARAMETERS else place
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts
    )

    return path.removeprefix(".") or "body"


def _path_in(sent: Any, place: Sequence[str | int]) -> Sequence[str | int]:
    """Leave out what is in the place of an error, but not in what was sent."""
    path: list[str | int] = []
    for index, part in enumerate(place):
        is_last = index == len(place) - 1
        match sent:
            case dict() if part in sent:
                sent = sent[part]
            case list() if isinstance(part, int) and part < len(sent):
                sent = sent[part]
            case dict() if is_last:
                pass
            case _:
                continue
        path.append(part)

    return path
