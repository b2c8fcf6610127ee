"""
The first start: a demo directory, and the two secrets that open the doors.

The secrets lie in files that only their owner may read; the store keeps hashes. So
whoever loses the files cannot get them back, and is told what to do instead.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ruamel.yaml import YAML

from engine.directory import Directory, Scope, Token, hash_secret

DEMO = "library/demo/directory.yaml"
INTEGRATION = "alertmanager"
MADE_BY = "rung up"
SECRET_BYTES = 32
FIRST_VERSION = 1
TOKEN_FILE, KEY_FILE = "api_token", "ingest_key"
OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What opens the API and the ingest address, and the files that hold it."""

    directory: Path
    api_token: str
    ingest_key: str

    def open(self, directory: Directory) -> Mapping[Path, bool]:
        """Tell which of the two files fits the hashes of a directory."""
        return {
            self.directory / TOKEN_FILE: directory.token_for(self.api_token)
            is not None,
            self.directory / KEY_FILE: (
                directory.integration_for(INTEGRATION, self.ingest_key) is not None
            ),
        }


def read_secrets(directory: Path) -> Secrets:
    """Read the two secrets; those that are missing are made, once."""
    return Secrets(
        directory=directory,
        api_token=_read_or_make(directory / TOKEN_FILE, "rung_"),
        ingest_key=_read_or_make(directory / KEY_FILE, ""),
    )


def has_secrets(directory: Path) -> bool:
    """Tell whether both files are there."""
    return all((directory / name).exists() for name in (TOKEN_FILE, KEY_FILE))


def demo_directory(opened_by: Secrets) -> Directory:
    """Return the demo, with the hashes of these secrets in it."""
    text = files("policies").joinpath(DEMO).read_text(encoding="utf-8")
    content = YAML(typ="safe", pure=True).load(text)
    content["integrations"][INTEGRATION]["key_hash"] = hash_secret(opened_by.ingest_key)
    token = Token(
        hash=hash_secret(opened_by.api_token), name=MADE_BY, scopes=(Scope.ADMIN,)
    )
    content["version"] = FIRST_VERSION
    content["tokens"] = {token.hash: token}

    return Directory.model_validate(content)


def _read_or_make(path: Path, prefix: str) -> str:
    """Read a secret; if there is none, make it such that two who do so agree on one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(prefix + secrets.token_urlsafe(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    return path.read_text(encoding="utf-8").strip()
