"""The console channel: one line per page, for whoever watches."""

import io
import re
import select
import unicodedata
from typing import TextIO

import anyio

from engine.core.events import Outcome
from engine.ids import show_incident_id
from engine.ports import DeliveryResult, Notification

TITLE_LENGTH_MAX = 200
NAME_LENGTH_MAX = 60
KEY_LENGTH = 8
# A pipe that nobody reads fills up. It must not hold up the whole process.
LOOKS_MAX, LOOK_AGAIN_SECONDS = 100, 0.05
# A terminal obeys what it is shown: colours, titles, clipboards.
ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL
)


class ConsoleChannel:
    """Writes pages to a stream. No title that a sender made up moves the cursor."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    async def send(self, notification: Notification) -> DeliveryResult:
        """Write one line; a stream that is closed or full has failed to take it."""
        line = write_page(notification)
        try:
            if not await self._has_room():
                return _failed("it takes no more")
            self._write(line)
        except (OSError, ValueError) as error:
            return _failed(str(error))

        return DeliveryResult(outcome=Outcome.SENT)

    async def _has_room(self) -> bool:
        """Wait until a line can be written without waiting, for a while."""
        for _ in range(LOOKS_MAX):
            if self._takes_more():
                return True
            await anyio.sleep(LOOK_AGAIN_SECONDS)

        return False

    def _takes_more(self) -> bool:
        try:
            number = self._stream.fileno()
        except io.UnsupportedOperation:
            return True
        poll = select.poll()
        poll.register(number, select.POLLOUT)

        return bool(poll.poll(0))

    def _write(self, line: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(
            line.encode(encoding, "backslashreplace").decode(encoding) + "\n"
        )
        self._stream.flush()


def _failed(detail: str) -> DeliveryResult:
    return DeliveryResult(outcome=Outcome.FAILED, detail=f"the console: {detail}")


def write_page(notification: Notification) -> str:
    """
    Write a page as a line: who, what, and which attempt of which page it is.

    The same page keeps its name over attempts and crashes, so that one line too many
    is seen to be the same page, and not another one.
    """
    who = plain(notification.person, NAME_LENGTH_MAX)
    title = plain(notification.title, TITLE_LENGTH_MAX)
    incident = show_incident_id(notification.incident_id)
    page = notification.key[:KEY_LENGTH]
    about = f"{incident} · page {page} · attempt {notification.attempt}"
    if notification.late_by_seconds:
        about += f" · {notification.late_by_seconds} s late"

    return f"PAGE  {who}  {title}  ({about})"


def plain(text: str, length_max: int) -> str:
    """Keep what can be read: no escapes, no control characters, one short line."""
    flat = " ".join(ESCAPES.sub("", text).split())
    seen = "".join(letter for letter in flat if unicodedata.category(letter)[0] != "C")

    return seen if len(seen) <= length_max else seen[: length_max - 1] + "…"
