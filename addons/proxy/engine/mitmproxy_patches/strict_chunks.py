"""h11's reader of a chunked request body, which refuses what h11 is lenient about.

h11 accepts any byte but LF in a chunk extension, blanks behind a chunk's size, and lines without a limit of length.

Never does: cut a chunk itself. Invariant: h11 sees no chunk line and no trailer that was not checked.
"""

from __future__ import annotations

import re

import h11
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer

from addons.core.server.admission import are_valid_trailers, is_valid_chunk_line

MAX_LINE_BYTES = 4096
"""Longest chunk line. RFC 9112, 7.1.1: a recipient ought to limit the length of chunk extensions."""
_BLANK_LINE = re.compile(rb"\n\r?\n")


class StrictChunkedReader(ChunkedReader):
    """Reads the chunks of a request. Raises h11.RemoteProtocolError for framing that RFC 9112 does not know."""

    def __init__(self, trailer_bytes: int) -> None:
        super().__init__()
        self._trailer_bytes = trailer_bytes

    def __call__(self, buf: ReceiveBuffer) -> h11.Data | h11.EndOfMessage | None:
        """Return the next part of the body, or its end, or None."""
        if self._reading_trailer:
            self._check_trailers(_start(buf, self._trailer_bytes))
        elif not self._bytes_in_chunk:
            self._check_chunk_line(_start(buf, MAX_LINE_BYTES))
        return super().__call__(buf)

    def _check_chunk_line(self, data: bytes) -> None:
        if not data.startswith(self._bytes_to_discard):
            # h11 refuses it, or waits for the rest of the line end
            return
        start = len(self._bytes_to_discard)
        end = data.find(b"\r\n", start, start + MAX_LINE_BYTES)
        if end < 0:
            _require(len(data) - start < MAX_LINE_BYTES)
        else:
            _require(is_valid_chunk_line(data[start:end]))

    def _check_trailers(self, data: bytes) -> None:
        if data.startswith(b"\r\n"):
            return
        _require(not data.startswith(b"\n"))
        if end := _BLANK_LINE.search(data, 0, self._trailer_bytes):
            _require(end[0] == b"\n\r\n" and are_valid_trailers(data[: end.start() + 1]))
        else:
            _require(len(data) < self._trailer_bytes)


def _start(buf: ReceiveBuffer, size: int) -> bytes:
    """Return what a check looks at, and no copy of the rest: a read may have a hundred thousand chunks."""
    return bytes(buf._data[: size + 4])  # noqa: SLF001


def _require(holds: bool) -> None:  # noqa: FBT001
    if not holds:
        msg = "malformed chunk"
        raise h11.RemoteProtocolError(msg)
