"""`rung lint`: mistakes first, then findings with file and line, and the exit code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.adapters.memory import MemoryConfiguration
from engine.directory import Directory
from engine.directory.files import read_files
from policies.lint import Code
from workers.cli import app
from workers.linting import Allowed, Around, look_at_files, look_at_store, stand_in

PEOPLE = """\
users:
  alice:
    name: Alice
    contact_methods:
      - {id: hook, channel: webhook, address: {env: NOT_SET_HERE}, secrets: [{env: NOR_THIS}]}
"""
POLICY = """\
policies:
  default:
    steps:
      - {kind: notify, targets: ["user:alice"]}
settings: {catch_all: default}
integrations:
  am:
    name: Alertmanager
    source: alertmanager
    key: {env: NOT_SET_EITHER}
    routes: [{policy: default}]
  other:
    name: Another
    source: alertmanager
    key: {env: OTHER_KEY}
    routes: [{policy: default}]
"""
ENDS = """\
      - {kind: resolve}
      - {kind: notify, targets: ["user:alice"], wait_before: 5m}
"""
GOOD = {"people.yaml": PEOPLE, "policy.yaml": POLICY}
HEAD = 'policies:\n  default:\n    steps:\n      - {kind: notify, targets: ["user:alice"]}\n'
FOUND = {**GOOD, "policy.yaml": POLICY.replace(HEAD, HEAD + ENDS)}
WRONG = {**GOOD, "policy.yaml": POLICY.replace("user:alice", "user:alcie")}
AROUND = Around(channels=frozenset({"webhook"}))


def run(directory: Path | None, *arguments: str, **environment: str) -> Result:
    """Run lint on a directory, with nothing else in the environment that names one."""
    named = [str(directory)] if directory else []
    unset = {"REDIS_URL": "", "RUNG_CONFIG_DIR": ""}

    return CliRunner().invoke(
        app, ["lint", *named, *arguments], env={**unset, **environment}
    )


def written(directory: Path, files: Mapping[str, str]) -> Path:
    """Write files into a directory and return it."""
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")

    return directory


def test_no_findings(tmp_path: Path) -> None:
    """What is fine is one line; what is secret need not be set."""
    result = run(written(tmp_path, GOOD))

    assert 0 == result.exit_code, result.output
    assert "no findings in 1 policy, 1 user, 2 integrations\n" == result.output


def test_finding(tmp_path: Path) -> None:
    """A finding has its file, line, path, remedy and code."""
    result = run(written(tmp_path, FOUND))

    assert 1 == result.exit_code
    assert (
        "policy.yaml:6: policies.default.steps[2]: never runs: steps[1] resolves the "
        "incident; move it up, or remove it [unreachable_step]\n"
        "1 finding in 1 policy, 1 user, 2 integrations\n"
    ) == result.output


def test_mistake(tmp_path: Path) -> None:
    """A name of nobody is a mistake, and no finding beside."""
    result = run(written(tmp_path, WRONG))

    assert 1 == result.exit_code
    assert (
        "policy.yaml:4: policies.default.steps[0].targets[0]: there is no user 'alcie'; "
        "did you mean 'alice'?\n"
        "1 mistake in 1 policy, 1 user, 2 integrations\n"
    ) == result.output


def test_unreadable(tmp_path: Path) -> None:
    """While something cannot be read nothing is found missing."""
    files = {**GOOD, "people.yaml": PEOPLE.replace("name:", "nmae:")}
    result = run(written(tmp_path, files))
    lines = result.output.splitlines()

    assert 1 == result.exit_code
    assert any(one.startswith("people.yaml:3: users.alice.nmae: ") for one in lines)
    assert "findings are looked for when all of it can be read" == lines[-1]
    assert "[" not in lines[-2]


def test_json(tmp_path: Path) -> None:
    """For programs it is one document."""
    told: Any = json.loads(run(written(tmp_path, FOUND), "--json").output)

    assert [] == told["mistakes"]
    assert {"policies": 1, "users": 1, "integrations": 2} == told["looked_at"]
    assert [("unreachable_step", "policy.yaml", 6, "policies.default.steps[2]")] == [
        (one["code"], one["file"], one["line"], one["path"]) for one in told["findings"]
    ]


@pytest.mark.parametrize(
    ("allow", "code"),
    [
        ("unreachable_step", 0),
        ("unreachable_step:default", 0),
        ("unreachable_step:other", 1),
        ("policy_loop", 1),
    ],
)
def test_allow(tmp_path: Path, allow: str, code: int) -> None:
    """A finding that somebody wants so is not told, everywhere or in one object."""
    assert code == run(written(tmp_path, FOUND), "--allow", allow).exit_code


def test_allow_unknown(tmp_path: Path) -> None:
    """A code that is none allows nothing: it is a usage error, with what was meant."""
    result = run(written(tmp_path, FOUND), "--allow", "unreachable_stpe")

    assert 2 == result.exit_code
    assert "did you mean unreachable_step?" in result.output


def test_channel(tmp_path: Path) -> None:
    """A channel that is configured elsewhere is named."""
    people = PEOPLE.replace("channel: webhook", "channel: email")
    directory = written(tmp_path, {**GOOD, "people.yaml": people})

    assert "[no_contact_method]" in run(directory).output
    assert 0 == run(directory, "--channel", "email").exit_code


def test_config_dir(tmp_path: Path) -> None:
    """Without a directory it is the one that the environment names."""
    result = run(None, RUNG_CONFIG_DIR=str(written(tmp_path, FOUND)))

    assert 1 == result.exit_code
    assert "[unreachable_step]" in result.output


@pytest.mark.parametrize("files", [{}, {"empty.yaml": "# nothing yet\n"}])
def test_nothing(tmp_path: Path, files: Mapping[str, str]) -> None:
    """Where there is nothing to look at, that is said, as a usage error."""
    result = run(written(tmp_path, files))

    assert 2 == result.exit_code
    assert 1 == result.output.count("\n")


def test_nowhere() -> None:
    """Without directory and store it says what to set."""
    result = run(None)

    assert 2 == result.exit_code
    assert "RUNG_CONFIG_DIR or REDIS_URL" in result.output


async def test_store() -> None:
    """What is stored is looked at as well; the file that an object is from is named."""
    draft = read_files(FOUND, stand_in(lambda _name: None))
    kept = MemoryConfiguration()
    await kept.seed(draft.directory)
    report = look_at_store(await kept.latest(), AROUND)

    assert [] == report.mistakes
    assert [(Code.UNREACHABLE_STEP, "policy.yaml", None)] == [
        (one.code, one.place.file, one.place.line) for one in report.findings
    ]


def test_dangling() -> None:
    """What the store names and nobody has any more is a mistake."""
    directory = Directory.model_validate(
        {
            "policies": {"p": {"id": "p", "fallback": "gone"}},
            "catch_all": "deleted",
        }
    )
    report = look_at_store(directory, AROUND)

    assert ["policies.p.fallback", "settings.catch_all"] == [
        one.path for one in report.mistakes
    ]


def test_files_and_store_agree() -> None:
    """What is found in files is found in the store that they are applied to."""
    draft = read_files(FOUND, stand_in(lambda _name: None))
    around = Around(channels=AROUND.channels, allowed=[Allowed(code=Code.PAGES_NOBODY)])
    of_files = look_at_files(draft, around).findings
    of_store = look_at_store(draft.directory, around).findings

    assert [(one.code, one.place.path) for one in of_files] == [
        (one.code, one.place.path) for one in of_store
    ]


def test_stand_in() -> None:
    """What is set is used; what stands for the others is another one for each."""
    secret_of = stand_in({"SET": "here"}.get)

    assert "here" == secret_of("SET")
    assert secret_of("A") != secret_of("B")
