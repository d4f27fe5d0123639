"""The outbound proxy for an upstream, from the same environment variables that curl reads.

`CODEX_SHIM_UPSTREAM_PROXY` has precedence, also over NO_PROXY; else HTTPS_PROXY or HTTP_PROXY by the upstream's scheme,
except for the hosts in NO_PROXY. Never uses a proxy for loopback upstreams, or codex-shim itself as the proxy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache

from addons.core.secrets import Origin

OWN_SETTING = "CODEX_SHIM_UPSTREAM_PROXY"
CA_FILE = "CODEX_SHIM_CA_FILE"
"""The variable that names the CA file for connections to upstreams, of turns and of background requests."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_for(origin: Origin, env: Mapping[str, str], own_port: int) -> Origin | None:
    """Return the proxy for an upstream, or None for a direct connection.

    Raises ValueError if the value is not an http(s) URL. The message names the variable and never quotes its value.
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
    """Return why an upstream cannot be reached through the configured proxy; empty when it can."""
    try:
        proxy_for(origin, env, 0)
    except ValueError as error:
        return (
            f"{error}. codex-shim does not support SOCKS proxies or proxy logins. Set a plain http:// proxy in "
            f"{OWN_SETTING}, or add {origin.host} to NO_PROXY, then restart codex-shim."
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
        return any(entry == "*" or _contains(entry, address) for entry in entries)
    return any(entry == "*" or _matches_host(entry, host.rstrip(".")) for entry in entries)


def _matches_host(entry: str, host: str) -> bool:
    name = entry.partition(":")[0].removeprefix("*").removeprefix(".").rstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _contains(entry: str, address: _Address) -> bool:
    """Return whether an entry is the address, with or without a port, or a network that contains it."""
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


@lru_cache(64)
def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.rstrip(".") == "localhost" or (address is not None and address.is_loopback)
