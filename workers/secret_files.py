"""
Secrets that rung makes, each in a file that only its owner may read.

The store keeps hashes. So whoever loses a file cannot get the secret back.
"""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from engine.directory import SECRET

SECRET_BYTES = 32
OWNER_ONLY = 0o600
KEYS = "keys"


class SecretsError(Exception):
    """A file that holds a secret cannot be used."""


def key_file(data_directory: Path, integration: str) -> Path:
    """Return where the ingest key of an integration lies, if it was made here."""
    return data_directory / KEYS / integration


def read_or_make(path: Path) -> str:
    """
    Read a secret; if there is none, make it such that two who do so agree on one.

    Raises:
        SecretsError: If the file cannot be read or made.
    """
    try:
        return _read_or_make(path)
    except OSError as error:
        remedy = "make it readable, or set RUNG_DATA_DIR"
        message = f"{error.filename}: {error.strerror}; {remedy}"
        raise SecretsError(message) from error


def _read_or_make(path: Path) -> str:
    if not path.exists():
        _make(path)
    secret = path.read_text(encoding="utf-8", errors="replace").strip()
    if not secret or not SECRET.fullmatch(secret):
        problem = "holds no secret" if secret else "is empty"
        message = f"{path} {problem}: write the secret into it, or remove it"
        raise SecretsError(message)
    if path.stat().st_mode & ~(stat.S_IFMT(path.stat().st_mode) | OWNER_ONLY):
        path.chmod(OWNER_ONLY)

    return secret


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
