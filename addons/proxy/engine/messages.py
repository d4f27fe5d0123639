"""What is injected into a running stream from outside its events: by our coroutines, a kill, a shutdown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from mitmproxy.flow import Flow
from mitmproxy.proxy import commands, events

from addons.core.turn import Fault


class Signal(Enum):
    """Why the stream is told something."""

    DATA = auto()
    """A synthetic origin wrote bytes."""
    END = auto()
    """A synthetic origin ended its answer."""
    FAULT = auto()
    """The turn ends here, with `Injected.fault`: a failed origin, a kill, a shutdown."""


@dataclass(frozen=True, slots=True)
class Injected:
    """One message of ours. The stream id is that of the client's stream, never a wire id."""

    stream_id: int
    signal: Signal
    data: bytes = b""
    fault: Fault | None = None


class InjectedEvent(events.MessageInjected[Injected]):
    """mitmproxy's vehicle for injected messages, with one of ours in it."""

    def __init__(self, flow: Flow, message: Injected) -> None:
        super().__init__(flow, message)


class ConnectDeadline(commands.RequestWakeup):
    """A wake-up that the layer answers itself: the stream that asked is paused until it is connected."""


class SafeLog(commands.Log):
    """A log line of ours. Those of the protocol code may quote raw heads and are withheld."""
