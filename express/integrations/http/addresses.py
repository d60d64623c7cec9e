"""Which IP addresses an HTTP task may connect to.

`ipaddress.is_global` is not enough: it calls NAT64 and 6to4 forms of internal addresses global, and multicast too.
So an IPv6 address is unwrapped to the IPv4 address it leads to before it is judged.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
CARRIERS = (
    ipaddress.IPv6Network("::ffff:0:0/96"),
    NAT64,
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("::ffff:0:0:0/96"),
    ipaddress.IPv6Network("::/96"),
)
"""Networks whose addresses end in an IPv4 address: mapped, NAT64 (two), translated, compatible."""

ISATAP = frozenset({0x00005EFE, 0x02005EFE})

DENIED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fec0::/10",
    )
)
"""Networks that are denied whatever this Python's tables say of them."""

METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "fd00:ec2::254")
)
"""Services that hand out credentials: refused even inside a network that a connection may reach."""


def unwrap(address: Address) -> list[Address]:
    """An address and all that it leads to: what is mapped, translated or tunnelled in it.

    >>> [str(a) for a in unwrap(ipaddress.ip_address("64:ff9b::a9fe:a9fe"))]
    ['64:ff9b::a9fe:a9fe', '169.254.169.254']
    """
    return [address, *_embedded(address)] if isinstance(address, IPv6Address) else [address]


def _embedded(address: IPv6Address) -> list[Address]:
    bits = int(address)
    low = IPv4Address(bits & 0xFFFFFFFF)
    found: list[Address] = []
    if bits > 1 and any(address in network for network in CARRIERS):
        found.append(low)
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if (bits >> 32) & 0xFFFFFFFF in ISATAP:
        found.append(low)
    return found


def allowed(text: str, networks: Iterable[Network] = ()) -> bool:
    """Return whether a connection to this address may be opened; `networks` are private ones that may be reached.

    >>> allowed("93.184.216.34"), allowed("10.0.0.1"), allowed("::ffff:127.0.0.1"), allowed("64:ff9b::a9fe:a9fe")
    (True, False, False, False)
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    reached = unwrap(address)
    if any(one in METADATA for one in reached):
        return False
    if any(reached[-1] in network for network in networks) and "%" not in text:
        return True
    return "%" not in text and all(_public(one) for one in _judged(reached))


def _judged(reached: list[Address]) -> list[Address]:
    """A mapped, translated or 6to4 address is judged by what is in it; all else by itself too.

    Of 6to4 addresses Pythons of different patch levels say different things.
    """
    outer = reached[0]
    if isinstance(outer, IPv6Address) and (outer.ipv4_mapped or outer.sixtofour or outer in NAT64):
        return reached[1:]
    return reached


def _public(address: Address) -> bool:
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local)
        and not (address.is_unspecified or address.is_private)
        and not any(address in network for network in DENIED if network.version == address.version)
    )
