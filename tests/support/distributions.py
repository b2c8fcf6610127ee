"""Distributions that are installed without a network: their metadata is written."""

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
Groups = Mapping[str, Mapping[str, str]]


def install(
    site: Path, name: str, groups: Groups, version: str = "1.0", **modules: str
) -> None:
    """Install a distribution with these modules into a directory of the search path."""
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text, encoding="utf-8")
    metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{key} = {at}" for key, at in points.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def install_example(site: Path, name: str) -> None:
    """Install one of the examples of the documentation, as its project file says."""
    written = (EXAMPLES / name / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(written)["project"]
    for module in (EXAMPLES / name).glob("*.py"):
        shutil.copy(module, site)
    install(site, project["name"], project["entry-points"], project["version"])
