"""The layer of a connection that was not accepted: one JSON answer to its first bytes, then the end.

Never does: parse what the client sent. Invariant: at most one answer.
"""

from __future__ import annotations

from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer

from addons.core.errors import Problem
from addons.proxy.engine.client_framing import http_response

NOT_ADMITTED = Problem(
    403,
    "client_refused",
    "codex-shim only serves programs on this machine. "
    "To let others in, start it with `codex-shim serve --allow-remote`.",
)


class RefusingLayer(layer.Layer):
    """Answers the first bytes and closes the connection."""

    _answered = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self._answered or not isinstance(event, events.DataReceived | events.ConnectionClosed):
            return
        self._answered = True
        if isinstance(event, events.DataReceived):
            response = http_response(NOT_ADMITTED.reply(), close=True)
            yield commands.SendData(self.context.client, http1.assemble_response(response))
        yield commands.CloseConnection(self.context.client)
