"""Messages that are injected into a running stream: by local sources, a kill, a shutdown.

Never does: carry an event of mitmproxy. Invariant: a message names the stream of the client, never an attempt.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum, auto

from mitmproxy.flow import Flow
from mitmproxy.proxy import commands, events

from addons.core.turn import Fault


class Signal(Enum):
    """The meaning of a message."""

    DATA = auto()
    """A local source wrote bytes."""
    END = auto()
    """A local source ended its answer."""
    REWRITTEN = auto()
    """Hooks have seen events of the answer. The bytes go to the client as they are."""
    ALL_REWRITTEN = auto()
    """Hooks have seen all events of the answer."""
    FAULT = auto()
    """The turn ends with `Injected.fault`: a failed source, a kill, a shutdown, an internal error."""


@dataclass(frozen=True, slots=True)
class Injected:
    """One message for a stream."""

    stream_id: int
    signal: Signal
    data: bytes = b""
    fault: Fault | None = None


class InjectedEvent(events.MessageInjected[Injected]):
    """mitmproxy's event for injected messages, with an `Injected` in it."""

    def __init__(self, flow: Flow, message: Injected) -> None:
        super().__init__(flow, message)


class ConnectDeadline(commands.RequestWakeup):
    """A wake-up that the layer handles: the stream that asked is paused until it is connected."""


class SafeLog(commands.Log):
    """A log line of this engine. Those of the protocol code may quote raw heads and are withheld."""


def without_quotes(line: commands.Log) -> SafeLog:
    """Withhold a log line of the protocol code: it may quote a raw head with its credentials."""
    if isinstance(line, SafeLog):
        return line
    return SafeLog("a protocol message was withheld: it may quote raw bytes", logging.DEBUG)
