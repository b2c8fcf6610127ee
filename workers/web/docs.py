"""
`/docs`: all routes on one page, made of the OpenAPI document.

It loads nothing from anywhere, runs no script, and works in any browser; a
program reads `/openapi.json`.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

CONTENT_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
STYLE = """\
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem;
       padding: 0 1rem; color: #222; background: #fff; }
table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid #ccc; padding: .3rem .6rem; text-align: left;
         vertical-align: top; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #111; }
  a { color: #8cf; }
}
"""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_docs(request: Request) -> Response:
    """List the routes."""
    page = write_page(request.app.openapi())

    return Response(page, headers=HEADERS, media_type="text/html; charset=utf-8")


@router.get("/docs/style.css")
async def show_style() -> Response:
    """Give the page its looks."""
    return Response(STYLE, headers=HEADERS, media_type="text/css; charset=utf-8")


def write_page(document: Mapping[str, Any]) -> str:
    """Write an OpenAPI document as a page."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    sections = "\n".join(
        f"<h2>{escape(tag)}</h2>\n<table>\n{''.join(rows)}</table>"
        for tag, rows in _rows_by_tag(document).items()
    )

    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: API</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<h1>{title}</h1>
<p>{escape(info.get("description", "").strip())}</p>
<p><a href="/openapi.json">The OpenAPI document</a> has every field and example.</p>
{sections}
</body>
</html>
"""


def _rows_by_tag(document: Mapping[str, Any]) -> Mapping[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = next(iter(operation.get("tags", ())), "other")
            cells = (
                f"<code>{escape(method.upper())}</code>",
                f"<code>{escape(path)}</code>",
                escape(_told_of(operation)),
                escape(", ".join(_parameters(operation))),
                escape(", ".join(operation["responses"])),
            )
            row = "".join(f"<td>{cell}</td>" for cell in cells)
            rows.setdefault(tag, [HEADINGS]).append(f"<tr>{row}</tr>\n")

    return rows


def _told_of(operation: Mapping[str, Any]) -> str:
    """Return its name and what it does, in that order."""
    told = (operation.get("summary", ""), operation.get("description", ""))

    return ". ".join(one for one in told if one)


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        yield parameter["name"] + ("" if parameter.get("required") else "?")


HEADINGS = (
    "<tr><th>method</th><th>path</th><th>what it does</th><th>parameters</th>"
    "<th>answers</th></tr>\n"
)
