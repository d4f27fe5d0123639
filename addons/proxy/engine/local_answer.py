"""Whole answers of this port, and the layer that gives one to a connection that was not accepted.

Never does: parse what the client sent. Invariant: a connection that was not accepted gets at most one answer.
"""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer

from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.turn import Reply
from addons.proxy.engine.response_side import BODILESS, FRAMING, http_head

SWITCHING_PROTOCOLS = 101
_SWITCH = ((b"upgrade", b"websocket"), (b"connection", b"Upgrade"))
NOT_ADMITTED = Problem(
    403,
    "client_refused",
    "codex-shim only serves programs on this machine. "
    "To let others in, start it with `codex-shim serve --allow-remote`.",
)


def http_response(reply: Reply, *, close: bool = False) -> http.Response:
    """Return the mitmproxy response of a whole local answer. Framing headers of the reply are replaced."""
    headers = _without(FRAMING | {b"content-length"}, reply.head.headers)
    if reply.head.status == SWITCHING_PROTOCOLS:
        return http_head(SWITCHING_PROTOCOLS, _SWITCH + headers, b"")
    if reply.head.status not in BODILESS:
        headers += ((b"content-length", b"%d" % len(reply.body)),)
    if close:
        headers += ((b"connection", b"close"),)
    return http_head(reply.head.status, headers, reply.body)


def _without(names: frozenset[bytes], headers: Headers) -> Headers:
    return tuple(field for field in headers if field[0].lower() not in names)


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
