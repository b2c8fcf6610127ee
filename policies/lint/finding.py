"""Findings: what in a policy is legal, and hardly what anybody meant."""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """What was found. The words stay the same: people allow some of them by name."""

    UNREACHABLE_STEP = "unreachable_step"
    UNREACHABLE_END = "unreachable_end"
    BRANCH_NEVER_TAKEN = "branch_never_taken"
    GATE_ALWAYS_OPEN = "gate_always_open"
    POLICY_LOOP = "policy_loop"
    ENTERS_ITSELF = "enters_itself"
    STARTS_ITSELF = "starts_itself"
    ROUND_WITHOUT_WAIT = "round_without_wait"
    NOTHING_AFTER_WAIT = "nothing_after_wait"
    NO_TIME_TO_ANSWER = "no_time_to_answer"
    LATE_FIRST_PAGE = "late_first_page"
    VOLUME_GATE_FIRST = "volume_gate_first"
    SINGLE_TURN = "single_turn"
    NOTIFIED_TWICE = "notified_twice"
    NOBODY_BEHIND_TARGET = "nobody_behind_target"
    TARGET_UNREACHABLE = "target_unreachable"
    CHANNEL_NOT_CONFIGURED = "channel_not_configured"
    PAGES_NOBODY = "pages_nobody"
    UNNAMED_POLICY = "unnamed_policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing that was found in a policy.

    Attributes:
        policy: The id of the policy.
        path: The field, like `steps[2].targets[0]`; empty: the policy as a whole.
        text: What is odd, and what to do about it.
    """

    code: Code
    policy: str
    path: str
    text: str
