"""What the parts of the engine need of who made them: the engine makes layers, a layer makes streams.

Each part knows what it makes, and its maker only by what is said here; so each can be read, and changed, without the
others. Never does: anything. Invariant: nothing in here is imported from a part that is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mitmproxy import http
from mitmproxy.connection import Client, Connection, Server
from mitmproxy.net.server_spec import ServerSpec
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpStream
from mitmproxy.proxy.server import ConnectionHandler

from addons.core.credential import Origin
from addons.core.errors import Problem
from addons.core.limits import Limits
from addons.core.record import TurnRecord
from addons.core.turn import Fault, Front
from addons.proxy.engine.alarms import Alarms
from addons.proxy.engine.intake import Admission
from addons.proxy.engine.messages import Injected
from addons.proxy.engine.spares import Spare
from addons.proxy.engine.synthetic import SyntheticSource

RunHook = Callable[[commands.StartHook], bool]
"""Runs a hook at once, if it can: where no addon waits and nobody holds flows. It does not raise."""


class LiveTurn(Protocol):
    """A turn, to the engine that keeps the books."""

    context: Context
    flow: http.HTTPFlow
    stream_id: int
    record: TurnRecord
    client_authority: str
    admission: Admission
    refusal: Problem | None

    def end_soon(self, fault: Fault) -> None:
        """End the turn from outside, in whatever state."""


class EngineOfTurns(Protocol):
    """The engine, to a turn."""

    front: Front
    limits: Limits
    capture_bytes: int

    @property
    def now(self) -> Callable[[], float]:
        """The clock of silences."""

    def register(self, turn: LiveTurn) -> None:
        """A turn begins."""

    def forget(self, turn: LiveTurn) -> None:
        """A turn has ended."""

    def inject(self, turn: LiveTurn, message: Injected) -> None:
        """Give a turn a message, soon."""

    def upstream_proxy(self, origin: Origin) -> ServerSpec | None:
        """The outbound proxy of an attempt."""

    def synthetic_source(self, turn: LiveTurn) -> SyntheticSource:
        """Make the source that feeds a turn from a coroutine."""

    def unsent_bytes(self, turn: LiveTurn) -> int:
        """How much the client has still to read."""

    def internal_fault(self, error: BaseException) -> Fault:
        """Log a failure of ours, and make the fault that names it."""


class EngineOfLayers(EngineOfTurns, Protocol):
    """The engine, to the layer of a client connection, which makes the turns."""

    run_hook: RunHook

    def alarms_of(self, client: Client) -> Alarms | None:
        """What wakes the layer of this client."""

    def read_widely(self, client: Client) -> None:
        """Take what a client sends in large pieces."""

    def take_spare(self, client: Client, wanted: GetHttpConnection) -> Spare | None:
        """Give a client an idle connection that an earlier one has left."""

    def see_closed(self, client: Client, connection: Connection) -> None:
        """Make sure that a connection, once its task has ended, is closed and reported."""


class EngineOfReplays(EngineOfLayers, Protocol):
    """The engine, to a replay, which makes a layer without a listener."""

    def add_replay(self, handler: ConnectionHandler) -> None:
        """Remember who carries a replayed flow."""

    def remove_replay(self, handler: ConnectionHandler) -> None:
        """The replay is over."""


class LayerOfTurns(Protocol):
    """The layer of a client connection, to a turn and its upstream's side."""

    streams: dict[int, HttpStream]

    def forget_wakeup(self, wakeup: commands.RequestWakeup | None) -> None:
        """Let go of a wake-up that nobody waits for."""

    def is_connected(self, wanted: GetHttpConnection) -> bool:
        """Whether a connection is at hand that needs no time to be made."""

    def mark_used(self, connection: Connection) -> bool:
        """Note that a connection serves a turn; tell whether it had served one before."""

    def register_wire_id(self, stream: HttpStream) -> int:
        """Give an attempt an id of its own."""

    def close(self, connection: Server) -> CommandGenerator[None]:
        """Close an upstream connection, with what carries it."""
