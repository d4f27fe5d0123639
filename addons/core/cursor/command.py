"""How cursor-agent is started: its arguments, and the environment that it is given.

Source: cursor-agent of August 2026. Never does: put a prompt or a key on a command line. Invariant: no variable that
holds a key of Cursor's reaches a child, so a turn is the login's or it fails.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from addons.core.cursor.settings import CursorSettings

KEYS = frozenset({"CURSOR_API_KEY", "CURSOR_AUTH_TOKEN"})
OUR_PREFIX = "CODEX_SHIM_"
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
CALM = {"NO_OPEN_BROWSER": "1", "NO_COLOR": "1"}
"""A turn must neither open a browser to log in, nor colour what it says."""
STATUS: tuple[tuple[str, ...], ...] = (("status", "--format", "json"), ("status",))
"""How the login is asked for. Older versions know the second form only."""


def turn_command(binary: str, model: str, workspace: str, settings: CursorSettings) -> list[str]:
    """The command of one turn. The prompt goes to its stdin, where no list of processes shows it."""
    command = [
        binary,
        "--print",
        "--output-format",
        "stream-json",
        "--stream-partial-output",
        "--trust",
        "--workspace",
        workspace,
        "--model",
        model,
    ]
    if settings.child_mode != "agent":
        command += ["--mode", settings.child_mode]
    if settings.child_force:
        command.append("--force")
    return command


def child_env(env: Mapping[str, str], own_ports: Iterable[int]) -> dict[str, str]:
    """The user's environment without keys, without our own variables, without a proxy that is us."""
    ports = frozenset(own_ports)
    kept = {
        name: value
        for name, value in env.items()
        if name not in KEYS
        and not name.startswith(OUR_PREFIX)
        and not (name.lower() in PROXIES and _is_ours(value, ports))
    }
    return {**kept, **CALM}


def _is_ours(proxy: str, ports: frozenset[int]) -> bool:
    address = urlsplit(proxy if "://" in proxy else f"//{proxy}")
    try:
        port = address.port
    except ValueError:
        return False
    host = (address.hostname or "").rstrip(".")
    return port in ports and (host == "localhost" or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
