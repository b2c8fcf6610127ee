"""What is legal in a directory and hardly meant: by examples that have it and do not."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.directory import Directory, ObjectKind
from engine.directory.files import read_files
from engine.directory.findings import DirectoryCode, DirectoryFinding, find
from engine.directory.surroundings import surroundings_of
from policies.lint import Code
from workers.files import read_texts

LIBRARY = Path(__file__).parents[2] / "policies" / "library"
CONFIGURED = frozenset({"sms", "email"})
SMS = {"id": "phone", "channel": "sms"}
FAX = {"id": "fax", "channel": "fax"}
DIRECTORY: dict[str, Any] = {
    "users": {
        "alice": {"id": "alice", "name": "Alice", "contact_methods": [SMS, FAX]},
        "bob": {"id": "bob", "name": "Bob", "is_active": False},
        # Nobody names eve: she may read only.
        "eve": {"id": "eve", "name": "Eve"},
    },
    "urgencies": {
        "high": {"id": "high", "name": "H", "is_important": True, "channels": ["sms"]},
        "low": {"id": "low", "name": "L", "channels": ["email"]},
    },
    "on_call": {"primary": ("alice",)},
    "policies": {
        "default": {
            "id": "default",
            "steps": [{"kind": "notify", "targets": ["schedule:primary"]}],
        }
    },
    "catch_all": "default",
    "integrations": {
        "am": {
            "id": "am",
            "name": "A",
            "source": "alertmanager",
            "key_hash": "h",
            "routes": [{"policy": "default"}],
        }
    },
}


def found(**changes: Any) -> list[tuple[str, str, str]]:
    """Return code, object and path of what is found in a directory."""
    return [(one.code, one.object_id, one.path) for one in findings(**changes)]


def findings(*, has_schedules: bool = True, **changes: Any) -> list[DirectoryFinding]:
    """Return what is found in a directory that has been changed in some kinds."""
    merged = {
        kind: {**DIRECTORY[kind], **value}
        if isinstance(value, dict) and value
        else value
        for kind, value in changes.items()
    }
    directory = Directory.model_validate(DIRECTORY | merged)

    return find(directory, CONFIGURED, has_schedules=has_schedules)


def alice(**fields: Any) -> dict[str, Any]:
    """Return users, of whom alice is another one than before."""
    return {"alice": {**DIRECTORY["users"]["alice"], **fields}}


def routes(*matches: Sequence[str]) -> dict[str, Any]:
    """Return an integration with these routes, and the last one that has no match."""
    told = [{"match": match, "policy": "default"} for match in matches]
    last = DIRECTORY["integrations"]["am"]["routes"]

    return {"am": {**DIRECTORY["integrations"]["am"], "routes": [*told, *last]}}


def test_nothing() -> None:
    """A small directory that pages somebody has no findings."""
    assert [] == found()


def test_whole() -> None:
    """Without integration nothing comes in; without catch-all it ends in silence."""
    assert [(DirectoryCode.NO_INTEGRATION, "integrations", "")] == found(
        integrations={}, catch_all=None
    )
    assert [(DirectoryCode.NO_CATCH_ALL, "catch_all", "")] == found(catch_all=None)


NO_METHOD = (DirectoryCode.NO_CONTACT_METHOD, "alice", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"teams": {"t": {"id": "t", "name": "T", "members": ("eve",)}}},
        {"groups": {"g": {"id": "g", "name": "G", "members": ("eve",)}}},
        {"on_call": {"primary": ("alice", "eve")}},
    ],
)
def test_no_contact_method(changes: Mapping[str, Any]) -> None:
    """Somebody who is meant to be paged and has no contact method is told, once."""
    assert [(DirectoryCode.NO_CONTACT_METHOD, "eve", "")] == [
        (one.code, one.object_id, one.path)
        for one in find(Directory.model_validate({**DIRECTORY, **changes}), CONFIGURED)
    ]


def test_unusable_contact_method() -> None:
    """A contact method on a channel that is not configured is as good as none."""
    told = found(users=alice(contact_methods=[FAX]))

    assert [NO_METHOD, (Code.TARGET_UNREACHABLE, "default", "steps[0].targets[0]")] == (
        told
    )


def test_rule_never_used() -> None:
    """A rule on a channel that is not configured is skipped; one on another is not."""
    rules = {"high": [{"method": "phone"}, {"method": "fax", "delay": "5m"}]}

    assert [(DirectoryCode.RULE_NEVER_USED, "alice", "rules.high[1]")] == found(
        users=alice(rules=rules)
    )
    assert [] == found(users=alice(rules={"high": rules["high"][:1]}))


def test_late_first_rule() -> None:
    """Somebody whose first rule comes late is told, of urgencies that are important."""
    late = [{"method": "phone", "delay": "16m"}]
    soon = [{"method": "phone", "delay": "15m"}]

    assert [(DirectoryCode.LATE_FIRST_RULE, "alice", "rules.high")] == found(
        users=alice(rules={"high": late})
    )
    assert [] == found(users=alice(rules={"high": soon, "low": late}))


def test_inactive_on_call() -> None:
    """Somebody deactivated in a schedule is told, where the schedules are known."""
    on_call = {"primary": ("alice", "bob")}

    assert [(DirectoryCode.INACTIVE_ON_CALL, "primary", "[1]")] == found(
        on_call=on_call
    )
    assert [] == found(on_call=on_call, has_schedules=False)


@pytest.mark.parametrize(
    ("matches", "index"),
    [
        ([["a=x"], ["a=x", "b=y"]], 1),
        ([["a=x"], ["a=x"]], 1),
        ([["a=~x.*"], ["b=y", "a=xyz"]], 1),
        ([["a!=x"], ["a=y"]], 1),
        ([["a=x", "a=y"]], 0),
        ([["a=x", "a!~x|y"]], 0),
    ],
)
def test_route_never_taken(matches: Sequence[Sequence[str]], index: int) -> None:
    """A route that no alert can take is told, and which one takes it."""
    expected = [(DirectoryCode.ROUTE_NEVER_TAKEN, "am", f"routes[{index}]")]

    assert expected == found(integrations=routes(*matches))


@pytest.mark.parametrize(
    "matches",
    [
        [["a=x", "b=y"], ["a=x"]],
        [["a=x"], ["a=y"]],
        [["a=~x.*"], ["b=y", "a=yx"]],
        [["a=~x.*"], ["a=~x.+"]],
        [["a=x", "a=~x|y"]],
        [["a!=x", "a!=y"], ["a!=x"]],
    ],
)
def test_route_taken(matches: Sequence[Sequence[str]]) -> None:
    """A route that some alert may take is not told."""
    assert [] == found(integrations=routes(*matches))


def test_of_policies() -> None:
    """What is found in policies is found here, with the people that there are."""
    policy = {
        "id": "default",
        "steps": [{"kind": "notify", "targets": ["user:alice"], "urgency": "low"}],
    }
    [told] = findings(policies={"default": policy})

    assert Code.TARGET_UNREACHABLE == told.code
    assert (ObjectKind.POLICIES, "default", "steps[0].targets[0]") == (
        told.kind,
        told.object_id,
        told.path,
    )
    assert "'low'" in told.text


def test_surroundings() -> None:
    """The default team has whoever really is in it, and incidents without a team."""
    directory = Directory.model_validate(
        DIRECTORY
        | {
            "teams": {
                "all": {"id": "all", "name": "All"},
                "db": {"id": "db", "name": "DB", "members": ("bob",)},
            },
            "default_team": "all",
        }
    )
    around = surroundings_of(directory, CONFIGURED)

    assert {"all": ("alice", "eve"), "db": ("bob",)} == around.teams
    assert {"default": frozenset({"all"})} == around.starts
    assert frozenset({"high"}) == around.people["alice"].urgencies
    assert frozenset() == around.people["bob"].urgencies


FOLDERS = sorted({path.parent for path in LIBRARY.rglob("*.yaml")})


@pytest.mark.parametrize("folder", FOLDERS, ids=[one.name for one in FOLDERS])
def test_library(folder: Path) -> None:
    """What the library shows has no findings."""
    draft = read_files(read_texts(folder), lambda _name: "https://example.com/x")
    channels = frozenset({"console", "webhook", "email"})

    assert () == draft.mistakes
    assert [] == find(draft.directory, channels)
