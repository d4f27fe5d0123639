"""Reads the content of messages and tool outputs of a Responses request.

Source: OpenAI API reference, "Create a response", input content; the parts that Codex sends. Never fetches a file or an
image, never drops content silently: what cannot be translated becomes a note to the model, to the log (`dropped`), or
to both. Invariant: total. A part depends on itself only.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from addons.core.protocols.canonical.conversation import Image, Part, Text
from addons.core.turn import printable

TEXT_PARTS = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "summary_text": "text",
    "reasoning_text": "text",
    "refusal": "refusal",
}
MESSAGE_TEXT = ("input_text", "output_text")
"""The text of messages. A tuple: what a client sends as a type may have no hash."""
TEXT_MEDIA = ("text/", "application/json", "application/xml", "application/yaml", "application/x-")
NO_FILE_DATA = "[a file was left out, {name}: the request holds only a reference to it]"
NO_TEXT_FILE = "[a file was left out, {name}: it is no text, and the upstream of this model takes text and images only. Its text can be extracted with a tool]"
NO_PART = "[content of the type {kind} was left out: the upstream of this model takes text and images only]"
NO_ENCRYPTED = "[content was left out: another service encrypted it]"
NO_IMAGE_URL = "[an image was left out: the request holds only a reference to it]"
_PICTURE_URL = re.compile("data:image/(?:png|jpe?g|gif|webp);base64,", re.IGNORECASE)
FILE_FORM = '<file name="{name}">\n{text}\n</file>'
OTHER_TEXT_FIELDS = ("text", "refusal", "transcript", "content")
"""Where parts of an unknown type may have their text."""
_ENCRYPTED = re.compile(r"[A-Za-z0-9+/_=-]{64,}")
"""Base64 of a length that no word of a text has."""
_URL = re.compile(r"(?:https?://|data:)[^\s]", re.IGNORECASE)
"""The addresses of pictures that servers accept."""


def read_parts(content: object, where: str, dropped: list[str]) -> tuple[Part, ...]:
    """Read a content field. Notes in `dropped` what cannot be translated."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),) if content else ()
    listed = content if isinstance(content, list) else [content]
    parts: list[Part] = []
    for index, part in enumerate(listed):
        if (
            isinstance(part, dict)
            and part.get("type") in MESSAGE_TEXT
            and isinstance(text := part.get("text"), str)
        ):
            # nearly every part
            if text:
                parts.append(Text(text))
        elif read := _read_part(part, f"{where}[{index}]", dropped):
            parts.append(read)
    return tuple(parts)


def _read_part(part: object, where: str, dropped: list[str]) -> Part | None:
    """Read one part; return None for empty text and for what is neither text nor an object."""
    if isinstance(part, str):
        return Text(part) if part else None
    if not isinstance(part, dict):
        dropped.append(f"{where}: neither text nor an object")
        return None
    return _read_object(part, where, dropped)


def _read_object(part: Mapping[str, object], where: str, dropped: list[str]) -> Part | None:
    match part.get("type"):
        case str(kind) if kind in TEXT_PARTS:
            return _text(part.get(TEXT_PARTS[kind]), where, dropped)
        case "input_image" | "image_url":
            return _image(part)
        case "input_file":
            return _file(part)
        case "encrypted_content":
            return _encrypted(part.get("encrypted_content"), where, dropped)
    return _unknown(part, where, dropped)


def is_encrypted(value: object) -> bool:
    """Return whether content that is marked as encrypted is so."""
    return isinstance(value, str) and _ENCRYPTED.fullmatch(value) is not None


def text_of(parts: tuple[Part, ...]) -> str:
    """Return the joined text of the parts."""
    return "".join(part.text for part in parts if isinstance(part, Text))


def type_name(value: Mapping[str, object]) -> str:
    """Return the type of an item or part for notes."""
    kind = value.get("type")
    return printable(kind)[:60] if isinstance(kind, str) and kind else "(none)"


def _text(value: object, where: str, dropped: list[str]) -> Text | None:
    if value is not None and not isinstance(value, str):
        dropped.append(f"{where}: a text that is not a string")
        return None
    return Text(value) if value else None


def _encrypted(value: object, where: str, dropped: list[str]) -> Text:
    """Return the text of a part that one agent sends to another, or a note.

    Codex passes on the argument of `spawn_agent` in such a part. It is encrypted only if the model that called the tool
    encrypts its arguments; any other model's text arrives as it was written.
    """
    if isinstance(value, str) and value and not is_encrypted(value):
        return Text(value)
    dropped.append(f"{where}: content that another service encrypted")
    return Text(NO_ENCRYPTED)


def _unknown(part: Mapping[str, object], where: str, dropped: list[str]) -> Text:
    """Return the text of a part of an unknown type, or a note."""
    values = (part.get(name) for name in OTHER_TEXT_FIELDS)
    text = next((value for value in values if isinstance(value, str) and value), None)
    if text is not None:
        return Text(text)
    kind = type_name(part)
    dropped.append(f"{where}: content of the type {kind}")
    return Text(NO_PART.format(kind=kind))


def _image(part: Mapping[str, object]) -> Image | Text:
    """Return the image, or a note: a refusal would end the thread, because each later turn has the image too."""
    source, detail = part.get("image_url"), part.get("detail")
    if isinstance(source, dict):
        detail = detail or source.get("detail")
        source = source.get("url")
    if not isinstance(source, str) or not _URL.match(source):
        return Text(NO_IMAGE_URL)
    return Image(source, detail if isinstance(detail, str) else None)


def _file(part: Mapping[str, object]) -> Text | Image:
    """Return the text of a file, its picture, or a note: a refusal would end the thread, because each later turn has the file too."""
    data, name = part.get("file_data"), part.get("filename")
    named = name if isinstance(name, str) and name else "without a name"
    if not isinstance(data, str):
        return Text(NO_FILE_DATA.format(name=named))
    text = _file_text(data)
    if text is None and _PICTURE_URL.match(data):
        return Image(data)
    if text is None:
        return Text(NO_TEXT_FILE.format(name=named))
    return Text(FILE_FORM.format(name=name if isinstance(name, str) else "", text=text))


def _file_text(data: str) -> str | None:
    """Return the text of `data:text/plain;base64,...` or of bare base64; None if it is not text."""
    head, comma, body = data.partition(",") if data.startswith("data:") else ("", "", data)
    media = head[5:].partition(";")[0].strip().lower()
    if comma and media and not media.startswith(TEXT_MEDIA):
        return None
    is_base64 = not comma or head.endswith(";base64")
    try:
        packed = base64.b64decode(body, validate=True) if is_base64 else unquote_to_bytes(body)
        text = packed.decode()
    except (binascii.Error, ValueError):
        return None
    return None if "\0" in text else text
