"""Which addresses a request of ours may go to."""

from ipaddress import ip_address, ip_network

import pytest

from engine.adapters.networks import is_listed, is_public

INTERNAL = [
    "0.0.0.0",  # noqa: S104 - nobody listens there
    "0.1.2.3",
    "10.0.0.1",
    "100.64.1.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:0:7f00:1:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "168.63.129.17",
    "172.15.255.255",
    "172.32.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "::ffff:93.184.216.34",
    "64:ff9b::5db8:d822",
    "2002:5db8:d822::1",
    "2001:0:5db8:d822:8000:63bf:a247:27dd",
]


@pytest.mark.parametrize("text", INTERNAL)
def test_internal(text: str) -> None:
    """What is not given out to the world is not asked, in whatever form it is written."""
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    """What is given out to the world is asked; so are its neighbours of the ranges."""
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.1.2.3", "10.0.0.0/8"),
        ("::ffff:10.1.2.3", "10.0.0.0/8"),
        ("64:ff9b::a01:203", "10.0.0.0/8"),
        ("2002:a01:203::1", "10.0.0.0/8"),
        ("2002:a01:203::1", "2002::/16"),
        ("fd00::1", "fd00::/8"),
    ],
)
def test_listed(text: str, network: str) -> None:
    """An address is in a network as itself or as what it stands for."""
    assert is_listed(ip_address(text), [ip_network(network)])


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("11.0.0.1", "10.0.0.0/8"),
        ("fd00::1", "10.0.0.0/8"),
        ("10.0.0.1", "::/0"),
        # A Teredo address stands for two, and both have to be in it.
        ("2001:0:a01:203:8000:63bf:3fff:fdd2", "10.0.0.0/8"),
    ],
)
def test_not_listed(text: str, network: str) -> None:
    """No other address is in it."""
    assert not is_listed(ip_address(text), [ip_network(network)])


def test_no_networks() -> None:
    """Without networks nothing is in them."""
    assert not is_listed(ip_address("10.0.0.1"), [])
