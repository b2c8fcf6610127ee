"""Tokens over HTTP, and what is set for the installation as a whole."""

import httpx2
import pytest

from engine.directory import Scope, hash_secret
from tests.web.configuring import ADMIN, ADMIN_SECRET, a_configured_world
from tests.web.fakes import ALICE_SECRET, READ_SECRET, WRITE_SECRET, World, a_token

OWN_ID = hash_secret(ADMIN_SECRET)[:12]


@pytest.fixture
def world() -> World:
    """Return a world with an admin."""
    return a_configured_world()


async def test_made(client: httpx2.AsyncClient, world: World) -> None:
    """A token opens what its scope says; its secret is shown this once."""
    body = {"name": "laptop of alice", "scopes": ["write", "write"], "user": "alice"}
    made = await client.post("/v1/tokens", json=body, headers=ADMIN)
    secret, token_id = made.json()["token"], made.json()["id"]
    shown = await client.get(made.headers["location"], headers=ADMIN)
    listed = await client.get("/v1/tokens", headers=ADMIN)
    own = {"Authorization": f"Bearer {secret}"}
    used = await client.get("/v1/users", headers=own)
    refused = await client.get("/v1/tokens", headers=own)

    assert secret.startswith("rung_")
    assert 45 < len(secret)
    assert "no-store" == made.headers["cache-control"]
    assert made.headers["etag"] == shown.headers["etag"]
    assert {
        "id": token_id,
        "name": "laptop of alice",
        "scopes": ["write"],
        "user": "alice",
        "is_valid": True,
        "origin": None,
    } == shown.json()
    assert shown.json() in listed.json()["tokens"]
    assert [200, 403] == [used.status_code, refused.status_code]
    assert hash_secret(secret) in world.configuration.directory.tokens
    for answer in (shown, listed):
        assert secret not in answer.text
        assert hash_secret(secret) not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"name": "x", "scopes": []}, 422, "scopes: "),
        ({"name": "x", "scopes": ["root"]}, 422, "scopes[0]: "),
        ({"name": " ", "scopes": ["read"]}, 422, "name: "),
        ({"scopes": ["read"]}, 422, "name: "),
        (
            {"name": "x", "scopes": ["read"], "user": "alcie"},
            422,
            "user: there is no user 'alcie'; did you mean 'alice'?",
        ),
        ({"name": "x", "scopes": ["read"], "hash": "0"}, 422, "hash: "),
        ({"name": "reader", "scopes": ["read"]}, 409, "a token 'reader' already"),
    ],
)
async def test_refused(
    client: httpx2.AsyncClient, world: World, body: object, status: int, told: str
) -> None:
    """A token that could do nothing, is nobody's, or has a name that is taken."""
    before = world.configuration.directory
    answer = await client.post("/v1/tokens", json=body, headers=ADMIN)

    assert status == answer.status_code
    assert told in answer.json()["detail"]
    assert before == world.configuration.directory


@pytest.mark.parametrize("bearer", [READ_SECRET, WRITE_SECRET])
async def test_scopes(client: httpx2.AsyncClient, world: World, bearer: str) -> None:
    """Whoever is no admin neither sees nor makes nor revokes a token."""
    before = world.configuration.directory
    headers = {"Authorization": f"Bearer {bearer}"}
    body = {"name": "x", "scopes": ["admin"]}
    answers = [
        await client.get("/v1/tokens", headers=headers),
        await client.get(f"/v1/tokens/{OWN_ID}", headers=headers),
        await client.post("/v1/tokens", json=body, headers=headers),
        await client.delete(f"/v1/tokens/{OWN_ID}", headers=headers),
    ]

    assert [403] * 4 == [answer.status_code for answer in answers]
    assert before == world.configuration.directory


async def test_revoked(client: httpx2.AsyncClient) -> None:
    """A token that was revoked opens nothing any more."""
    place = f"/v1/tokens/{hash_secret(READ_SECRET)[:12]}"
    reader = {"Authorization": f"Bearer {READ_SECRET}"}
    old = await client.delete(place, headers={**ADMIN, "If-Match": '"old"'})
    before = await client.get("/v1/users", headers=reader)
    revoked = await client.delete(place, headers=ADMIN)
    after = await client.get("/v1/users", headers=reader)
    again = await client.delete(place, headers=ADMIN)

    assert [412, 200, 204, 401, 404] == [
        answer.status_code for answer in (old, before, revoked, after, again)
    ]


async def test_user_who_is_gone(client: httpx2.AsyncClient) -> None:
    """A token whose user was removed opens nothing, and is shown as such."""
    headers = {"Authorization": f"Bearer {ALICE_SECRET}"}
    before = await client.get("/v1/users", headers=headers)
    await client.delete("/v1/users/alice", headers=ADMIN)
    after = await client.get("/v1/users", headers=headers)
    place = f"/v1/tokens/{hash_secret(ALICE_SECRET)[:12]}"
    shown = await client.get(place, headers=ADMIN)

    assert [200, 401] == [before.status_code, after.status_code]
    assert shown.json()["is_valid"] is False


async def test_last_admin(client: httpx2.AsyncClient, world: World) -> None:
    """The last valid token with the scope admin stays, however it would go."""
    admin = a_token(ADMIN_SECRET, "admin", Scope.ADMIN, user="alice")
    reader = a_token(READ_SECRET, "reader", Scope.READ)
    gone = a_token("old", "old", Scope.ADMIN, user="bob")
    directory = world.configuration.directory
    world.configuration.directory = before = directory.model_copy(
        update={"tokens": {one.hash: one for one in (admin, reader, gone)}}
    )
    alice = {"name": "Alice", "is_active": False}
    for answer in (
        await client.delete(f"/v1/tokens/{OWN_ID}", headers=ADMIN),
        await client.put("/v1/users/alice", json=alice, headers=ADMIN),
        await client.delete("/v1/users/alice", headers=ADMIN),
    ):
        assert (409, "last_admin_token") == (
            answer.status_code,
            answer.json()["code"],
        )
    assert before == world.configuration.directory


async def test_settings(client: httpx2.AsyncClient, world: World) -> None:
    """What is set as a whole is replaced as a whole, if it is as it was read."""
    read = await client.get("/v1/settings", headers=ADMIN)
    wanted = {"default_team": None, "catch_all": "default"}
    headers = {**ADMIN, "If-Match": read.headers["etag"]}
    put = await client.put("/v1/settings", json=wanted, headers=headers)
    again = await client.put("/v1/settings", json=read.json(), headers=headers)
    back = await client.put("/v1/settings", json=read.json(), headers=ADMIN)

    assert {"default_team": None, "catch_all": None, "origins": {}} == read.json()
    assert wanted.items() <= put.json().items()
    assert [200, 412, 200] == [one.status_code for one in (put, again, back)]
    assert world.configuration.directory.catch_all is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"default_team": None, "catch_all": "defualt"},
            "catch_all: there is no policy 'defualt'; did you mean 'default'?",
        ),
        (
            {"default_team": "dbs", "catch_all": None},
            "default_team: there is no team 'dbs': add it, or correct it",
        ),
        ({"catch_all": None}, "default_team: Field required"),
    ],
)
async def test_settings_refused(
    client: httpx2.AsyncClient, body: object, told: str
) -> None:
    """Nothing is set to what is not there, or by leaving it out."""
    answer = await client.put("/v1/settings", json=body, headers=ADMIN)

    assert 422 == answer.status_code
    assert f"Correct and send again: {told}" == answer.json()["detail"]


async def test_settings_of_a_file(client: httpx2.AsyncClient, world: World) -> None:
    """A setting that comes from a file is changed there; the others are not bound."""
    directory = world.configuration.directory
    world.configuration.directory = directory.model_copy(
        update={"catch_all": "default", "origins": {"settings/catch_all": "a.yaml"}}
    )
    team = await client.post("/v1/teams", json={"name": "A"}, headers=ADMIN)
    bound = {"default_team": None, "catch_all": None}
    free = {"default_team": team.json()["id"], "catch_all": "default"}
    refused = await client.put("/v1/settings", json=bound, headers=ADMIN)
    put = await client.put("/v1/settings", json=free, headers=ADMIN)

    assert (409, "owned_by_file") == (refused.status_code, refused.json()["code"])
    assert "a.yaml" in refused.json()["detail"]
    assert {"catch_all": "a.yaml"} == put.json()["origins"]
    assert "a" == world.configuration.directory.default_team


@pytest.mark.parametrize("bearer", [READ_SECRET, WRITE_SECRET])
async def test_settings_scopes(client: httpx2.AsyncClient, bearer: str) -> None:
    """Everybody reads what is set; only the scope admin sets it."""
    headers = {"Authorization": f"Bearer {bearer}"}
    body = {"default_team": None, "catch_all": None}
    read = await client.get("/v1/settings", headers=headers)
    put = await client.put("/v1/settings", json=body, headers=headers)

    assert [200, 403] == [read.status_code, put.status_code]
