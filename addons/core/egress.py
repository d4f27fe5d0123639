"""Which outbound proxy an upstream is reached through, from the environment that users know from curl.

`CODEX_SHIM_UPSTREAM_PROXY` wins, also over NO_PROXY; else HTTPS_PROXY or HTTP_PROXY by the upstream's scheme, minus
what NO_PROXY names. Loopback upstreams and ourselves are never proxied.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from addons.core.credential import Origin

OWN_SETTING = "CODEX_SHIM_UPSTREAM_PROXY"
CA_FILE = "CODEX_SHIM_CA_FILE"
"""Names the certificates that upstreams are verified with, of turns and of background requests alike."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_for(origin: Origin, env: Mapping[str, str], own_port: int) -> Origin | None:
    """Give the proxy of an upstream, or None for a direct connection.

    Raises ValueError, naming the variable and quoting nothing of its value, when that is no http(s) URL.
    """
    if origin.is_loopback or _is_loopback(origin.host):
        return None
    name = OWN_SETTING if env.get(OWN_SETTING) else _variable(origin, env)
    if name is None:
        return None
    try:
        proxy = Origin.of(env[name] if "://" in env[name] else f"http://{env[name]}")
    except ValueError as error:
        msg = f"{name}, the outbound proxy: {error}"
        raise ValueError(msg) from None
    return None if _is_loopback(proxy.host) and proxy.port == own_port else proxy


def outbound_problem(origin: Origin, env: Mapping[str, str]) -> str:
    """Say why an upstream cannot be reached through the proxy that the environment names; empty when it can."""
    try:
        proxy_for(origin, env, 0)
    except ValueError as error:
        return (
            f"{error}. codex-shim does not speak SOCKS or log in to a proxy yet. Name a plain http:// proxy in "
            f"{OWN_SETTING}, or put {origin.host} into NO_PROXY, then start codex-shim again."
        )
    return ""


def _variable(origin: Origin, env: Mapping[str, str]) -> str | None:
    name = f"{origin.scheme}_proxy"
    excluded = env.get("no_proxy") or env.get("NO_PROXY") or ""
    if _is_excluded(origin.host, excluded):
        return None
    return next((known for known in (name, name.upper()) if env.get(known)), None)


def _is_excluded(host: str, excluded: str) -> bool:
    address = _address(host)
    entries = excluded.lower().replace(",", " ").split()
    if address:
        return any(entry == "*" or _holds(entry, address) for entry in entries)
    return any(entry == "*" or _names(entry, host.rstrip(".")) for entry in entries)


def _names(entry: str, host: str) -> bool:
    name = entry.partition(":")[0].removeprefix("*").removeprefix(".").rstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _holds(entry: str, address: _Address) -> bool:
    """Whether an entry is the address, with a port or without, or a network around it."""
    bracketed = entry.startswith("[")
    plain = entry[1:].partition("]")[0] if bracketed else entry
    if not bracketed and plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        return address in ipaddress.ip_network(plain, strict=False)
    except ValueError:
        return False


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.rstrip(".") == "localhost" or (address is not None and address.is_loopback)
