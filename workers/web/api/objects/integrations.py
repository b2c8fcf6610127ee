"""
Integrations: where alerts come from, and which policy takes which of them.

The ingest key of one is shown once, when it is made; then only its hash is known.
"""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field
from typing_extensions import override

from engine.directory import (
    Directory,
    Grouping,
    Integration,
    ObjectKind,
    ResolveWhen,
    Route,
    Source,
    hash_secret,
)
from engine.directory.integrations import ROUTES_MAX
from engine.service.object_errors import UnknownObjectError
from policies.durations import Duration
from policies.steps import NO_TIME
from policies.targets import Name
from workers.secrets import new_key
from workers.web.api.objects.resource import NamedBody, ObjectAnswer, Resource
from workers.web.api.objects.routes import CHANGING, shown_once
from workers.web.auth import AdminToken
from workers.web.context import Context
from workers.web.idempotency import IdempotentRoute


class IntegrationBody(NamedBody):
    """A source of alerts and where they go. The last route has no `match`."""

    source: Source
    grouping: Grouping = Grouping.PER_ALERT
    resolve_when: ResolveWhen = ResolveWhen.ALL
    routes: Annotated[tuple[Route, ...], Field(max_length=ROUTES_MAX)] = ()
    team: Name | None = None
    acknowledged_for: Annotated[Duration, Field(gt=NO_TIME)] | None = None

    @override
    def record(
        self, object_id: str, current: Integration | None, secret: str
    ) -> Integration:
        return Integration(
            id=object_id,
            name=self.name,
            source=self.source,
            key_hash=current.key_hash if current else hash_secret(secret),
            grouping=self.grouping,
            resolve_when=self.resolve_when,
            routes=self.routes,
            team=self.team,
            acknowledged_for=self.acknowledged_for,
        )


class IntegrationAnswer(ObjectAnswer):
    """A source of alerts and where they go."""

    name: str
    source: str
    grouping: Grouping
    resolve_when: ResolveWhen
    routes: list[Route]
    team: str | None
    acknowledged_for: Duration | None


class NewIntegrationAnswer(IntegrationAnswer):
    """
    An integration, with the key that was made for it.

    Attributes:
        key: Shown this once.
        addresses: Where its alerts go. The key is in them, or goes with each event as
            its `routing_key` if the source is `pagerduty`.
    """

    key: str
    addresses: list[str]


def with_key(answer: ObjectAnswer, secret: str, base_url: str) -> NewIntegrationAnswer:
    """Show an integration with the key that was made for it."""
    shown = dict(answer)
    address = base_url + _path_of(shown["source"], secret)

    return NewIntegrationAnswer(**shown, key=secret, addresses=[address])


def _path_of(source: str, secret: str) -> str:
    """Return where a sender sends to; of PagerDuty's events the key is in the body."""
    if source == Source.PAGERDUTY:
        return "/v2/enqueue"

    return f"/ingest/{source}/{secret}"


INTEGRATIONS = Resource(
    path="integrations",
    kind=ObjectKind.INTEGRATIONS,
    body=IntegrationBody,
    answer=IntegrationAnswer,
    example={
        "name": "Prometheus",
        "source": "alertmanager",
        "routes": [
            {"match": ['severity="critical"'], "policy": "checkout"},
            {"policy": None},
        ],
    },
    first_answer=NewIntegrationAnswer,
    with_secret=with_key,
)

router = APIRouter(
    prefix="/v1/integrations", tags=["integrations"], route_class=IdempotentRoute
)


@router.post(
    "/{object_id}/key",
    response_model=NewIntegrationAnswer,
    responses=CHANGING,
)
async def change_key(object_id: str, context: Context, token: AdminToken) -> Response:
    """
    Make a new ingest key. The old one opens nothing from now on.

    Processes that run beside this one take the old key for another second.
    """
    key = new_key()

    def compose(directory: Directory) -> tuple[str, Integration]:
        current = directory.integrations.get(object_id)
        if current is None:
            raise UnknownObjectError(ObjectKind.INTEGRATIONS, object_id)
        return object_id, current.model_copy(update={"key_hash": hash_secret(key)})

    written = await context.administration.put(
        ObjectKind.INTEGRATIONS, compose, by=token.name
    )
    answer = IntegrationAnswer.of(object_id, written.value, None)

    return shown_once(with_key(answer, key, context.public_url or ""))
