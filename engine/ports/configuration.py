"""Who and what there is."""

from typing import Protocol

from engine.directory import Directory


class Configuration(Protocol):
    """Keeps the directory."""

    async def read(self) -> Directory:
        """
        Return the directory, at most a second old.

        While the store is down this is the last one known; without one it raises.

        Raises:
            StoreUnavailableError: If there never was one.
        """
        ...

    async def seed(self, directory: Directory) -> bool:
        """Store a first directory if there is none; tell whether it was stored."""
        ...
