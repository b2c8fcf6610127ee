"""The description of the API, the page made of it, and docs/api.md say what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from engine.directory import hash_secret
from tests.web.configuring import a_configured_world
from tests.web.fakes import READ_SECRET, WRITE_SECRET, World
from workers.web import problems
from workers.web.api.objects import RESOURCES
from workers.web.app import create_app
from workers.web.docs import write_page

API = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")
WITH_BODY = {"put", "post"}
DOCUMENT = create_app(World().context()).openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of everything there is."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


NATIVE = [(method, path) for method, path, _ in operations() if path.startswith("/v1")]
WRITING = [(method, path) for method, path in NATIVE if method != "get"]
CONFIGURING = [
    (method, path) for method, path in WRITING if not path.startswith("/v1/incidents")
]


@pytest.fixture
def world() -> World:
    """Return a world that has what examples name."""
    return a_configured_world()


def test_routes() -> None:
    """The table of routes has each path once, with the methods there are."""
    rows = re.findall(r"^\| (`[A-Z` ]+`) \| `(/[^`]*)` \|", API, re.MULTILINE)
    named = {path: set(re.findall(r"\w+", methods)) for methods, path in rows}

    assert len(rows) == len(named)
    assert {
        path: {method.upper() for method in methods}
        for path, methods in DOCUMENT["paths"].items()
    } == named


def test_codes() -> None:
    """The table of errors has every code there is, with its status, and no other."""
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", API, re.MULTILINE)
    kinds = [one for one in vars(problems).values() if isinstance(one, problems.Kind)]

    assert len(rows) == len({code for _, code in rows})
    assert {(str(kind.status.value), kind.code) for kind in kinds} == set(rows)


@pytest.mark.parametrize(("method", "path"), NATIVE)
async def test_closed_by_default(
    client: httpx2.AsyncClient, method: str, path: str
) -> None:
    """Nothing under /v1 opens without a token."""
    answer = await client.request(method, re.sub(r"\{.*?\}", "x", path))

    assert 401 == answer.status_code


@pytest.mark.parametrize(("method", "path"), CONFIGURING)
@pytest.mark.parametrize("bearer", [READ_SECRET, WRITE_SECRET])
async def test_configuration_is_of_admins(
    client: httpx2.AsyncClient, method: str, path: str, bearer: str
) -> None:
    """Whatever changes the configuration takes the scope admin."""
    headers = {"Authorization": f"Bearer {bearer}"}
    answer = await client.request(
        method, re.sub(r"\{.*?\}", "x", path), headers=headers
    )

    assert 403 == answer.status_code


def test_every_answer_is_described() -> None:
    """Every route describes what it may be refused with, and its body if it has one."""
    for method, path, operation in operations():
        if not path.startswith("/v1"):
            continue
        assert {"401", "403", "422", "503"} <= set(operation["responses"]), path
        assert operation["summary"], path
        for parameter in operation.get("parameters", ()):
            assert parameter["schema"], path
        is_command = path.startswith("/v1/incidents/") or path.endswith("/key")
        if method in WITH_BODY and not is_command:
            content = operation["requestBody"]["content"]["application/json"]

            assert operation["requestBody"]["required"]
            assert content["example"], path


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.path)
async def test_examples(client: httpx2.AsyncClient, resource: Any) -> None:
    """What is shown as a body is one: nothing is wrong with it but whom it names."""
    headers = {"Authorization": "Bearer canary-admin-secret"}
    answer = await client.post(
        f"/v1/{resource.path}", json=resource.example, headers=headers
    )
    found = answer.json().get("errors", [])

    assert answer.status_code in {201, 422}
    assert [] == [one for one in found if not one["problem"].startswith("there is no ")]


def test_no_schema_takes_what_nobody_knows() -> None:
    """A step of an unknown kind is in no schema, and targets are text as well."""
    text = json.dumps(DOCUMENT)
    notify = DOCUMENT["components"]["schemas"]["NotifyStepBody"]

    assert "UnknownStep" not in text
    assert "HTTPValidationError" not in text
    assert {"type": "string"} in notify["properties"]["targets"]["items"]["anyOf"]


async def test_page(client: httpx2.AsyncClient) -> None:
    """The page names every route, and loads nothing but its own style."""
    page = await client.get("/docs")
    style = await client.get("/docs/style.css")
    policy = page.headers["content-security-policy"]

    assert policy.startswith("default-src 'self'")
    assert page.headers["content-type"].startswith("text/html")
    assert style.headers["content-type"].startswith("text/css")
    assert {"/docs/style.css", "/openapi.json"} == set(
        re.findall(r"(?:src|href)=\"([^\"]*)\"", page.text)
    )
    assert "<script" not in page.text
    assert " style=" not in page.text
    for path in DOCUMENT["paths"]:
        assert f"<code>{path}</code>" in page.text


def test_page_is_escaped() -> None:
    """What a description says is text on the page, whatever it looks like."""
    evil = "<script>alert(1)</script>"
    operation = {
        "tags": [evil],
        "summary": evil,
        "description": evil,
        "parameters": [{"name": evil}],
        "responses": {evil: {}},
    }
    document = {
        "info": {"title": evil, "version": evil, "description": evil},
        "paths": {evil: {evil: operation}},
    }

    assert "<script" not in write_page(document).lower()


def test_described_alike() -> None:
    """A second app describes the same: no description is used up."""
    assert DOCUMENT == create_app(World().context()).openapi()
    assert hash_secret("x") not in json.dumps(DOCUMENT)
