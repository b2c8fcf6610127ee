"""Tokens: what opens the API. Of a secret only the hash is kept."""

import hashlib
import re
from enum import StrEnum

from engine.directory.record import Record

# As it stands in a line of curl and in a header; whoever writes one keeps to this.
SECRET = re.compile(r"[A-Za-z0-9._~-]{16,200}")
TOKEN_ID_LETTERS = 12


class Scope(StrEnum):
    """What a token may do; each scope but ingest includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    INGEST = "ingest"


class Token(Record):
    """
    A secret that opens the API. Only its hash is kept.

    Attributes:
        user: Who acts with it; None if it is nobody's own.
    """

    hash: str
    name: str
    scopes: tuple[Scope, ...]
    user: str | None = None


def hash_secret(secret: str) -> str:
    """Hash a random secret of 256 bits; those need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token_id_of(hashed: str) -> str:
    """Return what people call a token by: the beginning of its hash."""
    return hashed[:TOKEN_ID_LETTERS]
