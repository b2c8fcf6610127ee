"""Blocks of code in documents, and what it takes to run those of the command line."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 30
# A request that is refused ends the block; `rung` is the one that is tested.
PROLOGUE = f"""
set -euo pipefail
curl() {{ command curl --fail --max-time 10 "$@"; }}
rung() {{ "{sys.executable}" -m rung "$@"; }}
"""


@dataclass(frozen=True)
class Block:
    """A block of code in a document."""

    document: str
    number: int
    language: str
    text: str

    @override
    def __str__(self) -> str:
        """Name it in the list of tests."""
        return f"{self.document}-{self.number}-{self.language or 'plain'}"

    def commands(self) -> list[str]:
        """Return the commands of a shell block, a line each, without remarks."""
        joined = self.text.replace("\\\n", " ")
        bare = [re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines()]

        return [line for line in bare if line]


def blocks_of(document: str) -> list[Block]:
    """Return the blocks of a document of the repository."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)

    return [Block(document, n, *one) for n, one in enumerate(found)]


def run_shell(text: str, directory: Path) -> str:
    """Run a block in a directory; return what it wrote, and fail if it did."""
    run = subprocess.run(  # noqa: S603 - what our own documents say
        ["/usr/bin/env", "bash", "-c", PROLOGUE + text],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "REDIS_URL": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    assert run.returncode == 0, f"{text}\n{run.stdout}\n{run.stderr}"

    return run.stdout
