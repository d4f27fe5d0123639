"""The engine of one mitmproxy process: the interface of the addon, and what every stream shares.

It knows no provider by name: a `TurnRouter` makes the plans. It holds the live turns by flow id and not in the flows,
because a flow is copied, saved and replayed, and must carry nothing but plain data.

Never does: parse HTTP. Invariant: a turn is in the list of live turns from its first hook until its end.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import traceback
from collections.abc import Callable, Iterable

from mitmproxy import ctx, http
from mitmproxy.connection import Client, Connection
from mitmproxy.net.server_spec import ServerSpec
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.layers import modes, tls
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

from addons.core.errors import Problem, problem_of
from addons.core.limits import Limits
from addons.core.masking.mask import no_secrets
from addons.core.protocols.responses.websocket.history import Histories
from addons.core.secrets import Origin, Secret
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import Fault, FaultKind, TurnRouter
from addons.proxy.engine import pool
from addons.proxy.engine.injected import Injected, InjectedEvent
from addons.proxy.engine.interfaces import LiveTurn, RunHook, StreamType
from addons.proxy.engine.layer import ShimHttpLayer
from addons.proxy.engine.local_answer import RefusingLayer, http_response
from addons.proxy.engine.local_source import SourcePump
from addons.proxy.engine.mitmproxy_patches import clients, command_pump, connections, replay
from addons.proxy.engine.pool import ConnectionKey, IdleConnection, UpstreamPool, attach
from addons.proxy.engine.recorder import OnProgress, OnRecorded
from addons.proxy.engine.request_side import NOT_ADMITTED, Admission, take_credentials
from addons.proxy.engine.timers import WakeupTimers
from addons.proxy.engine.upstream import acceptance

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
"""Time that clients have at shutdown to read their closing events."""
_POLL_SECONDS = 0.02

ProxyFor = Callable[[Origin], Origin | None]

OnTurn = Callable[[TurnRecord], None]
"""Called for each turn that has ended, on the event loop. It must not wait and should not raise."""


def discard_record(_: TurnRecord) -> None:
    """Keep nothing of an ended turn."""


def run_none(_: commands.StartHook) -> bool:
    """Leave every hook to mitmproxy, which gives it a task."""
    return False


def no_proxy(_: Origin) -> None:
    """Reach every upstream directly."""


class Engine:
    """One per process. The addon forwards its hooks here.

    `router` and `limits` may be replaced at any time: a turn keeps the plan and the limits that it began with.
    """

    def __init__(
        self,
        router: TurnRouter,
        limits: Limits,
        *,
        proxy_for: ProxyFor = no_proxy,
        now: Callable[[], float] = time.monotonic,
        on_turn: OnTurn = discard_record,
    ) -> None:
        self.router = router
        self.limits = limits
        self.now = now
        self.capture_bytes = 0
        """How many bytes of each upstream request and response are kept with the flow. 0 keeps none."""
        self.on_progress: OnProgress | None = None
        self.on_recorded: OnRecorded | None = None
        self.stream_type: StreamType | None = None
        self.process_secrets: Callable[[], Iterable[Secret]] = no_secrets
        self.run_hook: RunHook = run_none
        self._proxy_for = proxy_for
        self._on_turn = on_turn
        self._turns: dict[str, LiveTurn] = {}
        self._accepted: set[str] = set()
        self._handlers: dict[str, ConnectionHandler] = {}
        """Of accepted clients and of replayed flows, by the id of the client."""
        self.histories = Histories(lambda: self.limits.history_bytes)
        self.pool = UpstreamPool(lambda: self.limits, pool.TrustOptions())
        self._body_options = pool.OptionValues("store_streamed_bodies")
        self._idle: asyncio.Event | None = None
        """At shutdown: set when the last turn has ended."""

    # Hooks ------------------------------------------------------------------------------------------------

    def accept(self, client: Client) -> None:
        """Accept a client connection. Without this it gets no layer but `RefusingLayer`."""
        self._accepted.add(client.id)
        if handler := self._handler_of(client):
            self._handlers[client.id] = handler

    def make_room(self, most: int) -> None:
        """Close the connection that has been idle longest if more clients than this are connected."""
        handlers = ctx.master.addons.get("proxyserver").connections.values()
        if len(handlers) <= most:
            return
        busy = {turn.context.client.id for turn in self._turns.values()}
        idle = [handler for handler in handlers if handler.client.id not in busy]
        idle.sort(key=lambda handler: handler.timeout_watchdog.last_activity)
        ends = (handler.transports.get(handler.client) for handler in idle)
        # not the new one, which nothing reads yet, and none that is ending
        if task := next((io.handler for io in ends if io and io.handler), None):
            task.cancel("too many clients are connected")

    def disconnected(self, client: Client) -> None:
        """Forget a client connection."""
        self._accepted.discard(client.id)
        if handler := self._handler_of(client):
            self._handlers.pop(client.id, None)
            connections.hang_up(handler)
            self._keep_idle(handler)

    def _keep_idle(self, handler: ConnectionHandler) -> None:
        for each in handler.layer.context.layers:
            if isinstance(each, ShimHttpLayer):
                for server, layers, key in each.release_idle():
                    self.pool.keep(handler, server, layers, key)

    def choose_layer(self, nextlayer: layer.NextLayer) -> None:
        """Answer the next_layer hook. A failure in here and any mode but reverse mode refuse the connection."""
        if nextlayer.layer is not None:
            return
        is_reverse = isinstance(nextlayer.context.layers[0], modes.ReverseProxy)
        nextlayer.layer = refusing = RefusingLayer(nextlayer.context)
        if is_reverse and nextlayer.context.client.id in self._accepted:
            nextlayer.context.layers.remove(refusing)
            nextlayer.layer = self._stack(nextlayer)

    def _stack(self, nextlayer: layer.NextLayer) -> layer.Layer:
        context = nextlayer.context
        if not starts_like_tls_record(nextlayer.data_client()):
            return ShimHttpLayer(context, self)
        client_tls = tls.ClientTLSLayer(context)
        client_tls.child_layer = layer.NextLayer(context)
        return client_tls

    def authority_of(self, flow: http.HTTPFlow) -> str:
        """Return the Host or :authority that the client sent. mitmproxy may have rewritten it in the flow."""
        turn = self._turns.get(flow.id)
        return turn.request_side.client_authority if turn else ""

    def admit_head(self, flow: http.HTTPFlow, refusal: Problem | None) -> None:
        """The requestheaders hook came to its end: the request may go on, or is refused."""
        if turn := self._turns.get(flow.id):
            turn.request_side.refusal = refusal
            turn.request_side.admission = Admission.HEAD
        elif flow.live:
            _stop_foreign(flow)

    def admit_whole(self, flow: http.HTTPFlow) -> None:
        """The request hook came to its end."""
        if (turn := self._turns.get(flow.id)) and turn.request_side.admission is Admission.HEAD:
            turn.request_side.admission = Admission.WHOLE

    # Streams ----------------------------------------------------------------------------------------------

    @property
    def live_turns(self) -> int:
        """How many turns run now."""
        return len(self._turns)

    @property
    def running(self) -> list[TurnRecord]:
        """The records so far of the turns that run now. A page or a health check has none."""
        return [turn.record for turn in self._turns.values() if turn.record.slug]

    def register(self, turn: LiveTurn) -> None:
        """Add a turn to the live ones."""
        self._turns[turn.flow.id] = turn

    def forget(self, turn: LiveTurn) -> None:
        """Remove a turn from the live ones and report its record, once."""
        was_live = self._turns.pop(turn.flow.id, None)
        if self._idle and not self._turns:
            self._idle.set()
        if was_live and turn.record.slug:
            self._on_turn(turn.record)

    @property
    def keeps_bodies(self) -> bool:
        """Whether streamed bodies are kept with their flows."""
        return bool(self._body_options()[0])

    def upstream_proxy(self, origin: Origin) -> ServerSpec | None:
        """Return the outbound proxy of an attempt, in mitmproxy's form."""
        proxy = self._proxy_for(origin)
        return (proxy.scheme, (proxy.host, proxy.port)) if proxy else None

    def internal_fault(self, error: BaseException) -> Fault:
        """Log an internal error under an id, and return the fault that names the id.

        The exception's text is left out of both: it may quote what must not be shown.
        """
        error_id = secrets.token_hex(4)
        where = [
            f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)
        ]
        at = " < ".join(reversed(where))
        log.error("internal error %s: %s at %s", error_id, type(error).__name__, at)
        detail = f"internal error {error_id}. Please report it with the log line of that id"
        return Fault(FaultKind.INTERNAL, detail)

    # Injection --------------------------------------------------------------------------------------------

    def _add_replay(self, handler: ConnectionHandler) -> None:
        """Register the handler of a replayed flow. No listener knows it."""
        self._handlers[handler.client.id] = handler

    def _remove_replay(self, handler: ConnectionHandler) -> None:
        """Unregister it: the replay is over."""
        self._handlers.pop(handler.client.id, None)

    def _handler_of(self, client: Client) -> ConnectionHandler | None:
        if (found := self._handlers.get(client.id)) is None:
            found = ctx.master.addons.get("proxyserver").connections.get(client.id)
        return found

    def prepare_client(self, top: command_pump.RelayingLayer) -> WakeupTimers | None:
        """Prepare the connection of a layer's client. Return the timers of the layer, None if no handler is known."""
        client = top.context.client
        if (handler := self._handler_of(client)) is None:
            return None
        connections.ensure_closed(handler, client)
        command_pump.handle_directly(handler, top)
        connections.enlarge_read_buffer(handler, client)
        connections.lift_connection_limit(handler)
        if client.alpn == b"h2" and isinstance(top, ShimHttpLayer):
            clients.add_backpressure(handler, top.upstream_drained)
        return WakeupTimers(handler)

    def ensure_closed(self, client: Client, connection: Connection) -> None:
        """Make sure that a connection whose task has ended is closed and reported."""
        if handler := self._handler_of(client):
            connections.ensure_closed(handler, connection)

    def keep_open(self, client: Client) -> None:
        """Let no idle time end the connection of a client."""
        if handler := self._handler_of(client):
            clients.keep_open(handler)

    def watch_half_closed(self, client: Client) -> None:
        """Report the loss of a connection that its client has half-closed."""
        if handler := self._handler_of(client):
            clients.watch_half_closed(handler, client)

    def watch_idle(self, client: Client, connection: Connection) -> None:
        """Let the system notice the loss of a connection that is idle."""
        if writer := self._writer_of(client, connection):
            connections.watch_idle(writer)

    def has_input(self, client: Client, connection: Connection) -> bool:
        """Return whether bytes or the end of an upstream connection wait to be read."""
        writer = self._writer_of(client, connection)
        return writer is not None and (writer.is_closing() or connections.has_input(writer))

    def reuse(self, client: Client, connection: Connection) -> bool:
        """Let an idle connection of a client serve again. Return False if bytes or its end have come meanwhile.

        A connection through a proxy has no socket of its own: it is used as it is.
        """
        if (writer := self._writer_of(client, connection)) is None:
            return True
        if writer.is_closing() or connections.has_input(writer):
            return False
        connections.watch_reused(writer)
        return True

    def _writer_of(self, client: Client, connection: Connection) -> asyncio.StreamWriter | None:
        handler = self._handler_of(client)
        io = handler.transports.get(connection) if handler else None
        return io.writer if io and isinstance(io.writer, asyncio.StreamWriter) else None

    def checkout(self, client: Client, key: ConnectionKey) -> IdleConnection | None:
        """Give a client an idle connection of the pool, if one matches."""
        handler = self._handler_of(client)
        if handler is None or (idle := self.pool.checkout(key)) is None:
            return None
        attach(handler, idle)
        connections.ensure_closed(handler, idle.server)
        return idle

    def inject(self, turn: LiveTurn, message: Injected) -> None:
        """Deliver a message to a turn, soon. Nothing happens if its client is gone."""
        if handler := self._handler_of(turn.context.client):
            event = InjectedEvent(turn.flow, message)
            asyncio_utils.create_task(handler.server_event(event), name="inject", keep_ref=True)

    def local_source(self, turn: LiveTurn) -> SourcePump:
        """Return a pump that feeds a turn from a local source."""

        async def deliver(message: Injected) -> None:
            if handler := self._handler_of(turn.context.client):
                await handler.server_event(InjectedEvent(turn.flow, message))
                await _drained(handler)
                await turn.drained()

        return SourcePump(turn.stream_id, deliver, self.limits.queue_bytes, self.internal_fault)

    def unsent_bytes(self, turn: LiveTurn) -> int:
        """Return how much waits for the connection of the client."""
        handler = self._handler_of(turn.context.client)
        return _unsent(handler) if handler else 0

    def accepted_bytes(self, turn: LiveTurn) -> int | None:
        """Return how many bytes the client has read in all, or None if the system does not tell."""
        client = turn.context.client
        writer = self._writer_of(client, client)
        return acceptance.accepted_by_peer(writer) if writer else None

    # Life -------------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Let replays pass through the engine as well."""
        replay.install(
            lambda context: ShimHttpLayer(context, self), self._add_replay, self._remove_replay
        )

    def raise_listen_backlog(self) -> None:
        """Let clients wait that come all at once. Call it once the listener is up."""
        clients.raise_listen_backlog(ctx.master.addons.get("proxyserver").servers)

    async def shutdown(self) -> None:
        """Stop listening, let turns finish up to the limit, then end each with a typed failure."""
        proxyserver = ctx.master.addons.get("proxyserver")
        await proxyserver.servers.update([])
        if not await self._became_idle(self.limits.drain_seconds):
            fault = Fault(FaultKind.SHUTDOWN, "the shim is shutting down")
            for turn in list(self._turns.values()):
                turn.end_soon(fault)
            await self._became_idle(FLUSH_SECONDS)
        self.pool.close()
        await _all_sent(list(proxyserver.connections.values()))

    async def _became_idle(self, seconds: float) -> bool:
        if not self._turns:
            return True
        self._idle = asyncio.Event()
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _stop_foreign(flow: http.HTTPFlow) -> None:
    """Answer a flow of mitmproxy's own layer, which a failed next_layer hook lets in, before it is sent anywhere."""
    take_credentials(flow.request)
    flow.response = http_response(problem_of(NOT_ADMITTED).reply())


def _client_writer(handler: ConnectionHandler) -> asyncio.StreamWriter | None:
    io = handler.transports.get(handler.client)
    return io.writer if io and isinstance(io.writer, asyncio.StreamWriter) else None


def _unsent(handler: ConnectionHandler) -> int:
    writer = _client_writer(handler)
    return writer.transport.get_write_buffer_size() if writer else 0


async def _drained(handler: ConnectionHandler) -> None:
    if writer := _client_writer(handler):
        try:
            await writer.drain()
        except OSError:
            # the client is gone; its event ends the turn
            return


async def _all_sent(handlers: list[ConnectionHandler]) -> None:
    """Wait until the sockets have taken what was written. The loop ends next, and its buffers with it."""
    for _ in range(round(FLUSH_SECONDS / _POLL_SECONDS)):
        if not any(_unsent(handler) for handler in handlers):
            return
        await asyncio.sleep(_POLL_SECONDS)
