"""What holds for the repository as a whole: pins, hosts, paths, docs and commands."""

import ast
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from workers.cli import app
from workers.redis_server import NAMED_SERVER
from workers.settings import Settings

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads(
    (ROOT / "pyproject.toml").read_text(encoding="utf-8")
)
# Written so that this file does not match them itself.
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|https?://[^\s\"'/]*(?:pypi|artifactory|nexus)"
)
LOCAL_PATHS = re.compile(r"(?<![\w.}~-])/(?:tmp|home|work|root|Users)(?=/)")
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([0-9][A-Za-z0-9.+!]*)")
VARIABLE = re.compile(r"`([A-Z][A-Z_]*)`")


def requirements() -> list[Requirement]:
    """Return all that the project asks for: to build, to run and for each extra."""
    project = PROJECT["project"]
    written = [*PROJECT["build-system"]["requires"], *project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        written += extra

    return [Requirement(each) for each in written]


def constraints() -> list[str]:
    """Return the lines of constraints.txt that are no comments."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()

    return [line.strip() for line in lines if line.strip() and line[0] != "#"]


def pins() -> dict[str, str]:
    """Return the version of each package that constraints.txt pins."""
    found = [PIN.fullmatch(line) for line in constraints()]

    return {canonicalize_name(pin[1]): pin[2] for pin in found if pin}


def tracked() -> Iterator[tuple[str, str]]:
    """Give name and text of each file that git tracks."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file():
            yield name, path.read_text(encoding="utf-8", errors="replace")


def findings(pattern: re.Pattern[str]) -> list[str]:
    """Return where a pattern is found in files that git tracks."""
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in tracked()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def environment_table() -> list[str]:
    """Return the rows of README's table of environment variables."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [table] = re.findall(r"^\| variable \|.*\n((?:\|.*\n)+)", readme, re.MULTILINE)

    return [row for row in table.splitlines() if not row.startswith("|--")]


def procfile() -> dict[str, list[str]]:
    """Return the command of each process, in words."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    processes = (line.partition(":") for line in lines if line.strip())

    return {name: command.split() for name, _, command in processes}


def test_all_is_pinned() -> None:
    """Everything the project asks for has one tried version, extras included."""
    asked = {canonicalize_name(requirement.name) for requirement in requirements()}

    assert {"arq", "hatchling", "pytest"} <= asked
    assert set() == asked - set(pins())


def test_pins_satisfy() -> None:
    """The version that is pinned is one that the project allows."""
    versions = pins()

    assert [] == [
        str(requirement)
        for requirement in requirements()
        if (version := versions.get(canonicalize_name(requirement.name)))
        and not requirement.specifier.contains(version, prereleases=True)
    ]


def test_constraints_are_pins() -> None:
    """A constraint is a name and a version; no address, no path, no option."""
    assert [] == [line for line in constraints() if not PIN.fullmatch(line)]


def test_pinned_to_one_version() -> None:
    """No package is pinned to two versions."""
    versions = pins()
    found = [PIN.fullmatch(line) for line in constraints()]

    assert [] == [
        pin[0] for pin in found if pin and versions[canonicalize_name(pin[1])] != pin[2]
    ]


def test_no_requirement_by_address() -> None:
    """What the project asks for is asked for by name: any index will do."""
    assert [] == [str(each) for each in requirements() if each.url]


def test_no_registry() -> None:
    """No file names a package registry: whoever installs chooses where from."""
    assert [] == findings(REGISTRIES)


def test_no_local_path() -> None:
    """No file names a directory of somebody's machine; tests get theirs given."""
    assert [] == findings(LOCAL_PATHS)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRIES, "--index-url https://{}.org/simple".format("pypi")),
        (REGISTRIES, "https://files.{}.org/packages".format("pythonhosted")),
        (REGISTRIES, "http://user@dev{}.example:3141/root".format("pypi")),
        (LOCAL_PATHS, "open('{}/x')".format("/tmp")),  # noqa: S108
        (LOCAL_PATHS, "file://{}/main".format("/work")),
        (LOCAL_PATHS, "cd {}/somebody/rung".format("/home")),
    ],
)
def test_would_be_found(pattern: re.Pattern[str], text: str) -> None:
    """What the two tests above look for is found where it stands."""
    assert pattern.search(text)


@pytest.mark.parametrize("package", ["engine", "policies", "workers"])
def test_docstrings(package: str) -> None:
    """Every module says in its first lines what it is for."""
    modules = sorted((ROOT / package).rglob("*.py"))

    assert modules
    assert [] == [
        str(module.relative_to(ROOT))
        for module in modules
        if not ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    ]


def test_script() -> None:
    """The command that is installed is the command line."""
    assert {"rung": "workers.cli:main"} == PROJECT["project"]["scripts"]


@pytest.mark.parametrize("process", procfile())
def test_procfile(process: str) -> None:
    """What a platform starts is a rung command with options that it has."""
    program, *words = [
        "8080" if word == "$PORT" else word for word in procfile()[process]
    ]

    assert "rung" == program
    assert 0 == CliRunner().invoke(app, [*words, "--help"]).exit_code


def test_processes() -> None:
    """A platform starts a web process and a worker."""
    assert {"web", "worker"} <= set(procfile())


def test_environment_table() -> None:
    """Every variable that README names is one that is read."""
    read = {field.alias for field in Settings.model_fields.values()} | {NAMED_SERVER}
    rows = environment_table()
    named = [name for row in rows for name in VARIABLE.findall(row.split("|")[1])]

    assert len(rows) <= len(named)
    assert [] == [name for name in named if name not in read]


def test_ci(tmp_path: Path) -> None:
    """CI runs `make test` in the repository, wherever it is started from."""
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$(pwd -P): make $*"\n', encoding="utf-8")
    make.chmod(0o755)
    run = subprocess.run(  # noqa: S603 - ourselves
        [ROOT / ".ci" / "run"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
        text=True,
    )

    assert f"{ROOT.resolve()}: make test\n" == run.stdout
