"""
Whatever is sent, the answer is one that the OpenAPI document has.

For each operation: its examples, one case for each thing a value, a header or a method
can have wrong, and some of chance. `make test` sends the same each time; `make long`
goes on for longer, elsewhere each time. A failure shows the seed; SEED=7 repeats it.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import strategies
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    HealthCheck,
    OperationConfig,
    OperationsConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.support.redis_backends import Servers
from tests.support.redis_fixtures import servers_fixture
from tests.support.servers import found_servers
from tests.web.fakes import ADMIN_SECRET, ROUTING_KEY, World
from tests.web.living import LivingApp
from workers.web.app import create_app

__all__ = ["servers_fixture"]

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SEED = int(os.environ.get("SEED") or (secrets.randbits(32) if IS_LONG else 5))
# A policy has a fifth of all that can be wrong, and POST has been sent it already.
POLICIES_ONCE = OperationConfig.from_dict(
    {
        "include-name": "PUT /v1/policies/{object_id}",
        "phases": {"coverage": {"enabled": False}},
    }
)
CONFIG = ProjectConfig(
    # No schema says that what a body names has to exist (422), that nobody else had the
    # id (409), or which ETag there is (412).
    checks=ChecksConfig(
        positive_data_acceptance=PositiveDataAcceptanceConfig(
            expected_statuses=["2xx", "304", "404", "409", "412", "422"]
        )
    ),
    operations=OperationsConfig(operations=[] if IS_LONG else [POLICIES_ONCE]),
    generation=GenerationConfig(
        max_examples=100 if IS_LONG else 2,
        deterministic=not IS_LONG,
        database="none",
        # Parameters that nobody knows are ignored, as everywhere.
        allow_extra_parameters=False,
    ),
)
SCHEMA = schemathesis.openapi.from_dict(
    create_app(World().context()).openapi(),
    config=SchemathesisConfig(
        seed=SEED,
        suppress_health_check=[HealthCheck.all],
        projects=ProjectsConfig(default=CONFIG),
    ),
)
LIVING = LivingApp()
SCHEMA.app = LIVING
# In a path it stands for what is there.
PLAIN = "0"
SENDERS = ("/ingest/", "/v2/enqueue")


@SCHEMA.hook
def before_generate_path_parameters(context: Any, strategy: Any) -> Any:
    """Have half of the paths lead to something."""
    names = [one.name for one in context.operation.path_parameters]

    return strategies.just(dict.fromkeys(names, PLAIN)) | strategy


@pytest.fixture
def known(servers: Servers, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run the app in a world of its own; return what stands for what in a path."""
    print(f"SEED={SEED}")  # noqa: T201 - shown if a test fails
    LIVING.settle(servers.url(found_servers()[-1]), tmp_path)
    with asgi.get_client(cast("Any", LIVING)):
        yield LIVING.known
    asgi.shutdown_lifespans()


@SCHEMA.parametrize()
@pytest.mark.timeout(300)
def test_answers(case: Any, known: dict[str, str]) -> None:
    """No request is answered 5xx, or in a way that is not described."""
    for name, value in case.path_parameters.items():
        if value == PLAIN:
            case.path_parameters[name] = known[name]
    if isinstance(case.body, dict) and isinstance(case.body.get("routing_key"), str):
        case.body["routing_key"] = ROUTING_KEY
    # Of what senders write as much is taken as can be read: it tells of an alert. And a
    # query is text: what has the wrong type before it is written has it no more after.
    is_lenient = case.path.startswith(SENDERS) or case.method == "GET"
    case.call_and_validate(
        headers={"Authorization": f"Bearer {ADMIN_SECRET}"},
        excluded_checks=[negative_data_rejection] if is_lenient else [],
    )
