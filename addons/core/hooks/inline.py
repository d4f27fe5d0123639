"""A translator whose events pass through hooks on the way, in the same call: for hooks of this program, which do not wait.

Never does: call a user's function. Invariant: exactly one terminal event; when a hook refuses or fails, it is `response.failed`,
and nothing follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from addons.core.errors import Problem, failed_event
from addons.core.hooks.chain import HookError, checked, unreadable
from addons.core.hooks.events import EventReader, Mask, Piece, unmasked
from addons.core.hooks.frozen_json import plain
from addons.core.hooks.values import Event
from addons.core.turn import Fault, StreamSummary, Summarizes, Translator

OnPieces = Callable[[Sequence[Piece]], Sequence[Piece]]
"""Returns what hooks make of events. Raises HookError."""


class HookedTranslator:
    """Around another translator."""

    def __init__(
        self, inner: Translator, on_pieces: OnPieces, max_event_bytes: int, mask: Mask = unmasked
    ) -> None:
        self._inner = inner
        self._on_pieces = on_pieces
        self._reader = EventReader(max_event_bytes, mask)
        self._max_event_bytes = max_event_bytes
        self._mask = mask
        self._response: dict[str, object] | None = None
        """The object of `response.created`, for the failure event."""
        self._is_over = False
        """Whether the terminal event was written here."""
        self._problem: Problem | None = None
        """Why a hook has ended the answer."""
        self.keeps_bytes = bool(getattr(inner, "keeps_bytes", False))
        """Whether the client gets the upstream's own events. What an upstream repeats is its own then."""

    @property
    def terminal(self) -> bool:
        """Whether the client's terminal event has been written."""
        return self._is_over

    @property
    def awaits_end(self) -> bool:
        """Whether the answer is complete, and only usage and the end of the body may follow."""
        return bool(getattr(self._inner, "awaits_end", False))

    @property
    def refused(self) -> bool:
        """Whether a hook has ended the answer: nothing more of the upstream is needed."""
        return self._problem is not None

    def feed(self, data: bytes) -> bytes:
        """Translate the bytes of one network read."""
        return self.rewrite(self._inner.feed(data))

    def finish(self) -> bytes:
        """End the stream after a complete body."""
        return self._closed(self._inner.finish())

    def fail(self, fault: Fault) -> bytes:
        """End the stream after a fault."""
        if self._is_over:
            return b""
        return self._closed(self._inner.fail(fault))

    def _closed(self, output: bytes) -> bytes:
        rest: list[Piece] = []
        if output.strip(b"\n"):
            # what began before is cut, unless only its blank line is missing
            rest = [one for one in self._reader.finish() if isinstance(one, Event)]
            self._reader = EventReader(self._max_event_bytes, self._mask)
        return self._rewritten(rest) + self.rewrite(output)

    def summarize(self) -> StreamSummary:
        """Summarize the stream so far."""
        found = self._inner.summarize() if isinstance(self._inner, Summarizes) else StreamSummary()
        if problem := self._problem:
            return found._replace(terminal="response.failed", error=problem.code)
        return found

    def rewrite(self, output: bytes) -> bytes:
        """Return output of the inner translator as the hooks leave it."""
        pieces = self._reader.feed(output)
        if self._reader.too_large and not self._is_over:
            limit = f"an event is larger than {self._max_event_bytes:,} bytes (`event_bytes`)"
            return self._failed(HookError(unreadable(limit)))
        return self._rewritten(pieces)

    def _rewritten(self, pieces: list[Piece]) -> bytes:
        if self._is_over or not pieces:
            return b""
        out = []
        for piece in pieces:
            try:
                new = self._on_pieces((piece,))
                out.append(checked(new))
            except HookError as error:
                return b"".join((*out, self._failed(error)))
            self._note(new)
            if self._is_over:
                break
        return b"".join(out)

    def _note(self, pieces: Sequence[Piece]) -> None:
        for one in pieces:
            if isinstance(one, Event):
                self._response = self._response or response_of(one)
                self._is_over = self._is_over or one.is_terminal

    def _failed(self, error: HookError) -> bytes:
        self._is_over, self._problem = True, error.problem
        return failed_event(error.problem, response=self._response)


def response_of(event: Event) -> dict[str, object] | None:
    """Return the object of `response.created`; None for another event."""
    found = plain(event.data.get("response")) if event.type == "response.created" else None
    return found if isinstance(found, dict) else None
