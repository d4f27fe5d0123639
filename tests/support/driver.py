"""Drives a ShimHttpLayer without sockets: events go in, commands come out, hooks and connects wait for the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mitmproxy import options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons

from addons.core.limits import Limits
from addons.core.turn import ClientRequest, Plan
from addons.proxy.engine.engine import Engine
from addons.proxy.engine.layer import ShimHttpLayer
from tests.support.engine import QUICK, TestRouter


class DrivenEngine(Engine):
    """An engine without a proxy server around it: what it would inject is kept for the test."""

    def ensure_closed(self, client: Client, connection: Connection) -> None:
        """No socket is there to be closed."""

    def unsent_bytes(self, turn: object) -> int:  # noqa: ARG002
        """The client of a driven layer reads everything."""
        return 0

    def accepted_bytes(self, turn: object) -> int | None:  # noqa: ARG002
        """No socket is there to be asked."""
        return None


@dataclass
class Driver:
    """The layer of one HTTP/1 client connection, and everything that it has asked for."""

    make: Callable[[ClientRequest], Plan]
    limits: Limits = QUICK
    now: float = 1000.0
    sent: dict[Connection, bytes] = field(default_factory=dict)
    closed: list[Connection] = field(default_factory=list)
    hooks: list[commands.StartHook] = field(default_factory=list)
    """Hooks that still wait for `finish_hook`."""
    opening: list[commands.OpenConnection] = field(default_factory=list)
    wakeups: list[commands.RequestWakeup] = field(default_factory=list)
    holds: str = ""
    """The name of a hook that is not finished at once."""

    def __post_init__(self) -> None:
        with taddons.context(Proxyserver()) as world:
            opts: options.Options = world.options
        self.client = Client(
            peername=("127.0.0.1", 1),
            sockname=("127.0.0.1", 2),
            state=ConnectionState.OPEN,
            proxy_mode=ProxyMode.parse("reverse:http://127.0.0.1:9"),
        )
        context = Context(self.client, opts)
        context.server = Server(address=("127.0.0.1", 9))
        self.engine = DrivenEngine(TestRouter(self.make), self.limits, now=lambda: self.now)
        self.layer = ShimHttpLayer(context, self.engine)
        self.feed(events.Start())

    # Events in --------------------------------------------------------------------------------------------

    def feed(self, event: events.Event) -> None:
        """Give the layer an event and carry out what it asks for."""
        for command in self.layer.handle_event(event):
            self._take(command)
        while self.hooks and self.hooks[0].name != self.holds:
            self.finish_hook()

    def data(self, connection: Connection, data: bytes) -> None:
        self.feed(events.DataReceived(connection, data))

    def close(self, connection: Connection) -> None:
        connection.state = ConnectionState.CLOSED
        self.feed(events.ConnectionClosed(connection))

    def post(self, path: str = "/v1/responses", body: bytes = b"{}") -> None:
        head = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
        self.data(self.client, head % (path.encode(), len(body)) + body)

    def finish_hook(self) -> None:
        hook = self.hooks.pop(0)
        (flow,) = hook.args()
        if isinstance(flow, HTTPFlow) and hook.name == "requestheaders":
            self.engine.admit_head(flow, None)
        elif isinstance(flow, HTTPFlow) and hook.name == "request":
            self.engine.admit_whole(flow)
        self.feed(events.HookCompleted(hook))

    def open(self, error: str | None = None) -> Connection:
        """Let the oldest connect come to its end."""
        command = self.opening.pop(0)
        if error is None:
            command.connection.state = ConnectionState.OPEN
        else:
            command.connection.error = error
        self.feed(events.OpenConnectionCompleted(command, error))
        return command.connection

    # Commands out -----------------------------------------------------------------------------------------

    def _take(self, command: commands.Command) -> None:
        match command:
            case commands.SendData():
                self.sent[command.connection] = (
                    self.sent.get(command.connection, b"") + command.data
                )
            case commands.CloseConnection():
                command.connection.state = ConnectionState.CLOSED
                self.closed.append(command.connection)
            case commands.OpenConnection():
                self.opening.append(command)
            case commands.RequestWakeup():
                self.wakeups.append(command)
            case commands.StartHook():
                self.hooks.append(command)

    @property
    def answer(self) -> bytes:
        """Everything that the client was sent."""
        return self.sent.get(self.client, b"")
