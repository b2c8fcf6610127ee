"""A directory with an integration for each kind of sender."""

from engine.directory import Directory, Scope, hash_secret
from tests.web.fakes import (
    ADMIN_SECRET,
    INGEST_KEY,
    INGEST_SECRET,
    ROUTING_KEY,
    a_directory,
    a_token,
    an_integration,
)

KEYS = {
    "alertmanager": INGEST_KEY,
    "grafana": "canary-grafana-key",
    "generic": "canary-generic-key",
    "pagerduty": ROUTING_KEY,
}
GENERIC_PATH = f"/ingest/generic/{KEYS['generic']}"


def with_all_senders() -> Directory:
    """Return it, with tokens for ingest and for an admin."""
    integrations = {
        source: an_integration(
            id=source, name=source.title(), source=source, key_hash=hash_secret(key)
        )
        for source, key in KEYS.items()
    }
    known = a_directory(integrations=integrations)
    more = (
        a_token(INGEST_SECRET, "sender", Scope.INGEST),
        a_token(ADMIN_SECRET, "operator", Scope.ADMIN),
    )
    tokens = {**known.tokens, **{token.hash: token for token in more}}

    return known.model_copy(update={"tokens": tokens})
