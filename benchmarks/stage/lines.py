"""A file that other processes write lines to, read as it grows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class Lines(Generic[T]):
    """
    What has been written so far.

    Attributes:
        read: Makes something of a line.
        seen: What was made of all that was there when somebody last looked.
    """

    path: Path
    read: Callable[[str], T]
    seen: list[T] = field(default_factory=list[T])
    _position: int = 0

    def look(self) -> list[T]:
        """Return all that there is by now; a line that is not whole comes later."""
        if self.path.exists():
            with self.path.open("rb") as opened:
                opened.seek(self._position)
                whole = opened.read().rpartition(b"\n")[0]
            if whole:
                self._position += len(whole) + 1
                self.seen += map(self.read, whole.decode().split("\n"))

        return self.seen
