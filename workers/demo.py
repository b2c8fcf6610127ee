"""
The first start: a demo directory, and the two secrets that open the doors.

The secrets lie in files that only their owner may read; the store keeps hashes. So
whoever loses the files cannot get them back, and is told what to do instead.
"""

import contextlib
import os
import re
import secrets
import shlex
import stat
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ruamel.yaml import YAML

from engine.directory import Directory, Scope, Token, hash_secret
from engine.ports import Configuration

DEMO = "library/demo/directory.yaml"
INTEGRATION = "alertmanager"
MADE_BY = "demo"
SECRET_BYTES = 32
FIRST_VERSION = 1
TOKEN_FILE, KEY_FILE = "api_token", "ingest_key"
OWNER_ONLY = 0o600
# As it stands in a line of curl and in a header; whoever writes one keeps to this.
SECRET = re.compile(r"[A-Za-z0-9._~-]{16,200}")
ALERT = (
    '{"alerts":[{"status":"firing","labels":{"alertname":"DiskFull","instance":"db1"},'
    '"annotations":{"summary":"DiskFull on db1"}}]}'
)


class SecretsError(Exception):
    """A file that holds a secret cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What opens the API and the ingest address."""

    api_token: str
    ingest_key: str

    def open(self, directory: Directory) -> bool:
        """Tell whether both fit the hashes of a directory."""
        return (
            directory.token_for(self.api_token) is not None
            and directory.integration_for(INTEGRATION, self.ingest_key) is not None
        )


async def first_start(
    configuration: Configuration, data_directory: Path, address: str
) -> list[str]:
    """
    Load the demo into an empty store, and say how to go on.

    Returns:
        Lines for whoever started it.

    Raises:
        SecretsError: If a file that holds a secret cannot be read or made.
        StoreUnavailableError: If the store cannot be reached.
    """
    if await configuration.read() == Directory():
        made = read_secrets(data_directory)
        await configuration.seed(demo_directory(made))
    directory = await configuration.read()
    if not _has_secrets(data_directory):
        return _how_to_go_on_without(data_directory, address, "are not there")
    if not read_secrets(data_directory).open(directory):
        return _how_to_go_on_without(data_directory, address, "fit another one")

    return _how_to_go_on(data_directory, address)


def demo_directory(opened_by: Secrets) -> Directory:
    """Return the demo, with the hashes of these secrets in it."""
    text = files("policies").joinpath(DEMO).read_text(encoding="utf-8")
    content = YAML(typ="safe", pure=True).load(text)
    content["version"] = FIRST_VERSION
    content["integrations"][INTEGRATION]["key_hash"] = hash_secret(opened_by.ingest_key)
    token = Token(
        hash=hash_secret(opened_by.api_token), name=MADE_BY, scopes=(Scope.ADMIN,)
    )
    content["tokens"] = {token.hash: token}

    return Directory.model_validate(content)


def read_secrets(data_directory: Path) -> Secrets:
    """
    Read the two secrets; those that are missing are made, once.

    Raises:
        SecretsError: If a file cannot be read or made.
    """
    try:
        return Secrets(
            api_token=_read_or_make(data_directory / TOKEN_FILE),
            ingest_key=_read_or_make(data_directory / KEY_FILE),
        )
    except OSError as error:
        remedy = "make it readable, or set RUNG_DATA_DIR"
        message = f"{error.filename}: {error.strerror}; {remedy}"
        raise SecretsError(message) from error


def _read_or_make(path: Path) -> str:
    """Read a secret; if there is none, make it such that two who do so agree on one."""
    if not path.exists():
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
    secret = path.read_text(encoding="utf-8", errors="replace").strip()
    if not secret or not SECRET.fullmatch(secret):
        problem = "holds no secret" if secret else "is empty"
        message = f"{path} {problem}: write the secret into it, or remove it"
        raise SecretsError(message)
    if path.stat().st_mode & ~(stat.S_IFMT(path.stat().st_mode) | OWNER_ONLY):
        path.chmod(OWNER_ONLY)

    return secret


def _has_secrets(data_directory: Path) -> bool:
    return all((data_directory / name).exists() for name in (TOKEN_FILE, KEY_FILE))


def _how_to_go_on(data_directory: Path, address: str) -> list[str]:
    token, key = data_directory / TOKEN_FILE, data_directory / KEY_FILE
    ingest = f"{address}/ingest/{INTEGRATION}/$(cat {shlex.quote(str(key))})"

    return [
        f"  listens on   {address}",
        f"  API token    {token}",
        f"  ingest key   {key}",
        "Page somebody:",
        f"  curl -sS {ingest} -H 'Content-Type: application/json' -d '{ALERT}'",
    ]


def _how_to_go_on_without(data_directory: Path, address: str, why: str) -> list[str]:
    names = f"{TOKEN_FILE} and {KEY_FILE} in {data_directory}"

    return [
        f"  listens on   {address}",
        f"This store was set up before, but {names} {why}.",
        "Only hashes are kept, so they cannot be shown again. Set RUNG_DATA_DIR to the",
        "directory that holds them, or start with an empty store.",
    ]
