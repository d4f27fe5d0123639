"""No model pushes to main: the turn in which it wants to ends with an error, and Codex never sees the call.

Codex runs a call when its item is complete. What comes before, such as the parts of its arguments, runs nothing.
"""

from __future__ import annotations

import re

from addons.hooks import Event, Refuse, Turn

API_VERSION = 1
PUSH = re.compile(r"\bgit\b[^\n;|&]*\bpush\b[^\n;|&]*\b(?:main|master)\b")


def on_event(_turn: Turn, event: Event) -> Event | Refuse:
    """Look at each complete call."""
    if event.type == "response.output_item.done":
        asked = (event.item.get(name) for name in ("arguments", "input", "action"))
        if any(PUSH.search(str(each)) for each in asked if each):
            return Refuse("the model wants to push to main. Push yourself, or ask it for a branch.")
    return event
