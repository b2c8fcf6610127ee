"""The command line: instant help, and one line for what may well happen."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

NOT_PASSED_ON = ("REDIS_URL", "PORT", "RUNG_HOST", "RUNG_DATA_DIR")


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and what it wrote."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON
    }
    result = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "rung", *arguments],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    return result.returncode, result.stdout, result.stderr


def test_help() -> None:
    """The help names every command."""
    code, told, _ = run("--help")

    assert 0 == code
    assert {"up", "web", "worker"} <= set(re.findall(r"^  (\w+) ", told, re.MULTILINE))


def test_nothing_heavy() -> None:
    """Importing the command line imports neither the web framework nor Redis."""
    heavy = "{'fastapi', 'redis', 'arq', 'pydantic', 'uvicorn', 'structlog'}"
    script = f"import sys, workers.cli; print({heavy} & set(sys.modules))"
    result = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )

    assert "set()" == result.stdout.strip()


def test_version() -> None:
    """The version is one line."""
    code, told, _ = run("--version")

    assert 0 == code
    assert re.fullmatch(r"rung \S.*\n", told)


def test_unknown_command() -> None:
    """A command that does not exist is a usage error."""
    assert 2 == run("wake-everybody")[0]


@pytest.mark.parametrize("command", ["up", "web", "worker"])
def test_bad_setting(command: str) -> None:
    """A setting that cannot be used is named; it is a usage error."""
    code, _, problem = run(command, PORT="eighty")

    assert 2 == code
    assert problem.startswith("PORT: ")


@pytest.mark.parametrize("command", ["web", "worker"])
def test_without_redis(command: str) -> None:
    """Web and worker do not start a Redis: without an address they say what does."""
    code, _, problem = run(command)

    assert 2 == code
    assert "REDIS_URL is not set; `rung up` brings a Redis of its own\n" == problem


@pytest.mark.parametrize("arguments", [["worker"], ["web", "--port", "0"], ["up"]])
def test_bad_address(arguments: list[str], tmp_path: Path) -> None:
    """An address of Redis that is none is a usage error, said in one line."""
    code, _, problem = run(
        *arguments, REDIS_URL="http://x", PORT="0", RUNG_DATA_DIR=str(tmp_path)
    )

    assert 2 == code
    assert 1 == problem.count("\n")
    assert problem.startswith("REDIS_URL is no address of a Redis: ")


@pytest.mark.parametrize("url", ["redis://:hush/hush@host", "redis://u:hush@host:port"])
def test_bad_address_with_password(url: str) -> None:
    """An address that cannot be read is not quoted: it may hold a password."""
    _, _, problem = run("worker", REDIS_URL=url)

    assert "REDIS_URL" in problem
    assert "hush" not in problem


@pytest.mark.parametrize("command", ["up", "web"])
def test_port_taken(command: str, tmp_path: Path) -> None:
    """A port that is taken ends it before anything else was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, problem = run(
            command,
            PORT=str(port),
            REDIS_URL="redis://127.0.0.1:1" if command == "web" else "",
            RUNG_DATA_DIR=str(tmp_path / "data"),
        )

    assert 3 == code
    assert (
        f"port {port} is taken: set PORT to another one, as in PORT={port + 1}\n"
        == problem
    )
    assert not (tmp_path / "data").exists()


def test_unknown_host() -> None:
    """A host that is not ours is named."""
    code, _, problem = run("web", RUNG_HOST="8.8.8.8", REDIS_URL="redis://127.0.0.1:1")

    assert 3 == code
    assert problem.startswith("cannot listen on 8.8.8.8:8080: ")
    assert 1 == problem.count("\n")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"PATH": "", "RUNG_REDIS_SERVER": "/nowhere/redis-server"},
            "is not a program",
        ),
        ({"RUNG_REDIS_SERVER": sys.executable}, "is not a Redis or Valkey server"),
    ],
)
def test_no_server(
    environment: Mapping[str, str], expected: str, tmp_path: Path
) -> None:
    """Without a redis-server to start, it says so in one line."""
    code, _, problem = run("up", PORT="0", RUNG_DATA_DIR=str(tmp_path), **environment)

    assert 3 == code
    assert 1 == problem.count("\n")
    assert expected in problem
