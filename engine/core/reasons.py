"""Why the machine decided as it did."""

from enum import StrEnum


class Reason(StrEnum):
    """The word for a decision, the same in log, timeline, metric, API and test."""

    OPENED = "opened"
    COLLECTED_ONLY = "collected_only"
    ALERT_JOINED = "alert_joined"
    ALERT_REPEATED = "alert_repeated"
    ALERT_ENDED = "alert_ended"
    ALERTS_RESOLVED = "alerts_resolved"
    WAIT_OVER = "wait_over"
    LOOKING_UP = "looking_up"
    LOOK_UP_TIMED_OUT = "look_up_timed_out"
    PAGED = "paged"
    NOBODY_REACHED = "nobody_reached"
    RULE_DUE = "rule_due"
    DELIVERED = "delivered"
    DELIVERY_UNKNOWN = "delivery_unknown"
    METHOD_FAILED = "method_failed"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    EXHAUSTED = "exhausted"
    REPEATED_COMMAND = "repeated_command"
    NOT_APPLICABLE = "not_applicable"
    LATE = "late"
    STALE = "stale"

    @property
    def is_recorded(self) -> bool:
        """Whether history keeps the event: not if it changes and says nothing."""
        return self not in _UNRECORDED


_UNRECORDED = frozenset({Reason.ALERT_REPEATED, Reason.REPEATED_COMMAND, Reason.STALE})
