"""A directory of YAML files on disk."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from policies.loading import TEXT_MAX

ENDINGS = (".yaml", ".yml")
FILES_MAX = 500
ALL_BYTES_MAX = 1 << 22
# A directory that has more in it is another one than was meant.
ENTRIES_MAX = 10_000
# A character takes four bytes at most; what is longer is refused when it is read.
FILE_BYTES_MAX = 4 * TEXT_MAX


class FilesError(Exception):
    """A directory whose files cannot be read; it says which, and what to do."""


def read_texts(directory: Path) -> Mapping[str, str]:
    """
    Read every YAML file in a directory and below it, but hidden ones.

    Returns:
        What stands in each, by its name below the directory.

    Raises:
        FilesError: If there is no such directory, no YAML in it, or too much.
    """
    if not directory.is_dir():
        what = "is no directory" if directory.exists() else "there is no such directory"
        message = f"{directory}: {what}: name one that holds YAML files"
        raise FilesError(message)
    texts: dict[str, str] = {}
    left = ALL_BYTES_MAX
    for path in _paths(directory):
        data = _read(path, left)
        left -= len(data)
        texts[path.relative_to(directory).as_posix()] = _text(path, data)
        if len(texts) > FILES_MAX:
            message = (
                f"{directory}: more than {FILES_MAX} YAML files: put some into one"
            )
            raise FilesError(message)
    if not texts:
        message = (
            f"{directory}: no YAML files in it (*.yaml, *.yml): is it the right one?"
        )
        raise FilesError(message)

    return texts


def _paths(directory: Path) -> Iterator[Path]:
    """Yield all YAML files that are not hidden, in an order that stays the same."""
    left = ENTRIES_MAX
    for folder, folders, names in os.walk(directory, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        left -= len(names) + len(folders)
        if left < 0:
            message = (
                f"{directory}: more than {ENTRIES_MAX} files: is it the right one?"
            )
            raise FilesError(message)
        for name in sorted(names):
            path = Path(folder, name)
            is_wanted = name.endswith(ENDINGS) and not name.startswith(".")
            if is_wanted and (path.is_file() or path.is_symlink()):
                yield path


def _read(path: Path, left: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        _refuse(error)
    if len(data) > FILE_BYTES_MAX:
        message = f"{path}: is larger than {FILE_BYTES_MAX >> 20} MiB: split it"
        raise FilesError(message)
    if len(data) > left:
        message = (
            f"{path}: all files have more than {ALL_BYTES_MAX >> 20} MiB: too much"
        )
        raise FilesError(message)

    return data


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{path}:{line}: is not UTF-8: save it as UTF-8"
        raise FilesError(message) from None


def _refuse(error: OSError) -> NoReturn:
    message = f"{error.filename}: {error.strerror}: make it readable, or move it away"
    raise FilesError(message) from error
