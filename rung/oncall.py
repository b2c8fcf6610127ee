"""
On-call lookups by others: what an entry point of the group `rung.oncall` needs.

Its factory is called with the environment and returns an `OnCallLookup`.
docs/plugins.md shows one whole.
"""

from engine.errors import LookUpFailedError
from engine.ports import OnCall, OnCallLookup, OnCallReason
from policies.targets import LayerTarget, ScheduleTarget, Target

__all__ = [
    "LayerTarget",
    "LookUpFailedError",
    "OnCall",
    "OnCallLookup",
    "OnCallReason",
    "ScheduleTarget",
    "Target",
]
