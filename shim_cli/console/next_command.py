"""The command to type after a turn has failed, from the text of its error. Pure."""

from __future__ import annotations

import re

PROGRAMS = ("codex-shim", "codex", "cursor-agent", "curl", "printenv")
DEFAULT = "codex-shim doctor models"
BY_CODE = {
    "model_not_found": "codex-shim list --all",
    "shim_unreachable": "codex-shim status",
    "answer_cut": "codex-shim status",
    "rate_limit_exceeded": "codex-shim usage",
    "insufficient_quota": "codex-shim usage",
    "incomplete": "codex-shim report --last",
    "shim_bug": "codex-shim report --last",
}
"""Code → command, for errors whose text names none."""
_QUOTED = re.compile(r"`([^`]+)`")


def next_command(code: str, message: str) -> str:
    """Return the first command line that the message quotes, else the one of the code."""
    return BY_CODE.get(code, quoted_command(message) or DEFAULT)


def quoted_command(message: str) -> str:
    """Return the first command line that a message quotes; empty if it quotes none."""
    quoted = (text for text in _QUOTED.findall(message) if text.split(" ")[0] in PROGRAMS)
    return next((text for text in quoted if " " in text), "")
