"""Section "Environment": proxies between Codex and the shim, and variables without effect.

Never does: show the value of a variable.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Iterator, Mapping

from shim_cli.doctor.finding import CheckResult, DoctorContext

LOOPBACK = "127.0.0.1"
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
PREFIX = "CODEX_SHIM_"
OBSOLETE_VARIABLES = (
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
"""Variables of earlier shims that this one does not have: their beginnings after the prefix."""


def environment(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the proxies, then the variables."""
    yield from _proxies(context)
    yield from _system_proxy(context, system_proxies(sys.platform))
    for name in sorted(context.env):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).startswith(OBSOLETE_VARIABLES):
            yield "INFO", f"{name} is set, but has no effect: only older shims read it"


def _proxies(context: DoctorContext) -> Iterator[CheckResult]:
    env = context.env
    proxies = [name for name in PROXIES if env.get(name)]
    if not proxies:
        yield "OK", "no proxy variable is set"
        return
    names = ", ".join(proxies)
    if bypasses_loopback(env.get("NO_PROXY") or env.get("no_proxy") or ""):
        yield "OK", f"{names} set, and NO_PROXY excludes {LOOPBACK}"
        return
    yield (
        "FAIL",
        f"{names} set without {LOOPBACK} in NO_PROXY: Codex would not reach the shim",
        context.shell.append_to("NO_PROXY", f"{LOOPBACK},localhost,::1"),
    )


def bypasses_loopback(no_proxy: str) -> bool:
    """Return whether requests to this machine bypass the proxy."""
    entries = {entry.strip() for entry in no_proxy.split(",")}
    return not entries.isdisjoint({"*", LOOPBACK, "127.0.0.0/8"})


def _system_proxy(
    context: DoctorContext, system: tuple[Mapping[str, str], bool]
) -> Iterator[CheckResult]:
    proxies, excludes_loopback = system
    if not proxies:
        return
    kinds = ", ".join(sorted(proxies))
    if excludes_loopback:
        yield "OK", f"the system's proxy ({kinds}) excludes {LOOPBACK}"
    else:
        yield (
            "WARN",
            f"the system's proxy ({kinds}) does not exclude {LOOPBACK}: Codex may not reach the shim",
            context.shell.append_to("NO_PROXY", f"{LOOPBACK},localhost,::1"),
        )


def system_proxies(platform: str) -> tuple[Mapping[str, str], bool]:
    """Return the proxies of the macOS or Windows settings, and whether they exclude this machine."""
    names = {
        "darwin": ("getproxies_macosx_sysconf", "proxy_bypass_macosx_sysconf"),
        "win32": ("getproxies_registry", "proxy_bypass_registry"),
    }
    if platform not in names:
        return {}, True
    proxies, bypass = (getattr(urllib.request, name) for name in names[platform])
    return proxies(), bool(bypass(LOOPBACK))
