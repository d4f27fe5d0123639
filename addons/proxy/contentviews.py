"""The turn in mitmproxy's views: mitmweb, the console and `mitmdump --flow-detail 3`.

Never does: read a protocol; `addons.views` does. Invariant: it looks at what is kept with the flow and at nothing else,
and that holds no secret.
"""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy import contentviews, http

from addons.core.front import shim_path
from addons.views.record import KEY, TurnRecord
from addons.views.turn import Turn, request_view, turn_view, wire_view

TURNS = ("/responses", "/responses/compact")
CHOSEN, OFFERED = 2.0, -1.0
"""mitmproxy's own JSON view has the priority 1."""

BLANK = "\N{NO-BREAK SPACE}"

Render = Callable[[Turn], str]


class TurnContentview(contentviews.Contentview):
    """One of our views. `side` is the message for which it is chosen by itself."""

    def __init__(self, name: str, render: Render, side: str = "") -> None:
        self._name = name
        self._render = render
        self._side = side

    @property
    def name(self) -> str:
        """What the choice of views calls it."""
        return self._name

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        """The page. Blank lines get a character: mitmweb would give them no height."""
        lines = self._render(turn_of(data, metadata)).split("\n")
        return "\n".join(line or BLANK for line in lines)

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:  # noqa: ARG002  mitmproxy's signature
        """Chosen for the turns of Codex, else only when asked for."""
        flow, message = metadata.flow, metadata.http_message
        if not self._side or not isinstance(flow, http.HTTPFlow) or message is None:
            return OFFERED
        is_mine = message is getattr(flow, self._side)
        return CHOSEN if is_mine and shim_path(flow.request.path) in TURNS else OFFERED


VIEWS = (
    TurnContentview("Codex request", request_view, "request"),
    TurnContentview("Codex turn", turn_view, "response"),
    TurnContentview("Codex wire", wire_view),
)


def install() -> None:
    """Offer our views beside mitmproxy's own. A second time replaces them."""
    for view in VIEWS:
        contentviews.add(view)


def turn_of(data: bytes, metadata: contentviews.Metadata) -> Turn:
    """All that is kept with a flow. `data` is the decoded body of the message that is looked at."""
    flow = metadata.flow
    if not isinstance(flow, http.HTTPFlow):
        return Turn(data)
    asked, told = flow.request, flow.response
    return Turn(
        data if metadata.http_message is asked else asked.raw_content or b"",
        data if metadata.http_message is told else told.raw_content if told else None,
        tuple(told.headers.items(multi=True)) if told else (),
        told.status_code if told else 0,
        TurnRecord.of(flow.metadata.get(KEY)),
    )
