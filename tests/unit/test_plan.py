"""What files change in what is stored, and what they leave alone."""

from collections.abc import Mapping
from typing import Any

import pytest

from engine.codec import decode_directory, encode_directory
from engine.directory import (
    HIGH,
    LOW,
    Directory,
    ObjectKind,
    Scope,
    Token,
    Urgency,
    User,
)
from engine.directory.files import Draft, read_files
from engine.directory.plan import Change, Difference, Plan, Verb, plan

FIRST = """\
users:
  alice: {name: Alice, contact_methods: [{id: w, channel: webhook, address: "https://x/hush"}]}
  bob: {name: Bob}
schedules: {primary: [alice]}
policies:
  default:
    steps:
      - {kind: notify, targets: ["schedule:primary"]}
      - {kind: time_branch, window: {from: 10:00, to: 18:00}}
integrations:
  am: {name: A, source: generic, routes: [{match: ['a="b"'], policy: default}, {policy: default}]}
settings: {catch_all: default}
"""
TOKEN = Token(hash="h", name="t", scopes=(Scope.READ,))


def a_draft(text: str = FIRST, file: str = "a.yaml") -> Draft:
    """Read one file."""
    draft = read_files({file: text}, lambda _name: None)
    assert () == draft.mistakes

    return draft


def stored(directory: Directory) -> Directory:
    """Return a directory as it comes back from the store."""
    return decode_directory(directory.version, encode_directory(directory))


def applied(
    before: Directory | None = None, draft: Draft | None = None, key: str = "hash"
) -> Directory:
    """Return what is stored once a draft has been applied."""
    made = plan(before or Directory(), draft or a_draft())
    assert () == made.conflicts
    keyed = made.with_keys(dict.fromkeys(made.without_key, key))

    return stored(keyed.model_copy(update={"version": keyed.version + 1}))


def verbs(made: Plan) -> dict[str, Verb]:
    """Return what becomes of each object that changes."""
    return {f"{one.kind}/{one.id}": one.verb for one in made.changes}


def test_empty_store() -> None:
    """Everything is added to an empty store, High and Low Severity too."""
    made = plan(Directory(), a_draft())

    assert dict.fromkeys(
        [
            "users/alice",
            "users/bob",
            "urgencies/high",
            "urgencies/low",
            "policies/default",
            "integrations/am",
            "schedules/primary",
            "settings/catch_all",
        ],
        Verb.ADDED,
    ) == verbs(made)
    assert ["am"] == made.without_key


def test_twice() -> None:
    """Applied again, from the store and back, nothing changes: not even the version."""
    once = applied()
    again = plan(once, a_draft())

    assert () == again.changes
    assert [] == again.without_key
    assert once == again.after


def test_changed() -> None:
    """What differs is told field by field; where an object is written is one of them."""
    text = FIRST.replace("name: Bob", "name: Bobby, email: b@x").replace(
        "18:00", "19:00"
    )
    made = plan(applied(), a_draft(text, "b.yaml"))
    moved = Difference(path="file", before="a.yaml", after="b.yaml")
    found = {one.id: one.differences for one in made.changes}

    assert {Verb.CHANGED} == set(verbs(made).values())
    assert (
        Difference(path="name", before="Bob", after="Bobby"),
        Difference(path="email", before="", after="b@x"),
        moved,
    ) == found["bob"]
    assert (
        Difference(path="steps[1].window.to", before="18:00", after="19:00"),
        moved,
    ) == found["default"]
    assert (moved,) == found["alice"]


def test_secrets_are_not_shown() -> None:
    """Of what is secret only that it differs is told, once."""
    text = FIRST.replace("https://x/hush", "https://x/other")
    text = text.replace("name: A,", "name: A, key: 0123456789abcdef0123,")
    made = plan(applied(), a_draft(text))

    assert {
        "alice": (Difference(path="contact_methods[0].address"),),
        "am": (Difference(path="key_hash"),),
    } == {one.id: one.differences for one in made.changes}
    assert "hush" not in repr(made.changes)


def test_removed() -> None:
    """What no file writes any more is removed, and its origin with it."""
    made = plan(applied(), a_draft("settings: {catch_all: default}"))

    assert Verb.REMOVED == verbs(made)["users/alice"]
    assert {} == made.after.users
    assert {"high": HIGH, "low": LOW} == made.after.urgencies
    assert {"settings/catch_all": "a.yaml"} == made.after.origins


def test_setting_no_longer_written() -> None:
    """A setting that no file writes stays as it is; the API may change it then."""
    made = plan(applied(), a_draft(FIRST.replace("settings: {catch_all: default}", "")))

    assert "default" == made.after.catch_all
    assert (
        Change(
            verb=Verb.CHANGED,
            kind="settings",
            id="catch_all",
            differences=(Difference(path="file", before="a.yaml"),),
        ),
    ) == made.changes
    assert () == plan(stored(made.after), a_draft("")).conflicts


def test_urgency_no_longer_written() -> None:
    """High Severity written in a file, and then no more, is what it is by itself."""
    text = "urgencies: {high: {name: Loud, is_important: true, channels: [console]}}"
    before = applied(draft=a_draft(text))
    made = plan(before, a_draft(""))

    assert "Loud" == before.urgencies["high"].name
    assert HIGH == made.after.urgencies["high"]
    assert {} == made.after.origins
    assert {"urgencies/high": Verb.CHANGED} == verbs(made)


OF_API: Mapping[str, Any] = {
    "version": 7,
    "users": {"zoe": User(id="zoe", name="Zoe"), "bob": User(id="bob", name="Bob")},
    "urgencies": {"high": Urgency(id="high", name="Shout"), "low": LOW},
    "tokens": {"h": TOKEN},
    "default_team": "ops",
}


def test_of_the_api() -> None:
    """What the API made is neither changed nor removed: not tokens, not settings."""
    made = plan(Directory(**OF_API), a_draft())

    assert () == made.conflicts
    assert {"zoe", "bob", "alice"} == made.after.users.keys()
    assert ("Shout", TOKEN, "ops") == (
        made.after.urgencies["high"].name,
        made.after.tokens["h"],
        made.after.default_team,
    )
    assert 7 == made.after.version


def test_same_as_of_the_api() -> None:
    """The same content in a file changes nothing, and goes on belonging to the API."""
    made = plan(Directory(**OF_API), a_draft())

    assert "users/bob" not in verbs(made)
    assert "users/bob" not in made.after.origins


def test_conflict() -> None:
    """Another content than the API's is a conflict; both are named, and the remedy."""
    text = FIRST.replace("name: Bob", "name: Bobby")
    made = plan(Directory(**OF_API), a_draft(text))

    assert [
        "a.yaml:3: users.bob: was made through the API and is not the same there (name): remove it here or there, make both the same, or let --adopt take it over"
    ] == [str(one) for one in made.conflicts]
    assert "Bob" == made.after.users["bob"].name


def test_conflict_of_a_setting() -> None:
    """A setting of the API is not overwritten either."""
    made = plan(Directory(catch_all="other"), a_draft())

    assert [
        "a.yaml:12: settings.catch_all: was made through the API and is not the same there: remove it here or there, make both the same, or let --adopt take it over"
    ] == [str(one) for one in made.conflicts]


def test_adopted() -> None:
    """Who says so gives the files what they write; what they do not write stays."""
    text = FIRST.replace("name: Bob", "name: Bobby")
    made = plan(Directory(**OF_API), a_draft(text), adopt=True)

    assert () == made.conflicts
    assert "Bobby" == made.after.users["bob"].name
    assert "a.yaml" == made.after.origin_of(ObjectKind.USERS, "bob")
    assert "Zoe" == made.after.users["zoe"].name
    assert () == plan(stored(made.after), a_draft(text)).changes


@pytest.mark.parametrize("key", ["", "key: 0123456789abcdef0123,"])
def test_key(key: str) -> None:
    """A stored key stays unless a file writes one."""
    text = FIRST.replace("name: A,", f"name: A, {key}")
    made = plan(applied(key="stored"), a_draft(text))

    assert (made.after.integrations["am"].key_hash == "stored") == (key == "")
    assert [] == made.without_key


def test_order_of_kinds() -> None:
    """Changes come in the order in which people read files."""
    made = plan(Directory(), a_draft())

    assert [
        "users",
        "urgencies",
        "policies",
        "integrations",
        "schedules",
        "settings",
    ] == list(dict.fromkeys(one.kind for one in made.changes))
