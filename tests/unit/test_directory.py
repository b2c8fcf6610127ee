"""People and how they are reached; who holds a key or a token."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from engine.directory import (
    ContactMethod,
    Directory,
    Integration,
    NotificationRule,
    Place,
    Route,
    Rule,
    Scope,
    Token,
    Urgency,
    User,
    hash_secret,
    provider_of,
)
from policies.policy import Policy

HIGH = Urgency(id="high", name="High", is_important=True, channels=("sms", "call"))
LOW = Urgency(id="low", name="Low", channels=("email",))
METHODS = {"mail": "email", "phone": "call", "text": "sms"}
CONFIGURED = frozenset({"call", "email", "slack", "sms"})
MINUTE = timedelta(minutes=1)
NOW = timedelta(0)


def a_user(
    methods: dict[str, str] = METHODS,
    *,
    is_active: bool = True,
    **rules: list[tuple[str, timedelta]],
) -> User:
    """Make alice: her contact methods with their channels, her rules by urgency."""
    return User(
        id="alice",
        name="Alice",
        is_active=is_active,
        contact_methods=tuple(
            ContactMethod(id=method, channel=channel)
            for method, channel in methods.items()
        ),
        rules={
            urgency: tuple(
                NotificationRule(method=method, delay=delay) for method, delay in own
            )
            for urgency, own in rules.items()
        },
    )


def a_directory(*users: User, **parts: Any) -> Directory:
    """Make a directory of these people, with two urgencies."""
    return Directory(
        users={user.id: user for user in users},
        urgencies={"high": HIGH, "low": LOW},
        **parts,
    )


def an_integration(name: str, key: str, source: str = "alertmanager") -> Integration:
    """Make an integration with this ingest key."""
    return Integration(
        id=name,
        name=name,
        source=source,
        key_hash=hash_secret(key),
        routes=(Route(policy="default"),),
    )


def tokens(*made: Token) -> dict[str, Token]:
    """Keep tokens the way a directory does."""
    return {token.hash: token for token in made}


def a_token(secret: str, user: str | None = None) -> Token:
    """Make a token that reads."""
    return Token(hash=hash_secret(secret), name="t", scopes=(Scope.READ,), user=user)


def walked(user: User, urgency: str = "high") -> list[tuple[str, str, timedelta]]:
    """Return method, channel and delay of each rule that a page of alice walks."""
    return [
        (rule.method, rule.channel, rule.delay)
        for rule in a_directory(user).rules_for("alice", urgency, CONFIGURED)
    ]


def test_own_rules() -> None:
    """Somebody's own rules for the urgency go before all else, in their order."""
    user = a_user(high=[("mail", NOW), ("text", MINUTE), ("mail", 2 * MINUTE)])

    assert [
        ("mail", "email", NOW),
        ("text", "sms", MINUTE),
        ("mail", "email", 2 * MINUTE),
    ] == walked(user)


def test_own_rules_of_another_urgency() -> None:
    """Rules for one urgency say nothing about another."""
    user = a_user(high=[("text", MINUTE)])

    assert [("mail", "email", NOW)] == walked(user, "low")


def test_rule_without_method() -> None:
    """A rule whose contact method was deleted is left out; the others stay."""
    user = a_user(high=[("pager", NOW), ("text", MINUTE)])

    assert [("text", "sms", MINUTE)] == walked(user)


def test_no_rule_left() -> None:
    """If every contact method of the rules is gone, the urgency's channels are used."""
    user = a_user(high=[("pager", NOW)])

    assert [("phone", "call", NOW), ("text", "sms", NOW)] == walked(user)


def test_channels_of_the_urgency() -> None:
    """Without rules the urgency's channels are used, all at once."""
    assert [("phone", "call", NOW), ("text", "sms", NOW)] == walked(a_user())


def test_two_methods_of_a_channel() -> None:
    """Every contact method on a channel of the urgency is used."""
    user = a_user({"work": "sms", "home": "sms"})

    assert [("work", "sms", NOW), ("home", "sms", NOW)] == walked(user)


@pytest.mark.parametrize("urgency", ["high", "deleted"])
def test_email_at_last(urgency: str) -> None:
    """Who has nothing on the urgency's channels is reached by e-mail, nothing else."""
    user = a_user({"mail": "email", "chat": "slack"})

    assert [("mail", "email", NOW)] == walked(user, urgency)


def test_not_configured() -> None:
    """A channel that the installation cannot send on reaches nobody."""
    user = a_user({"page": "pager", "text": "sms"}, high=[("page", NOW)])

    assert [("text", "sms", NOW)] == walked(user)


@pytest.mark.parametrize(
    "user",
    [
        a_user({}),
        a_user({}, high=[("text", NOW)]),
        a_user(is_active=False),
        a_user(is_active=False, high=[("text", NOW)]),
    ],
)
def test_unreachable(user: User) -> None:
    """Who has no contact method, or is deactivated, is not reached at all."""
    assert [] == walked(user)


def test_unknown_user() -> None:
    """Somebody who was deleted is not reached; it is no error."""
    assert () == a_directory().rules_for("alice", "high", CONFIGURED)


def test_rules_are_values() -> None:
    """Two rules that say the same are the same."""
    directory = a_directory(a_user({"text": "sms"}))
    rules = directory.rules_for("alice", "high", CONFIGURED)

    assert (Rule(delay=NOW, method="text", channel="sms"),) == rules


@pytest.mark.parametrize(
    ("source", "key", "expected"),
    [
        ("alertmanager", "key-1", "first"),
        ("alertmanager", "key-2", "second"),
        ("generic", "key-1", None),
        ("grafana", "key-1", "first"),
        ("alertmanager", "key-3", None),
        ("alertmanager", "", None),
        ("alertmanager", hash_secret("key-1"), None),
    ],
)
def test_integration(source: str, key: str, expected: str | None) -> None:
    """A key opens its own integration, by its own source or one alike; its hash opens nothing."""
    integrations = {
        "first": an_integration("first", "key-1"),
        "second": an_integration("second", "key-2"),
    }
    found = a_directory(integrations=integrations).integration_for(source, key)

    assert expected == (found and found.id)


@pytest.mark.parametrize("key", ["", "key"])
def test_integration_without_key(key: str) -> None:
    """An integration whose key was never made is opened by none, the empty one too."""
    without = an_integration("first", "key").model_copy(update={"key_hash": ""})
    directory = a_directory(integrations={"first": without})

    assert directory.integration_for("alertmanager", key) is None


@pytest.mark.parametrize(
    ("user", "users"), [(None, []), (None, [a_user()]), ("alice", [a_user()])]
)
def test_token(user: str | None, users: list[User]) -> None:
    """A secret finds its token, whether nobody's own or an active person's."""
    token = a_token("hush", user)
    directory = a_directory(*users, tokens=tokens(a_token("other"), token))

    assert token == directory.token_for("hush")


@pytest.mark.parametrize("users", [[], [a_user(is_active=False)]])
def test_token_of_somebody_gone(users: list[User]) -> None:
    """The token of somebody deactivated or deleted opens nothing any more."""
    directory = a_directory(*users, tokens=tokens(a_token("hush", "alice")))

    assert directory.token_for("hush") is None


@pytest.mark.parametrize("secret", ["", "Hush", "hush ", hash_secret("hush")])
def test_unknown_token(secret: str) -> None:
    """Only the secret itself opens; what is stored of it does not."""
    directory = a_directory(tokens=tokens(a_token("hush")))

    assert directory.token_for(secret) is None


def test_hash() -> None:
    """A secret is kept as its SHA-256 in hex, as `sha256sum` writes it."""
    assert hashlib.sha256(b"hush").hexdigest() == hash_secret("hush")
    assert hashlib.sha256(b"\xc3\xa9").hexdigest() == hash_secret("é")


def test_secret_is_not_kept() -> None:
    """Neither an ingest key nor a token can be read from the directory."""
    directory = a_directory(
        integrations={"first": an_integration("first", "hush-key")},
        tokens=tokens(a_token("hush-token")),
    )

    assert "hush" not in directory.model_dump_json()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://hooks.example.com/services/secret?key=1#x", "hooks.example.com"),
        ("HTTPS://Hooks.Example.COM:8443/", "hooks.example.com"),
        ("https://user:password@hooks.example.com/", "hooks.example.com"),
        ("https://hooks.example.com./", "hooks.example.com"),
        ("http://127.0.0.1:9000/x", "127.0.0.1"),
        ("http://[::1]:9000/x", "--1"),
        ("https://b\u00fccher.example/", "b-cher.example"),
        ("https://a_b|c.example/", "a-b-c.example"),
        ("https://" + "x" * 200 + ".example.com/", "x" * 88 + ".example.com"),
        ("hooks.example.com/services/secret", ""),
        ("https:///secret", ""),
        ("http://[secret/", ""),
        ("", ""),
    ],
)
def test_provider(address: str, expected: str) -> None:
    """Of a webhook the host takes it; nothing else of the address is told."""
    assert expected == provider_of("webhook", address)
    assert "" == provider_of("sms", address)


def test_json_round_trip() -> None:
    """What was stored of a directory is read as the same directory."""
    directory = a_directory(
        a_user(high=[("text", MINUTE)]),
        version=7,
        policies={"default": Policy(id="default")},
        integrations={"first": an_integration("first", "key")},
        tokens=tokens(a_token("hush", "alice")),
        on_call={"primary": ("alice",), "nobody": ()},
    )

    assert directory == Directory.model_validate_json(directory.model_dump_json())


@pytest.mark.parametrize(
    ("place", "record"),
    [
        (("users", "a", "id"), {"users": {"a": {"id": "", "name": "A"}}}),
        (("users", "a", "e_mail"), {"users": {"a": {"id": "a", "name": "A", "e_mail": ""}}}),
        (("urgencies", "u", "name"), {"urgencies": {"u": {"id": "u"}}}),
        (("tokens", "t", "scopes", 0), {"tokens": {"t": {"hash": "t", "name": "", "scopes": ["root"]}}}),
        (("on_call", "primary"), {"on_call": {"primary": "alice"}}),
        (("rotas",), {"rotas": {}}),
    ],
)  # fmt: skip
def test_refused(place: tuple[str | int, ...], record: dict[str, object]) -> None:
    """What cannot be used, or is written wrong, is refused with its place."""
    with pytest.raises(ValidationError) as caught:
        Directory.model_validate(record)

    assert [place] == [problem["loc"] for problem in caught.value.errors()]


@pytest.mark.parametrize("delay", ["-1s", -1, timedelta(microseconds=-1)])
def test_negative_delay(delay: object) -> None:
    """No rule goes out before its page began."""
    with pytest.raises(ValidationError, match="delay"):
        NotificationRule.model_validate({"method": "text", "delay": delay})


def test_most_rules() -> None:
    """Twenty rules for an urgency are allowed."""
    user = a_user({"text": "sms"}, high=[("text", NOW)] * 20)

    assert 20 == len(walked(user))


def test_too_many_rules() -> None:
    """Nobody has more than twenty rules for an urgency: a page has an end."""
    with pytest.raises(ValidationError, match="at most 20"):
        a_user(high=[("text", NOW)] * 21)


def test_frozen() -> None:
    """A decision that was made with a directory cannot have it changed under it."""
    with pytest.raises(ValidationError, match="frozen"):
        a_directory().version = 8  # type: ignore[misc]


def a_secret(size: int) -> str:
    """Return a signing secret of so many bytes."""
    return "whsec_" + base64.b64encode(b"x" * size).decode()


@pytest.mark.parametrize("size", [24, 25, 26, 64])
@pytest.mark.parametrize("is_padded", [True, False])
def test_signing_secret(size: int, *, is_padded: bool) -> None:
    """A signing secret has 24 to 64 bytes, in base64 with its padding or without."""
    secret = a_secret(size) if is_padded else a_secret(size).rstrip("=")
    method = ContactMethod(id="hook", channel="webhook", secrets=(secret,))
    place = Place(
        id="hook", name="Hook", kind="webhook", channel="webhook", secrets=(secret,)
    )

    assert (secret,) == method.secrets == place.secrets


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "hush",
        a_secret(23),
        a_secret(65),
        a_secret(32).removeprefix("whsec_"),
        a_secret(32) + "!",
        a_secret(32).upper(),
        "whsec_" + "ü" * 32,
        "whsec_" + "a" * 33,
    ],
)
def test_no_signing_secret(secret: str) -> None:
    """Anything else is refused with what a secret is, and is not quoted."""
    with pytest.raises(ValidationError) as caught:
        ContactMethod.model_validate(
            {"id": "hook", "channel": "webhook", "secrets": [secret]}
        )

    assert "whsec_ and, in base64, 24 to 64 random bytes" in str(caught.value)
    assert not secret or secret not in str(caught.value)


def test_signing_secret_in_a_directory() -> None:
    """Nor is it quoted where it is only a part of what is refused."""
    methods = [{"id": "hook", "channel": "webhook", "secrets": ["hush"]}]
    users = {"alice": {"id": "alice", "name": "Alice", "contact_methods": methods}}
    with pytest.raises(ValidationError) as caught:
        Directory.model_validate({"users": users})

    assert "hush" not in str(caught.value)


def test_too_many_signing_secrets() -> None:
    """Five at once are enough to change them."""
    secrets = tuple(a_secret(size) for size in range(24, 30))
    with pytest.raises(ValidationError, match="secrets"):
        ContactMethod(id="hook", channel="webhook", secrets=secrets)


def test_signing_secrets_are_not_shown() -> None:
    """They are stored, but in no log that shows a person or a place."""
    secret = a_secret(32)
    method = ContactMethod(id="hook", channel="webhook", secrets=(secret,))
    place = Place(
        id="hook", name="Hook", kind="webhook", channel="webhook", secrets=(secret,)
    )
    user = User(id="alice", name="Alice", contact_methods=(method,))
    directory = Directory(users={"alice": user}, places={"hook": place})

    assert secret not in f"{user} {user!r} {place} {place!r} {directory!r}"
    assert directory == Directory.model_validate_json(directory.model_dump_json())
