"""The pictures of a Responses request, and the request with a text in the place of each.

A model that takes no pictures gets the description of another model. The text of a picture is the same in every request
of its thread, so that the translation of a history stays a prefix of the translation of its extension. Never does: fetch a
picture, decode its pixels, change a part that is no picture. Invariant: total; pictures are numbered in the order of the
request, so an extension changes no number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.protocols.canonical.pictures import media_type, pixel_size
from addons.core.protocols.responses.description import MAX_REASON
from addons.core.upstream.base64_data import START_CHARACTERS, bytes_of, is_base64, plain_base64
from addons.core.upstream.repair_items import ESCAPED_CHARACTERS, picture_digest

MAX_BYTES = 20 * 1024 * 1024
MAX_SIDE = 8_000
"""What the models of all providers take of one picture, in bytes of base64 and in pixels."""
MAX_CHARACTERS = 16_000
"""How much of a description is used."""
UNREADABLE = "[a picture was left out: its data is no PNG, JPEG, GIF or WebP]"
TOO_LARGE = f"[a picture was left out: it has more than {MAX_BYTES >> 20} MiB]"
TOO_WIDE = f"[a picture was left out: a side has more than {MAX_SIDE} pixels]"
NOT_DESCRIBED = "[a picture was left out: {reason}]"
CUT = "… (the description is longer)"
END_TAG = "</picture>"
_END_TAG = re.compile(r"<\s*/\s*picture\s*>", re.IGNORECASE)

_WORDS = (b"input_image", b"image_url", b"data:image/")
"""One of these is in every request with a picture."""
_URL = re.compile(r"(?:https?://|data:)[^\s]", re.IGNORECASE)
_FILE = re.compile("data:image/(?:png|jpe?g|gif|webp);base64,", re.IGNORECASE)
_FIELDS = ("content", "output")
"""Where items have their parts."""


class Picture(NamedTuple):
    """One picture of a request."""

    digest: str
    """Of its bytes, or of its address if the request holds no more."""
    number: int
    """How many times the same picture comes before it in the request."""
    url: str


Place = tuple[str, int]
"""Digest and number of a picture."""


def may_have_pictures(body: bytes) -> bool:
    """Return whether a decoded body is worth a search."""
    return any(word in body for word in _WORDS)


def pictures_in(payload: JsonObject) -> list[Picture]:
    """Return the pictures of a request body, in order."""
    urls: list[str] = []

    def noted(url: str) -> None:
        urls.append(url)

    _replaced(payload, noted)
    counts: dict[str, int] = {}
    found = []
    for url in urls:
        digest = picture_digest(url)
        number = counts.get(digest, 0)
        counts[digest] = number + 1
        found.append(Picture(digest, number, url))
    return found


def with_texts(payload: JsonObject, texts: Iterable[str]) -> JsonObject:
    """Return the request with a text in the place of each picture. The texts are in the order of `pictures_in`."""
    remaining = iter(texts)
    return _replaced(payload, lambda _: next(remaining, None))


def _replaced(payload: JsonObject, text_of: Callable[[str], str | None]) -> JsonObject:
    """Return the request with a text in place of each picture that has one. `text_of` takes its address."""
    items = payload.get("input")
    if not isinstance(items, list):
        return payload

    def replaced(part: object) -> object:
        url = _url_of(part)
        text = text_of(url) if url else None
        return part if text is None else {"type": "input_text", "text": text}

    return {**payload, "input": [_with_parts(item, replaced) for item in items]}


def _with_parts(item: object, replaced: Callable[[object], object]) -> object:
    if not isinstance(item, Mapping):
        return item
    changed = {
        key: [replaced(part) for part in parts]
        for key in _FIELDS
        if isinstance(parts := item.get(key), list)
    }
    return {**item, **changed} if changed else item


def _url_of(part: object) -> str:
    """Return the address of a picture; empty for any other part."""
    fields = as_object(part)
    if fields.get("type") in ("input_image", "image_url"):
        source = fields.get("image_url")
        url = (
            as_str(as_object(source).get("url")) if isinstance(source, Mapping) else as_str(source)
        )
        return url if _URL.match(url) else ""
    data = as_str(fields.get("file_data")) if fields.get("type") == "input_file" else ""
    return data if _FILE.match(data) else ""


def unreadable_note(url: str) -> str:
    """Return the note in place of a picture that no model can read; empty if one may."""
    if url[:5].lower() != "data:":
        return ""
    if len(url) > MAX_BYTES:
        return TOO_LARGE
    head, _, text = url.partition(",")
    if not head.lower().endswith(";base64"):
        return _note_of(unquote_to_bytes(text[:ESCAPED_CHARACTERS]))
    plain = plain_base64(text)
    if not is_base64(plain):
        return UNREADABLE
    start = bytes_of(plain)
    is_whole = len(plain) <= START_CHARACTERS
    return _note_of(start if is_whole or pixel_size(start) else bytes_of(plain, len(plain)))


def _note_of(data: bytes) -> str:
    if not media_type(data):
        return UNREADABLE
    return TOO_WIDE if max(pixel_size(data) or (0, 0)) > MAX_SIDE else ""


def description_text(slug: str, text: str) -> str:
    """Return what stands in place of a picture: its description, and whose it is."""
    text = _END_TAG.sub("</ picture>", text.strip())
    cut = text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + CUT
    return f'<picture described-by="{slug}">\n{cut}\n{END_TAG}'


def failure_text(reason: str) -> str:
    """Return the note in place of a picture that was not described."""
    plain = " ".join(reason.split())[:MAX_REASON]
    return NOT_DESCRIBED.format(reason=plain.rstrip("."))
