"""
The first start: a demo directory, and the two secrets that open the doors.

The secrets lie in files that only their owner may read; the store keeps hashes. So
whoever loses the files cannot get them back, and is told what to do instead.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from engine.directory import Directory, Scope, Token, hash_secret
from engine.directory.files import read_files
from engine.ports import Configuration
from workers.secret_files import SecretsError, read_or_make

__all__ = ["Secrets", "SecretsError", "demo_directory", "first_start", "read_secrets"]

DEMO = "library/demo"
INTEGRATION = "alertmanager"
MADE_BY = "demo"
FIRST_VERSION = 1
TOKEN_FILE, KEY_FILE = "api_token", "ingest_key"
ALERT = (
    '{"alerts":[{"status":"firing","labels":{"alertname":"DiskFull","instance":"db1"},'
    '"annotations":{"summary":"DiskFull on db1"}}]}'
)


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
    if missing := _missing(data_directory):
        told = f"{' and '.join(missing)} in {data_directory}: not there"
        return _how_to_go_on_without(address, told)
    if not read_secrets(data_directory).open(directory):
        told = f"{TOKEN_FILE} or {KEY_FILE} in {data_directory}: of another store"
        return _how_to_go_on_without(address, told)

    return _how_to_go_on(data_directory, address)


def demo_directory(opened_by: Secrets) -> Directory:
    """Return the demo, with the hashes of these secrets in it. No file owns it."""
    draft = read_files(demo_texts(), lambda _name: None)
    integration = draft.directory.integrations[INTEGRATION].model_copy(
        update={"key_hash": hash_secret(opened_by.ingest_key)}
    )
    token = api_token(opened_by.api_token)

    return draft.directory.model_copy(
        update={
            "version": FIRST_VERSION,
            "integrations": {INTEGRATION: integration},
            "tokens": {token.hash: token},
            "origins": {},
        }
    )


def demo_texts() -> dict[str, str]:
    """Return the files of the demo, by name."""
    return {
        file.name: file.read_text(encoding="utf-8")
        for file in files("policies").joinpath(DEMO).iterdir()
        if file.name.endswith(".yaml")
    }


def api_token(secret: str) -> Token:
    """Return the token that is made at the first start: it may do everything."""
    return Token(hash=hash_secret(secret), name=MADE_BY, scopes=(Scope.ADMIN,))


def with_api_token(directory: Directory, data_directory: Path) -> Directory:
    """
    Return a directory that some token opens: if it has none, the one that lies here.

    Raises:
        SecretsError: If its file cannot be read or made.
    """
    if directory.tokens:
        return directory
    token = api_token(read_api_token(data_directory))

    return directory.model_copy(update={"tokens": {token.hash: token}})


def configured_start(
    directory: Directory, data_directory: Path, address: str, keys: Mapping[str, Path]
) -> list[str]:
    """Say how to go on where files were applied, in place of the demo."""
    path = data_directory / TOKEN_FILE
    fits = path.exists() and directory.token_for(read_api_token(data_directory))
    token = str(path) if fits else f"known to whoever made it; none in {path} opens it"

    return [
        f"  listens on   {address}",
        f"  API token    {token}",
        *(f"  ingest key   {keys[name]} (of {name})" for name in sorted(keys)),
    ]


def read_api_token(data_directory: Path) -> str:
    """
    Read the token of the API; it is made if it is not there, once.

    Raises:
        SecretsError: If the file cannot be read or made.
    """
    return read_or_make(data_directory / TOKEN_FILE)


def read_secrets(data_directory: Path) -> Secrets:
    """
    Read the two secrets; those that are missing are made, once.

    Raises:
        SecretsError: If a file cannot be read or made.
    """
    return Secrets(
        api_token=read_api_token(data_directory),
        ingest_key=read_or_make(data_directory / KEY_FILE),
    )


def _missing(data_directory: Path) -> list[str]:
    names = (TOKEN_FILE, KEY_FILE)

    return [name for name in names if not (data_directory / name).exists()]


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


def _how_to_go_on_without(address: str, told: str) -> list[str]:
    return [
        f"  listens on   {address}",
        f"This store was set up before; {told}.",
        "Only hashes are kept, so they cannot be shown again. Set RUNG_DATA_DIR to the",
        "directory that holds them, or make others: `rung token create NAME --scope",
        "admin`, and a key with POST /v1/integrations/{id}/key.",
    ]
