"""`rung lint` and `rung route` on a real Redis: what is stored is looked at."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import NOT_PASSED_ON
from tests.support.servers import found_servers, running_server

LIBRARY = Path("policies/library").resolve()
PATIENCE_SECONDS = 30


@pytest.fixture(name="on_it", scope="module")
def _on_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What has commands work with one Redis."""
    with running_server(found_servers()[0], tmp_path_factory.mktemp("redis")) as server:
        data = tmp_path_factory.mktemp("data")
        yield {"REDIS_URL": server.url, "RUNG_DATA_DIR": str(data)}


def rung(*arguments: str | Path, **more: str) -> tuple[int, str, str]:
    """Run a command to its end; return its exit code and what it wrote."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON
    }
    result = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "rung", *arguments],
        env=inherited | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    return result.returncode, result.stdout, result.stderr


def test_store(on_it: dict[str, str], tmp_path: Path) -> None:
    """An empty store has nothing to look at, which stops no release; the demo has no findings; an edit has."""
    empty, _, why = rung("lint", **on_it)
    rung("apply", LIBRARY / "demo", "--yes", **on_it)
    fine = rung("lint", **on_it)
    policy = "policies: {late: {steps: [{kind: resolve}, {kind: resolve}]}}\n"
    for path in (LIBRARY / "demo").glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "late.yaml").write_text(policy)
    rung("apply", tmp_path, "--yes", **on_it)
    code, found, _ = rung("lint", **on_it)

    assert (
        0,
        "there is nothing to look at: there is no configuration in the store\n",
    ) == (
        empty,
        why,
    )
    assert (0, "no findings in 1 policy, 3 users, 1 integration\n", "") == fine
    assert 1 == code
    assert [
        "late.yaml: policies.late.steps[1]: never runs: ",
        "late.yaml: policies.late: nothing leads here, n",
    ] == sorted(line[:47] for line in found.splitlines()[:2])


def test_route(on_it: dict[str, str]) -> None:
    """Which policy an alert goes to is told from the store too."""
    rung("apply", LIBRARY / "demo", "--yes", **on_it)
    told = rung("route", "test", "a=b", "--expect-policy", "default", **on_it)

    assert (0, "alertmanager: routes[0] (whatever is left) -> default\n", "") == told


def test_down() -> None:
    """A store that does not answer is a missing dependency, told in one line."""
    code, _, problem = rung("lint", REDIS_URL="redis://127.0.0.1:1")

    assert 3 == code
    assert "Redis does not answer: check REDIS_URL, or start it" in problem
