"""One object of each kind over HTTP, and a world that has what they name."""

from collections.abc import Mapping
from typing import Any

import httpx2

from engine.directory import ObjectKind, Scope, Urgency, User
from policies.policy import Policy
from policies.steps import NotifyStep
from policies.targets import UserTarget
from tests.web.fakes import World, a_directory, a_token

ADMIN_SECRET = "canary-admin-secret"  # noqa: S105 - a fake one
ADMIN = {"Authorization": f"Bearer {ADMIN_SECRET}"}
FILE = "people.yaml"

DEFAULT = Policy(id="default", steps=(NotifyStep(targets=(UserTarget(id="alice"),)),))
METHOD = {"id": "hook", "channel": "webhook", "address": "https://canary.example.com/a"}
SECRET = "whsec_" + "Y2FuYXJ5" * 6

# By path: the kind, a body, and what to change in it.
KINDS: Mapping[str, tuple[ObjectKind, dict[str, Any], dict[str, Any]]] = {
    "users": (
        ObjectKind.USERS,
        {
            "name": "Carol",
            "email": "carol@example.com",
            "contact_methods": [{**METHOD, "secrets": [SECRET]}],
            "rules": {"high": [{"method": "hook", "delay": "1m"}]},
        },
        {"is_active": False},
    ),
    "teams": (
        ObjectKind.TEAMS,
        {"name": "Databases", "members": ["alice"]},
        {"members": ["alice", "bob"]},
    ),
    "user-groups": (
        ObjectKind.GROUPS,
        {"name": "Restarters", "members": ["alice"]},
        {"members": []},
    ),
    "channels": (
        ObjectKind.PLACES,
        {
            "name": "War room",
            "kind": "chat",
            "channel": "webhook",
            "address": "https://canary.example.com/room",
            "secrets": [SECRET],
        },
        {"kind": "room"},
    ),
    "schedules": (
        ObjectKind.ON_CALL,
        {"id": "primary", "people": ["alice"]},
        {"people": ["bob"]},
    ),
    "urgencies": (
        ObjectKind.URGENCIES,
        {"name": "Loud", "is_important": True, "channels": ["webhook"]},
        {"channels": ["webhook", "email"]},
    ),
    "policies": (
        ObjectKind.POLICIES,
        {
            "name": "Checkout",
            "steps": [
                {"kind": "notify", "targets": ["user:alice", "everybody"]},
                {"kind": "wait", "duration": "5m"},
                {
                    "kind": "time_branch",
                    "window": {"days": ["mon"], "from": "22:00", "to": "07:00"},
                    "outcome": {"verb": "escalate_to", "policy": "default"},
                },
            ],
            "repeat": {"count": 2, "delay": "15m"},
        },
        {"fallback": "default"},
    ),
    "integrations": (
        ObjectKind.INTEGRATIONS,
        {
            "name": "Grafana",
            "source": "alertmanager",
            "routes": [
                {"match": ['severity="critical"'], "policy": "default"},
                {"policy": None},
            ],
            "acknowledged_for": "1h",
        },
        {"grouping": "per_group"},
    ),
}


def a_configured_world() -> World:
    """Return a world with alice, bob, an urgency, a policy and an admin."""
    world = World()
    directory = a_directory(
        users={
            "alice": User(id="alice", name="Alice"),
            "bob": User(id="bob", name="Bob", is_active=False),
        },
        urgencies={"high": Urgency(id="high", name="High")},
        policies={"default": DEFAULT},
    )
    admin = a_token(ADMIN_SECRET, "admin", Scope.ADMIN)
    world.configuration.directory = directory.model_copy(
        update={"tokens": {**directory.tokens, admin.hash: admin}, "version": 1}
    )

    return world


def own(world: World, kind: ObjectKind, object_id: str, file: str = FILE) -> None:
    """Have an object come from a file."""
    directory = world.configuration.directory
    origins = {**directory.origins, f"{kind}/{object_id}": file}
    world.configuration.directory = directory.model_copy(update={"origins": origins})


async def make(client: httpx2.AsyncClient, path: str) -> tuple[str, httpx2.Response]:
    """Make the object of this kind; return where it is and what was answered."""
    answer = await client.post(f"/v1/{path}", json=KINDS[path][1], headers=ADMIN)
    assert 201 == answer.status_code, answer.text

    return answer.headers["location"], answer
