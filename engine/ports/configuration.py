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

    async def latest(self) -> Directory:
        """
        Return the directory as it is stored now; an empty one if none is.

        Raises:
            StoreUnavailableError: If the store cannot be reached, or holds what only a
                newer version of rung can read.
        """
        ...

    async def seed(self, directory: Directory) -> bool:
        """Store a first directory if there is none; tell whether it was stored."""
        ...

    async def change(self, before: Directory, after: Directory) -> bool:
        """
        Put one directory in the place of another, as the next version.

        What differs is stored in one piece, or nothing is. This process reads it from
        now on, every other within a second.

        Args:
            before: As it was read; of an empty store an empty one.
            after: As it shall be; its own version does not matter.

        Returns:
            Whether it was stored: False if somebody else changed it since.

        Raises:
            StoreUnavailableError: If it was not stored.
            ConfigurationUnclearError: If it may have been; look before doing it again.
        """
        ...
