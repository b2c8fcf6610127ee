"""
The OpenAPI document: what FastAPI finds in the routes, and what they say of bodies.

Bodies are read by hand, with the bounds of bodies.py, so a route only describes its
own. What the description refers to is put where the document keeps such things.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from typing_extensions import override

from workers.web.problems import Problem

# A body and an answer may have parts of the same name that differ.
PART = "Body"
_REF = "#/components/schemas/{model}"


def described_body(
    model: type[BaseModel], example: Any, *, is_required: bool = True
) -> dict[str, Any]:
    """Return what a route says of its body, for `openapi_extra`."""
    schema = model.model_json_schema(ref_template=_REF + PART)
    content = {"schema": schema, "example": example}

    return {
        "requestBody": {
            "required": is_required,
            "content": {"application/json": content},
        }
    }


class RungApp(FastAPI):
    """FastAPI, with our bodies and our problem document in its description."""

    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is not None:
            return self.openapi_schema
        document = super().openapi()
        parts = document.setdefault("components", {}).setdefault("schemas", {})
        for schema in _bodies(document):
            defined = schema.pop("$defs", {})
            parts.update({name + PART: part for name, part in defined.items()})
        problem = Problem.model_json_schema(ref_template=_REF)
        parts.update(problem.pop("$defs", {}))
        parts["Problem"] = problem

        return document


def _bodies(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        for operation in methods.values():
            body = operation.get("requestBody", {}).get("content", {})
            yield from (one.get("schema", {}) for one in body.values())
