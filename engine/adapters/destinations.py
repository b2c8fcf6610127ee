"""
Destinations: where a request may go, and what is raised when nothing comes of it.

A URL is judged twice: as it is written, and by every address that its name has. When it
is saved only the first can be done: nobody is asked for the addresses of a name.
"""

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, ip_address

import httpx2

from engine.adapters.networks import Address, Network, is_listed, is_public
from engine.errors import EngineError

ALLOW = "RUNG_WEBHOOK_ALLOW"
SCHEMES = ("https", "http")
# The one name whose addresses are known without asking (RFC 6761).
LOCALHOST = "localhost"
LOOPBACKS: tuple[Address, ...] = (ip_address("127.0.0.1"), ip_address("::1"))
# Where web servers listen; every other one below 1024 speaks something else.
PORTS, FREE_PORT_MIN, PORT_MAX = {"https": 443, "http": 80}, 1024, 65_535


class OutboundError(EngineError):
    """
    Nothing came of a request.

    The message names the host and never the path, the query or the answer: there are
    secrets in them.
    """


class RefusedUrlError(OutboundError):
    """The URL, or what it leads to, is none that may be asked. Nothing was sent."""


class CertificateError(OutboundError):
    """The other side could not show that it is who the URL names. Nothing was sent."""


class UnreachableError(OutboundError):
    """There was no connection. Nothing was sent."""


class NoAnswerError(OutboundError):
    """The request may have arrived; there was no answer."""


def read_url(text: str) -> httpx2.URL:
    """
    Read a URL as far as it can be judged without resolving its name.

    Raises:
        RefusedUrlError: If nothing could be asked there. It is not quoted.
    """
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        message = "the URL cannot be read; write it like https://host/path"
        raise RefusedUrlError(message) from None
    if url.scheme not in SCHEMES or not url.host:
        message = "the URL does not begin with https:// and a host; write both"
        raise RefusedUrlError(message)
    if url.port is not None and url.port > PORT_MAX:
        message = f"{url.host}: there is no port {url.port}; correct it"
        raise RefusedUrlError(message)
    if url.userinfo:
        message = "the URL has a user or a password in it; have it check signatures"
        raise RefusedUrlError(message)

    return url


def host_of(url: httpx2.URL) -> str:
    """Return the host as it goes over the wire: without brackets, and in ASCII."""
    return url.raw_host.decode("ascii")


def port_of(url: httpx2.URL) -> int:
    """Return the port, which the scheme says if the URL does not."""
    return PORTS[url.scheme] if url.port is None else url.port


def judge(url: httpx2.URL, address: Address, allowed: Iterable[Network]) -> None:
    """
    Judge one address that the name in a URL has.

    Raises:
        RefusedUrlError: If it may not be asked in this way, and is not allowed to be.
    """
    if is_listed(address, allowed):
        return
    if not is_public(address):
        raise _refused(url, f"{address} is an internal address")
    _judge_way(url)


def _judge_way(url: httpx2.URL) -> None:
    """Refuse what nothing public may be asked by."""
    port = port_of(url)
    if url.scheme != "https":
        raise _refused(url, "it has to be https")
    if port < FREE_PORT_MIN and port not in PORTS.values():
        raise _refused(url, f"port {port} is not one of web servers")


def _refused(url: httpx2.URL, problem: str) -> RefusedUrlError:
    return RefusedUrlError(
        f"{host_of(url)}: {problem}; if it is yours, add its network to {ALLOW}"
    )


def judge_written(text: str, allowed: Sequence[Network]) -> None:
    """
    Judge a URL as far as it can be without asking for the addresses of its name.

    What is refused here would be refused when it is asked too, in the same words. A
    name may turn out to be internal only then.

    Raises:
        RefusedUrlError: If it may not be asked, wherever its name leads to.
    """
    url = read_url(text)
    written = _written_addresses(host_of(url))
    if not written and not allowed:
        # Nothing internal is allowed, so the name has to lead to something public.
        _judge_way(url)
    for address in written:
        judge(url, address, allowed)


def _written_addresses(host: str) -> tuple[Address, ...]:
    """Return the addresses that a host says itself, in any form systems understand."""
    plain = host.rstrip(".").lower()
    if plain == LOCALHOST or plain.endswith(f".{LOCALHOST}"):
        return LOOPBACKS
    try:
        return (ip_address(plain),)
    except ValueError:
        pass
    try:
        return (IPv4Address(socket.inet_aton(plain)),)
    except OSError:
        return ()
