"""
The outermost layers of the app, in plain ASGI: they cost next to nothing.

Every request has an id and one line in the log. The line names the route by its
template, never the path: the path of an ingest address ends in a secret.
"""

import re
import traceback

import anyio
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from engine.ports import Ids
from workers.web.problems import STOPPING, UNEXPECTED, ProblemError, to_response

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

REQUEST_ID = "X-Request-Id"
OTHER_ROUTE = "other"
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class TrailingSlash:
    """
    Serves each path with and without a slash at its end.

    A redirect would not do: many senders of webhooks do not follow it, or lose the
    body on the way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one slash off the end of the path."""
        if scope["type"] == "http" and len(scope["path"]) > 1:
            scope = {**scope, "path": scope["path"].removesuffix("/")}
        await self._app(scope, receive, send)


class RequestLog:
    """Names each request, logs how it was answered, and answers what went wrong."""

    def __init__(self, app: ASGIApp, ids: Ids) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = _Answering(send, self._request_id(scope))
        began_at_seconds = anyio.current_time()
        with bound_contextvars(request_id=answering.request_id):
            try:
                await self._app(scope, receive, answering.send)
            except anyio.get_cancelled_exc_class():
                # Told to stop while a request was under way: it was not finished.
                if answering.has_begun:
                    raise
                with anyio.CancelScope(shield=True):
                    await answering.part(scope, receive)
            except Exception as error:
                _log_failure(error, answering.request_id)
                if answering.has_begun:
                    raise
                await answering.apologise(scope, receive)
            finally:
                log.info(
                    "request.answered",
                    request_id=answering.request_id,
                    method=scope["method"],
                    route=getattr(scope.get("route"), "path", OTHER_ROUTE),
                    status=answering.status,
                    milliseconds=_milliseconds_since(began_at_seconds),
                )

    def _request_id(self, scope: Scope) -> str:
        sent = Headers(scope=scope).get(REQUEST_ID, "")

        return sent if _ACCEPTABLE_ID.fullmatch(sent) else self._ids.command_id()


class _Answering:
    """Watches an answer go out; its status is 0 until it begins."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            MutableHeaders(scope=message)[REQUEST_ID] = self.request_id
        await self._send(message)

    @property
    def has_begun(self) -> bool:
        """Whether the status has left; such an answer can only be broken off."""
        return self.status > 0

    async def part(self, scope: Scope, receive: Receive) -> None:
        """Answer 503: this process ends, another one may take it."""
        detail = "This process is stopping. Send it again."
        await to_response(ProblemError(STOPPING, detail))(scope, receive, self.send)

    async def apologise(self, scope: Scope, receive: Receive) -> None:
        """Answer 500, without internals."""
        detail = f"Look for the request id {self.request_id} in the log, and report it."
        await to_response(ProblemError(UNEXPECTED, detail))(scope, receive, self.send)


def _log_failure(error: Exception, request_id: str) -> None:
    """Log a traceback as text: a renderer may add local variables, keys among them."""
    told = "".join(traceback.format_exception(error))
    log.error("request.failed", request_id=request_id, traceback=told)


def _milliseconds_since(began_at_seconds: float) -> float:
    return round((anyio.current_time() - began_at_seconds) * 1_000, 1)
