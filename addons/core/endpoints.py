"""From what a row says about its address to the one origin and path that its turns go to.

Never does: resolve a name, ask anyone. Invariant: what comes out is https or was allowed in so many words, carries no
user info and no key, is no metadata service and not ourselves; `/v1` is inserted at most once, and never into an
address that has a version already.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from addons.core.credential import Origin
from addons.core.key_places import looks_secret
from addons.core.translate.conversation import Dialects

SUFFIXES: Mapping[Dialects, str] = {
    Dialects.CHAT: "/chat/completions",
    Dialects.MESSAGES: "/messages",
    Dialects.RESPONSES: "/responses",
}
# Those of most clouds, 169.254.169.254 and the like, are link-local and refused as such.
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
"""Azure's older paths: the version is in the query."""
_UNCLEAN = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_IPV4_PARTS = 4


class EndpointError(ValueError):
    """The address cannot be used. The text never quotes it: it may hold a password."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go: origin, and path with query."""

    origin: Origin
    path: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What an address is held to."""

    allow_http: bool = False
    own_ports: frozenset[int] = frozenset()
    """Ports that we listen on: a row that points at them would be a loop."""


@dataclass(frozen=True, slots=True)
class Versioning:
    """How a base address without a version gets one."""

    segment: str = "/v1"
    append: bool | None = None
    """What the row says itself: False never inserts one. None and True insert one where there is none."""


def verbatim(url: str, rules: Rules) -> Endpoint:
    """Read `endpoint_url`: it is used as it is. Raises EndpointError."""
    origin, path, query = _parts(url, rules)
    return Endpoint(origin, _joined(path or "/", query))


def composed(
    base_url: str, dialect: Dialects, versioning: Versioning, rules: Rules, query: str = ""
) -> Endpoint:
    """Read `base_url` and put what is missing behind it: a version, the dialect's own path, `query`.

    Raises EndpointError.
    """
    origin, path, own_query = _parts(base_url, rules)
    path, suffix = path.rstrip("/"), SUFFIXES[dialect]
    if not path.endswith(suffix):
        version = "" if is_versioned(path) or versioning.append is False else versioning.segment
        path = f"{path}{version}{suffix}"
    return Endpoint(origin, _joined(path, "&".join(filter(None, (own_query, query)))))


def is_versioned(path: str) -> bool:
    """Whether a path names a version already, in any of its segments."""
    return any(part == _DEPLOYMENT or _VERSION.fullmatch(part) for part in path.split("/"))


def _joined(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _parts(url: str, rules: Rules) -> tuple[Origin, str, str]:
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


def _check_host(origin: Origin, rules: Rules) -> None:
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
        msg = "it is codex-shim's own port: turns would go round in a circle"
        raise EndpointError(msg)
    if origin.scheme != "https" and not local and not rules.allow_http:
        msg = 'it is http to another machine; use https, or say "allow_http": true in the row'
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
    """The address that a host is, also in the short forms that C libraries take: `2852039166`, `0xa9.254.43518`."""
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
    for place, part in enumerate(high):
        value += part << (8 * (3 - place))
    return ipaddress.IPv4Address(value) if 0 <= value < 1 << 32 else None


def _number(text: str) -> int:
    if text.startswith("0x"):
        return int(text, 16)
    octal = text.startswith("0") and text.strip("01234567") == ""
    return int(text, 8 if octal else 10)
