"""Makes sure that a connection whose task has ended is closed, and that its layer hears of it.

mitmproxy closes a connection by cancelling its task. A task that waits for the event lock at that moment ends without
closing its socket or reporting: an upstream would go on sending, and charging, for a turn that is over. (Hooks queue
on that lock, so it happens whenever a turn ends while more data is at hand.)
"""

from __future__ import annotations

import asyncio

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import events
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils


def see_closed(handler: ConnectionHandler, connection: Connection) -> None:
    """When the task of this connection ends, whatever the reason, do what it left undone."""

    def clean_up(_: asyncio.Task[None]) -> None:
        if (io := handler.transports.pop(connection, None)) is None:
            return
        connection.state = ConnectionState.CLOSED
        if io.writer:
            io.writer.close()
        asyncio_utils.create_task(
            handler.server_event(events.ConnectionClosed(connection)),
            name="report a closed connection",
            keep_ref=True,
        )

    io = handler.transports.get(connection)
    if io and io.handler:
        io.handler.add_done_callback(clean_up)


def hang_up(handler: ConnectionHandler) -> None:
    """Close the client's socket if its task, which has ended, did not: the client would wait for ever."""
    if (io := handler.transports.get(handler.client)) and io.writer:
        io.writer.close()
