"""`rung route`: which policy an alert goes to, and which routes there are."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from workers.cli import app

LIBRARY = Path(__file__).parents[2] / "policies" / "library" / "examples" / "db-team"
TWO = """\
integrations:
  one:
    name: One
    source: alertmanager
    routes: [{match: [a=x], policy: p}, {}]
  two:
    name: Two
    source: alertmanager
    routes: [{policy: p}]
policies:
  p:
    steps: [{kind: notify, targets: [everybody]}]
"""


def run(*arguments: str) -> Result:
    """Run a command of the group."""
    return CliRunner().invoke(app, ["route", *arguments])


@pytest.fixture(name="two")
def _two(tmp_path: Path) -> str:
    (tmp_path / "two.yaml").write_text(TWO, encoding="utf-8")

    return f"--dir={tmp_path}"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            ["severity=critical", "env=prod"],
            'routes[0] severity="critical" env!="test" -> db-now',
        ),
        (
            ["severity=critical", "env=test"],
            "routes[2] (whatever is left) -> db-room-only",
        ),
        (["severity=error"], 'routes[1] severity=~"warning|error" -> db-later'),
        ([], "routes[2] (whatever is left) -> db-room-only"),
        (["severity=a=b"], "routes[2] (whatever is left) -> db-room-only"),
    ],
)
def test_taken(labels: list[str], expected: str) -> None:
    """The route that an alert takes is told, with its matchers and its policy."""
    result = run("test", f"--dir={LIBRARY}", *labels)

    assert 0 == result.exit_code
    assert f"databases: {expected}\n" == result.output


def test_each(two: str) -> None:
    """Where no integration is named each is told; one may only collect."""
    assert [
        "one: routes[1] (whatever is left) -> no policy: only collected",
        "two: routes[0] (whatever is left) -> p",
    ] == run("test", two, "a=y").output.splitlines()
    assert ['one: routes[0] a="x" -> p'] == (
        run("test", two, "--integration=one", "a=x").output.splitlines()
    )


def test_expected() -> None:
    """What is expected and is so ends with 0; what is not ends with 1, and says both."""
    critical = ("test", f"--dir={LIBRARY}", "severity=critical")
    met = run(*critical, "--expect-policy=db-now")
    missed = run(*critical, "--expect-policy=db-later")
    unknown = run(*critical, "--expect-policy=db-soon")

    assert 0 == met.exit_code
    assert 1 == missed.exit_code
    assert "expected policy db-later, got db-now\n" == missed.stderr
    assert 1 == unknown.exit_code
    assert "db-soon (there is none of this name), got db-now" in unknown.stderr


def test_expected_of_which(two: str) -> None:
    """With several integrations it has to be said which one is expected to."""
    ambiguous = run("test", two, "a=x", "--expect-policy=p")
    named = run("test", two, "a=y", "--expect-policy=p", "--integration=one")

    assert 2 == ambiguous.exit_code
    assert "--expect-policy needs --integration: one of one, two\n" == ambiguous.stderr
    assert 1 == named.exit_code
    assert "expected policy p, got no policy: only collected\n" == named.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["critical"], "'critical' is no label with its value: write the labels"),
        (["=critical"], "'=critical' is no label with its value: write the labels"),
        (["severity!=critical"], "'severity!=critical' is no label with its value"),
        (["a=x", "a=y"], "label 'a' is there twice"),
        (["--integration=tow"], "there is no integration 'tow'; did you mean 'two'?"),
    ],
)
def test_usage(two: str, arguments: list[str], problem: str) -> None:
    """What cannot be read is a usage error, and says how to write it."""
    result = run("test", two, *arguments)

    assert 2 == result.exit_code
    assert problem in result.stderr


def test_json(two: str) -> None:
    """For programs it is one document, whether or not it is as expected."""
    arguments = ("test", two, "a=x", "--integration=one", "--json")
    result = run(*arguments, "--expect-policy=q")
    told: Any = json.loads(result.stdout)

    assert 1 == result.exit_code
    assert {
        "labels": {"a": "x"},
        "taken": [
            {"integration": "one", "route": 0, "match": ['a="x"'], "policy": "p"}
        ],
        "expected_policy": "q",
        "is_met": False,
    } == told


def test_show(two: str) -> None:
    """All routes are shown in their order."""
    assert [
        "one (alertmanager)",
        '├─ routes[0] a="x" -> p',
        "└─ routes[1] (whatever is left) -> no policy: only collected",
        "two (alertmanager)",
        "└─ routes[0] (whatever is left) -> p",
    ] == run("show", two).output.splitlines()
    assert {"two": [{"route": 0, "match": [], "policy": "p"}]} == json.loads(
        run("show", two, "--integration=two", "--json").output
    )


def test_mistakes(tmp_path: Path) -> None:
    """Files with mistakes have no routes to tell of."""
    (tmp_path / "a.yaml").write_text("integrations: {one: {nmae: x}}\n")
    result = run("show", f"--dir={tmp_path}")

    assert 1 == result.exit_code
    assert "a.yaml:1: integrations.one.nmae: " in result.stderr
    assert result.stderr.endswith("the files have mistakes: correct them first\n")


def test_no_integration(tmp_path: Path) -> None:
    """Without an integration there is nothing to tell."""
    (tmp_path / "a.yaml").write_text("settings: {}\n")
    result = run("test", f"--dir={tmp_path}", "a=b")

    assert 2 == result.exit_code
    assert "there is no integration, so no alert takes any route\n" == result.stderr
