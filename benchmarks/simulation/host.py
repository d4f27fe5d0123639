"""mitmproxy's side of the simulation: carries out the commands of our layer, without sockets and tasks.

It does what mitmproxy's `ConnectionHandler` does, in the order of the virtual clock. Hooks are answered as the addon
answers them; some are held, as a user holds a flow in mitmweb.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._hooks import HttpRequestHeadersHook, HttpRequestHook

from addons.core.limits import Limits
from addons.core.turn import Fault, FaultKind, LocalSource, TurnRouter
from addons.proxy.engine.engine import Engine, OnTurn
from addons.proxy.engine.injected import Injected, InjectedEvent, Signal
from addons.proxy.engine.interfaces import LiveTurn
from addons.proxy.engine.layer import ShimHttpLayer
from addons.proxy.engine.local_source import SourcePump
from addons.proxy.engine.pool import ConnectionKey, IdleConnection
from addons.proxy.engine.timers import WakeupTimers
from benchmarks.simulation.clock import Clock, ViolationError
from benchmarks.simulation.ledger import Ledger
from benchmarks.simulation.scripts import UpstreamConnection
from benchmarks.simulation.watch import PLAN_HOST

CONNECT_TIMEOUT = 75.0
SINK = ("127.0.0.1", 9)
LIMITS = Limits(stall_seconds=40.0, heartbeat_seconds=15.0)


class PlannedError(Exception):
    """Raised by a plan, a translator or a local source on purpose."""


def new_options() -> Options:
    """Return mitmproxy's options with those of its listener."""
    options = Options()
    Proxyserver().load(options)
    options.update(connection_strategy="lazy", keep_host_header=True)
    return options


@dataclass(slots=True, eq=False)
class _Idle:
    """An idle upstream connection, in the form that the layer takes from the pool."""

    server: Server
    layers: list[layer.Layer]
    key: ConnectionKey
    upstream: UpstreamConnection
    may_be_stale = True
    """Each has served a turn."""


class SimulatedEngine(Engine):
    """The engine with a virtual clock, and a pool of simulated connections."""

    def __init__(self, clock: Clock, router: TurnRouter, on_turn: OnTurn) -> None:
        super().__init__(router, LIMITS, now=lambda: clock.now, on_turn=on_turn)
        self.clock = clock
        self.hosts: dict[str, ClientHost] = {}
        self.idle: list[_Idle] = []

    def internal_fault(self, error: BaseException) -> Fault:
        """Accept planned errors. Any other is a violation."""
        if isinstance(error, PlannedError):
            return Fault(FaultKind.INTERNAL, "planned")
        trace = "".join(traceback.format_exception(error))
        message = f"an exception inside the engine: {trace}"
        raise ViolationError(message) from error

    def wakeup_timers_for(self, client: Client) -> WakeupTimers | None:  # noqa: ARG002
        """Let the layer's wake-ups come out as commands."""
        return None

    def prepare_client(self, top: object) -> None:
        """There is no socket."""

    def ensure_closed(self, client: Client, connection: Connection) -> None:
        """There is no task."""

    def watch_idle(self, client: Client, connection: Connection) -> None:
        """There is no socket."""

    def reuse(self, client: Client, connection: Connection) -> bool:
        """Return whether nothing was received on the connection meanwhile."""
        return not self.hosts[client.id].upstreams[connection].unread

    def checkout(self, client: Client, key: ConnectionKey) -> IdleConnection | None:
        """Give a client an idle connection that another one left."""
        for idle in reversed(self.idle):
            if idle.key == key and not idle.upstream.unread and idle.upstream.open:
                self.idle.remove(idle)
                self.hosts[client.id].attach(idle.server, idle.upstream)
                return idle  # type: ignore[return-value]
        return None

    def inject(self, turn: LiveTurn, message: Injected) -> None:
        """Deliver a message with the next event."""
        self.deliver(turn, message)

    def deliver(self, turn: LiveTurn, message: Injected) -> None:
        """Deliver a message to the layer of a turn's client."""

        def give() -> None:
            if host := self.hosts.get(turn.context.client.id):
                host.event(InjectedEvent(turn.flow, message))

        self.clock.after(0.0, "", give)

    def local_source(self, turn: LiveTurn) -> SourcePump:
        """Return a pump that runs a source step by step."""
        return _SteppedPump(self, turn)  # type: ignore[return-value]

    def unsent_bytes(self, turn: LiveTurn) -> int:  # noqa: ARG002
        """Return 0: simulated clients read at once."""
        return 0

    def accepted_bytes(self, turn: LiveTurn) -> int | None:  # noqa: ARG002
        """Return None: there is no socket."""
        return None


class _SteppedPump:
    """Runs a local source one step at a time. At each step it may be late or raise."""

    def __init__(self, engine: SimulatedEngine, turn: LiveTurn) -> None:
        self._engine = engine
        self._turn = turn
        self._source: Coroutine[Any, Any, None] | None = None

    def start(self, source: LocalSource) -> None:
        """Begin the source."""
        self._source = source(self)  # type: ignore[assignment]
        self._engine.clock.after(0.0, "", self._step)

    def cancel(self) -> None:
        """Stop the source."""
        if self._source:
            self._source.close()
            self._source = None

    async def write(self, data: bytes) -> None:
        """Deliver bytes."""
        self._engine.deliver(self._turn, Injected(self._turn.stream_id, Signal.DATA, data))
        await _Pause()

    def _step(self) -> None:
        if self._source is None:
            return
        try:
            self._source.send(None)
        except StopIteration:
            self._end(Injected(self._turn.stream_id, Signal.END))
        except PlannedError as error:
            fault = self._engine.internal_fault(error)
            self._end(Injected(self._turn.stream_id, Signal.FAULT, fault=fault))
        else:
            delay = self._engine.clock.random.choice((0.0, 0.01, 0.5))
            self._engine.clock.after(delay, "", self._step)

    def _end(self, message: Injected) -> None:
        self._source = None
        self._engine.deliver(self._turn, message)


class _Pause:
    def __await__(self) -> Any:
        yield


class ClientHost:
    """One client connection: its layer, and the far ends of the connections that the layer opens."""

    def __init__(
        self,
        engine: SimulatedEngine,
        ledger: Ledger,
        options: Options,
        number: int,
        *,
        receive: Callable[[bytes], None],
        on_end: Callable[[], None],
        alpn: bytes | None,
    ) -> None:
        self._engine = engine
        self._clock = engine.clock
        self._ledger = ledger
        self._receive = receive
        self._on_end = on_end
        self.client = Client(
            peername=("127.0.0.1", number),
            sockname=("127.0.0.1", 8765),
            timestamp_start=0.0,
            state=ConnectionState.OPEN,
            alpn=alpn,
        )
        context = Context(self.client, options)
        context.server = Server(address=SINK)
        engine.hosts[self.client.id] = self
        self.upstreams: dict[Connection, UpstreamConnection] = {}
        self.ended = False
        self._layer = ShimHttpLayer(context, engine)
        self.event(events.Start())

    # Events -----------------------------------------------------------------------------------------------

    def event(self, event: events.Event) -> None:
        """Hand an event to the layer, and carry out its commands. After the end only replies are handed over."""
        if self.ended and not isinstance(event, events.CommandCompleted):
            return
        self._clock.events += 1
        for command in self._layer.handle_event(event):
            self._clock.events += 1
            self._carry_out(command)

    def client_data(self, data: bytes) -> None:
        """The client sent bytes."""
        if self.client.state & ConnectionState.CAN_READ:
            self.event(events.DataReceived(self.client, data))

    def client_left(self, *, reset: bool) -> None:
        """The client closed its connection, or its sending half."""
        if self.ended:
            return
        if reset:
            self.client.state = ConnectionState.CLOSED
        else:
            self.client.state &= ~ConnectionState.CAN_READ
        self.event(events.ConnectionClosed(self.client))
        if reset:
            self.end()

    def attach(self, server: Server, upstream: UpstreamConnection) -> None:
        """Use a connection that another client left."""
        self.upstreams[server] = upstream
        upstream.peer = _ActiveEnd(self, server)

    def end(self) -> None:
        """Leave: idle connections stay for other clients, the others are closed."""
        if self.ended:
            return
        for server, layers, key in self._layer.release_idle():
            upstream = self.upstreams.pop(server)
            is_idle = getattr(layers[-1], "is_idle", False)
            if is_idle and upstream.open and not upstream.unread:
                upstream.peer = _IdleEnd()
                self._engine.idle.append(_Idle(server, layers, key, upstream))
            else:
                upstream.closed()
        self.ended = True
        for upstream in self.upstreams.values():
            upstream.closed()
        del self._engine.hosts[self.client.id]
        self._on_end()

    # Commands ---------------------------------------------------------------------------------------------

    def _carry_out(self, command: commands.Command) -> None:
        if isinstance(command, commands.SendData):
            self._send(command)
        elif isinstance(command, commands.OpenConnection):
            self._open(command)
        elif isinstance(command, commands.CloseConnection):
            self._close(command.connection)
        elif isinstance(command, commands.RequestWakeup):
            self._clock.after(command.delay, "", lambda: self._wake(command))
        elif isinstance(command, commands.StartHook):
            self._hook(command)
        elif not isinstance(command, commands.Log):
            message = f"the simulation does not know {command}"
            raise ViolationError(message)
        elif command.level >= logging.ERROR:
            raise ViolationError(command.message)

    def _send(self, command: commands.SendData) -> None:
        if command.connection is self.client:
            if self.client.state & ConnectionState.CAN_WRITE:
                self._receive(command.data)
        elif upstream := self.upstreams.get(command.connection):
            data = command.data
            self._clock.after(0.0005, "", lambda: upstream.receive(data))

    def _wake(self, command: commands.RequestWakeup) -> None:
        if not self.ended:
            self.event(events.Wakeup(command))

    def _open(self, command: commands.OpenConnection) -> None:
        delay = self._clock.random.choice(
            (0.0, 0.001, 0.04, 3.0 if self._clock.chance(0.1) else 0.0)
        )
        if self._clock.chance(0.01):
            delay = CONNECT_TIMEOUT  # the connect deadline has to end this
        fails = self._clock.chance(0.06)
        address = command.connection.address
        if address and address[0] == PLAN_HOST:
            # its turns go elsewhere only when it refuses them
            delay, fails = min(delay, 0.04), False
        self._clock.after(delay, "", lambda: self._opened(command, fails=fails))

    def _opened(self, command: commands.OpenConnection, *, fails: bool) -> None:
        server = command.connection
        if fails or self.ended:
            self.event(events.OpenConnectionCompleted(command, "refused"))
            return
        server.state = ConnectionState.OPEN
        host = server.address[0] if server.address else ""
        upstream = UpstreamConnection(self._clock, self._ledger, _ActiveEnd(self, server), host)
        self.upstreams[server] = upstream
        self.event(events.OpenConnectionCompleted(command, None))

    def _close(self, connection: Connection) -> None:
        if connection is self.client:
            self.client.state = ConnectionState.CLOSED
            self._clock.after(0.0, "", self.end)
            return
        connection.state = ConnectionState.CLOSED
        if upstream := self.upstreams.pop(connection, None):
            upstream.closed()
            self._clock.after(0.0, "", lambda: self.event(events.ConnectionClosed(connection)))

    def _hook(self, command: commands.StartHook) -> None:
        (flow,) = command.args() or (None,)
        held = self._clock.random.choice((1.0, 60.0)) if self._clock.chance(0.01) else 0.0

        def complete() -> None:
            if isinstance(command, HttpRequestHeadersHook):
                self._engine.admit_head(flow, None)  # type: ignore[arg-type]
            elif isinstance(command, HttpRequestHook):
                self._engine.admit_whole(flow)  # type: ignore[arg-type]
            if command.blocking:
                self.event(events.HookCompleted(command))

        self._clock.after(held, "", complete)


class _ActiveEnd:
    """The shim's end of an upstream connection in use."""

    def __init__(self, host: ClientHost, server: Server) -> None:
        self._host = host
        self._server = server

    def receive(self, data: bytes) -> bool:
        """Deliver bytes of the upstream, unless the layer has closed the connection."""
        if self._server in self._host.upstreams and self._server.connected:
            self._host.event(events.DataReceived(self._server, data))
        return True

    def end(self, *, reset: bool) -> bool:
        """Deliver the end of the connection."""
        if self._server not in self._host.upstreams:
            return True
        if reset:
            self._server.state = ConnectionState.CLOSED
        else:
            self._server.state &= ~ConnectionState.CAN_READ
        self._host.event(events.ConnectionClosed(self._server))
        return True


class _IdleEnd:
    """The end of a connection that waits in the pool."""

    def receive(self, data: bytes) -> bool:  # noqa: ARG002
        """Leave the bytes unread: the connection is not used again."""
        return False

    def end(self, *, reset: bool) -> bool:  # noqa: ARG002
        """Leave the end unread."""
        return False
