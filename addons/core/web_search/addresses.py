"""Which network addresses a page may be fetched from: those of the public internet. Pure.

A model chooses the URL, and a page can tell it which. So no request may reach this machine, its network, or the metadata
service of a cloud. Invariant: total; an address that is not known to be public is not.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""An address in here leads to the IPv4 address in its last 32 bits (RFC 6052)."""
_COMPATIBLE = ipaddress.IPv6Network("::/96")
"""IPv4 addresses in the form that RFC 4291 has withdrawn."""
_NOT_PUBLIC = (
    ipaddress.IPv6Network("fec0::/10"),  # the local addresses that RFC 3879 has withdrawn
    ipaddress.IPv4Network("168.63.129.16/32"),  # the host of a virtual machine of Azure
)
"""What `ipaddress` counts as public all the same."""
_IPV4_BITS = (1 << 32) - 1


def is_public(text: str) -> bool:
    """Return whether an IP address, and each address inside of it, is one of the public internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(each) for each in _all(address))


def _is_public(address: Address) -> bool:
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or any(address in network for network in _NOT_PUBLIC)
    )


def _all(address: Address) -> Iterator[Address]:
    """Return the address, or the ones that it stands for: a gateway unpacks them."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif mapped := address.ipv4_mapped or address.sixtofour:
        yield mapped
    elif address in _NAT64 or address in _COMPATIBLE:
        yield ipaddress.IPv4Address(int(address) & _IPV4_BITS)
    else:
        yield address
        yield from address.teredo or ()
