"""No model sees an e-mail address, and you see them all: each becomes `<email-1>`, `<email-2>`, … on the way out.

Addresses are numbered in the order in which the thread mentions them. A history only grows, so an address keeps its number,
and the prompt cache of the provider goes on to work.
"""

from __future__ import annotations

import re

from addons.hooks import Event, PutBack, Turn

API_VERSION = 1
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def on_turn(turn: Turn) -> Turn:
    """Mask the addresses in instructions and history."""
    placeholders: dict[str, str] = {}

    def mask(found: re.Match[str]) -> str:
        return placeholders.setdefault(found[0], f"<email-{len(placeholders) + 1}>")

    masked = turn.map_text(lambda text: ADDRESS.sub(mask, text))
    masked.state["put_back"] = PutBack({name: address for address, name in placeholders.items()})
    return masked


def on_event(turn: Turn, event: Event) -> Event | list[Event]:
    """Put the addresses back, in text and in the arguments of tool calls, wherever they are split."""
    put_back: PutBack = turn.state["put_back"]
    return put_back(event)
