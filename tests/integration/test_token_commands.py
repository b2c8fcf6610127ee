"""`rung token`: how one gets in who has no token yet."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]
UNREACHABLE = "redis://127.0.0.1:1/0"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return what runs `rung token` on a store of its own."""

    def run_it(*arguments: str, **environment: str) -> tuple[int, str, str]:
        ours = {"RUNG_DATA_DIR": str(tmp_path), "REDIS_URL": "", **environment}
        result = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-m", "rung", "token", *arguments],
            env=os.environ | ours,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

        return result.returncode, result.stdout, result.stderr

    return run_it


def listed(run: Run) -> list[dict[str, Any]]:
    """Return the tokens there are."""
    code, told, _ = run("list", "--json")
    assert 0 == code
    found: list[dict[str, Any]] = json.loads(told)

    return found


def test_created_and_revoked(run: Run) -> None:
    """A token is made on an empty store, listed without its secret, and revoked."""
    code, secret, _ = run("create", "laptop", "--scope", "write", "--scope", "ingest")
    [shown] = listed(run)
    _, table, _ = run("list")
    revoked = run("revoke", "laptop")

    assert 0 == code
    assert secret.startswith("rung_")
    assert 1 == secret.count("\n")
    assert {
        "id": shown["id"],
        "name": "laptop",
        "scopes": ["write", "ingest"],
        "user": None,
        "is_valid": True,
    } == shown
    assert ["ID", "NAME", "SCOPES", "USER", "VALID"] == table.split()[:5]
    assert shown["id"] in table
    assert secret.strip() not in table
    assert (0, f"revoked {shown['id']}\n", "") == revoked
    assert [] == listed(run)


def test_json(run: Run) -> None:
    """For programs there is JSON, also of a revoked one; the last admin may go."""
    _, made, _ = run("create", "ci", "--scope", "admin", "--json")
    token = json.loads(made)
    _, revoked, _ = run("revoke", token["id"], "--json")

    assert token["token"].startswith("rung_")
    assert {"id", "name", "scopes", "user", "is_valid", "token"} == set(token)
    assert {"revoked": token["id"]} == json.loads(revoked)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("create", "x", "--scope", "root"),
            "--scope root: use one of read, write, admin, ingest\n",
        ),
        (("create", " ", "--scope", "read"), "NAME is empty: name the token\n"),
        (
            ("create", "x", "--scope", "read", "--user", "alice"),
            "user: there is no user 'alice': add it, or correct it\n",
        ),
        (("revoke", "x"), "there is no token 'x'; `rung token list` shows them\n"),
    ],
)
def test_usage(run: Run, arguments: tuple[str, ...], problem: str) -> None:
    """What cannot be meant is said in one line, with what to do."""
    assert (2, "", problem) == run(*arguments)


def test_name_is_taken(run: Run) -> None:
    """Two tokens have two names, so that each can be revoked by it."""
    run("create", "laptop", "--scope", "read")
    code, _, problem = run("create", "laptop", "--scope", "read")

    assert 2 == code
    assert "There is a token 'laptop' already: " in problem
    assert 1 == len(listed(run))


def test_no_store(run: Run) -> None:
    """Without the store it says so, with the exit code of what is missing."""
    code, _, problem = run("list", REDIS_URL=UNREACHABLE)

    assert 3 == code
    assert problem.endswith("Redis does not answer: check REDIS_URL, or start it\n")
