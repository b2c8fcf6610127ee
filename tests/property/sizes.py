"""How long to look: as long as a commit may take, or as long as a night has."""

import os

import pytest
from hypothesis import HealthCheck, settings

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
LONG_SECONDS = 3_600

patient = pytest.mark.timeout(LONG_SECONDS if IS_LONG else 60)


def sized(examples: int, steps: int = 50) -> settings:
    """Return settings for this many examples, of this many steps; `long` has more."""
    return settings(
        max_examples=examples * (40 if IS_LONG else 1),
        stateful_step_count=steps * (2 if IS_LONG else 1),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
