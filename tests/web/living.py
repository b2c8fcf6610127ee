"""The app as it is served: on a Redis, with what belongs to it, one lifetime long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from starlette.types import ASGIApp, Receive, Scope as AsgiScope, Send

from engine.core.alerts import Alert, AlertStatus
from engine.directory import (
    Directory,
    Integration,
    Place,
    Route,
    Scope,
    Team,
    Urgency,
    User,
    UserGroup,
    hash_secret,
    token_id_of,
)
from engine.ids import show_incident_id
from engine.ports import Lane, RoutedAlert
from policies.policy import Policy
from policies.steps import InstructionsStep, NotifyStep
from policies.targets import UserTarget
from tests.web.fakes import ADMIN_SECRET, INGEST_KEY, ROUTING_KEY, a_token
from workers.bootstrap import Installation, connect
from workers.serving import context_of
from workers.settings import Settings
from workers.web.app import create_app

SPARE = a_token("canary-spare-secret", "spare", Scope.ADMIN)


def a_directory() -> Directory:
    """Make a directory with one object of each kind, called `known`."""
    integration = Integration(
        id="known",
        name="Known",
        source="alertmanager",
        key_hash=hash_secret(INGEST_KEY),
        routes=(Route(policy="known"),),
    )
    paging = integration.model_copy(
        update={
            "id": "paging",
            "source": "pagerduty",
            "key_hash": hash_secret(ROUTING_KEY),
        }
    )
    steps = (
        InstructionsStep(text="- [ ] look at the disk\n- [ ] tell us"),
        NotifyStep(targets=(UserTarget(id="known"),)),
    )
    tokens = (a_token(ADMIN_SECRET, "admin", Scope.ADMIN), SPARE)

    return Directory(
        users={"known": User(id="known", name="Known")},
        teams={"known": Team(id="known", name="Known", members=("known",))},
        groups={"known": UserGroup(id="known", name="Known", members=("known",))},
        places={
            "known": Place(id="known", name="Known", kind="chat", channel="console")
        },
        urgencies={
            name: Urgency(id=name, name=name.title(), channels=("console",))
            for name in ("high", "low", "known")
        },
        policies={"known": Policy(id="known", steps=steps)},
        integrations={"known": integration, "paging": paging},
        tokens={token.hash: token for token in tokens},
        on_call={"known": ("known",)},
    )


class LivingApp:
    """
    An app that lives from `lifespan.startup` to `lifespan.shutdown`, as servers do it.

    It begins with an empty Redis and a small world in it.

    Attributes:
        known: What is in that world, by the name of a parameter in a path.
    """

    def __init__(self) -> None:
        self._url = ""
        self._settings = Settings()
        self._app: ASGIApp | None = None
        self.known: dict[str, str] = {}

    def settle(self, url: str, directory: Path) -> None:
        """Say where it will live."""
        self._url = url
        self._settings = Settings.from_environment(
            {"RUNG_DATA_DIR": str(directory), "RUNG_PUBLIC_URL": "https://rung.test"}
        )

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve a request, or live."""
        if scope["type"] != "lifespan":
            assert self._app is not None
            await self._app(scope, receive, send)
            return
        assert "lifespan.startup" == (await receive())["type"]
        async with self._living():
            await send({"type": "lifespan.startup.complete"})
            assert "lifespan.shutdown" == (await receive())["type"]
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _living(self) -> AsyncIterator[None]:
        async with (
            Redis.from_url(self._url) as redis,
            connect(self._settings, self._url) as installation,
        ):
            await redis.flushall()
            await installation.prepare()
            installation.is_ready = True
            await installation.configuration.seed(a_directory())
            self._app = create_app(context_of(installation, self._settings, "0"))
            async with installation.look_ups:
                self.known = await _known(installation)
            yield


async def _known(installation: Installation) -> dict[str, str]:
    """Open an incident of whose instructions nothing is done yet."""
    alert = Alert(
        id="alert-1",
        fingerprint="f1",
        status=AlertStatus.FIRING,
        title="disk full",
        labels={},
    )
    routed = RoutedAlert(alert=alert, integration="known", key="f1")
    [receipt] = await installation.engine.ingest([routed])
    await installation.engine.drain(Lane.MAIL)
    await installation.engine.drain(Lane.DUE)
    incident_id = receipt.incident_id
    assert incident_id is not None
    history = await installation.reader.history(incident_id)
    [comment] = [one for entry in history for one in entry.comments]

    return {
        "incident_id": show_incident_id(incident_id),
        "comment_id": comment.id,
        "token_id": token_id_of(SPARE.hash),
        "object_id": "known",
        "source": "alertmanager",
        "key": INGEST_KEY,
    }
