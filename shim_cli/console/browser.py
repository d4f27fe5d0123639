"""Open a page in the user's browser, if there is one.

Never does: keep a secret out of the URL. Callers must: every user of the machine can read a browser's command line.
Invariant: a browser that does not start is reported by False, never by an exception.
"""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping


def is_headless(env: Mapping[str, str]) -> bool:
    """Return whether no window would be visible here: CI, SSH or no display."""
    if any(env.get(name) for name in ("CI", "SSH_CONNECTION", "SSH_TTY")):
        return True
    return sys.platform == "linux" and not (env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))


def open_url(url: str) -> bool:
    """Open a URL. Return whether a browser accepted it."""
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
