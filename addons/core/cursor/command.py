"""The command line and the environment of a cursor-agent child.

Source: cursor-agent of August 2026. Never does: put a prompt or a key on a command line. Invariant: no variable that
holds a Cursor key reaches a child, so a turn is billed to the login or it fails.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from addons.core.cursor.settings import CursorSettings
from addons.core.secrets import looks_secret

KEY_VARIABLES = frozenset({"CURSOR_API_KEY", "CURSOR_AUTH_TOKEN"})
SHIM_PREFIX = "CODEX_SHIM_"
PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_PASSWORD_NAME = re.compile(r"PASS(?:WD|PHRASE)?$|_KEYS$", re.IGNORECASE)
OVERRIDES = {"NO_OPEN_BROWSER": "1", "NO_COLOR": "1"}
"""A turn must not open a browser to log in, and must not colour its output."""
STATUS_COMMANDS: tuple[tuple[str, ...], ...] = (("status", "--format", "json"), ("status",))
"""The commands that print the login status. Older versions know only the second form."""


def turn_command(binary: str, model: str, workspace: str, settings: CursorSettings) -> list[str]:
    """Return the command of one turn. The prompt goes to its stdin, where `ps` does not show it."""
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


def child_env(
    env: Mapping[str, str],
    own_ports: Iterable[int],
    allowed: Collection[str] = (),
    hidden: Collection[str] = (),
) -> dict[str, str]:
    """Return the user's environment without secrets, CODEX_SHIM_ variables, and proxies that point at the shim.

    Every command that a child runs can read this environment. `allowed` names variables that look like keys and are
    passed because the user lists them. `hidden` names variables that hold keys but do not look like it.
    """
    ports = frozenset(own_ports)
    passed = {
        name: value
        for name, value in env.items()
        if not _holds_key(name, allowed, hidden)
        and not name.startswith(SHIM_PREFIX)
        and not (name.lower() in PROXY_VARIABLES and _is_own_proxy(value, ports))
    }
    return {**passed, **OVERRIDES}


def _holds_key(name: str, allowed: Collection[str], hidden: Collection[str]) -> bool:
    if name in KEY_VARIABLES or name in hidden:
        return True
    return name not in allowed and (looks_secret(name) or _PASSWORD_NAME.search(name) is not None)


def _is_own_proxy(proxy: str, ports: frozenset[int]) -> bool:
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
