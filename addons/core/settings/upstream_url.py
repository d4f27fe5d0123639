"""The endpoint of a row: one origin and path, from its address fields.

Never resolves a host name or opens a connection. Invariant: an endpoint is https, loopback, or allowed by
`allow_http`; it has no user info and no key; it is neither a metadata service nor codex-shim itself; a version segment
is inserted at most once, and never into an address that already has one.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from addons.core.secrets import Origin, looks_secret
from addons.core.upstream.protocol import Protocol

# Most clouds use a link-local address such as 169.254.169.254; those are refused as link-local.
METADATA_HOSTS = frozenset(
    {
        "fd00:ec2::254",  # AWS over IPv6
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "metadata",
        "metadata.google.internal",
        "instance-data",
    }
)

_VERSION = re.compile(r"v\d+(?:[a-z]+\d*)?")
"""`v1`, `v3`, `v1beta`, `v1beta1` as a whole segment."""
_DEPLOYMENT = "deployments"
"""A segment of Azure's older paths, whose version is in the query."""
_UNCLEAN = re.compile(r"[^!-\[\]-~]")
"""Blanks, control characters, a backslash, and whatever is not ASCII."""
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_IPV4_PARTS = 4


class EndpointError(ValueError):
    """The address cannot be used. The message never quotes it, because it may hold a password."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Origin and path with query."""

    origin: Origin
    path: str


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """The rules that every address must satisfy."""

    allow_http: bool = False
    own_ports: frozenset[int] = frozenset()
    """Ports that codex-shim listens on. A row that points to one would loop."""


@dataclass(frozen=True, slots=True)
class Versioning:
    """The version segment of a base address without one."""

    segment: str = "/v1"
    append: bool | None = None
    """The row's own setting: False never inserts a segment; None and True insert one where there is none."""
    path: str = ""
    """The path after the version, where it is not the protocol's."""


def verbatim_endpoint(url: str, rules: EndpointRules) -> Endpoint:
    """Return the endpoint of an `endpoint_url`, which is used unchanged. Raises EndpointError."""
    origin, path, query = _parts(url, rules)
    return Endpoint(origin, _joined(path or "/", query))


def composed_endpoint(
    base_url: str, protocol: Protocol, versioning: Versioning, rules: EndpointRules, query: str = ""
) -> Endpoint:
    """Return the endpoint of a `base_url`, completed with a version, the protocol's path suffix and `query`.

    Raises EndpointError.
    """
    origin, path, own_query = _parts(base_url, rules)
    path, suffix = path.rstrip("/"), versioning.path or protocol.spec.path_suffix
    if not path.endswith(suffix):
        version = "" if is_versioned(path) or versioning.append is False else versioning.segment
        missing = f"{version}{suffix}"
        path += missing[_shared(path, missing) :]
    return Endpoint(origin, _joined(path, "&".join(filter(None, (own_query, query)))))


def is_versioned(path: str) -> bool:
    """Return whether any segment of a path is a version."""
    return any(part == _DEPLOYMENT or _VERSION.fullmatch(part) for part in path.split("/"))


def _shared(path: str, suffix: str) -> int:
    """Return how many characters of a suffix the path has already: whole segments, as in an address copied in part."""
    ends = [at for at, char in enumerate(suffix) if char == "/" and path.endswith(suffix[:at])]
    return max(ends, default=0)


def _joined(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _parts(url: str, rules: EndpointRules) -> tuple[Origin, str, str]:
    if _UNCLEAN.search(url):
        msg = "it must be plain text: no blanks, control characters or backslashes"
        raise EndpointError(msg)
    try:
        origin, parts = Origin.of(url), urlsplit(url)
    except ValueError as error:
        raise EndpointError(str(error)) from None
    if parts.fragment:
        msg = "it must not have a # part"
        raise EndpointError(msg)
    if any(looks_secret(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        msg = "it must not carry a key in its query; put the key into api_key_env"
        raise EndpointError(msg)
    _check_host(origin, rules)
    return origin, parts.path, parts.query


def _check_host(origin: Origin, rules: EndpointRules) -> None:
    host = origin.host.rstrip(".")
    if not _HOST.fullmatch(host):
        msg = "its host is not a name or an address"
        raise EndpointError(msg)
    address = _address(host)
    if host in METADATA_HOSTS or (address and _is_off_limits(address)):
        msg = "it is a link-local or metadata address, which is never an upstream"
        raise EndpointError(msg)
    local = origin.is_loopback or bool(address and address.is_loopback)
    if local and origin.port in rules.own_ports:
        msg = "it is codex-shim's own port, so turns would loop"
        raise EndpointError(msg)
    if origin.scheme != "https" and not local and not rules.allow_http:
        msg = 'it is http to another machine; use https, or set "allow_http": true in the row'
        raise EndpointError(msg)


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _is_off_limits(address: Address) -> bool:
    return (
        str(address) in METADATA_HOSTS
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
    )


def _address(host: str) -> Address | None:
    """Return the IP address that a host is, also in the short forms of C libraries: `2852039166`, `0xa9.254.43518`."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return _short_ipv4(host)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _short_ipv4(host: str) -> ipaddress.IPv4Address | None:
    parts = host.split(".")
    if len(parts) > _IPV4_PARTS or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    *high, low = (_number(part) for part in parts)
    value = low
    for position, part in enumerate(high):
        value += part << (8 * (3 - position))
    return ipaddress.IPv4Address(value) if 0 <= value < 1 << 32 else None


def _number(text: str) -> int:
    if text.startswith("0x"):
        return int(text, 16)
    octal = text.startswith("0") and text.strip("01234567") == ""
    return int(text, 8 if octal else 10)
