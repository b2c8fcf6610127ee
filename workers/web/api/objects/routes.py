"""
The routes of a kind of objects: list, show, make, put, remove.

Reading takes the scope read. Writing takes admin: whoever may change a policy or an
address decides who is woken, and write is what people need who answer incidents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ValidationError, create_model

from engine.directory import Directory
from engine.service.administration import Written
from engine.service.object_errors import UnknownObjectError
from workers.secrets import new_key
from workers.web.api.objects.resource import (
    NEW_ID,
    ObjectAnswer,
    ObjectBody,
    Resource,
)
from workers.web.auth import AdminToken, ReadToken
from workers.web.bodies import parse_json, read_body
from workers.web.context import Context, WebContext
from workers.web.etags import (
    CACHED,
    ETAG_HEADER,
    Reading,
    Removing,
    Replacing,
    content_of,
    etag_of,
)
from workers.web.idempotency import IdempotentRoute
from workers.web.openapi import described_body
from workers.web.problems import FieldError, documented, invalid_body, refused

LIMIT, LIMIT_MAX = 50, 100
_ALWAYS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_OF_BODIES = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
CREATED_HEADERS = {
    **ETAG_HEADER,
    "Location": {"description": "Where it is.", "schema": {"type": "string"}},
}
# Whoever keeps answers, to give them again, does not keep this one.
NOT_KEPT = {"Cache-Control": "no-store"}
WITH_ETAG: dict[int | str, dict[str, Any]] = {HTTPStatus.OK: {"headers": ETAG_HEADER}}
LISTING = {**WITH_ETAG, **CACHED, **documented(*_ALWAYS)}
READING = {**WITH_ETAG, **CACHED, **documented(*_ALWAYS, HTTPStatus.NOT_FOUND)}
MAKING = documented(
    *_ALWAYS, *_OF_BODIES, HTTPStatus.CONFLICT, HTTPStatus.GATEWAY_TIMEOUT
)
REPLACING = {**MAKING, **documented(HTTPStatus.PRECONDITION_FAILED)}
CHANGING = {**MAKING, **documented(HTTPStatus.NOT_FOUND)}
REMOVING = documented(
    *_ALWAYS,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.GATEWAY_TIMEOUT,
)

Body = TypeVar("Body", bound=BaseModel)
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="At most so many.")]
After = Annotated[
    str | None, Query(description="The `next` of the list before this one.")
]


@dataclass(frozen=True, slots=True)
class Objects:
    """Serves one kind of objects."""

    resource: Resource
    listed: type[BaseModel]

    async def list_all(
        self,
        context: Context,
        _token: ReadToken,
        conditions: Reading,
        limit: Limit = LIMIT,
        after: After = None,
    ) -> Response:
        """List all there are, ordered by id."""
        directory = await context.configuration.latest()
        known = directory.objects(self.resource.kind)
        ids, following = part_of(sorted(known), limit, after)
        shown = [self._show(directory, object_id) for object_id in ids]

        return conditions.answer(
            self.listed(**{self.resource.plural: shown, "next": following})
        )

    async def show(
        self,
        object_id: str,
        context: Context,
        _token: ReadToken,
        conditions: Reading,
    ) -> Response:
        """Show one."""
        directory = await context.configuration.latest()
        if object_id not in directory.objects(self.resource.kind):
            raise UnknownObjectError(self.resource.kind, object_id)

        return conditions.answer(self._show(directory, object_id))

    async def make(
        self, request: Request, context: Context, token: AdminToken
    ) -> Response:
        """Make one. Its id is the one that is sent, else it is made of the name."""
        body = await read_object(request, context, self.resource.body)
        secret = new_key()

        def compose(directory: Directory) -> tuple[str, Any]:
            known = directory.objects(self.resource.kind)
            object_id = self.resource.new_id(body, known)

            return object_id, body.record(object_id, None, secret)

        written = await context.administration.put(
            self.resource.kind, compose, by=token.name
        )

        return self._written(written, secret, context)

    async def put(
        self,
        object_id: str,
        request: Request,
        context: Context,
        token: AdminToken,
        conditions: Replacing,
    ) -> Response:
        """
        Make one, or replace the one that is there as a whole.

        Only what is never shown stays as it is where it is left out.
        """
        body = await read_object(request, context, self.resource.body)
        secret = new_key()

        def compose(directory: Directory) -> tuple[str, Any]:
            conditions.check(self._etag(directory, object_id))
            current = directory.objects(self.resource.kind).get(object_id)
            _check_id(object_id, body, is_new=current is None)

            return object_id, body.record(object_id, current, secret)

        written = await context.administration.put(
            self.resource.kind, compose, by=token.name
        )

        return self._written(written, secret, context)

    async def remove(
        self,
        object_id: str,
        context: Context,
        token: AdminToken,
        conditions: Removing,
    ) -> None:
        """
        Remove one, also if others name it: they name nobody from now on.

        Steps that meet such a name say so in the timeline, and go on.
        """

        def choose(directory: Directory) -> str:
            if object_id not in directory.objects(self.resource.kind):
                raise UnknownObjectError(self.resource.kind, object_id)
            conditions.check(self._etag(directory, object_id))

            return object_id

        await context.administration.remove(self.resource.kind, choose, by=token.name)

    def _written(self, written: Written, secret: str, context: WebContext) -> Response:
        """Show what was written; what is new with its place, and its secret."""
        answer = self._show(written.directory, written.id)
        headers = {"ETag": etag_of(content_of(answer))}
        if not written.is_new:
            return _response(answer, HTTPStatus.OK, headers)
        place = f"/v1/{self.resource.path}/{quote(written.id, safe='')}"
        headers["Location"] = place
        if self.resource.with_secret is not None:
            headers |= NOT_KEPT
            base_url = context.public_url or ""
            answer = self.resource.with_secret(answer, secret, base_url)

        return _response(answer, HTTPStatus.CREATED, headers)

    def _show(self, directory: Directory, object_id: str) -> ObjectAnswer:
        kind = self.resource.kind
        value = directory.objects(kind)[object_id]

        return self.resource.answer.of(
            object_id, value, directory.origin_of(kind, object_id)
        )

    def _etag(self, directory: Directory, object_id: str) -> str | None:
        if object_id not in directory.objects(self.resource.kind):
            return None

        return etag_of(content_of(self._show(directory, object_id)))


def router_of(resource: Resource) -> APIRouter:
    """Return the routes of one kind of objects."""
    router = APIRouter(
        prefix=f"/v1/{resource.path}", tags=[resource.path], route_class=IdempotentRoute
    )
    listed = _list_of(resource)
    objects = Objects(resource, listed)
    body = described_body(resource.body, resource.example)
    first = resource.first_answer or resource.answer
    created: dict[int | str, Any] = {
        HTTPStatus.CREATED: {"model": first, "headers": CREATED_HEADERS}
    }
    router.add_api_route(
        "",
        objects.list_all,
        methods=["GET"],
        summary=f"List {resource.path.replace('-', ' ')}",
        response_model=listed,
        responses=LISTING,
    )
    router.add_api_route(
        "",
        objects.make,
        methods=["POST"],
        summary=f"Make {resource.one}",
        status_code=HTTPStatus.CREATED,
        response_model=first,
        responses={**MAKING, **created},
        openapi_extra=body,
    )
    router.add_api_route(
        "/{object_id}",
        objects.show,
        methods=["GET"],
        summary=f"Show {resource.one}",
        response_model=resource.answer,
        responses=READING,
    )
    router.add_api_route(
        "/{object_id}",
        objects.put,
        methods=["PUT"],
        summary=f"Make or replace {resource.one}",
        response_model=resource.answer,
        responses={**WITH_ETAG, **REPLACING, **created},
        openapi_extra=body,
    )
    router.add_api_route(
        "/{object_id}",
        objects.remove,
        methods=["DELETE"],
        summary=f"Remove {resource.one}",
        status_code=HTTPStatus.NO_CONTENT,
        responses=REMOVING,
    )

    return router


async def read_object(request: Request, context: WebContext, model: type[Body]) -> Body:
    """
    Read a body.

    Raises:
        ProblemError: If it cannot be read, or is none of these.
    """
    sent = parse_json(
        await read_body(request, context.body_bytes_max, context.patience_seconds)
    )
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise invalid_body(error.errors(include_url=False), sent) from None


def part_of(
    ordered: Sequence[str], limit: int, after: str | None
) -> tuple[Sequence[str], str | None]:
    """Return the ids of one part of a list, and what the next part comes after."""
    left = [one for one in ordered if after is None or one > after]
    part = left[:limit]

    return part, part[-1] if len(left) > limit else None


def shown_once(
    answer: BaseModel, status: HTTPStatus = HTTPStatus.OK, **headers: str
) -> Response:
    """Show something that holds a secret: nobody on the way keeps it."""
    return _response(answer, status, {**NOT_KEPT, **headers})


def _response(
    answer: BaseModel, status: HTTPStatus, headers: Mapping[str, str]
) -> Response:
    return Response(content_of(answer), status, headers, "application/json")


def _check_id(object_id: str, body: ObjectBody, *, is_new: bool) -> None:
    """Refuse an id that is not the path's, and a new one that would fit in no path."""
    if body.id is not None and body.id != object_id:
        problem = f"is another one than in the path, {object_id!r}: leave it out"
        raise refused([FieldError(field="id", problem=problem)])
    if is_new and not NEW_ID.fullmatch(object_id):
        problem = (
            "is no id: use up to 100 letters, digits and . _ ~ @ + -, of which the "
            "first is a letter or digit"
        )
        raise refused([FieldError(field="id", problem=problem)])


def _list_of(resource: Resource) -> type[BaseModel]:
    """Return how a part of the list of them is shown."""
    name = resource.answer.__name__.removesuffix("Answer")
    fields: dict[str, Any] = {
        resource.plural: (list[resource.answer], ...),  # type: ignore[name-defined] # of the resource
        "next": (str | None, ...),
    }

    return create_model(f"{name}List", __doc__="A part of the list.", **fields)
