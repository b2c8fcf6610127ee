"""A webhook URL is judged when it is saved: in the words that it would be refused in."""

from ipaddress import ip_address, ip_network

import pytest

from engine.adapters.destinations import RefusedUrlError
from engine.adapters.http import OutboundHttp
from engine.adapters.networks import Network
from workers.bootstrap import judge_address

# Written as addresses, in every form that a system takes for one.
INTERNAL = [
    ("127.0.0.1", "127.0.0.1"),
    ("[::1]", "::1"),
    ("169.254.169.254", "169.254.169.254"),
    ("[fd00:ec2::254]", "fd00:ec2::254"),
    ("10.1.2.3", "10.1.2.3"),
    ("100.64.0.1", "100.64.0.1"),
    ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - nobody listens there
    ("2130706433", "127.0.0.1"),
    ("0x7f.1", "127.0.0.1"),
    ("0x7f000001", "127.0.0.1"),
    ("127.1", "127.0.0.1"),
    ("[::ffff:7f00:1]", "::ffff:127.0.0.1"),
    ("[2002:7f00:1::]", "2002:7f00:1::"),
    ("[64:ff9b::a9fe:a9fe]", "64:ff9b::a9fe:a9fe"),
    ("[fec0::1]", "fec0::1"),
    ("168.63.129.16", "168.63.129.16"),
]
UNREADABLE = [
    "",
    "file:///etc/passwd",
    "gopher://example.com/",
    "syslog://example.com/",
    "json://example.com/",
    "https:///nothing",
    "https://user:canary@example.com/",
    "https://example.com:70000/",
    "https://[::1",
    "https://0177.0.0.1/",
]


async def _resolve(host: str, _port: int) -> list[str]:
    """Resolve what is an address already, as a system does."""
    known = {written.strip("[]"): address for written, address in INTERNAL}

    return [known.get(host, host)]


async def refused_at_sending(url: str, *allowed: Network) -> str | None:
    """Return why a request would not be sent; None if it only cannot be."""
    http = OutboundHttp(allowed=allowed, resolve=_resolve)
    try:
        await http.request("POST", url)
    except RefusedUrlError as error:
        return str(error)

    return None


@pytest.mark.parametrize(("written", "address"), INTERNAL)
async def test_internal(written: str, address: str) -> None:
    """What is internal is refused when it is saved as when it is sent to."""
    url = f"https://{written}/canary"
    told = judge_address("webhook", url)

    assert told is not None
    assert await refused_at_sending(url) == told
    assert f": {ip_address(address)} is an internal address; if it is yours, " in told
    assert told.endswith("add its network to RUNG_WEBHOOK_ALLOW")
    assert "canary" not in told


@pytest.mark.parametrize("url", UNREADABLE)
async def test_unreadable(url: str) -> None:
    """What is no address of a web server is refused alike, and not quoted."""
    told = judge_address("webhook", url)

    assert told is not None
    assert await refused_at_sending(url) == told
    assert "canary" not in told


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://hooks.example.com/", "it has to be https"),
        ("http://8.8.8.8/", "it has to be https"),
        ("https://hooks.example.com:25/", "port 25 is not one of web servers"),
        ("https://8.8.8.8:6/", "port 6 is not one of web servers"),
        ("https://localhost/", "127.0.0.1 is an internal address"),
        ("https://a.LOCALHOST./", "127.0.0.1 is an internal address"),
        ("https://127.0.0.1./", "127.0.0.1 is an internal address"),
    ],
)
def test_refused(url: str, problem: str) -> None:
    """What no public address could be asked by is refused before it is asked."""
    told = judge_address("webhook", url)

    assert told is not None
    assert problem in told


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/canary?token=1",
        "https://hooks.example.com:8443/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
    ],
)
def test_public(url: str) -> None:
    """A public address passes, and so does a name: it is judged when it is used."""
    assert judge_address("webhook", url) is None


@pytest.mark.parametrize(
    ("url", "network", "passes"),
    [
        ("http://10.1.2.3:25/", "10.0.0.0/8", True),
        ("http://0xa.1/", "10.0.0.0/8", True),
        ("http://11.1.2.3/", "10.0.0.0/8", False),
        ("http://127.0.0.1/", "10.0.0.0/8", False),
        # It may be in that network: only when it is used that is known.
        ("http://hooks.internal/", "10.0.0.0/8", True),
    ],
)
def test_allowed(url: str, network: str, passes: bool) -> None:  # noqa: FBT001 - of a table
    """What is internal and allowed passes, also without TLS and on any port."""
    told = judge_address("webhook", url, allowed=[ip_network(network)])

    assert passes == (told is None)


@pytest.mark.parametrize("channel", ["console", "email", "sms"])
def test_other_channels(channel: str) -> None:
    """Only what webhooks are posted to is an address of the web."""
    assert judge_address(channel, "http://127.0.0.1/") is None
