"""Each import contract refuses what it is there to refuse."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("engine", "policies", "rung", "workers")
OUTER = "Processes run the engine; the engine walks policies"
ENGINE = "Inside the engine: shell over ports over core"
CORE = "Inside the core"
PURE = "What decides does no IO and reads no clock"
CHOICE = "Only bootstrap chooses adapters"
NEW = '"""A module without a place."""'
# Kept in step with the table in docs/ARCHITECTURE.md.
BREACHES = [
    ("policies/steps.py", "import engine.errors", OUTER),
    ("engine/service/engine.py", "import workers.settings", OUTER),
    ("engine/core/walk.py", "import engine.ports", ENGINE),
    ("engine/service/settling.py", "import engine.adapters.memory", ENGINE),
    ("engine/directory/people.py", "import engine.core.incident", ENGINE),
    ("engine/paging.py", NEW, ENGINE),
    ("engine/core/alerts.py", "import engine.core.machine", CORE),
    ("engine/core/walk.py", "import engine.core.page", CORE),
    ("engine/core/rounds.py", NEW, CORE),
    ("engine/core/page.py", "import time", PURE),
    ("policies/policy.py", "import redis", PURE),
    ("workers/web/app.py", "import engine.adapters.redis.client", CHOICE),
]


def broken_contracts(copy: Path) -> set[str]:
    """Return the contracts that a copy of the project breaks."""
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program is not None
    result = subprocess.run(  # noqa: S603 - the linter of this environment
        [program, "--no-cache"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = result.stdout.splitlines()

    return {line.removesuffix(" BROKEN") for line in lines if line.endswith(" BROKEN")}


@pytest.fixture(name="copy")
def _copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    return tmp_path


@pytest.mark.parametrize(("file", "line", "contract"), BREACHES)
def test_breach(copy: Path, file: str, line: str, contract: str) -> None:
    """An import that runs the wrong way is refused by the contract that forbids it."""
    with (copy / file).open("a", encoding="utf-8") as opened:
        opened.write(f"{line}\n")

    assert contract in broken_contracts(copy)


def test_table() -> None:
    """The table in the architecture lists every breach that is tried."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")

    for file, line, contract in BREACHES:
        tried = "a module of that name" if line == NEW else f"`{line}`"
        assert f"| {tried} in `{file}` | {contract} |" in text
