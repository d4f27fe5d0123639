"""The engine of one mitmproxy process: what the addon talks to, and what every stream shares.

It knows no provider by name: a `Front` makes the plans. It holds the live turns by flow id, beside the flows, because
a flow is copied, saved and replayed, and must carry nothing but plain data.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import traceback
from collections.abc import Callable

from mitmproxy import ctx, http
from mitmproxy.connection import Client, Connection
from mitmproxy.net.server_spec import ServerSpec
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.layers import modes, tls
from mitmproxy.proxy.layers.http import GetHttpConnection
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

from addons.core.credential import Origin
from addons.core.errors import Problem, problem_of
from addons.core.limits import Limits
from addons.core.record import TurnRecord
from addons.core.turn import Fault, FaultKind, Front
from addons.proxy.engine import closing, listening, reads, replay
from addons.proxy.engine.alarms import Alarms
from addons.proxy.engine.downstream import http_response
from addons.proxy.engine.intake import NOT_ADMITTED, Admission
from addons.proxy.engine.layer import ShimHttpLayer, take_credentials
from addons.proxy.engine.messages import Injected, InjectedEvent
from addons.proxy.engine.refusal import RefusingLayer
from addons.proxy.engine.seams import LiveTurn, RunHook
from addons.proxy.engine.spares import Spare, Spares, adopt
from addons.proxy.engine.synthetic import SyntheticSource

log = logging.getLogger(__name__)

LAST_WORDS_SECONDS = 1.0
"""What clients are given at shutdown to take their closing events."""
_LOOK_SECONDS = 0.02

ProxyFor = Callable[[Origin], Origin | None]

OnTurn = Callable[[TurnRecord], None]
"""Told of each turn that has ended, on the event loop: it must not wait and not raise."""


def nobody_listens(_: TurnRecord) -> None:
    """What ended turns came to is kept nowhere."""


def run_none(_: commands.StartHook) -> bool:
    """Every hook is left to mitmproxy, which gives it a task of its own."""
    return False


def no_proxy(_: Origin) -> None:
    """Every upstream is reached directly."""


class Engine:
    """One per process. The addon forwards its hooks here.

    `front` and `limits` may be replaced at any time: a turn keeps the plan and the limits that it began with.
    """

    def __init__(
        self,
        front: Front,
        limits: Limits,
        *,
        proxy_for: ProxyFor = no_proxy,
        now: Callable[[], float] = time.monotonic,
        on_turn: OnTurn = nobody_listens,
    ) -> None:
        self.front = front
        self.limits = limits
        self.now = now
        self.capture_bytes = 0
        """How much of each body on the wire is kept beside its flow. 0 keeps none."""
        self.run_hook: RunHook = run_none
        self._proxy_for = proxy_for
        self._on_turn = on_turn
        self._turns: dict[str, LiveTurn] = {}
        self._accepted: set[str] = set()
        self._replays: dict[str, ConnectionHandler] = {}
        self.spares = Spares(lambda: self.limits)
        self._idle = asyncio.Event()
        self._idle.set()

    # Hooks ------------------------------------------------------------------------------------------------

    def accept(self, client: Client) -> None:
        """Let a client connection speak. Without this it gets no layer."""
        self._accepted.add(client.id)

    def make_room(self, most: int) -> None:
        """When more clients than this are connected, hang up on the one that has been idle longest."""
        handlers = ctx.master.addons.get("proxyserver").connections.values()
        if len(handlers) <= most:
            return
        busy = {turn.context.client.id for turn in self._turns.values()}
        idle = [handler for handler in handlers if handler.client.id not in busy]
        if idle:
            longest = min(idle, key=lambda handler: handler.timeout_watchdog.last_activity)
            longest.transports[longest.client].handler.cancel("too many clients are connected")

    def disconnected(self, client: Client) -> None:
        """Forget a client connection."""
        self._accepted.discard(client.id)
        if handler := self._handler_of(client):
            closing.hang_up(handler)
            self._keep_idle(handler)

    def _keep_idle(self, handler: ConnectionHandler) -> None:
        for each in handler.layer.context.layers:
            if isinstance(each, ShimHttpLayer):
                for server, layers in each.part_with_idle():
                    self.spares.keep(handler, server, layers)

    def choose_layer(self, nextlayer: layer.NextLayer) -> None:
        """Answer the next_layer hook for reverse mode; any failure in here refuses the connection."""
        if nextlayer.layer is not None or not isinstance(
            nextlayer.context.layers[0], modes.ReverseProxy
        ):
            return
        nextlayer.layer = refusing = RefusingLayer(nextlayer.context)
        if nextlayer.context.client.id in self._accepted:
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
        """The Host or :authority that the client itself sent, which mitmproxy may have rewritten in the flow."""
        turn = self._turns.get(flow.id)
        return turn.client_authority if turn else ""

    def admit_head(self, flow: http.HTTPFlow, refusal: Problem | None) -> None:
        """The requestheaders hook came to its end: the request may go on, or is refused."""
        if turn := self._turns.get(flow.id):
            turn.refusal = refusal
            turn.admission = Admission.HEAD
        else:
            _stop_foreign(flow)

    def admit_whole(self, flow: http.HTTPFlow) -> None:
        """The request hook came to its end."""
        turn = self._turns.get(flow.id)
        if turn and turn.admission is Admission.HEAD:
            turn.admission = Admission.WHOLE

    # Streams ----------------------------------------------------------------------------------------------

    @property
    def live_turns(self) -> int:
        """How many turns run now."""
        return len(self._turns)

    @property
    def running(self) -> list[TurnRecord]:
        """What is noted so far of the turns that run now. A page or a health check is none."""
        return [turn.record for turn in self._turns.values() if turn.record.slug]

    def register(self, turn: LiveTurn) -> None:
        """A turn begins."""
        self._turns[turn.flow.id] = turn
        self._idle.clear()

    def forget(self, turn: LiveTurn) -> None:
        """A turn has ended."""
        if self._turns.pop(turn.flow.id, None) and turn.record.slug:
            self._on_turn(turn.record)
        if not self._turns:
            self._idle.set()

    def upstream_proxy(self, origin: Origin) -> ServerSpec | None:
        """The outbound proxy of an attempt, in mitmproxy's form."""
        if (proxy := self._proxy_for(origin)) is None:
            return None
        return (proxy.scheme, (proxy.host, proxy.port))

    def internal_fault(self, error: BaseException) -> Fault:
        """Log a failure of ours under an id, and make the fault that names it.

        The exception's own text is left out of both: it may quote what must not be shown.
        """
        error_id = secrets.token_hex(4)
        where = [
            f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)
        ]
        log.error(
            "internal error %s: %s at %s",
            error_id,
            type(error).__name__,
            " < ".join(reversed(where)),
        )
        detail = f"internal error {error_id}. Please report it with the log line of that id"
        return Fault(FaultKind.INTERNAL, detail)

    # Injection --------------------------------------------------------------------------------------------

    def add_replay(self, handler: ConnectionHandler) -> None:
        """A replayed flow is in no listener's books: remember who carries it."""
        self._replays[handler.client.id] = handler

    def remove_replay(self, handler: ConnectionHandler) -> None:
        """The replay is over."""
        self._replays.pop(handler.client.id, None)

    def _handler_of(self, client: Client) -> ConnectionHandler | None:
        if handler := self._replays.get(client.id):
            return handler
        proxyserver = ctx.master.addons.get("proxyserver")
        found: ConnectionHandler | None = proxyserver.connections.get(client.id)
        return found

    def alarms_of(self, client: Client) -> Alarms | None:
        """What wakes the layer of this client; None where it has no connection of ours."""
        handler = self._handler_of(client)
        return Alarms(handler) if handler else None

    def read_widely(self, client: Client) -> None:
        """Take what a client sends in large pieces."""
        if handler := self._handler_of(client):
            reads.read_widely(handler, client)

    def see_closed(self, client: Client, connection: Connection) -> None:
        """Make sure that a connection, once its task has ended, is closed and reported."""
        if handler := self._handler_of(client):
            closing.see_closed(handler, connection)

    def take_spare(self, client: Client, wanted: GetHttpConnection) -> Spare | None:
        """Give a client an idle connection that an earlier one has left."""
        handler = self._handler_of(client)
        if handler is None or (spare := self.spares.take(wanted)) is None:
            return None
        adopt(handler, spare)
        closing.see_closed(handler, spare.server)
        return spare

    def inject(self, turn: LiveTurn, message: Injected) -> None:
        """Give a turn a message, soon. Nothing happens when its client is gone."""
        if handler := self._handler_of(turn.context.client):
            asyncio_utils.create_task(
                handler.server_event(InjectedEvent(turn.flow, message)),
                name="inject",
                keep_ref=True,
            )

    def synthetic_source(self, turn: LiveTurn) -> SyntheticSource:
        """Make the source that feeds a turn from a coroutine."""

        async def deliver(message: Injected) -> None:
            if handler := self._handler_of(turn.context.client):
                await handler.server_event(InjectedEvent(turn.flow, message))
                await _drained(handler)

        return SyntheticSource(
            turn.stream_id, deliver, self.limits.queue_bytes, self.internal_fault
        )

    def unsent_bytes(self, turn: LiveTurn) -> int:
        """How much the client has still to read."""
        handler = self._handler_of(turn.context.client)
        return _unsent(handler) if handler else 0

    # Life -------------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Let replays pass through the engine as well."""
        replay.install(self)

    def listen_to_many(self) -> None:
        """Once it listens: let clients wait that come all at once."""
        listening.widen(ctx.master.addons.get("proxyserver").servers)

    async def shutdown(self) -> None:
        """Stop listening, let turns finish up to the limit, then end each with a typed failure."""
        proxyserver = ctx.master.addons.get("proxyserver")
        await proxyserver.servers.update([])
        if not await self._became_idle(self.limits.drain_seconds):
            fault = Fault(FaultKind.SHUTDOWN, "the shim is shutting down")
            for turn in list(self._turns.values()):
                turn.end_soon(fault)
            await self._became_idle(LAST_WORDS_SECONDS)
        self.spares.close()
        await _all_sent(list(proxyserver.connections.values()))

    async def _became_idle(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _stop_foreign(flow: http.HTTPFlow) -> None:
    """Answer a flow that mitmproxy's own layer made, after a next_layer hook that failed, before it goes anywhere."""
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
            # the client is gone; its own event ends the turn
            return


async def _all_sent(handlers: list[ConnectionHandler]) -> None:
    """Wait until the sockets have taken what was written: the loop ends after us, its buffers with it."""
    for _ in range(round(LAST_WORDS_SECONDS / _LOOK_SECONDS)):
        if not any(_unsent(handler) for handler in handlers):
            return
        await asyncio.sleep(_LOOK_SECONDS)
