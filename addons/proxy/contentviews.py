"""Content views of a turn for mitmweb, the console and `mitmdump --flow-detail 3`.

Never does: parse a protocol; `addons.views` does. Invariant: a view shows only the flow's messages and its record, which
hold no secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mitmproxy import contentviews, http

from addons.proxy.recent_turns import FinishedTurn, is_shown
from addons.views.turn import Turn, request_view, turn_view, wire_view

AUTOMATIC, ON_REQUEST = 2.0, -1.0
"""Priorities. mitmproxy's own JSON view has 1; a negative one is never chosen automatically."""

BLANK = "\N{NO-BREAK SPACE}"

Render = Callable[[Turn], str]


class TurnContentview(contentviews.Contentview):
    """One view. `side` is the message of a turn for which mitmproxy chooses it automatically."""

    def __init__(self, name: str, render: Render, side: str = "") -> None:
        self._name = name
        self._render = render
        self._side = side

    @property
    def name(self) -> str:
        """The name of the view in mitmproxy's list."""
        return self._name

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        """Return the text of the view. Blank lines get a character, because mitmweb gives empty ones no height."""
        lines = self._render(turn_of(data, metadata)).split("\n")
        return "\n".join(line or BLANK for line in lines)

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:  # noqa: ARG002  mitmproxy's signature
        """Return the higher priority for its message of a turn, else the lower one."""
        flow, message = metadata.flow, metadata.http_message
        if not self._side or not isinstance(flow, http.HTTPFlow) or message is None:
            return ON_REQUEST
        is_its_message = message is getattr(flow, self._side)
        return AUTOMATIC if is_its_message and is_shown(flow) else ON_REQUEST


VIEWS = (
    TurnContentview("Codex request", request_view, "request"),
    TurnContentview("Codex turn", turn_view, "response"),
    TurnContentview("Codex wire", wire_view),
)


def install() -> None:
    """Register the views with mitmproxy. Registering again replaces them."""
    for view in VIEWS:
        contentviews.add(view)


def turn_of(data: bytes, metadata: contentviews.Metadata) -> Turn:
    """Return the turn of a flow. `data` is the decoded body of the message that is shown."""
    flow, message = metadata.flow, metadata.http_message
    if not isinstance(flow, http.HTTPFlow):
        return Turn(data)
    turn = FinishedTurn.of(flow).turn()
    if message is flow.request:
        return replace(turn, request=data)
    return replace(turn, answer=data) if message is flow.response else turn
