"""What translators around another one have in common: its output passes through them.

Invariant: whether the stream is over, and its summary, are those of the inner translator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from addons.core.turn import Fault, StreamSummary, Summarizes, Translator


class OutputRewriter(ABC):
    """Rewrites the output of another translator."""

    def __init__(self, inner: Translator) -> None:
        self._inner = inner
        self.keeps_bytes = bool(getattr(inner, "keeps_bytes", False))
        """Whether the client gets the upstream's own events: what the upstream repeats, and its heartbeats, are its own then."""

    @abstractmethod
    def rewrite(self, output: bytes) -> bytes:
        """Return what the client gets for output of the inner translator."""

    @abstractmethod
    def _closed(self, output: bytes) -> bytes:
        """Return what the client gets for the last output, and for what was held."""

    @property
    def terminal(self) -> bool:
        """Whether the client's terminal event has been written."""
        return self._inner.terminal

    @property
    def awaits_end(self) -> bool:
        """Whether the answer is complete, and only usage and the end of the body may follow."""
        return bool(getattr(self._inner, "awaits_end", False))

    def feed(self, data: bytes) -> bytes:
        """Translate the bytes of one network read."""
        return self.rewrite(self._inner.feed(data))

    def finish(self) -> bytes:
        """End the stream after a complete body."""
        return self._closed(self._inner.finish())

    def fail(self, fault: Fault) -> bytes:
        """End the stream after a fault."""
        return self._closed(self._inner.fail(fault))

    def summarize(self) -> StreamSummary:
        """Summarize the stream so far."""
        return self._inner.summarize() if isinstance(self._inner, Summarizes) else StreamSummary()
