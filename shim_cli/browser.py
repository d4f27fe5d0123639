"""The user's browser: is there one here, and how is it sent to a page?

Never does: hide a secret in a URL: a browser gets it on a command line, which every user of the machine can read.
Invariant: one that does not start is told of by False.
"""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping


def is_headless(env: Mapping[str, str]) -> bool:
    """Whether nobody would see a window here: CI, SSH, no display."""
    if any(env.get(name) for name in ("CI", "SSH_CONNECTION", "SSH_TTY")):
        return True
    return sys.platform == "linux" and not (env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))


def show(url: str) -> bool:
    """Open it. Says whether a browser took it."""
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
