"""
Bodies: read them no further than they are welcome, and parse them without harm.

A body is bounded while it comes in, whatever its sender says of its length; it is
never inflated; and how deep it is nested is counted without recursion.
"""

import json
from contextlib import suppress
from typing import TypeAlias

import anyio
import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from workers.web.problems import (
    ENCODED,
    INCOMPLETE,
    INVALID_JSON,
    TOO_DEEP,
    TOO_LARGE,
    TOO_SLOW,
    Kind,
    ProblemError,
)

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

DEPTH_MAX = 64
BEGINNING_BYTES = 2_048
_Container: TypeAlias = dict[str, Json] | list[Json]
_CONTAINERS = (dict, list)


class BodyError(ProblemError):
    """
    The body cannot be taken.

    Attributes:
        size: What is known of its size, in bytes.
        beginning: What was read of it, at most 2 KB.
    """

    def __init__(
        self, kind: Kind, detail: str, size: int, beginning: bytes = b""
    ) -> None:
        headers = {
            # The rest of the body is not worth reading, nor is what may follow it.
            TOO_LARGE: {"Connection": "close"},
            TOO_SLOW: {"Connection": "close"},
            ENCODED: {"Accept-Encoding": "identity"},
        }
        super().__init__(kind, detail, headers=headers.get(kind))
        self.size = size
        self.beginning = beginning[:BEGINNING_BYTES]


async def read_body(request: Request, bytes_max: int, patience_seconds: float) -> bytes:
    """
    Read the body of a request.

    Raises:
        BodyError: If it is compressed, larger than `bytes_max`, breaks off, or takes
            longer than `patience_seconds`.
    """
    announced = _announced_size(request)
    encodings = ",".join(request.headers.getlist("content-encoding")).lower()
    if {encoding.strip() for encoding in encodings.split(",")} - {"", "identity"}:
        detail = "Send the body as it is, without Content-Encoding."
        raise BodyError(ENCODED, detail, announced)
    if announced > bytes_max:
        raise _too_large(bytes_max, announced)
    chunks: list[bytes] = []
    try:
        with anyio.fail_after(patience_seconds):
            await _collect(request, bytes_max, chunks)
    except TimeoutError:
        detail = f"It took longer than {patience_seconds:g} s. Send it again."
        raise BodyError(TOO_SLOW, detail, announced) from None
    except ClientDisconnect:
        detail = "The connection closed before its end. Send it again."
        raise BodyError(INCOMPLETE, detail, announced, b"".join(chunks)) from None

    return b"".join(chunks)


async def glimpse(request: Request, patience_seconds: float) -> bytes:
    """Return as much of a body as is there already, at most 2 KB; nobody waits long."""
    chunks: list[bytes] = []
    with anyio.move_on_after(patience_seconds), suppress(BodyError, ClientDisconnect):
        await _collect(request, BEGINNING_BYTES, chunks)

    return b"".join(chunks)[:BEGINNING_BYTES]


def parse_json(body: bytes) -> Json:
    """
    Parse a body: JSON in UTF-8, no NaN, no infinity.

    Half of a surrogate pair, and a byte order mark, are no reason to lose an alert:
    the one is shown as `?`, the other is left out.

    Raises:
        BodyError: If it is not JSON, or nested deeper than 64 levels.
    """
    try:
        parsed: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = _parse_patiently(body)
    # Only where there are more brackets than levels can there be too many levels.
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_too_deep(parsed):
        raise _too_deep(body)

    return parsed


def _parse_patiently(body: bytes) -> Json:
    """Parse what orjson does not take; the standard library takes a little more."""
    try:
        text = body.decode("utf-8-sig")
        found: Json = json.loads(text, parse_constant=_refuse)
        plain = json.dumps(found, ensure_ascii=False, allow_nan=False)
        parsed: Json = orjson.loads(plain.encode(errors="replace"))
    except RecursionError:
        raise _too_deep(body) from None
    except UnicodeDecodeError as error:
        detail = f"It is not UTF-8: byte {error.start} cannot be read."
        raise _invalid(detail, body) from None
    except orjson.JSONDecodeError:
        raise _too_deep(body) from None
    except json.JSONDecodeError as error:
        detail = f"{error.msg} (line {error.lineno}, column {error.colno})"
        raise _invalid(detail, body) from None
    except ValueError as error:
        raise _invalid(str(error), body) from None

    return parsed


def _refuse(constant: str) -> None:
    message = f"{constant} is not JSON"
    raise ValueError(message)


def _too_deep(body: bytes) -> BodyError:
    detail = f"Lists and objects may be nested {DEPTH_MAX} levels deep."

    return BodyError(TOO_DEEP, detail, len(body), body)


def _invalid(detail: str, body: bytes) -> BodyError:
    return BodyError(INVALID_JSON, detail, len(body), body)


def _announced_size(request: Request) -> int:
    """Return the Content-Length; 0 if there is none, as with a chunked body."""
    announced = request.headers.get("content-length", "")

    return int(announced) if announced.isascii() and announced.isdigit() else 0


async def _collect(request: Request, bytes_max: int, chunks: list[bytes]) -> None:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        chunks.append(chunk)
        if size > bytes_max:
            raise _too_large(bytes_max, size, b"".join(chunks[:2]))


def _too_large(bytes_max: int, size: int, beginning: bytes = b"") -> BodyError:
    detail = f"At most {bytes_max} bytes are taken. Send fewer alerts at once."

    return BodyError(TOO_LARGE, detail, size, beginning)


def _is_too_deep(parsed: Json) -> bool:
    """Walk down level by level, keeping only what can hold another level."""
    level: list[_Container] = [parsed] if isinstance(parsed, dict | list) else []
    for _ in range(DEPTH_MAX):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, _CONTAINERS)
        ]
        if not level:
            return False

    return True
