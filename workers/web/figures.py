"""
Figures of the whole installation.

What is counted comes from the totals, to which processes add every few seconds; what
is so at the moment is looked up, and kept for as long.
"""

import hashlib
from collections import Counter as Counts
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import anyio

from engine.core.incident import Status
from engine.directory import Directory
from engine.errors import StoreUnavailableError
from engine.ports import Counted, Due, IncidentReader
from workers.web.context import WebContext

KEPT_SECONDS = 5.0
# Prometheus gives up after ten seconds, unless it is told otherwise.
LOOKED_SECONDS_MAX = 8.0
# Of incidents that are open the newest are counted: more than anybody can handle.
OPEN_MAX, OPEN_AT_ONCE = 10_000, 1_000
# What a worker that died leaves behind is taken by another one after two seconds.
OVERDUE_AFTER = timedelta(seconds=5)
SEVERITIES = ("critical", "error", "warning", "info", "none")
OTHER_SEVERITY = "other"
SHA_LENGTH = 12
OPEN = frozenset(status for status in Status if status.is_open)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """
    All that `/metrics` shows.

    Attributes:
        open: How many incidents are open, by status and severity.
        sha: A hash of all policies.
    """

    counted: Counted
    due: Due
    open: Mapping[tuple[str, str], int]
    directory: Directory
    sha: str


class FigureCache:
    """Looks the figures up, for all who ask within a few seconds."""

    def __init__(
        self,
        context: WebContext,
        elapsed: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._context = context
        self._elapsed = elapsed
        self._looking = anyio.Lock()
        self._figures: Figures | None = None
        self._looked_at = 0.0

    async def figures(self) -> Figures:
        """
        Return the figures, a few seconds old at most.

        Raises:
            StoreUnavailableError: If they cannot be looked up now.
        """
        try:
            with anyio.fail_after(LOOKED_SECONDS_MAX):
                async with self._looking:
                    return await self._kept()
        except TimeoutError:
            message = f"figures: no answer within {LOOKED_SECONDS_MAX:g} s"
            raise StoreUnavailableError(message) from None

    async def _kept(self) -> Figures:
        now = self._elapsed()
        if self._figures is None or now - self._looked_at >= KEPT_SECONDS:
            self._figures = await self._look()
            self._looked_at = now

        return self._figures

    async def _look(self) -> Figures:
        context, before = self._context, self._figures
        directory = await context.configuration.read()
        if before is not None and before.directory is directory:
            sha = before.sha
        else:
            sha = _sha_of(directory)

        return Figures(
            counted=await context.totals.read(),
            due=await context.backlog.due(OVERDUE_AFTER),
            open=await _count_open(context.reader),
            directory=directory,
            sha=sha,
        )


def _sha_of(directory: Directory) -> str:
    digest = hashlib.sha256()
    for _, policy in sorted(directory.policies.items()):
        digest.update(policy.model_dump_json().encode())

    return digest.hexdigest()[:SHA_LENGTH]


async def _count_open(reader: IncidentReader) -> Mapping[tuple[str, str], int]:
    counts: Counts[tuple[str, str]] = Counts()
    before: str | None = None
    while counts.total() < OPEN_MAX:
        found = await reader.summaries(OPEN, OPEN_AT_ONCE, before)
        counts.update((one.status.value, _severity(one.severity)) for one in found)
        if len(found) < OPEN_AT_ONCE:
            break
        before = found[-1].id

    return counts


def _severity(told: str) -> str:
    """Return one of a few words: senders make up their own."""
    word = told.strip().lower() or "none"

    return word if word in SEVERITIES else OTHER_SEVERITY
