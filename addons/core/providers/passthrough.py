"""The translator of answers that are no event stream: the bytes go through.

Never does: look at the bytes, add one. Invariant: what comes out is what went in, as the same objects.
"""

from __future__ import annotations

from addons.core.turn import Fault


class PassThrough:
    """A `Translator` for bodies that no closing event could be put into, such as JSON."""

    @property
    def terminal(self) -> bool:
        """Never: such a body has no terminal event."""
        return False

    def feed(self, data: bytes) -> bytes:
        """Give the bytes as they are."""
        return data

    def finish(self) -> bytes:
        """Nothing is missing."""
        return b""

    def fail(self, fault: Fault) -> bytes:  # noqa: ARG002 - the protocol's shape
        """Nothing can be added to a body of unknown form."""
        return b""
