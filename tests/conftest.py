"""Options and profiles that more than one test package needs."""

import os

import pytest
from hypothesis import settings

# `make test` says the same of the same code; `make long` goes where nobody has been.
# With CI in the environment Hypothesis starts from other defaults: not here.
PLAIN = settings.get_profile("default")
settings.register_profile("short", PLAIN, derandomize=True, deadline=None)
settings.register_profile("long", PLAIN, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--rewrite`."""
    parser.addoption("--rewrite", action="store_true", help="rewrite transcripts")
