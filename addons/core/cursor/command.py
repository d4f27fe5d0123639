"""How cursor-agent is started: its arguments, and the environment that it is given.

Source: cursor-agent of August 2026. Never does: put a prompt or a key on a command line. Invariant: no variable that
holds a key of Cursor's reaches a child, so a turn is the login's or it fails.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from addons.core.cursor.settings import CursorSettings
from addons.core.key_places import looks_secret

KEYS = frozenset({"CURSOR_API_KEY", "CURSOR_AUTH_TOKEN"})
OUR_PREFIX = "CODEX_SHIM_"
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_PASS = re.compile(r"PASS(?:WD|PHRASE)?$|_KEYS$", re.IGNORECASE)
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


def child_env(
    env: Mapping[str, str],
    own_ports: Iterable[int],
    wanted: Collection[str] = (),
    hidden: Collection[str] = (),
) -> dict[str, str]:
    """The user's environment without keys of anybody, our own variables, and a proxy that is us.

    What a child may run can read all of it. `wanted` are variables that the user lets it have although they look like
    keys, `hidden` are those that hold keys of ours and do not look so.
    """
    ports = frozenset(own_ports)
    kept = {
        name: value
        for name, value in env.items()
        if not _holds_key(name, wanted, hidden)
        and not name.startswith(OUR_PREFIX)
        and not (name.lower() in PROXIES and _is_ours(value, ports))
    }
    return {**kept, **CALM}


def _holds_key(name: str, wanted: Collection[str], hidden: Collection[str]) -> bool:
    if name in KEYS or name in hidden:
        return True
    return name not in wanted and (looks_secret(name) or _PASS.search(name) is not None)


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
