"""Secrets that we make: random, shown once, and then only known by their hash."""

import secrets

SECRET_BYTES = 32
# So that whoever finds one knows what it is, and scanners find it in the first place.
TOKEN_PREFIX = "rung_"  # noqa: S105 - how a secret begins


def new_key() -> str:
    """Make the ingest key of an integration."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_token() -> str:
    """Make an API token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
