"""What is configured, over HTTP: each kind alike."""

import re
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from engine.directory import (
    ContactMethod,
    ObjectKind,
    Place,
    Source,
    User,
    hash_secret,
)
from engine.errors import StoreUnavailableError
from tests.web.configuring import (
    ADMIN,
    FILE,
    KINDS,
    SECRET,
    a_configured_world,
    make,
    own,
)
from tests.web.fakes import READ_SECRET, WRITE_SECRET, World

each_kind = pytest.mark.parametrize("path", KINDS)


@pytest.fixture
def world() -> World:
    """Return a world with an admin, and what the objects name."""
    return a_configured_world()


@each_kind
async def test_made(client: httpx2.AsyncClient, world: World, path: str) -> None:
    """What was made is where the answer says, as it was sent, with the same ETag."""
    kind, body, _ = KINDS[path]
    place, made = await make(client, path)
    read = await client.get(place, headers=ADMIN)
    object_id = read.json()["id"]
    hidden = {"address", "secrets", "contact_methods"}

    assert f"/v1/{path}/{object_id}" == place
    assert object_id in world.configuration.directory.objects(kind)
    assert None is read.json()["origin"]
    assert made.headers["etag"] == read.headers["etag"]
    assert read.json().items() <= made.json().items()
    for name in body.keys() - hidden - {"steps", "rules", "routes"}:
        assert body[name] == read.json()[name]


@each_kind
async def test_read_and_sent_back(
    client: httpx2.AsyncClient, world: World, path: str
) -> None:
    """What was read can be sent back as it is, and changes nothing."""
    place, _ = await make(client, path)
    before = world.configuration.directory
    read = await client.get(place, headers=ADMIN)
    again = await client.put(place, json=read.json(), headers=ADMIN)

    assert 200 == again.status_code, again.text
    assert read.json() == again.json()
    assert read.headers["etag"] == again.headers["etag"]
    assert before == world.configuration.directory


@each_kind
async def test_replaced(client: httpx2.AsyncClient, path: str) -> None:
    """What is put replaces what was there, if that is still as it was read."""
    _, body, change = KINDS[path]
    place, made = await make(client, path)
    headers = {**ADMIN, "If-Match": made.headers["etag"]}
    answer = await client.put(place, json={**body, **change}, headers=headers)
    read = await client.get(place, headers=ADMIN)

    assert 200 == answer.status_code, answer.text
    assert change.items() <= read.json().items()
    assert made.headers["etag"] != read.headers["etag"]
    assert "location" not in answer.headers


@each_kind
async def test_old_etag(client: httpx2.AsyncClient, world: World, path: str) -> None:
    """Whoever has read an older state replaces and removes nothing, and is told."""
    _, body, change = KINDS[path]
    place, made = await make(client, path)
    await client.put(place, json={**body, **change}, headers=ADMIN)
    before = world.configuration.directory
    old = {**ADMIN, "If-Match": made.headers["etag"]}
    for answer in (
        await client.put(place, json=body, headers=old),
        await client.delete(place, headers=old),
    ):
        problem = answer.json()

        assert (412, "precondition_failed") == (answer.status_code, problem["code"])
        assert "read it again" in problem["detail"]
    assert before == world.configuration.directory


@each_kind
async def test_removed(client: httpx2.AsyncClient, path: str) -> None:
    """What was removed is not there any more; removing it again is 404."""
    place, made = await make(client, path)
    headers = {**ADMIN, "If-Match": made.headers["etag"]}
    answers = [
        await client.delete(place, headers=headers),
        await client.get(place, headers=ADMIN),
        await client.delete(place, headers=ADMIN),
    ]

    assert [204, 404, 404] == [answer.status_code for answer in answers]
    assert "unknown_object" == answers[1].json()["code"]


@each_kind
async def test_owned_by_a_file(
    client: httpx2.AsyncClient, world: World, path: str
) -> None:
    """What comes from a file is shown with its name, and changed only there."""
    kind, body, change = KINDS[path]
    place, made = await make(client, path)
    own(world, kind, made.json()["id"])
    read = await client.get(place, headers=ADMIN)

    assert FILE == read.json()["origin"]
    for answer in (
        await client.put(place, json={**body, **change}, headers=ADMIN),
        await client.delete(place, headers=ADMIN),
    ):
        problem = answer.json()

        assert (409, "owned_by_file") == (answer.status_code, problem["code"])
        assert FILE in problem["detail"]
    after = await client.get(place, headers=ADMIN)

    assert read.json() == after.json()


@each_kind
async def test_put_makes(client: httpx2.AsyncClient, path: str) -> None:
    """PUT makes what is not there; with If-None-Match it replaces nothing."""
    _, body, change = KINDS[path]
    body = {name: value for name, value in body.items() if name != "id"}
    place = f"/v1/{path}/the.new~one"
    only_new = {**ADMIN, "If-None-Match": "*"}
    only_old = {**ADMIN, "If-Match": "*"}
    missing = await client.put(place, json=body, headers=only_old)
    made = await client.put(place, json=body, headers=only_new)
    again = await client.put(place, json={**body, **change}, headers=only_new)
    replaced = await client.put(place, json={**body, **change}, headers=only_old)

    assert [412, 201, 412, 200] == [
        answer.status_code for answer in (missing, made, again, replaced)
    ]
    assert place == made.headers["location"]


@each_kind
async def test_list_in_parts(client: httpx2.AsyncClient, path: str) -> None:
    """The parts of a list, one after the other, are the whole list, by id."""
    _, body, _ = KINDS[path]
    whole = await client.get(f"/v1/{path}", headers=ADMIN)
    name = next(iter(whole.json()))
    there = [one["id"] for one in whole.json()[name]]
    for object_id in ("n2", "n1", "n3"):
        sent = {**body, "id": object_id, "email": f"{object_id}@example.com"}
        sent = sent if "email" in body else {**body, "id": object_id}
        await client.post(f"/v1/{path}", json=sent, headers=ADMIN)
    found: list[str] = []
    after: str | None = None
    for _ in range(3):
        asked = {"limit": "2", **({"after": after} if after else {})}
        part = (await client.get(f"/v1/{path}", params=asked, headers=ADMIN)).json()
        found += [one["id"] for one in part[name]]
        after = part["next"]
        if after is None:
            break

    assert path.replace("-", "_") == name
    assert sorted([*there, "n1", "n2", "n3"]) == found
    assert after is None


@each_kind
async def test_unchanged(client: httpx2.AsyncClient, path: str) -> None:
    """Whoever has it already is told that it is the same: one, and the list."""
    place, _ = await make(client, path)
    for address in (place, f"/v1/{path}"):
        etag = (await client.get(address, headers=ADMIN)).headers["etag"]
        headers = {**ADMIN, "If-None-Match": f'"other", W/{etag}'}
        same = await client.get(address, headers=headers)

        assert (304, etag, b"") == (
            same.status_code,
            same.headers["etag"],
            same.content,
        )


@each_kind
@pytest.mark.parametrize(
    ("bearer", "expected"),
    [(READ_SECRET, 403), (WRITE_SECRET, 403), ("none", 401)],
)
async def test_scopes(
    client: httpx2.AsyncClient, world: World, path: str, bearer: str, expected: int
) -> None:
    """Everybody with a token reads; only the scope admin writes."""
    _, body, _ = KINDS[path]
    place, _ = await make(client, path)
    before = world.configuration.directory
    headers = {"Authorization": f"Bearer {bearer}"}
    read = [
        await client.get(place, headers=headers),
        await client.get(f"/v1/{path}", headers=headers),
    ]
    written = [
        await client.post(f"/v1/{path}", json=body, headers=headers),
        await client.put(place, json=body, headers=headers),
        await client.delete(place, headers=headers),
    ]

    assert {401 if bearer == "none" else 200} == {one.status_code for one in read}
    assert {expected} == {answer.status_code for answer in written}
    assert before == world.configuration.directory


@each_kind
async def test_bodies_that_are_none(
    client: httpx2.AsyncClient, world: World, path: str
) -> None:
    """A body that cannot be read, or has a field that nobody knows, writes nothing."""
    _, body, _ = KINDS[path]
    before = world.configuration.directory
    for content, status, field in (
        (b"{", 400, None),
        (b"[" * 99 + b"]" * 99, 400, None),
        (b"[]", 422, "body"),
        (b'{"colour": 1}', 422, "colour"),
    ):
        answer = await client.post(f"/v1/{path}", content=content, headers=ADMIN)
        fields = [one["field"] for one in answer.json().get("errors", [])]

        assert status == answer.status_code
        assert field is None or field in fields
    large = await client.post(
        f"/v1/{path}", json={**body, "name": "x" * (1 << 20)}, headers=ADMIN
    )

    assert 413 == large.status_code
    assert before == world.configuration.directory


UNKNOWN: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "users",
        {"rules": {"loud": [{"method": "hook"}]}},
        "rules.loud",
        "there is no urgency 'loud': add it, or correct it",
    ),
    (
        "users",
        {"rules": {"high": [{"method": "hok"}]}},
        "rules.high[0].method",
        "there is no contact method of this user 'hok'; did you mean 'hook'?",
    ),
    (
        "teams",
        {"members": ["alice", "alcie"]},
        "members[1]",
        "there is no user 'alcie'; did you mean 'alice'?",
    ),
    (
        "teams",
        {"schedule": "nights"},
        "schedule",
        "there is no schedule 'nights': add it, or correct it",
    ),
    (
        "user-groups",
        {"members": ["nobody"]},
        "members[0]",
        "there is no user 'nobody': add it, or correct it",
    ),
    (
        "schedules",
        {"people": ["alice", "nobody"]},
        "people[1]",
        "there is no user 'nobody': add it, or correct it",
    ),
    (
        "policies",
        {"steps": [{"kind": "notify", "targets": ["everybody", "team:dbs"]}]},
        "steps[0].targets[1]",
        "there is no team 'dbs': add it, or correct it",
    ),
    (
        "policies",
        {"fallback": "managers"},
        "fallback",
        "there is no policy 'managers': add it, or correct it",
    ),
    (
        "integrations",
        {"routes": [{"policy": "defualt"}]},
        "routes[0].policy",
        "there is no policy 'defualt'; did you mean 'default'?",
    ),
    (
        "integrations",
        {"routes": [{"match": ["a=b"], "policy": "default"}]},
        "routes",
        "the last route must have no match, so that no alert is left out: add ",
    ),
    (
        "integrations",
        {"routes": [{"match": ['a=~"(?=b)"'], "policy": None}, {"policy": None}]},
        "routes[0].match[0]",
        "'(?=b)' is no RE2 expression",
    ),
    (
        "policies",
        {"steps": [{"kind": "notify", "targets": ["alice"]}]},
        "steps[0].targets[0]",
        "'alice' names no kind: write user:alice or schedule:alice",
    ),
    (
        "policies",
        {"steps": [{"kind": "wait", "duration": "1m"}, {"kind": "dance"}]},
        "steps[1].kind",
        "'dance' is no kind of step: use one of instructions, ",
    ),
    (
        "policies",
        {"steps": [{"kind": "wait"}]},
        "steps[0].duration",
        "duration is required here",
    ),
    (
        "policies",
        {"steps": [{"kind": "wait", "duration": "soon"}]},
        "steps[0].duration",
        "'soon' is not a duration: write it like 90s, 5m, 1h30m or 2d",
    ),
    (
        "channels",
        {"secrets": ["whsec_canary"]},
        "secrets[0]",
        "a secret is whsec_ and, in base64, 24 to 64 random bytes",
    ),
    (
        "channels",
        {"address": "http://canary.example.com/"},
        "address",
        "canary.example.com: it has to be https; if it is yours, add its network to ",
    ),
]


@pytest.mark.parametrize(("path", "change", "field", "problem"), UNKNOWN)
async def test_refused(
    client: httpx2.AsyncClient,
    world: World,
    path: str,
    change: Mapping[str, Any],
    field: str,
    problem: str,
) -> None:
    """What names nobody, or is not in the language, is refused by field and remedy."""
    before = world.configuration.directory
    body = {**KINDS[path][1], **change}
    answer = await client.post(f"/v1/{path}", json=body, headers=ADMIN)
    [error] = answer.json()["errors"]

    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])
    assert field == error["field"]
    assert error["problem"].startswith(problem)
    assert before == world.configuration.directory


async def test_in_use(client: httpx2.AsyncClient, world: World) -> None:
    """Something in use may be removed, and nothing else is rewritten."""
    await make(client, "teams")
    answer = await client.delete("/v1/users/alice", headers=ADMIN)

    assert 204 == answer.status_code
    assert ("alice",) == world.configuration.directory.teams["databases"].members


async def test_ids_of_names(client: httpx2.AsyncClient) -> None:
    """An id is made of the name, and is another one where that is taken."""
    names = ["Zoë  Müller!", "zoe muller", "Zoe-Muller"]
    answers = [
        await client.post("/v1/user-groups", json={"name": name}, headers=ADMIN)
        for name in names
    ]

    assert ["zoe-muller", "zoe-muller-2", "zoe-muller-3"] == [
        answer.json()["id"] for answer in answers
    ]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"name": "東京"}, 422, "id: is missing"),
        ({"name": "x", "id": "alice"}, 409, "There is a user 'alice' already"),
        ({"name": "x", "id": ".."}, 422, "id: String should match pattern"),
        ({"name": "x", "id": "a/b"}, 422, "id: String should match pattern"),
        ({"name": "  "}, 422, "name: String should have at least 1 character"),
        ({}, 422, "name: Field required"),
    ],
)
async def test_ids(
    client: httpx2.AsyncClient, body: dict[str, str], status: int, told: str
) -> None:
    """An id that is taken, or fits in no path, is refused, as is none at all."""
    answer = await client.post("/v1/users", json=body, headers=ADMIN)

    assert status == answer.status_code
    assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    ("place", "body", "told"),
    [
        ("/v1/users/carol", {"name": "C", "id": "karol"}, "id: is another one"),
        ("/v1/users/c%20d", {"name": "C"}, "id: is no id"),
        ("/v1/users/%2E%2E%00", {"name": "C"}, "id: is no id"),
    ],
)
async def test_ids_of_paths(
    client: httpx2.AsyncClient, place: str, body: dict[str, str], told: str
) -> None:
    """PUT makes nothing under an id that is not the body's, or fits in no path."""
    answer = await client.put(place, json=body, headers=ADMIN)

    assert 422 == answer.status_code
    assert told in answer.json()["detail"]


async def test_always_there(client: httpx2.AsyncClient) -> None:
    """The urgency that steps use which name none can be changed, not removed."""
    removed = await client.delete("/v1/urgencies/high", headers=ADMIN)
    body = {"name": "High", "channels": ["webhook"]}
    changed = await client.put("/v1/urgencies/high", json=body, headers=ADMIN)

    assert (409, "always_there") == (removed.status_code, removed.json()["code"])
    assert 200 == changed.status_code


async def test_secrets_are_kept(client: httpx2.AsyncClient, world: World) -> None:
    """What is never shown stays as it is where it is left out or null."""
    place, _ = await make(client, "users")
    room, _ = await make(client, "channels")
    before = world.configuration.directory
    user, channel = KINDS["users"][1], KINDS["channels"][1]
    bare = {name: channel[name] for name in ("kind", "channel")}
    method = {"id": "hook", "channel": "webhook", "address": None, "secrets": None}
    await client.put(
        place, json={**user, "name": "C", "contact_methods": [method]}, headers=ADMIN
    )
    await client.put(room, json={**bare, "name": "R"}, headers=ADMIN)
    after = world.configuration.directory

    assert "C" == after.users["carol"].name
    assert "R" == after.places["war-room"].name
    assert before.users["carol"].contact_methods == after.users["carol"].contact_methods
    assert (SECRET,) == after.places["war-room"].secrets
    assert before.places["war-room"].address == after.places["war-room"].address


async def test_secrets_are_replaced(client: httpx2.AsyncClient, world: World) -> None:
    """What is sent takes the place of what is there; empty takes it away."""
    room, _ = await make(client, "channels")
    url = "https://other.example.com/"
    body = {**KINDS["channels"][1], "address": url, "secrets": []}
    await client.put(room, json=body, headers=ADMIN)
    place = world.configuration.directory.places["war-room"]

    assert (url, ()) == (place.address, place.secrets)


async def test_address_of_another_channel(
    client: httpx2.AsyncClient, world: World
) -> None:
    """An address is not carried over to another channel, which might show it."""
    room, _ = await make(client, "channels")
    body = {"name": "R", "kind": "chat", "channel": "console"}
    answer = await client.put(room, json=body, headers=ADMIN)

    assert 422 == answer.status_code
    assert "address" == answer.json()["errors"][0]["field"]
    assert "canary" not in answer.text
    assert "webhook" == world.configuration.directory.places["war-room"].channel


async def test_old_addresses_stay(client: httpx2.AsyncClient, world: World) -> None:
    """An address that is there already does not keep anything else from changing."""
    internal = ContactMethod(id="h", channel="webhook", address="https://10.0.0.1/")
    directory = world.configuration.directory
    alice = User(id="alice", name="Alice", contact_methods=(internal,))
    world.configuration.directory = directory.model_copy(
        update={"users": {**directory.users, "alice": alice}}
    )
    method = {"id": "h", "channel": "webhook"}
    body = {"name": "A", "contact_methods": [method]}
    kept = await client.put("/v1/users/alice", json=body, headers=ADMIN)
    body["contact_methods"] = [{**method, "address": "https://10.0.0.2/"}]
    new = await client.put("/v1/users/alice", json=body, headers=ADMIN)

    assert [200, 422] == [kept.status_code, new.status_code]
    assert "contact_methods[0].address" == new.json()["errors"][0]["field"]


async def test_no_secret_is_shown(client: httpx2.AsyncClient, world: World) -> None:
    """No answer to a GET shows a secret, a hash of one, or an address."""
    directory = world.configuration.directory
    canary = ContactMethod(
        id="h", channel="sms", address="+15550canary", secrets=(SECRET,)
    )
    place = Place(
        id="p", name="P", kind="k", channel="webhook", address="https://h/canary"
    )
    alice = User(id="alice", name="Alice", contact_methods=(canary,))
    world.configuration.directory = directory.model_copy(
        update={
            "users": {**directory.users, "alice": alice},
            "places": {"p": place},
        }
    )
    for path in KINDS:
        await make(client, path)
    document = (await client.get("/openapi.json")).json()
    hashes = {
        *world.configuration.directory.tokens,
        *(one.key_hash for one in world.configuration.directory.integrations.values()),
    }
    seen = 0
    for template in (
        path for path, known in document["paths"].items() if "get" in known
    ):
        for object_id in await _ids_below(client, template):
            path = re.sub(r"\{.*\}", object_id, template)
            answer = await client.get(path, headers=ADMIN)
            seen += answer.status_code == 200

            assert "canary" not in answer.text
            assert SECRET[6:] not in answer.text
            assert not [one for one in hashes if one in answer.text]
    assert 25 < seen


async def _ids_below(client: httpx2.AsyncClient, template: str) -> list[str]:
    """Return the ids that may stand in a path; one that has no place needs none."""
    if "{" not in template:
        return [""]
    listed = await client.get(template.split("/{", maxsplit=1)[0], headers=ADMIN)
    objects: list[dict[str, str]] = next(iter(listed.json().values()), [])

    return [one["id"] for one in objects] if listed.status_code == 200 else []


async def test_others_changed_something_else(
    client: httpx2.AsyncClient, world: World
) -> None:
    """Two who change different things at once both get their way."""
    world.configuration.meddling = [{"catch_all": "default"}] * 3
    _, made = await make(client, "teams")
    after = world.configuration.directory

    assert 201 == made.status_code
    assert ("default", {"databases"}) == (after.catch_all, set(after.teams))


async def test_others_changed_the_same(
    client: httpx2.AsyncClient, world: World
) -> None:
    """Of two who change what they both read, one is told to read it again."""
    read = await client.get("/v1/users/alice", headers=ADMIN)
    users = world.configuration.directory.users
    theirs = {**users, "alice": User(id="alice", name="Theirs")}
    world.configuration.meddling = [{"users": theirs}]
    headers = {**ADMIN, "If-Match": read.headers["etag"]}
    answer = await client.put("/v1/users/alice", json={"name": "Ours"}, headers=headers)

    assert (412, "precondition_failed") == (answer.status_code, answer.json()["code"])
    assert "Theirs" == world.configuration.directory.users["alice"].name


async def test_others_never_stop(client: httpx2.AsyncClient, world: World) -> None:
    """Whoever is always too late is told so after a while, and nothing is written."""
    world.configuration.meddling = [{"catch_all": "default"}] * 1_000
    answer = await client.put("/v1/users/dave", json={"name": "D"}, headers=ADMIN)

    assert (503, "configuration_contended") == (
        answer.status_code,
        answer.json()["code"],
    )
    assert "dave" not in world.configuration.directory.users


async def test_store_is_down(client: httpx2.AsyncClient, world: World) -> None:
    """While the store cannot be reached, the caller is asked to try again."""
    world.configuration.failure = StoreUnavailableError("down")
    answer = await client.get("/v1/users", headers=ADMIN)

    assert (503, "store_unavailable") == (answer.status_code, answer.json()["code"])


async def test_ingest_key(client: httpx2.AsyncClient, world: World) -> None:
    """The key of an integration is shown once, with where it goes; its hash is kept."""
    place, made = await make(client, "integrations")
    key = made.json()["key"]
    first = world.configuration.directory.integrations["grafana"].key_hash
    changed = await client.post(f"{place}/key", headers=ADMIN)
    other = changed.json()["key"]
    second = world.configuration.directory.integrations["grafana"].key_hash

    assert [f"/ingest/alertmanager/{key}"] == made.json()["addresses"]
    assert hash_secret(key) == first
    assert hash_secret(other) == second != first
    assert {"no-store"} == {one.headers["cache-control"] for one in (made, changed)}
    assert 40 < len(key)


async def test_address_for_pagerduty(client: httpx2.AsyncClient) -> None:
    """Events of PagerDuty go to an address without the key, which is in their body."""
    body = {**KINDS["integrations"][1], "source": "pagerduty"}
    made = await client.post("/v1/integrations", json=body, headers=ADMIN)
    place = made.headers["location"]
    changed = await client.post(f"{place}/key", headers=ADMIN)

    assert [["/v2/enqueue"], ["/v2/enqueue"]] == [
        one.json()["addresses"] for one in (made, changed)
    ]
    assert changed.json()["key"] != made.json()["key"]


async def test_unknown_source(client: httpx2.AsyncClient, world: World) -> None:
    """A source that nothing can be read of is refused, and those there are are named."""
    before = world.configuration.directory
    body = {**KINDS["integrations"][1], "source": "sentry"}
    answer = await client.post("/v1/integrations", json=body, headers=ADMIN)
    [error] = answer.json()["errors"]

    assert 422 == answer.status_code
    assert "source" == error["field"]
    assert all(f"'{source}'" in error["problem"] for source in Source)
    assert before == world.configuration.directory


@pytest.mark.parametrize(
    ("path", "field"), [("users", "is_active"), ("urgencies", "is_important")]
)
@pytest.mark.parametrize("value", [0, "no", None])
async def test_flags(
    client: httpx2.AsyncClient, path: str, field: str, value: object
) -> None:
    """A flag is true or false; whoever sends something else may mean the other one."""
    body = {**KINDS[path][1], field: value}
    answer = await client.post(f"/v1/{path}", json=body, headers=ADMIN)

    assert 422 == answer.status_code
    assert [field] == [error["field"] for error in answer.json()["errors"]]


async def test_ingest_key_of_a_file(client: httpx2.AsyncClient, world: World) -> None:
    """An integration of a file keeps its key; one that is not there has none."""
    own(world, ObjectKind.INTEGRATIONS, "prometheus")
    owned = await client.post("/v1/integrations/prometheus/key", headers=ADMIN)
    missing = await client.post("/v1/integrations/none/key", headers=ADMIN)

    assert [409, 404] == [owned.status_code, missing.status_code]


async def test_sent_again(client: httpx2.AsyncClient, world: World) -> None:
    """A POST that is sent again with its Idempotency-Key makes nothing more."""
    headers = {**ADMIN, "Idempotency-Key": "k1"}
    body = KINDS["teams"][1]
    first, again = [
        await client.post("/v1/teams", json=body, headers=headers) for _ in range(2)
    ]
    key = {**ADMIN, "Idempotency-Key": "k2"}
    made, lost = [
        await client.post(
            "/v1/integrations", json=KINDS["integrations"][1], headers=key
        )
        for _ in range(2)
    ]

    assert first.json() == again.json()
    assert {"databases"} == set(world.configuration.directory.teams)
    assert [201, 409] == [made.status_code, lost.status_code]
    assert "answer_not_kept" == lost.json()["code"]
    assert made.json()["key"] not in lost.text
