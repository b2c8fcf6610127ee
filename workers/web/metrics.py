"""
`/metrics`: what Prometheus scrapes.

The figures are those of the whole installation, so each web process answers the same.
"""

from http import HTTPStatus
from typing import cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from workers.web.exposition import expose
from workers.web.figures import FigureCache
from workers.web.problems import documented

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=documented(HTTPStatus.SERVICE_UNAVAILABLE),
)
async def show_metrics(request: Request) -> Response:
    """Show figures of the whole installation, for Prometheus."""
    cache = cast("FigureCache", request.app.state.figures)
    text = expose(await cache.figures())

    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
