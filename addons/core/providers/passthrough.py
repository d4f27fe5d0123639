"""The translators of answers that are no event stream: the bytes go through.

Never does: add a byte or wait for one. Invariant: what comes out is what went in, as the same objects.
"""

from __future__ import annotations

from http import HTTPStatus

from addons.core.turn import Fault, Head, Report, Translator
from addons.core.wire.responses import Watcher, whole_report


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


class JsonPassThrough(PassThrough):
    """Keeps the parts of a JSON answer until its end, for the report alone. Beyond `limit` bytes it keeps none."""

    def __init__(self, head: Head, limit: int) -> None:
        self._head = head
        self._parts: list[bytes] = []
        self._room = limit

    def feed(self, data: bytes) -> bytes:
        """Give the bytes as they are."""
        self._room -= len(data)
        if self._room >= 0:
            self._parts.append(data)
        else:
            self._parts.clear()
        return data

    def report(self) -> Report:
        """What the answer says that the turn used, or went wrong."""
        return whole_report(self._head, b"".join(self._parts))


def watching(head: Head, event_bytes: int) -> Translator:
    """The translator that lets this answer of a native upstream through, and sees as much of it as can be seen."""
    if (head.header(b"content-encoding") or b"identity").strip().lower() != b"identity":
        return PassThrough()
    media_type = (head.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if media_type == b"application/json":
        return JsonPassThrough(head, event_bytes)
    is_stream = head.status == HTTPStatus.OK and media_type == b"text/event-stream"
    return Watcher(event_bytes) if is_stream else PassThrough()
