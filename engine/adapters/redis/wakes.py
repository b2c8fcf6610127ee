"""What arq lends to the scripts: how a wake job is written."""

from dataclasses import dataclass

BUCKET_MS = 100
AHEAD_MS = 250
HORIZON_MS = 60_000
KEPT_MS = 7 * 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeJobs:
    """
    The key names and the payload of wake jobs, one for each bucket of time.

    Attributes:
        ahead_ms: How far ahead of its due time a timer may be claimed.
        horizon_ms: Timers later than this are armed by the sweep.
        kept_ms: How long a job waits for workers that are all down.
    """

    queue: str
    job_prefix: str
    id_prefix: str
    payload: bytes
    bucket_ms: int = BUCKET_MS
    ahead_ms: int = AHEAD_MS
    horizon_ms: int = HORIZON_MS
    kept_ms: int = KEPT_MS
