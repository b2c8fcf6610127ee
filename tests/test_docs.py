"""What the documentation shows is what there is."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML

from engine.adapters.redis.keys import TABLE
from engine.core.reasons import Reason
from engine.directory.findings import DirectoryCode
from engine.service.settlement import PUBLISHED
from policies.lint import Code
from policies.policy import Policy
from policies.steps import KNOWN
from policies.targets import AnyTarget, target_of
from workers.settings import Settings

TESTS = Path(__file__).parent
ROOT = TESTS.parent
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATING = (DOCS / "operating.md").read_text(encoding="utf-8")
POLICIES = (DOCS / "policies.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", POLICIES, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(example: str) -> None:
    """Every policy that is shown is one."""
    written: dict[str, Any] = YAML(typ="safe", pure=True).load(example)

    assert written["id"] == Policy.model_validate(written).id


def test_step_kinds() -> None:
    """The table has every kind of step there is, and no other."""
    cells = re.findall(r"^\| (`[^|]*`) \|", POLICIES, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}

    assert KNOWN == named


def test_targets() -> None:
    """Every kind of target is shown, as it is written."""
    [line] = re.findall(r"\*\*Targets\*\*: (.*?)\n\n", POLICIES, re.DOTALL)
    kinds = {target_of(text).kind for text in re.findall(r"`([^`]+)`", line)}

    assert {cls.model_fields["kind"].default for cls in get_args(AnyTarget)} == kinds


def test_reasons() -> None:
    """Every reason is in the list that operators search."""
    text = (DOCS / "reasons.md").read_text(encoding="utf-8")

    assert set(Reason) == set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_findings() -> None:
    """Every finding of lint is explained, and no other."""
    text = (DOCS / "lint.md").read_text(encoding="utf-8")
    of_policies, of_others = text.split("## Of everything else")
    row = re.compile(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE)

    assert list(Code) == row.findall(of_policies)
    assert list(DirectoryCode) == row.findall(of_others)


def test_hazards() -> None:
    """Every hazard of arq is answered by tests that there are, found by its letter."""
    text = (DOCS / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([A-Z]) \|.*\| ([^|]+) \|$", text, re.MULTILINE))
    written = "".join(
        path.read_text(encoding="utf-8") for path in (TESTS / "hazards").glob("test_*")
    )
    there = re.findall(r"^(?:async )?def (test_\w+)", written, re.MULTILINE)
    named = {letter: re.findall(r"`(\w+)`", cell) for letter, cell in rows.items()}

    assert [*"ABCDEFGHIJL"] == sorted(named)
    assert {each for each in there if not each.endswith("naive")} == {
        each for tests in named.values() for each in tests
    }
    assert all(
        each.startswith(f"test_{letter.lower()}_")
        for letter, tests in named.items()
        for each in tests
    )


def test_what_happens_when() -> None:
    """Every row of what happens when something fails names tests, and they are there."""
    [table] = re.findall(r"## What happens when\n(.*?)\n## ", README, re.DOTALL)
    rows = re.findall(r"^\| (?!fails|---)(.*) \|$", table, re.MULTILINE)
    named = [re.findall(r"`(tests/[^`]+)`", row) for row in rows]

    assert 15 < len(rows)
    assert all(named)
    assert [] == [name for names in named for name in names if not _is_there(name)]


def test_what_may_come_between() -> None:
    """Everything that may come between is a test that there is."""
    text = (DOCS / "ARCHITECTURE.md").read_text(encoding="utf-8")
    [table] = re.findall(r"## What may come between\n(.*?)\n## ", text, re.DOTALL)
    named = re.findall(r"`(tests/[^`]+)`", table)

    assert 15 < len(named)
    assert [] == [name for name in named if not _is_there(name)]


def test_every_key() -> None:
    """The keys that operators read of are those there are, word for word."""
    expected = [(row.pattern, row.type, row.lifetime, row.use) for row in TABLE]
    rows = re.findall(
        r"^\| `([^`]+)` \| (\w+) \| (.*) \| (.*) \|$", OPERATING, re.MULTILINE
    )

    assert expected == [row for row in rows if row[0].startswith(("{", "rung", "arq"))]


def test_every_warning() -> None:
    """Every warning and error of the log is explained to whoever watches it."""
    sources = [*ROOT.glob("engine/**/*.py"), *ROOT.glob("workers/**/*.py")]
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    logged = set(
        re.findall(r"log\.(?:warning|error)\(\s*(?:#.*\s*)?\"([^\"]+)\"", text)
    )
    logged |= set(re.findall(r"write\(\s*\"([a-z_.]+)\"", text))
    logged |= set(PUBLISHED.values())
    explained = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", OPERATING))

    assert {"incident.parked", "chore.failed"} <= logged
    assert set() == logged - explained


def test_every_setting() -> None:
    """Every setting is in the README, and no other."""
    [table] = re.findall(r"## Settings\n(.*?)\n## ", README, re.DOTALL)
    named = re.findall(r"`((?:RUNG_|REDIS_|PORT)\w*)`", table)
    known = {field.alias for field in Settings.model_fields.values()}

    assert known | {"RUNG_REDIS_SERVER"} == set(named)


def _is_there(name: str) -> bool:
    """Tell whether there is such a file, and such a test in it."""
    path, _, test = name.partition("::")
    if not (ROOT / path).is_file():
        return False

    return not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")
