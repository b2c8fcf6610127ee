"""What the documentation shows is what there is."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML

from engine.core.reasons import Reason
from policies.policy import Policy
from policies.steps import KNOWN
from policies.targets import AnyTarget, target_of

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
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
