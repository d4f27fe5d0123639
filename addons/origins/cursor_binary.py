"""Where cursor-agent is. Costs a few `stat`s and no import: `codex-shim list` looks each time.

Never does: run anything, so an `agent` that is found here may be another vendor's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "CURSOR_AGENT_BIN"
NAMES = ("cursor-agent", "agent")


def find_binary(env: Mapping[str, str]) -> str:
    """Give its absolute path: what CURSOR_AGENT_BIN names, else the first on PATH; empty when there is none."""
    if named := env.get(VARIABLE, ""):
        return _runnable(named) if os.sep in named else _on_path(env, named)
    return next(filter(None, (_on_path(env, name) for name in NAMES)), "")


def _on_path(env: Mapping[str, str], name: str) -> str:
    folders = filter(None, env.get("PATH", "").split(os.pathsep))
    return next(filter(None, (_runnable(f"{folder}{os.sep}{name}") for folder in folders)), "")


def _runnable(path: str) -> str:
    # Not resolved: an update puts another target behind the link.
    absolute = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111
    is_program = os.path.isfile(absolute) and os.access(absolute, os.X_OK)  # noqa: PTH113
    return absolute if is_program else ""
