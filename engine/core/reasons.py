"""Why the machine decided as it did."""

from enum import StrEnum


class Reason(StrEnum):
    """The word for a decision, the same in log, timeline, metric, API and test."""

    # How it begins.
    OPENED = "opened"
    COLLECTED_ONLY = "collected_only"
    FIRED_AFTER_RESOLVE = "fired_after_resolve"
    # What alerts mean.
    ALERT_JOINED = "alert_joined"
    ALERT_REPEATED = "alert_repeated"
    ALERT_COUNTED = "alert_counted"
    ALERT_ENDED = "alert_ended"
    ALERTS_RESOLVED = "alerts_resolved"
    FIRED_WHILE_EXHAUSTED = "fired_while_exhausted"
    # What a step did.
    WAIT_OVER = "wait_over"
    LOOKING_UP = "looking_up"
    LOOK_UP_TIMED_OUT = "look_up_timed_out"
    TAKING_TURN = "taking_turn"
    TURN_TIMED_OUT = "turn_timed_out"
    PAGED = "paged"
    POLICY_STARTED = "policy_started"
    NOBODY_REACHED = "nobody_reached"
    BRANCH_TAKEN = "branch_taken"
    BRANCH_PASSED = "branch_passed"
    BRANCH_STOPPED = "branch_stopped"
    GATE_CLOSED = "gate_closed"
    GATE_PASSED = "gate_passed"
    PAUSED = "paused"
    INSTRUCTIONS_POSTED = "instructions_posted"
    INSTRUCTIONS_REPEATED = "instructions_repeated"
    WEBHOOK_CALLED = "webhook_called"
    REPEATED = "repeated"
    REPEATS_USED_UP = "repeats_used_up"
    NOT_CONFIGURED = "not_configured"
    MISSING = "missing"
    UNKNOWN_STEP = "unknown_step"
    TOO_MANY_POLICIES = "too_many_policies"
    TOO_MANY_WALKS = "too_many_walks"
    ALREADY_WALKING = "already_walking"
    RESOLVED_BY_POLICY = "resolved_by_policy"
    REMOVED_BY_POLICY = "removed_by_policy"
    # What a page did.
    RULE_DUE = "rule_due"
    DELIVERED = "delivered"
    DELIVERY_UNKNOWN = "delivery_unknown"
    METHOD_FAILED = "method_failed"
    WEBHOOK_ANSWERED = "webhook_answered"
    WEBHOOK_FAILED = "webhook_failed"
    # What people did.
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    SNOOZED = "snoozed"
    UNSNOOZED = "unsnoozed"
    ESCALATED = "escalated"
    REASSIGNED = "reassigned"
    ATTACHED = "attached"
    DETACHED = "detached"
    REMOVED = "removed"
    METADATA_SET = "metadata_set"
    COMMENTED = "commented"
    BOX_TICKED = "box_ticked"
    FOLLOWED = "followed"
    # What time did.
    ACKNOWLEDGEMENT_TIMED_OUT = "acknowledgement_timed_out"
    SNOOZE_OVER = "snooze_over"
    REMINDED = "reminded"
    LOOKED_AGAIN = "looked_again"
    EXHAUSTED = "exhausted"
    # How it starts again.
    RESTARTED = "restarted"
    RESTARTED_UNCHANGED = "restarted_unchanged"
    # What changed nothing.
    REPEATED_COMMAND = "repeated_command"
    NOT_APPLICABLE = "not_applicable"
    NOTHING_LEFT = "nothing_left"
    IS_ATTACHED = "is_attached"
    IS_MAINTENANCE = "is_maintenance"
    LATE = "late"
    STALE = "stale"

    @property
    def is_recorded(self) -> bool:
        """Whether history keeps the event: not if it changes and says nothing."""
        return self not in _UNRECORDED


_UNRECORDED = frozenset({Reason.ALERT_REPEATED, Reason.REPEATED_COMMAND, Reason.STALE})
