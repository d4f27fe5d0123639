"""The environment: does a proxy stand between Codex and this machine, and which variables do nothing here?

Never does: show the value of a variable.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator, Mapping

from shim_cli.doctor.finding import Found, Subject

LOOPBACK = "127.0.0.1"
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
PREFIX = "CODEX_SHIM_"
WITHOUT_EFFECT = (
    "CURSOR_AGENT_",
    "CURSOR_COMMAND",
    "DEBUG_DUMP",
    "DISABLE_ROUTER",
    "ENABLE_WEBSOCKETS",
    "FAILOVER_",
    "HELPER_",
    "PARITY_MODE",
    "PASSTHROUGH_",
    "RESPONSE_STORE",
    "ROUTER_",
)
"""How variables begin, after our prefix, that earlier shims had and this one has not."""


def environment(subject: Subject) -> Iterator[Found]:
    """Look at proxies first: they are what keeps Codex from the shim."""
    yield from _proxies(subject)
    yield from _system_proxy(subject, system_proxies(sys.platform))
    for name in sorted(subject.env):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).startswith(WITHOUT_EFFECT):
            yield "INFO", f"{name} is set: an older shim had it, here it does nothing"


def _proxies(subject: Subject) -> Iterator[Found]:
    env = subject.env
    proxies = [name for name in PROXIES if env.get(name)]
    if not proxies:
        yield "OK", "no proxy variable is set"
        return
    names = ", ".join(proxies)
    if reaches_loopback(env.get("NO_PROXY") or env.get("no_proxy") or ""):
        yield "OK", f"{names} set, and NO_PROXY leaves out {LOOPBACK}"
        return
    yield (
        "FAIL",
        f"{names} set without {LOOPBACK} in NO_PROXY: Codex would not reach the shim",
        subject.shell.append_to("NO_PROXY", f"{LOOPBACK},localhost,::1"),
    )


def reaches_loopback(no_proxy: str) -> bool:
    """Whether requests to this machine go past the proxy."""
    entries = {entry.strip() for entry in no_proxy.split(",")}
    return not entries.isdisjoint({"*", LOOPBACK, "127.0.0.0/8"})


def _system_proxy(subject: Subject, found: tuple[Mapping[str, str], bool]) -> Iterator[Found]:
    proxies, leaves_out_loopback = found
    if not proxies:
        return
    kinds = ", ".join(sorted(proxies))
    if leaves_out_loopback:
        yield "OK", f"the system's proxy ({kinds}) leaves out {LOOPBACK}"
    else:
        yield (
            "WARN",
            f"the system's proxy ({kinds}) does not leave out {LOOPBACK}: Codex may not reach the shim",
            subject.shell.append_to("NO_PROXY", f"{LOOPBACK},localhost,::1"),
        )


def system_proxies(platform: str) -> tuple[Mapping[str, str], bool]:
    """What macOS or Windows has set beside the environment, and whether it leaves out this machine."""
    names = {
        "darwin": ("getproxies_macosx_sysconf", "proxy_bypass_macosx_sysconf"),
        "win32": ("getproxies_registry", "proxy_bypass_registry"),
    }
    if platform not in names:
        return {}, True
    proxies, bypass = (getattr(urllib.request, name) for name in names[platform])
    return proxies(), bool(bypass(LOOPBACK))
