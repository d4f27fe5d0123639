"""Which outbound proxy an upstream is reached through, from the environment that users know from curl.

`CODEX_SHIM_UPSTREAM_PROXY` wins, also over NO_PROXY; else HTTPS_PROXY or HTTP_PROXY by the upstream's scheme, minus
what NO_PROXY names. Loopback upstreams and ourselves are never proxied.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.core.credential import Origin

OWN_SETTING = "CODEX_SHIM_UPSTREAM_PROXY"


def proxy_for(origin: Origin, env: Mapping[str, str], own_port: int) -> Origin | None:
    """Give the proxy of an upstream, or None for a direct connection.

    Raises ValueError, naming the variable and quoting nothing of its value, when that is no http(s) URL.
    """
    if origin.is_loopback:
        return None
    name = OWN_SETTING if env.get(OWN_SETTING) else _variable(origin, env)
    if name is None:
        return None
    try:
        proxy = Origin.of(env[name] if "://" in env[name] else f"http://{env[name]}")
    except ValueError as error:
        msg = f"{name}, the outbound proxy: {error}"
        raise ValueError(msg) from None
    return None if proxy.is_loopback and proxy.port == own_port else proxy


def _variable(origin: Origin, env: Mapping[str, str]) -> str | None:
    name = f"{origin.scheme}_proxy"
    excluded = env.get("no_proxy") or env.get("NO_PROXY") or ""
    if _is_excluded(origin.host, excluded):
        return None
    return next((known for known in (name, name.upper()) if env.get(known)), None)


def _is_excluded(host: str, excluded: str) -> bool:
    for entry in excluded.lower().replace(",", " ").split():
        name = entry.partition(":")[0].removeprefix("*").removeprefix(".")
        if entry == "*" or host == name or host.endswith(f".{name}"):
            return True
    return False
