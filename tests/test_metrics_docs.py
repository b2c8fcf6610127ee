"""The metrics that are described are those there are, and rules are about those."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from engine.ports import Counted, Due
from engine.ports.measures import LABELS
from tests.web.fakes import a_directory
from workers.web.exposition import HELP, expose
from workers.web.figures import Figures

DOCS = Path(__file__).parent.parent / "docs"
METRICS = (DOCS / "metrics.md").read_text(encoding="utf-8")
RULES = YAML(typ="safe", pure=True).load(
    (DOCS / "examples" / "rung-alerts.yaml").read_text(encoding="utf-8")
)["groups"][0]["rules"]
EMPTY = Figures(
    counted=Counted(),
    due=Due(count=0, overdue=0),
    open={},
    directory=a_directory(),
    sha="0",
)
ROWS = {
    name: (kind, re.findall(r"`(\w+)`", labels))
    for name, kind, labels in re.findall(
        r"^\| `(rung_\w+)` \| (\w+) \|([^|]*)\|", METRICS, re.MULTILINE
    )
}
PARTS_OF_HISTOGRAMS = r"_(bucket|count|sum)$"


def shown() -> dict[str, str]:
    """Return the kind of each metric that `/metrics` shows, by its name there."""
    families = text_string_to_metric_families(expose(EMPTY).decode())
    suffixes = {"counter": "_total"}

    return {
        family.name + suffixes.get(family.type, ""): family.type for family in families
    }


def test_every_metric() -> None:
    """The table has every metric that is shown, as what it is, and no other."""
    described = {
        name: kind.replace("info", "gauge") for name, (kind, _) in ROWS.items()
    }

    assert shown() == described
    assert set(HELP) == set(described)


def test_labels() -> None:
    """The table has the labels of each metric that is counted, in their order."""
    assert {str(name): list(labels) for name, labels in LABELS.items()} == {
        name: labels for name, (_, labels) in ROWS.items() if name in set(LABELS)
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_rules(rule: dict[str, str]) -> None:
    """Every rule is about metrics that there are, and is described."""
    named = re.findall(r"\brung_\w+", rule["expr"])
    histograms = {name for name, kind in shown().items() if kind == "histogram"}
    of = {
        re.sub(PARTS_OF_HISTOGRAMS, "", name)
        if re.sub(PARTS_OF_HISTOGRAMS, "", name) in histograms
        else name
        for name in named
    }

    assert of
    assert set() == of - set(shown())
    assert f"`{rule['alert']}`" in METRICS
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_rules_are_described() -> None:
    """No rule is described that there is not."""
    described = re.findall(r"`(Rung\w+)`", METRICS)

    assert sorted(rule["alert"] for rule in RULES) == sorted(described)
