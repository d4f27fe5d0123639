"""Reads what kind of picture bytes are and how large it is, from their headers. Decodes no picture.

Never trusts a label: programs often name a PNG `image/jpeg`, and upstreams refuse that. Invariant: total; bytes that are
not one of the four kinds have no type, bytes without a readable header have no size.

Sources: RFC 2083 (PNG), ITU-T T.81 (JPEG), the GIF89a specification, Google's "WebP Container Specification".
"""

from __future__ import annotations

import base64
import binascii
import re

PNG, JPEG, GIF, WEBP = "image/png", "image/jpeg", "image/gif", "image/webp"
HEADER_CHARACTERS = 64
"""Characters of base64 that hold the type of a picture."""

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*?);base64,", re.IGNORECASE)
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers whose segment holds the size."""
_OTHER_FORMATS = (
    b"bm",
    b"ii*\x00",
    b"mm\x00*",
    b"%pdf",
    b"<?xml",
    b"<svg",
    b"<!doc",
    b"<html",
    b"\x00\x00\x01\x00",
    b"{",
    b"8bps",
)
"""BMP, TIFF, PDF, SVG, HTML, ICO, JSON, Photoshop, in lower case. HEIC and AVIF are known by `ftyp`."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""JPEG markers without a segment."""
_MAX_MARKERS = 4096
"""How many markers are looked at before the one with the size. Each takes time, and a file may be made of them."""


def media_type(data: bytes) -> str:
    """Return the media type by the first bytes; empty for anything but PNG, JPEG, GIF and WebP."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WEBP
    return ""


def is_other_format(data: bytes) -> bool:
    """Return whether the first bytes are those of a format that no upstream takes as a picture."""
    return data.lstrip()[:5].lower().startswith(_OTHER_FORMATS) or data[4:8] == b"ftyp"


def pixel_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height, or None."""
    readers = {PNG: _png_size, JPEG: _jpeg_size, GIF: _gif_size, WEBP: _webp_size}
    reader = readers.get(media_type(data))
    return reader(data) if reader else None


def relabelled(url: str) -> str:
    """Return a base64 `data:` URL with the type that its bytes have; any other URL unchanged."""
    match = _DATA_URL.match(url)
    if not match:
        return url
    start = url[match.end() : match.end() + HEADER_CHARACTERS]
    try:
        found = media_type(base64.b64decode(start[: len(start) // 4 * 4]))
    except (binascii.Error, ValueError):
        return url
    if not found or found == match[1].lower():
        return url
    return f"data:{found}{match[2]};base64,{url[match.end() :]}"


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR":
        return None
    return _pair(data[16:20], data[20:24], "big")


def _gif_size(data: bytes) -> tuple[int, int] | None:
    return _pair(data[6:8], data[8:10], "little")


def _webp_size(data: bytes) -> tuple[int, int] | None:
    chunk = data[12:16]
    if chunk == b"VP8X" and (size := _pair(data[24:27], data[27:30], "little")):
        return size[0] + 1, size[1] + 1
    if chunk == b"VP8L" and len(data) >= 25:  # noqa: PLR2004
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and (size := _pair(data[26:28], data[28:30], "little")):
        return size[0] & 0x3FFF, size[1] & 0x3FFF
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    for _ in range(_MAX_MARKERS):
        if position + 9 > len(data) or data[position] != 0xFF:  # noqa: PLR2004
            break
        marker = data[position + 1]
        if marker == 0xFF:  # noqa: PLR2004
            position += 1  # fill byte
        elif marker in _ALONE:
            position += 2
        elif marker in _FRAME_HEADERS:
            size = _pair(
                data[position + 7 : position + 9], data[position + 5 : position + 7], "big"
            )
            return size or None
        else:
            position += 2 + max(2, int.from_bytes(data[position + 2 : position + 4], "big"))
    return None


def _pair(width: bytes, height: bytes, order: str) -> tuple[int, int] | None:
    if not width or len(width) != len(height):
        return None
    if order == "big":
        return int.from_bytes(width, "big"), int.from_bytes(height, "big")
    return int.from_bytes(width, "little"), int.from_bytes(height, "little")
