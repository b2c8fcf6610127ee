"""
Addresses: which of them a request of ours may go to.

Whoever may write a URL into the directory could otherwise have rung ask what only
rung can reach: the machine itself, its Redis, the metadata of a cloud.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Not left to `is_global`: on Python 3.11 that holds for 6to4, NAT64, site-local and
# multicast addresses too, and for the metadata of Azure.
DENIED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network; the system takes 0.0.0.0 for itself
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a carrier's customers; some clouds' metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's metadata
        "169.254.0.0/16",  # link-local, most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # for protocols
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        # Only 2000::/3 is given out. Loopback, unique local, link-local, site-local
        # and multicast are in the rest.
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # for protocols
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
# Translates to IPv4 where only IPv6 is spoken (RFC 6052): other hosts' usual form.
NAT64 = IPv6Network("64:ff9b::/96")


def is_listed(address: Address, networks: Iterable[Network]) -> bool:
    """Whether an address, or all that it is another form of, is in these networks."""
    listed = tuple(networks)

    return _is_in(address, listed) or all(
        _is_in(meant, listed) for meant in meant_by(address)
    )


def is_public(address: Address) -> bool:
    """Whether nothing that an address may lead to is denied."""
    return not any(_is_in(meant, DENIED) for meant in meant_by(address))


def meant_by(address: Address) -> tuple[Address, ...]:
    """Return the IPv4 addresses that an IPv6 address stands for; else itself."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in NAT64:
        return (IPv4Address(int(address) % (1 << 32)),)

    return (address,)


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
