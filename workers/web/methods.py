"""
What else a path is served by: the `Allow` of 405.

Each method of a path is a route of its own here, and the framework would name only the
first one it comes across.
"""

from fastapi import Request
from starlette.routing import Match

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def allowed(request: Request) -> str:
    """Return the methods that the path of a request has, as `Allow` lists them."""
    return ", ".join(method for method in METHODS if _is_served(request, method))


def _is_served(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}

    return any(
        route.matches(scope)[0] is Match.FULL for route in request.app.router.routes
    )
