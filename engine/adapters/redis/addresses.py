"""
The address of a Redis: of a server, or of a primary that Sentinels know by name.

`redis://`, `rediss://` and `unix://` are redis-py's own. It has no form for Sentinel;
this one is what Prefect, docket and others read:
`redis+sentinel://user:password@host1:26379,host2:26379/NAME/0?sentinel_password=...`,
and `rediss+sentinel://` for TLS to the servers and to the Sentinels. What stands
before the hosts is for the servers; Sentinels have users of their own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qsl, unquote, urlencode

from redis.asyncio import SSLConnection
from redis.asyncio.connection import parse_url

# What redis-py's connections are made with.
Options: TypeAlias = Mapping[str, Any]
Host: TypeAlias = tuple[str, int]

SENTINEL_PORT = 26379
PORT_MAX = 65_535
DIRECT = "redis://user:password@host:6379/0"
FOLLOWED = "redis+sentinel://user:password@host1:26379,host2:26379,host3:26379/NAME/0"
SENTINEL_SCHEME = re.compile(r"rediss?\+sentinel:", re.IGNORECASE)
SENTINEL_URL = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]*)"
    r"(?:/(?P<name>[^/?#]*))?(?:/(?P<database>[0-9]*))?(?:\?(?P<query>[^#]*))?",
    re.IGNORECASE,
)
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:,\s]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
OF_SENTINELS = "sentinel_"
SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
OF_TLS = "ssl_"
IS_UNCHECKED = "none"


class AddressError(ValueError):
    """
    An address that cannot be used, and how to write it.

    Nothing of it is quoted: where it goes wrong, a password may stand anywhere.
    """

    def __init__(self, problem: str, form: str = DIRECT) -> None:
        super().__init__(
            f"{problem}: write it like {form}, the password percent-encoded"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """
    Where a Redis is found, and what its connections are made with.

    Attributes:
        sentinels: Who says where the primary is; none: `options` say it.
        name: What the Sentinels call it.
    """

    options: Options
    sentinels: tuple[Host, ...] = ()
    sentinel_options: Options
    name: str = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Which machines are asked first; none for a socket of this one."""
        if self.sentinels:
            return tuple(host for host, _ in self.sentinels)
        if "path" in self.options:
            return ()

        return (self.options.get("host", "localhost"),)

    @property
    def is_encrypted(self) -> bool:
        """Whether it is reached by TLS."""
        return self.options.get("connection_class") is SSLConnection

    @property
    def is_checked(self) -> bool:
        """Whether the certificate of the server is."""
        return self.options.get("ssl_cert_reqs") != IS_UNCHECKED

    @property
    def has_password(self) -> bool:
        """Whether the server is told one."""
        return bool(self.options.get("password"))


def read_address(url: str) -> Address:
    """
    Read an address. Nobody is asked.

    Raises:
        AddressError: If it is none.
    """
    if SENTINEL_SCHEME.match(url):
        return _followed(url)
    try:
        return Address(options=_parsed(url), sentinel_options={})
    except ValueError:
        problem = "is no address of a Redis"
        raise AddressError(problem) from None


def _followed(url: str) -> Address:
    parts = SENTINEL_URL.fullmatch(url)
    if not parts:
        problem = "cannot be read"
        raise AddressError(problem, FOLLOWED)
    if not parts["name"]:
        problem = "does not say by which name the Sentinels know the primary"
        raise AddressError(problem, FOLLOWED)
    query = parse_qsl(parts["query"] or "")
    told = {name: value for name, value in query if name.startswith(OF_SENTINELS)}
    if not told.keys() <= SENTINEL_OPTIONS:
        problem = (
            f"has other sentinel_ options than {', '.join(sorted(SENTINEL_OPTIONS))}"
        )
        raise AddressError(problem, FOLLOWED)
    rest = urlencode([pair for pair in query if pair[0] not in told])
    user = f"{parts['user']}@" if parts["user"] else ""
    scheme = parts["scheme"].lower()
    try:
        options = _parsed(f"{scheme}://{user}host/{parts['database'] or 0}?{rest}")
    except ValueError:
        problem = "has a user, password or option that cannot be read"
        raise AddressError(problem, FOLLOWED) from None
    del options["host"]

    return Address(
        options=options,
        sentinels=_hosts(parts["hosts"]),
        sentinel_options=_of_sentinels(options, told),
        name=unquote(parts["name"]),
    )


def _of_sentinels(options: Options, told: Mapping[str, str]) -> Options:
    """Return what connections to Sentinels are made with: the same TLS, own users."""
    of_tls = {
        name: value
        for name, value in options.items()
        if name.startswith(OF_TLS) or name == "connection_class"
    }

    return of_tls | {
        name.removeprefix(OF_SENTINELS): value for name, value in told.items()
    }


def _hosts(text: str) -> tuple[Host, ...]:
    hosts: list[Host] = []
    for number, each in enumerate(text.split(","), start=1):
        parts = HOST.fullmatch(each.strip())
        port = int((parts and parts[2]) or SENTINEL_PORT)
        if not parts or not 0 < port <= PORT_MAX:
            problem = f"has no host and port as its Sentinel number {number}"
            raise AddressError(problem, FOLLOWED)
        hosts.append((unquote(parts[1].strip("[]")), port))

    return tuple(hosts)


def _parsed(url: str) -> dict[str, Any]:
    return cast("dict[str, Any]", parse_url(url))
