"""What the processes write, read along while they write it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LOOK_AGAIN_SECONDS = 0.1
ERROR = re.compile(r'^Traceback|"level":"(?:error|critical)"')
# A job that arq was about to finish when Redis died: nobody waits for it any more.
OF_ARQ = re.compile(r"Task exception was never retrieved.*arq/worker\.py")
FENCED = '"event":"commit.fenced"'


@dataclass
class _Output:
    path: Path
    read: int = 0
    rest: bytes = b""


@dataclass
class Outputs:
    """
    Reads along while processes write.

    Attributes:
        errors: Lines that should not be there.
        fenced: How many commits found that others had moved the incident.
    """

    errors: list[str] = field(default_factory=list[str])
    fenced: int = 0
    _outputs: list[_Output] = field(default_factory=list[_Output])

    def follow(self, path: Path) -> None:
        """Read along what is written there, too."""
        self._outputs.append(_Output(path))

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
            output.read += len(new)
            # A process that is killed may leave its last line torn.
            *lines, output.rest = (output.rest + new).split(b"\n")
            for line in lines:
                self._take(line.decode("utf-8", "replace"))

    def _take(self, line: str) -> None:
        if ERROR.search(line) and not OF_ARQ.search(line):
            self.errors.append(line)
        self.fenced += FENCED in line
