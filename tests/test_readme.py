"""What the README and the text on plugins show is run as it stands there."""

import inspect
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.directory.drafts import mistakes_among
from engine.directory.file_form import KEYS
from engine.directory.files import read_files
from policies.loading import load_yaml
from tests.support.blocks import ROOT, Block, blocks_of, run_shell
from tests.support.distributions import EXAMPLES
from tests.support.journeys import Installed

README, PLUGINS = "README.md", "docs/plugins.md"
BLOCKS = [*blocks_of(README), *blocks_of(PLUGINS)]
MODULES = [*EXAMPLES.glob("*/*.py")]
PROJECTS = [*EXAMPLES.glob("*/pyproject.toml")]
SHOWN_ID = "inc_05HNN48A0C5"
AMONG_FILES = {"users", "policies", "schedules", "integrations"}


def no_variable(_name: str) -> str | None:
    """Have no environment: what is shown stands for itself."""
    return None


async def run_python(block: Block) -> None:
    """Execute a block, and await the tests that it defines."""
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(block.text, str(block), "exec"), names)  # noqa: S102 - our own words
    for name, value in names.items():
        if name.startswith("test_") and inspect.iscoroutinefunction(value):
            await value()


async def read_yaml(block: Block) -> None:
    """Read a block as what it is: our files, or a receiver of Alertmanager."""
    written: dict[str, Any] = load_yaml(block.text).value
    if "receivers" in written:
        [receiver] = written["receivers"]
        [hook] = receiver["webhook_configs"]

        assert hook["url"].endswith("/ingest/alertmanager/<ingest key>")
        return
    draft = read_files({"shown.yaml": block.text}, no_variable)

    assert set(written) <= set(KEYS)
    assert [] == [str(one) for one in (*draft.mistakes, *mistakes_among(draft))]


async def read_toml(block: Block) -> None:
    """Find a block in the project file of an example."""
    assert tomllib.loads(block.text)
    assert any(block.text in path.read_text(encoding="utf-8") for path in PROJECTS)


async def check_shell(block: Block) -> None:
    """Check that `make` is asked for what it knows; all else is run below."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    programs = {command.split()[0] for command in block.commands()}

    assert programs <= {"make", "curl", "rung"} | {
        word for word in programs if word.startswith("TOKEN=")
    }
    assert known >= {one.split()[1] for one in block.commands() if one[:5] == "make "}


async def check_text(block: Block) -> None:
    """Nothing can be run of it: it is what is printed, or a picture."""
    assert block.text


RUNNERS: dict[str, Callable[[Block], Any]] = {
    "python": run_python,
    "yaml": read_yaml,
    "toml": read_toml,
    "sh": check_shell,
    "text": check_text,
}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
async def test_block(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block that is shown is in a language that we can run, and right."""
    for module in MODULES:
        monkeypatch.syspath_prepend(module.parent)

    assert block.language in RUNNERS
    await RUNNERS[block.language](block)


def test_commands(tmp_path: Path) -> None:
    """The commands of the README do what it says, in its order, with a rung of their own."""
    blocks = blocks_of(README)
    (tmp_path / "config").mkdir()
    for block in blocks:
        if block.language == "yaml" and AMONG_FILES & set(load_yaml(block.text).value):
            file = tmp_path / "config" / f"{block.number}.yaml"
            file.write_text(block.text, encoding="utf-8")
    rung, told = Installed(tmp_path), ""
    with rung.start(RUNG_DATA_DIR=str(tmp_path / ".rung")) as process:
        process.wait_until_ready()
        for block in blocks:
            if block.language == "sh" and not block.text.startswith("make "):
                text = block.text.replace("localhost:8080", rung.address)
                if SHOWN_ID in text:
                    [page] = process.wait_for(r"PAGE  alice  DiskFull on db1  \((\S+) ")
                    text = text.replace(SHOWN_ID, page)
                told += run_shell(text, tmp_path)

    assert "acknowledged" in told
    assert "resolved" in told
    assert "+ policies/databases" in told


def test_page() -> None:
    """A page is shown as it is written."""
    [shown] = [one.text for one in blocks_of(README) if one.text.startswith("PAGE ")]

    assert re.fullmatch(
        rf"PAGE  alice  DiskFull on db1  \({SHOWN_ID} · page \w{{8}} · attempt 1\)\n",
        shown,
    )


def test_files_shown() -> None:
    """Files that are shown whole are those that there are."""
    shown = {block.text for block in BLOCKS}
    texts = [path.read_text(encoding="utf-8") for path in MODULES + PROJECTS]
    scenario = ROOT / "tests" / "scenarios" / "acknowledged_goes_no_further.txt"
    texts += [(ROOT / "Procfile").read_text(encoding="utf-8")]
    texts += [scenario.read_text(encoding="utf-8")]

    assert 6 == len(texts)
    assert set(texts) <= shown


@pytest.mark.parametrize(
    ("example", "lines_max"),
    [("weekly/rung_weekly.py", 20), ("spool/rung_spool.py", 30)],
)
def test_short(example: str, lines_max: int) -> None:
    """An on-call lookup takes 20 lines, a channel 30, and both documents show them."""
    text = (EXAMPLES / example).read_text(encoding="utf-8")
    shown = [block.document for block in BLOCKS if block.text == text]

    assert text.count("\n") <= lines_max
    assert [README, PLUGINS] == shown


def test_order() -> None:
    """The README goes from what it is to the words it uses."""
    text = (ROOT / README).read_text(encoding="utf-8")

    assert [
        "Run it",
        "One alert's journey",
        "Policies by example",
        "An on-call lookup in 20 lines",
        "A channel in 30 lines",
        "Configuring it",
        "Senders",
        "Settings",
        "What happens when",
        "Deploying",
        "Testing and replaying",
        "Words",
    ] == re.findall(r"^## (.*)$", text, re.MULTILINE)


def test_links() -> None:
    """Every file that is linked to is there."""
    for document in (README, PLUGINS):
        text = (ROOT / document).read_text(encoding="utf-8")
        linked = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)

        assert [] == [
            one for one in linked if not (ROOT / document).parent.joinpath(one).exists()
        ]
