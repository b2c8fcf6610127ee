"""
The web app: every face of rung over HTTP.

`create_app` is all there is to it. Nothing happens at import, and there is no state
but the context it is given, the line of requests waiting to be admitted, and what of
them is still to be kept.
"""

from fastapi import FastAPI

from workers.web import api, docs, health, ingest, metrics, problems
from workers.web.access import RequestLog, TrailingSlash
from workers.web.context import Check, Engine, WebContext
from workers.web.figures import FigureCache
from workers.web.openapi import RungApp

__all__ = ["Check", "Engine", "WebContext", "create_app"]

DESCRIPTION = """
An escalation execution engine. Alerts come in at `/ingest`, incidents are served
under `/v1`. Every error is a problem document (RFC 9457) with a stable `code`.
"""


def create_app(context: WebContext) -> FastAPI:
    """Build the app that serves this context."""
    app = RungApp(
        title="rung",
        version=context.version,
        description=DESCRIPTION,
        redirect_slashes=False,
        # Their pages load scripts from elsewhere; docs.py serves one of our own.
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    app.state.figures = FigureCache(context)
    app.state.admission = ingest.Admission(
        context.ingests_at_once_max, context.patience_seconds
    )
    app.state.rejections = ingest.Rejections(context.rejected_events, context.clock)
    problems.install(app)
    for router in (
        health.router,
        metrics.router,
        ingest.router,
        api.router,
        docs.router,
    ):
        app.include_router(router)
    app.add_middleware(RequestLog, ids=context.ids)
    # The one added last is outermost.
    app.add_middleware(TrailingSlash)

    return app
