"""What the parts of the engine require of the part that made them: the engine makes layers, a layer makes streams.

Each part imports what it makes, and knows its maker only by a protocol of this module. So no import is circular.

Never does: anything. Invariant: nothing here is imported from a part that makes others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from mitmproxy import http
from mitmproxy.connection import Client, Connection, Server
from mitmproxy.net.server_spec import ServerSpec
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpStream

from addons.core.limits import Limits
from addons.core.protocols.responses.websocket.history import Histories
from addons.core.secrets import Origin, Secret
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import Fault, TurnRouter
from addons.proxy.engine.injected import Injected
from addons.proxy.engine.local_source import SourcePump
from addons.proxy.engine.mitmproxy_patches.command_pump import RelayingLayer, RepliesAtOnce
from addons.proxy.engine.mitmproxy_patches.http1_connections import CoalescedWrites
from addons.proxy.engine.pool import ConnectionKey, IdleConnection, UpstreamPool
from addons.proxy.engine.recorder import OnProgress, OnRecorded
from addons.proxy.engine.request_side import RequestSide
from addons.proxy.engine.timers import WakeupTimers

RunHook = Callable[[commands.StartHook], bool]
"""Runs a hook at once, if it can: where no addon waits and no flow is intercepted. Returns whether. Does not raise."""


class LiveTurn(Protocol):
    """A turn, as the engine sees it."""

    context: Context
    flow: http.HTTPFlow
    stream_id: int
    request_side: RequestSide

    @property
    def record(self) -> TurnRecord:
        """What is noted of the turn."""

    async def drained(self) -> None:
        """Wait while much of the answer is held back by the client's window."""

    def end_soon(self, fault: Fault) -> None:
        """End the turn from outside, in whatever state."""


class TurnHost(Protocol):
    """The engine, as a turn sees it."""

    router: TurnRouter
    limits: Limits
    capture_bytes: int
    on_progress: OnProgress | None
    """None where no flow is displayed. Flows have no comment there."""
    on_recorded: OnRecorded | None
    """None where no cassette is recorded."""
    pool: UpstreamPool

    process_secrets: Callable[[], Iterable[Secret]]
    """The secrets of this process, which no attempt uses. An upstream that knows one is not to show it."""

    @property
    def now(self) -> Callable[[], float]:
        """The monotonic clock of all timers."""

    @property
    def keeps_bodies(self) -> bool:
        """Whether streamed bodies are kept with their flows."""

    def register(self, turn: LiveTurn) -> None:
        """Add a turn to the live ones."""

    def forget(self, turn: LiveTurn) -> None:
        """Remove a turn from the live ones."""

    def has_input(self, client: Client, connection: Connection) -> bool:
        """Return whether bytes or the end of an upstream connection wait to be read."""

    def inject(self, turn: LiveTurn, message: Injected) -> None:
        """Deliver a message to a turn, soon."""

    def upstream_proxy(self, origin: Origin) -> ServerSpec | None:
        """Return the outbound proxy of an attempt."""

    def local_source(self, turn: LiveTurn) -> SourcePump:
        """Return a pump that feeds a turn from a local source."""

    def unsent_bytes(self, turn: LiveTurn) -> int:
        """Return how much waits for the connection of the client."""

    def accepted_bytes(self, turn: LiveTurn) -> int | None:
        """Return how many bytes the client has read in all, or None if the system does not tell."""

    def internal_fault(self, error: BaseException) -> Fault:
        """Log an internal error under an id, and return the fault that names the id."""


class LayerEngine(TurnHost, Protocol):
    """The engine, as the layer of a client connection sees it."""

    run_hook: RunHook
    stream_type: StreamType | None
    """Of the streams of turns, in a process with hooks; None for the usual one."""
    histories: Histories

    def prepare_client(self, top: RelayingLayer) -> WakeupTimers | None:
        """Prepare the connection of a layer's client: large reads, short ways, as many connections as it has turns.

        Return the timers of the layer.
        """

    def checkout(self, client: Client, key: ConnectionKey) -> IdleConnection | None:
        """Give a client an idle connection of the pool."""

    def watch_idle(self, client: Client, connection: Connection) -> None:
        """Let the system notice the loss of a connection that is idle."""

    def reuse(self, client: Client, connection: Connection) -> bool:
        """Let an idle connection of a client serve again. Return False if bytes or its end have come meanwhile."""

    def keep_open(self, client: Client) -> None:
        """Let no idle time end the connection of a client."""

    def watch_half_closed(self, client: Client) -> None:
        """Report the loss of a connection that its client has half-closed."""

    def ensure_closed(self, client: Client, connection: Connection) -> None:
        """Make sure that a connection whose task has ended is closed and reported."""


class Windows(Protocol):
    """The connection of an HTTP/2 client, as a turn sees it."""

    @property
    def written(self) -> int:
        """How many bytes were written to the connection in all."""

    def held_back(self, stream_id: int) -> int:
        """Return how many bytes of a stream wait for the client to open its window."""

    async def drained(self, stream_id: int) -> None:
        """Wait while much of a stream is held back. Its end does not end the wait: the task has to be cancelled."""


class LayerHost(RepliesAtOnce, Protocol):
    """The layer of a client connection, as a turn and its attempt see it."""

    streams: dict[int, HttpStream]
    writes: CoalescedWrites
    """What goes to the connections at the end of the event under way."""

    def forget_wakeup(self, wakeup: commands.RequestWakeup | None) -> None:
        """Cancel a wake-up that nothing waits for."""

    def mark_used(self, connection: Connection) -> bool:
        """Note that a connection serves a turn. Return whether it had served one before."""

    def idle_connection(self, key: ConnectionKey) -> Server | None:
        """Return an idle connection that has this key, for a turn that uses it now."""

    def register_attempt(self, stream: HttpStream) -> int:
        """Return a fresh id for an attempt of this stream."""

    @property
    def windows(self) -> Windows | None:
        """What knows the windows of the client's streams, if it has any."""

    def close(self, connection: Server) -> CommandGenerator[None]:
        """Close an upstream connection, and the one that carries it."""


StreamType = Callable[[Context, int, TurnHost, LayerHost], HttpStream]
"""Makes the stream of a turn."""
