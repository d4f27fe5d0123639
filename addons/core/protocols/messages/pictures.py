"""Writes pictures as blocks of the messages API. What the API would refuse becomes a note, so that the turn goes on.

The bytes decide the media type, not the label. A picture that can never be sent is a note at once. A request with too
many pictures loses its oldest ones, ten at a time: only then does an earlier block change, once in ten pictures, because
no older block can be left as it is. Invariant: total; every image block is one that the API takes.

Source: Anthropic API reference, "Vision": PNG, JPEG, GIF and WebP; at most 8000 pixels a side, or 2000 with more than 20
pictures in a request; at most 100 pictures. The refusals: anthropics/claude-code#12009 (media type) and #24630 (2000
pixels).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from addons.core.protocols.canonical.pictures import (
    GIF,
    JPEG,
    PNG,
    WEBP,
    is_other_format,
    media_type,
    pixel_size,
)
from addons.core.upstream.base64_data import (
    START_CHARACTERS,
    bytes_of,
    is_base64,
    padded,
    plain_base64_of,
)

Block = dict[str, Any]

MAX_SIDE = 8_000
MANY = 20
"""From one more picture on, each side may have at most `MAX_SIDE_OF_MANY` pixels."""
MAX_SIDE_OF_MANY = 2_000
MAX_PICTURES = 100
BATCH = 10
"""Pictures that become notes at a time."""

UNREADABLE = "[an image was left out: its data is no PNG, JPEG, GIF or WebP]"
NOT_HTTPS = "[an image was left out: the model can load https URLs only]"
TOO_WIDE = f"[an image was left out: a side has more than {MAX_SIDE} pixels]"
OLDER = "[an older image was left out: the conversation has more images than a request may hold]"

_KINDS = frozenset({GIF, JPEG, PNG, WEBP})
_LABELS = {"image/jpg": JPEG, "": PNG}
"""Labels that count where the bytes are of no known format."""
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)


def picture_block(url: str) -> Block:
    """Return the block of a picture, or a note."""
    data_url = _DATA_URL.match(url)
    if not data_url:
        is_https = url.lower().startswith("https://")
        return {"type": "image", "source": {"type": "url", "url": url}} if is_https else _note(NOT_HTTPS)  # fmt: skip
    text, raw = _base64(url[data_url.end() :], encoded=data_url[2].lower().endswith(";base64"))
    label = data_url[1].strip().lower()
    kind = media_type(raw) or _LABELS.get(label, label)
    if not raw or kind not in _KINDS or is_other_format(raw):
        return _note(UNREADABLE)
    if max(pixel_size(raw) or (0, 0)) > MAX_SIDE:
        return _note(TOO_WIDE)
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": text}}


def limit_pictures(messages: Sequence[Block]) -> None:
    """Put notes in place of the oldest pictures, if there are more than a request may hold."""
    places = list(_places(messages))
    if len(places) <= MANY:
        return
    wide = [_is_wide(blocks[index]) for blocks, index in places]
    for blocks, index in places[: _excess(wide)]:
        blocks[index] = _note(OLDER)


def _excess(wide: Sequence[bool]) -> int:
    """Return how many of the oldest pictures have to go. It never shrinks when pictures are added."""
    for count in range(0, len(wide), BATCH):
        rest = wide[count:]
        if len(rest) <= MANY or (len(rest) <= MAX_PICTURES and not any(rest)):
            return count
    return len(wide)


def _places(messages: Sequence[Block]) -> Iterator[tuple[list[Block], int]]:
    """Yield each list of blocks and the index of a picture in it, oldest first."""
    for message in messages:
        yield from _places_in(message["content"])


def _places_in(blocks: list[Block]) -> Iterator[tuple[list[Block], int]]:
    for index, block in enumerate(blocks):
        if block["type"] == "image":
            yield blocks, index
        elif block["type"] == "tool_result":
            yield from _places_in(block["content"])


def _is_wide(block: Block) -> bool:
    source = block["source"]
    if source["type"] != "base64":
        return False
    size = pixel_size(base64.b64decode(source["data"][:START_CHARACTERS]))
    return max(size or (0, 0)) > MAX_SIDE_OF_MANY


def _note(text: str) -> Block:
    return {"type": "text", "text": text}


def _base64(text: str, *, encoded: bool) -> tuple[str, bytes]:
    """Return padded standard base64 of the data in a URL, and its bytes with the header; both empty if it is malformed."""
    raw = unquote_to_bytes(text) if "%" in text else text.encode("utf-8", "surrogatepass")
    if not encoded:
        return base64.b64encode(raw).decode(), raw
    plain = plain_base64_of(raw)
    if not is_base64(plain):
        return "", b""
    start = bytes_of(plain)
    is_whole = len(plain) <= START_CHARACTERS
    found = start if is_whole or pixel_size(start) else bytes_of(plain, len(plain))
    return padded(plain).decode("latin-1"), found
