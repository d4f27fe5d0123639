"""Turn hooks: your own Python between Codex and its models.

A file names what it needs from here:

    from addons.hooks import Event, Refuse, Turn

    def on_turn(turn: Turn) -> Turn | Refuse:
        return turn.replace(instructions=turn.instructions + "Answer in English.")

`codex-shim serve --hook codex_shim_hooks.py` loads it. docs/hooks.md has the whole interface and examples. A file may set
`API_VERSION = 1`; one that is written for another version is refused at the start.
"""

from __future__ import annotations

from addons.core.hooks.frozen_json import JsonList, JsonMap, plain
from addons.core.hooks.put_back import PutBack
from addons.core.hooks.values import API_VERSION, End, Event, Refuse, Turn

__all__ = [
    "API_VERSION",
    "End",
    "Event",
    "JsonList",
    "JsonMap",
    "PutBack",
    "Refuse",
    "Turn",
    "plain",
]
