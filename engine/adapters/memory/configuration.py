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

    async def seed(self, directory: Directory) -> bool:
        """Store a first directory if there is none; tell whether it was stored."""
        if self._directory is not None:
            return False
        self._directory = directory

        return True

    def change(self, directory: Directory) -> None:
        """Put another directory in the place of this one."""
        self._directory = replace_version(
            directory, (self._directory or directory).version
        )


def replace_version(directory: Directory, version: int) -> Directory:
    """Return the directory as the version after this one."""
    return directory.model_copy(update={"version": version + 1})
