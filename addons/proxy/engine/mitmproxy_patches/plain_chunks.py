"""Cuts the plain chunks of a body (RFC 9112, 7.1) in one pass. h11's reader takes five times as long for each.

Most upstreams send each event of a stream as one chunk. Where many wait to be read, a read ends inside a chunk, which is
then taken in two parts.

Never does: accept framing that h11 refuses. Invariant: h11's reader is left where it would be if it had read what was
taken, and the time is linear in the size of the read.
"""

from __future__ import annotations

import re

from h11._readers import ChunkedReader
from mitmproxy.proxy.layers.http._http1 import Http1Connection, TBodyReader

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,7}")
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,7})\r\n")
"""The head of a chunk without extensions."""
_CRLF = b"\r\n"
_MANY = 4
"""A read of more than this many times its first chunk is worth being split at its line ends."""

Taken = tuple[list[bytes], int]
"""What chunks hold, and the place behind them."""


def take_buffered(connection: Http1Connection) -> list[bytes]:
    """Take the plain chunks from the start of a buffer."""
    parts, size = take_chunks(connection.body_reader, connection.buf._data)  # noqa: SLF001
    connection.buf.maybe_extract_at_most(size)
    return parts


def take_chunks(reader: TBodyReader, data: bytes | bytearray) -> Taken:
    """Take the plain chunks from the start of a read. The first may have begun in an earlier one, the last may end in a later one."""
    if not isinstance(reader, ChunkedReader) or reader._reading_trailer:  # noqa: SLF001
        return [], 0
    rest, at = _take_rest(reader, data) if reader._bytes_in_chunk else ([], 0)  # noqa: SLF001
    owed = reader._bytes_to_discard  # noqa: SLF001
    if reader._bytes_in_chunk or owed not in (b"", _CRLF) or not data.startswith(owed, at):  # noqa: SLF001
        return rest, at
    if owed:
        reader._bytes_to_discard = b""  # noqa: SLF001
        at += len(owed)
    whole, at = _take_whole(data, at)
    if at < len(data):
        begun, at = _take_begun(reader, data, at)
        whole += begun
    return rest + whole, at


def _take_whole(data: bytes | bytearray, at: int) -> Taken:
    """Take the chunks that are whole. Most often the first one tells how."""
    head = _SIZE_LINE.match(data, at)
    if head is None:
        return [], at
    start = head.end()
    end = start + int(head[1], 16)
    behind = end + len(_CRLF)
    if behind == len(data) and start < end and data.endswith(_CRLF):
        # nearly every read of a slow stream
        return [bytes(data[start:end])], behind
    # no line ends inside of the first chunk
    is_split = len(data) - at > _MANY * (behind - at) and data.find(_CRLF, start, behind) == end
    return _cut_many(data, at) if is_split else _cut(data, at)


def _take_rest(reader: ChunkedReader, data: bytes | bytearray) -> Taken:
    """Take what is left of the chunk in which the read before ended."""
    if not data:
        return [], 0
    missing = reader._bytes_in_chunk  # noqa: SLF001
    part = bytes(data[:missing])
    _stand_inside(reader, missing - len(part))
    return [part], len(part)


def _take_begun(reader: ChunkedReader, data: bytes | bytearray, at: int) -> Taken:
    """Take the beginning of a chunk whose end is in a later read."""
    head = _SIZE_LINE.match(data, at)
    if head is None:
        return [], at
    part = bytes(data[head.end() :])
    missing = int(head[1], 16) - len(part)
    if not part or missing < 0:
        return [], at
    _stand_inside(reader, missing)
    return [part], len(data)


def _stand_inside(reader: ChunkedReader, missing: int) -> None:
    """Let a reader stand inside a chunk of which this much is missing, or at its line end."""
    reader._bytes_in_chunk = missing  # noqa: SLF001
    reader._bytes_to_discard = b"" if missing else _CRLF  # noqa: SLF001


def _cut(data: bytes | bytearray, at: int) -> Taken:
    parts: list[bytes] = []
    while head := _SIZE_LINE.match(data, at):
        start = head.end()
        end = start + int(head[1], 16)
        if end == start or data[end : end + 2] != _CRLF:
            break
        parts.append(bytes(data[start:end]))
        at = end + 2
    return parts, at


def _cut_many(data: bytes | bytearray, at: int) -> Taken:
    """Cut the chunks of a read in half the time, if no line ends inside of one."""
    # size, part, size, part, …, and what is no whole chunk
    lines = bytes(data[at:]).split(_CRLF)
    whole = (len(lines) - 1) // 2 * 2
    sizes, parts = lines[:whole:2], lines[1:whole:2]
    if parts and not parts[-1]:
        # the end of the body
        del sizes[-1], parts[-1]
    known = {size: int(size, 16) for size in set(sizes) if _SIZE.fullmatch(size)}
    if all(parts) and list(map(known.get, sizes)) == list(map(len, parts)):
        return parts, len(data) - len(_CRLF.join(lines[2 * len(parts) :]))
    return _cut(data, at)
