"""The pages that consoles have shown, each with the moment at which it was seen."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.journeys import PAGE, ConsolePage

LOOK_AGAIN_SECONDS = 0.02
BEGUN = "PAGE  "
ERROR = re.compile(r'^Traceback|"level":"(?:error|critical)"')
# A job that arq was about to finish when Redis died: nobody waits for it any more.
OF_ARQ = re.compile(r"Task exception was never retrieved.*arq/worker\.py")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A page as a console showed it, at a time, by a process."""

    at: float
    page: ConsolePage
    process: int


@dataclass
class _Output:
    path: Path
    process: int
    read: int = 0
    rest: bytes = b""


@dataclass
class Pages:
    """
    Reads along while processes write.

    A process that is killed may leave the last line of its output torn: the page has
    begun to be sent, and nobody knows whether it arrived. Here it did not.
    """

    seen: list[Seen] = field(default_factory=list[Seen])
    errors: list[str] = field(default_factory=list[str])
    _outputs: list[_Output] = field(default_factory=list[_Output])

    def follow(self, path: Path, process: int) -> None:
        """Read along what this process writes, too."""
        self._outputs.append(_Output(path, process))

    @property
    def torn(self) -> int:
        """How many last lines are pages that were begun and not written to the end."""
        return sum(output.rest.startswith(BEGUN.encode()) for output in self._outputs)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read along while the block lasts, and all that is left at its end."""
        is_over = threading.Event()

        def read() -> None:
            while not is_over.wait(LOOK_AGAIN_SECONDS):
                self._read()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            is_over.set()
            reader.join()
            self._read()

    def _read(self) -> None:
        for output in list(self._outputs):
            with output.path.open("rb") as file:
                file.seek(output.read)
                new = file.read()
            at = time.monotonic()
            output.read += len(new)
            *lines, output.rest = (output.rest + new).split(b"\n")
            for line in lines:
                self._take(line.decode("utf-8", "replace"), at, output.process)

    def _take(self, line: str, at: float, process: int) -> None:
        if ERROR.search(line) and not OF_ARQ.search(line):
            self.errors.append(line)
        found = PAGE.match(line)
        if found:
            page = ConsolePage(*found.groups())
            self.seen.append(Seen(at=at, page=page, process=process))
