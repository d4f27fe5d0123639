"""A translator whose events pass through users' hooks, which another thread runs: the client's bytes follow later.

The engine feeds it like any translator and gets nothing back. `run` writes what the hooks have left of the events, as a local
source does. Never does: hold more than `MAX_WAITING_BYTES` of events. Invariant: exactly one terminal event is written; when
a hook refuses, fails or is overdue, it is `response.failed`, and nothing follows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from addons.core.errors import INVALID_PROMPT, Problem, failed_event, problem_of
from addons.core.hooks.chain import checked, too_slow, unreadable
from addons.core.hooks.events import EventReader, Mask, Piece, response_of, unmasked
from addons.core.hooks.values import Event
from addons.core.limits import MIB
from addons.core.turn import Fault, Sink, StreamSummary, Summarizes, Translator

MAX_WAITING_BYTES = 64 * MIB
MAX_AT_ONCE = 64
"""Events that the hooks see in one visit of the thread."""
OnPieces = Callable[[Sequence[Piece], list[Piece]], Awaitable[Problem | None]]
"""Appends to a list what the hooks make of these events. Returns why the answer ends there, or None."""
NO_END = Problem(502, INVALID_PROMPT, "The answer ended without a terminal event.")


class StagedTranslator:
    """Around another translator."""

    def __init__(
        self, inner: Translator, on_pieces: OnPieces, max_event_bytes: int, mask: Mask = unmasked
    ) -> None:
        self._inner = inner
        self._on_pieces = on_pieces
        self._max_event_bytes = max_event_bytes
        self._mask = mask
        self._reader = EventReader(max_event_bytes, mask)
        self._waiting: list[Piece] = []
        self._waiting_bytes = 0
        self._is_too_slow = False
        """Whether too much has waited. The answer ends then."""
        self._wake = asyncio.Event()
        self.is_closed = False
        """Whether no event follows those that wait."""
        self._response: dict[str, object] | None = None
        self._problem: Problem | None = None
        """Why the hooks end the answer."""
        self._written = self._sent = 0
        self._whole_at: int | None = None
        """How many bytes the answer has up to the end of its terminal event."""
        self.keeps_bytes = bool(getattr(inner, "keeps_bytes", False))
        """Whether the client gets the upstream's own events. What an upstream repeats is its own then."""

    # The translator of the engine -------------------------------------------------------------------------

    @property
    def terminal(self) -> bool:
        """Whether the client's terminal event has been written."""
        return self._whole_at is not None and self._sent >= self._whole_at

    @property
    def awaits_end(self) -> bool:
        """Whether the answer is complete, and only usage and the end of the body may follow."""
        return bool(getattr(self._inner, "awaits_end", False))

    def feed(self, data: bytes) -> bytes:
        """Translate the bytes of one network read. What the client gets for them follows by `run`."""
        return self.rewrite(self._inner.feed(data))

    def finish(self) -> bytes:
        """End the stream. Everything was written by `run` before."""
        return b"" if self.terminal else self._closing(NO_END)

    def fail(self, fault: Fault) -> bytes:
        """End the stream at once. What waits for the hooks is dropped."""
        return b"" if self.terminal else self._closing(problem_of(fault))

    def _closing(self, problem: Problem) -> bytes:
        self._problem = problem
        self._whole_at = 0
        return failed_event(problem, response=self._response)

    def summarize(self) -> StreamSummary:
        """Summarize the stream so far."""
        found = self._inner.summarize() if isinstance(self._inner, Summarizes) else StreamSummary()
        if problem := self._problem:
            return found._replace(terminal="response.failed", error=problem.code)
        return found

    # Events that wait -------------------------------------------------------------------------------------

    def rewrite(self, output: bytes) -> bytes:
        """Let output of the inner translator wait for the hooks. Return nothing."""
        if not self.is_closed and output:
            self._add(self._reader.feed(output))
        return b""

    def close(self, fault: Fault | None = None) -> None:
        """Note that the body has ended, by a fault or whole: its last events wait for the hooks like any other."""
        if self.is_closed:
            return
        output = self._inner.fail(fault) if fault else self._inner.finish()
        if output.strip(b"\n"):
            # what began before is cut, unless only its blank line is missing
            self._add([one for one in self._reader.finish() if isinstance(one, Event)])
            self._reader = EventReader(self._max_event_bytes, self._mask)
        self.rewrite(output)
        self.is_closed = True
        self._wake.set()

    def note_sent(self, size: int) -> None:
        """Note that the client was sent so many bytes of what `run` wrote."""
        self._sent += size

    @property
    def is_inner_terminal(self) -> bool:
        """Whether the terminal event of the answer is here, or waits for the hooks."""
        return self._inner.terminal

    @property
    def refused(self) -> bool:
        """Whether a hook has ended the answer: nothing more of the upstream is needed."""
        return self._problem is not None

    def _add(self, pieces: Sequence[Piece]) -> None:
        if pieces and not self._is_too_slow:
            self._waiting += pieces
            self._waiting_bytes += sum(map(_size, pieces))
            self._is_too_slow = self._waiting_bytes > MAX_WAITING_BYTES
            self._wake.set()

    # The stage --------------------------------------------------------------------------------------------

    async def run(self, sink: Sink) -> None:
        """Write what the hooks make of the events, to the end of the answer."""
        while self._whole_at is None:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and self._whole_at is None:
                await self._pass_on(sink)
            if self.is_closed and not self._waiting:
                break

    async def _pass_on(self, sink: Sink) -> None:
        batch, self._waiting = self._waiting[:MAX_AT_ONCE], self._waiting[MAX_AT_ONCE:]
        self._waiting_bytes -= sum(map(_size, batch))
        problem = self._overflow()
        passed: list[Piece] = []
        if problem is None:
            problem = await self._on_pieces(batch, passed)
        data = self._noted(passed)
        if problem and self._whole_at is None:
            self._problem = problem
            data += failed_event(problem, response=self._response)
            self._whole_at = self._written + len(data)
        self._written += len(data)
        if data:
            await sink.write(data)

    def _overflow(self) -> Problem | None:
        if self._reader.too_large:
            limit = f"an event is larger than {self._max_event_bytes:,} bytes (`event_bytes`)"
            return unreadable(limit)
        return too_slow(MAX_WAITING_BYTES) if self._is_too_slow else None

    def _noted(self, pieces: Sequence[Piece]) -> bytes:
        out = b""
        for one in pieces:
            out += checked((one,))
            if isinstance(one, Event):
                self._response = self._response or response_of(one)
                if one.is_terminal:
                    self._whole_at = self._written + len(out)
                    break
        return out


def _size(piece: Piece) -> int:
    return len(piece if isinstance(piece, bytes) else piece.block)
