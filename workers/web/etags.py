"""
ETags: what somebody has read is what they change, or they are told.

An ETag is made of what is shown, byte for byte. What is not shown, like a secret,
is not part of it: who sends an object without its secrets keeps those that are there.
"""

import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from workers.web.problems import CHANGED, ProblemError

ANY = "*"
ETAG_LETTERS = 32
_LISTED = re.compile(r'((?:W/)?)("[^"]*")')
# For the description of an answer.
ETAG_HEADER: dict[str, Any] = {
    "ETag": {
        "description": "Changes whenever what is shown does.",
        "schema": {"type": "string"},
    }
}
CACHED: dict[int | str, dict[str, Any]] = {
    HTTPStatus.NOT_MODIFIED.value: {
        "description": "It is still as the ETag in If-None-Match says.",
        "headers": ETAG_HEADER,
    }
}


def content_of(shown: BaseModel) -> bytes:
    """Write what is shown."""
    return shown.model_dump_json(by_alias=True).encode()


def etag_of(content: bytes) -> str:
    """Return the ETag of what is shown."""
    return f'"{hashlib.sha256(content).hexdigest()[:ETAG_LETTERS]}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """
    What must hold for a request to be carried out.

    Attributes:
        match: Only if the object has one of these ETags; None: whatever it is.
        none_match: Only if it has none of these.
    """

    match: str | None = None
    none_match: str | None = None

    def check(self, etag: str | None) -> None:
        """
        Let a change pass if the object is as it has to be; the ETag of none is None.

        Raises:
            ProblemError: 412, if it is not.
        """
        if self.match is not None and not _has(self.match, etag, is_strong=True):
            detail = (
                "Somebody changed it since you read it: read it again, and change "
                "that. Nothing was written."
                if etag
                else "There is no such object any more: leave out If-Match to make it."
            )
            raise ProblemError(CHANGED, detail)
        if self.none_match is not None and _has(self.none_match, etag, is_strong=False):
            detail = (
                "There is one already: read it, and leave out If-None-Match to "
                "replace it. Nothing was written."
            )
            raise ProblemError(CHANGED, detail)

    def answer(self, shown: BaseModel) -> Response:
        """Show something; to whoever has it already say just that."""
        content = content_of(shown)
        etag = etag_of(content)
        headers = {"ETag": etag}
        if self.none_match and _has(self.none_match, etag, is_strong=False):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)

        return Response(content, HTTPStatus.OK, headers, "application/json")


_IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The ETag that you read: if it is another one by now, nothing is "
        "written. Left out, whatever is there is changed.",
    ),
]
_IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="`*`: only if there is no such object yet.",
    ),
]
_Cached = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="The ETag of what you have: 304 if it is still the same.",
    ),
]


async def _of_reading(request: Request, _has_it: _Cached = None) -> Conditions:
    return Conditions(none_match=_all_of(request, "If-None-Match"))


async def _of_replacing(
    request: Request, _match: _IfMatch = None, _none: _IfNoneMatch = None
) -> Conditions:
    return Conditions(
        match=_all_of(request, "If-Match"),
        none_match=_all_of(request, "If-None-Match"),
    )


async def _of_removing(request: Request, _match: _IfMatch = None) -> Conditions:
    return Conditions(match=_all_of(request, "If-Match"))


Reading = Annotated[Conditions, Depends(_of_reading)]
Replacing = Annotated[Conditions, Depends(_of_replacing)]
Removing = Annotated[Conditions, Depends(_of_removing)]


def _all_of(request: Request, name: str) -> str | None:
    """Return a header that may be there more than once, as one list."""
    found = request.headers.getlist(name)

    return ", ".join(found) if found else None


def _has(listed: str, etag: str | None, *, is_strong: bool) -> bool:
    """Tell whether an ETag is among those of a header; a weak one is no promise."""
    if etag is None:
        return False
    if listed.strip() == ANY:
        return True

    return any(
        written == etag and not (is_strong and weak)
        for weak, written in _LISTED.findall(listed)
    )
