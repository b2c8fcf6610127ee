"""
A channel that writes down when a page was handed to it, and says that it was sent.

It is loaded like any plugin, by the entry point `recorder`. A line is written at once,
by one call of the system: what a worker was handed before it was killed is there.
"""

import os
import time
from collections.abc import Mapping
from typing import NamedTuple

from rung.channels import DeliveryResult, Notification, Outcome

CHANNEL = "recorder"
FACTORY = f"{__name__}:Recorder"
FILE_VARIABLE = "BENCHMARK_PAGES"
SENT = DeliveryResult(outcome=Outcome.SENT)
NS_PER_SECOND = 1e9


class Page(NamedTuple):
    """
    A page as it was handed over.

    Attributes:
        at: Of the monotonic clock, which is the same for all processes of a machine.
        clock_at: Of the machine's time of day, which is that of its Redis too.
    """

    at: float
    clock_at: float
    incident: str
    key: str
    title: str


class Recorder:
    """The channel."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._file = os.open(
            environment[FILE_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
        )

    async def send(self, notification: Notification) -> DeliveryResult:
        """Write it down first: what it is for is the time."""
        at, clock_at = time.monotonic_ns(), time.time_ns()
        named = f"{notification.incident_id} {notification.key} {notification.title}"
        os.write(self._file, f"{at} {clock_at} {named}\n".encode())

        return SENT


def read_page(line: str) -> Page:
    """Read a line of the file."""
    at, clock_at, incident, key, title = line.split(" ", 4)

    return Page(
        int(at) / NS_PER_SECOND, int(clock_at) / NS_PER_SECOND, incident, key, title
    )
