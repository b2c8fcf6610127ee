"""What is wrong with an object among the others."""

from collections.abc import Sequence
from typing import Any

import pytest

from engine.directory import Directory, ObjectKind
from engine.directory.checks import Checks

DIRECTORY: dict[str, Any] = {
    "users": {
        "alice": {"id": "alice", "name": "Alice", "email": "alice@example.com"},
        "bob": {"id": "bob", "name": "Bob"},
    },
    "urgencies": {"high": {"id": "high", "name": "High"}},
    "policies": {"default": {"id": "default"}},
    "teams": {"ops": {"id": "ops", "name": "Ops"}},
    "on_call": {"primary": ("alice",)},
    "places": {"room": {"id": "room", "name": "R", "kind": "chat", "channel": "chat"}},
}


def problems(
    kind: ObjectKind, one: Any, *, has_schedules: bool = True
) -> list[tuple[str, str]]:
    """Put an object into the directory and return what is wrong with it."""
    if isinstance(one, dict):
        one = {"id": "new", "name": "New"} | one
    objects = {**DIRECTORY.get(kind.value, {}), "new": one}
    directory = Directory.model_validate(DIRECTORY | {kind.value: objects})
    checks = Checks(directory=directory, has_schedules=has_schedules)

    return [(one.path, one.problem) for one in checks.problems(kind, "new")]


def notify(*targets: str, **more: str) -> dict[str, Any]:
    """Return a policy that notifies these."""
    return {"steps": [{"kind": "notify", "targets": targets, **more}]}


LAST = "the last route must have no match, so that no alert is left out: add `- {policy: ...}` at the end"


@pytest.mark.parametrize(
    ("kind", "one", "path", "problem"),
    [
        (
            ObjectKind.POLICIES,
            notify("user:alcie"),
            "steps[0].targets[0]",
            "there is no user 'alcie'; did you mean 'alice'?",
        ),
        (
            ObjectKind.POLICIES,
            notify("everybody", "team:db"),
            "steps[0].targets[1]",
            "there is no team 'db': add it, or correct it",
        ),
        (
            ObjectKind.POLICIES,
            notify("schedule:night"),
            "steps[0].targets[0]",
            "there is no schedule 'night': add it, or correct it",
        ),
        (
            ObjectKind.POLICIES,
            notify("everybody", urgency="hihg"),
            "steps[0].urgency",
            "there is no urgency 'hihg'; did you mean 'high'?",
        ),
        (
            ObjectKind.POLICIES,
            notify("channels:chart"),
            "steps[0].targets[0]",
            "there is no kind of channel 'chart'; did you mean 'chat'?",
        ),
        (
            ObjectKind.POLICIES,
            {"steps": [{"kind": "webhook", "webhook": "hook"}]},
            "steps[0].webhook",
            "there is no channel 'hook': add it, or correct it",
        ),
        (
            ObjectKind.POLICIES,
            {"fallback": "gone"},
            "fallback",
            "there is no policy 'gone': add it, or correct it",
        ),
        (
            ObjectKind.TEAMS,
            {"members": ("eve",)},
            "members[0]",
            "there is no user 'eve': add it, or correct it",
        ),
        (
            ObjectKind.ON_CALL,
            ("bob", "eve"),
            "[1]",
            "there is no user 'eve': add it, or correct it",
        ),
        (
            ObjectKind.USERS,
            {"rules": {"high": [{"method": "sms"}]}},
            "rules.high[0].method",
            "there is no contact method of this user 'sms': add it, or correct it",
        ),
        (
            ObjectKind.USERS,
            {"email": "ALICE@example.com"},
            "email",
            "'ALICE@example.com' is the e-mail of 'alice' already",
        ),
        (
            ObjectKind.INTEGRATIONS,
            {"source": "sentry", "key_hash": "h", "routes": [{"policy": None}]},
            "source",
            "there is no source 'sentry': use one of alertmanager, generic, grafana, pagerduty",
        ),
        (
            ObjectKind.INTEGRATIONS,
            {"source": "generic", "key_hash": "h"},
            "routes",
            LAST,
        ),
        (
            ObjectKind.INTEGRATIONS,
            {
                "source": "generic",
                "key_hash": "h",
                "routes": [{"match": ["a=b"], "policy": "default"}],
            },
            "routes",
            LAST,
        ),
        (
            ObjectKind.INTEGRATIONS,
            {
                "source": "generic",
                "key_hash": "h",
                "routes": [{"policy": "default"}, {"policy": "default"}],
            },
            "routes[0]",
            "a route without match takes all: put it last",
        ),
    ],
)
def test_problem(kind: ObjectKind, one: Any, path: str, problem: str) -> None:
    """Each mistake is named with its field and the remedy."""
    assert [(path, problem)] == problems(kind, one)


@pytest.mark.parametrize(
    ("kind", "one"),
    [
        (ObjectKind.POLICIES, notify("everybody", "schedule", "metadata:owner")),
        (ObjectKind.POLICIES, notify("user:bob", "team:ops", "layer:primary/night")),
        (ObjectKind.POLICIES, {"fallback": "new"}),
        (
            ObjectKind.INTEGRATIONS,
            {"source": "generic", "key_hash": "h", "routes": [{"policy": None}]},
        ),
    ],
)
def test_no_problem(kind: ObjectKind, one: Any) -> None:
    """What is right has no problem; an object may name itself."""
    assert [] == problems(kind, one)


def test_schedules_elsewhere() -> None:
    """Where another service knows the schedules, none is called unknown."""
    found = problems(ObjectKind.POLICIES, notify("schedule:night"), has_schedules=False)

    assert [] == found


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, []),
        ({"catch_all": "default", "default_team": "ops"}, []),
        ({"catch_all": "gone", "default_team": "gone"}, ["default_team", "catch_all"]),
    ],
)
def test_settings(settings: dict[str, str], expected: Sequence[str]) -> None:
    """What is set for the whole installation has to be there."""
    directory = Directory.model_validate(DIRECTORY | settings)
    found = Checks(directory=directory).problems_of_settings()

    assert list(expected) == [one.path for one in found]
