"""One upstream's stream as a Responses stream: a dialect's reader and the emitter, joined into a `Translator`.

Never does: know a dialect, a status or a client. Invariant: total; what one network read brought leaves as one
buffer; exactly one terminal event comes, and an answer that its upstream had ended is never told as a cut one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from addons.core.errors import Problem, problem_of
from addons.core.translate.dialect import EventReader
from addons.core.translate.emitter import Emitter
from addons.core.translate.events import Event, Failed, Stopped
from addons.core.turn import Fault, FaultKind, Report
from addons.core.usage import Usage
from addons.core.wire.responses import code_of

Ended = Callable[[Mapping[str, object]], None]

OF_THE_UPSTREAM = frozenset({FaultKind.CUT, FaultKind.RESET, FaultKind.PROTOCOL, FaultKind.STALL})
"""Faults that an upstream may have after it said that its answer is whole."""
NO_END = Problem(
    502,
    "stream_interrupted",
    "The upstream ended its answer without saying that it is whole. Send the turn again.",
)


class StreamTranslator:
    """Upstream bytes → the bytes of the client's stream. `ended` is told the response object once it is final."""

    __slots__ = ("_emitter", "_ended", "_reader")

    def __init__(self, reader: EventReader, emitter: Emitter, ended: Ended) -> None:
        self._reader = reader
        self._emitter = emitter
        self._ended = ended

    @property
    def terminal(self) -> bool:
        """Whether the client has been given its terminal event."""
        return self._emitter.terminal

    def feed(self, data: bytes) -> bytes:
        """Translate what one network read brought."""
        return b"" if self.terminal else self._emit(self._reader.feed(data))

    def finish(self) -> bytes:
        """The upstream ended its body: what it still means, then a failure if nothing ended the turn."""
        if self.terminal:
            return b""
        return self._emit((*self._reader.finish(), Failed(NO_END)))

    def fail(self, fault: Fault) -> bytes:
        """End the stream. When the upstream had said why it stopped, only its last bytes are missing: no failure."""
        if self.terminal:
            return b""
        if fault.kind in OF_THE_UPSTREAM:
            events = self._reader.finish()
            if any(isinstance(event, Stopped) for event in events):
                return self._emit(events)
        return self._emit((Failed(problem_of(fault)),))

    def report(self) -> Report:
        """What the stream came to."""
        return report_of(self._emitter.response, self._emitter.usage)

    def _emit(self, events: Sequence[Event]) -> bytes:
        written = self._emitter.emit(events)
        if self._emitter.terminal:
            self._ended(self._emitter.response)
        return written


def report_of(response: Mapping[str, object], usage: Usage | None) -> Report:
    """What a response object says that the client was told."""
    status, error = response["status"], response["error"]
    terminal = "" if status == "in_progress" else f"response.{status}"
    return Report(terminal, code_of(error) if isinstance(error, dict) else "", usage)


def whole(reader: EventReader, emitter: Emitter, body: bytes) -> Problem | None:
    """Read a whole answer into the emitter. Gives what it failed with, if it did; else see `Emitter.response`."""
    events = (*reader.feed(body), *reader.finish(), Failed(NO_END))
    emitter.emit(events)
    error = emitter.response["error"]
    if not isinstance(error, dict):
        return None
    told = (event.problem for event in events if isinstance(event, Failed))
    # What the emitter itself refuses, such as half a call, is no event of the reader's.
    own = Problem(502, error["code"], error["message"], "server_error")
    return next((problem for problem in told if problem.message == own.message), own)
