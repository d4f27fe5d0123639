"""Finds the cursor-agent program. Costs a few `stat`s and no import, because every `codex-shim list` runs it.

Never does: start a process, so an `agent` that it finds may belong to another vendor.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "CURSOR_AGENT_BIN"
NAMES = ("cursor-agent", "agent")


def find_binary(env: Mapping[str, str]) -> str:
    """Return the absolute path: the program in CURSOR_AGENT_BIN, else the first on PATH; empty without one."""
    if named := env.get(VARIABLE, ""):
        return _runnable(named) if os.sep in named else _on_path(env, named)
    return next(filter(None, (_on_path(env, name) for name in NAMES)), "")


def _on_path(env: Mapping[str, str], name: str) -> str:
    folders = filter(None, env.get("PATH", "").split(os.pathsep))
    return next(filter(None, (_runnable(f"{folder}{os.sep}{name}") for folder in folders)), "")


def _runnable(path: str) -> str:
    # The link is not resolved, because an update changes its target.
    absolute = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111
    is_program = os.path.isfile(absolute) and os.access(absolute, os.X_OK)  # noqa: PTH113
    return absolute if is_program else ""
