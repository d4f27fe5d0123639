"""The strict grammar of HTTP/1 requests: heads, chunk lines and trailers that RFC 9112 tells a server to refuse.

A lenient reader here and a strict one elsewhere would see two different requests in the same bytes. mitmproxy and h11
are lenient, so the raw bytes are checked before they read them. A line ends with CRLF: RFC 9112, 2.2, lets a server take
a bare LF for a line end, but others take it for a part of a value.

Never does: parse a request for use, or quote one. Invariant: what is accepted has one meaning under RFC 9112.
"""

from __future__ import annotations

import re

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
"""A field value. CR, NUL and every other control character but the tab are invalid (RFC 9110, 5.5)."""
_FIELDS = rb"(?:" + _TOKEN + rb":" + _TEXT + rb"\r\n)*"
"""Field lines: no line folding, and nothing between name and colon (RFC 9112, 5.1 and 5.2)."""
_HEAD = re.compile(_TOKEN + rb" [\x21-\x7e]+ HTTP/1\.([01])\r\n" + _FIELDS)
_TRAILERS = re.compile(_FIELDS)
_FRAMING = re.compile(
    # Blanks are stripped afterwards: here those within a value would take quadratic time.
    rb"\n(transfer-encoding|content-length|host):([^\r]*)\r(?=\n)",
    re.IGNORECASE,
)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION = (
    rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
)
_CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]{1,16}(?:" + _EXTENSION + rb")*")


def is_valid_head(head: bytes) -> bool:
    """Return whether a request head has exactly one meaning. `head` ends with the line end of its last line."""
    if (line := _HEAD.fullmatch(head)) is None:
        return False
    found = _FRAMING.findall(head)
    fields: dict[bytes, bytes] = {name.lower(): value.strip(b" \t") for name, value in found}
    is_http11 = line[1] == b"1"
    if len(fields) < len(found) or (is_http11 and b"host" not in fields):
        return False
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if coding is not None:
        # no other coding is decoded here, and an HTTP/1.0 client cannot mean one
        return is_http11 and length is None and coding.lower() == b"chunked"
    return length is None or is_valid_length(length)


def is_valid_length(value: bytes) -> bool:
    """Return whether this is a content-length that a body can have (RFC 9110, 8.6)."""
    return _LENGTH.fullmatch(value) is not None


def is_valid_chunk_line(line: bytes) -> bool:
    """Return whether this is the size of a chunk, with its extensions if it has any. `line` has no line end."""
    return _CHUNK_LINE.fullmatch(line) is not None


def are_valid_trailers(lines: bytes) -> bool:
    """Return whether these are field lines, each with its line end."""
    return _TRAILERS.fullmatch(lines) is not None
