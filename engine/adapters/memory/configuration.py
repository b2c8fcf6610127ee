"""The directory, in a variable."""

from engine.directory import Directory


class MemoryConfiguration:
    """Keeps the directory in a variable."""

    def __init__(self, directory: Directory | None = None) -> None:
        self._directory = directory

    @property
    def directory(self) -> Directory:
        """The directory; an empty one if there is none yet."""
        return self._directory or Directory()

    async def read(self) -> Directory:
        """Return the directory."""
        return self.directory

    async def latest(self) -> Directory:
        """Return the directory."""
        return self.directory

    async def seed(self, directory: Directory) -> bool:
        """Store a first directory if there is none; tell whether it was stored."""
        if self._directory is not None:
            return False
        self._directory = directory

        return True

    async def change(self, before: Directory, after: Directory) -> bool:
        """Put a directory in the place of the one that was read."""
        if before.version != self.directory.version:
            return False
        self.put(after)

        return True

    def put(self, directory: Directory) -> None:
        """Put another directory in the place of this one, whatever it is."""
        version = self.directory.version + 1
        self._directory = directory.model_copy(update={"version": version})
