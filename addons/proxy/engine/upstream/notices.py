"""What an upstream connection reports: to the layer that holds it, and to the turn that it serves.

Never does: carry a byte of an upstream. Invariant: a text that a turn is told names what may be done next, not what was
received.
"""

from __future__ import annotations

from dataclasses import dataclass

from mitmproxy.connection import Connection
from mitmproxy.proxy import commands


@dataclass(eq=False, repr=False)
class UpstreamNotice(commands.Command):
    """A report of an upstream connection's parser to the layer that holds the connection."""

    connection: Connection


class ConnectionIdle(UpstreamNotice):
    """The response has ended, and the connection could serve another turn."""


class SpokeUnasked(UpstreamNotice):
    """Bytes came while no response was awaited."""


HEAD_WITHOUT_END = "response head without end"
HEAD_CUT = "connection ended after the first bytes of a response"
NOTHING_RECEIVED = "connection ended before any byte of a response"
NO_UPGRADE = "no WebSocket was opened"
"""Nothing of the turn was sent, or the server said that it cannot read it. It can be sent by HTTP."""
SOCKET_OVER = "the WebSocket takes no more turns"
"""The turn was refused for that reason alone. It can be sent on another WebSocket."""
BROKEN_FRAMES = "invalid WebSocket frames"
