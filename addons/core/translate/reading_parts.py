"""The content of messages and tool outputs: a string, or a list of parts, as `Text` and `Image`.

Source: OpenAI API reference, "Create a response", input content. Never fetches a file or a picture. Invariant: a part
that cannot be passed on is `Unreadable` with its place; none is left out, but for text that is empty.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import orjson

from addons.core.errors import Problem
from addons.core.translate.conversation import Image, Part, Text

TEXT_PARTS = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "summary_text": "text",
    "reasoning_text": "text",
    "refusal": "refusal",
}
TEXT_MEDIA = ("text/", "application/json", "application/xml", "application/yaml", "application/x-")
FILE_FORM = '<file name="{name}">\n{text}\n</file>'


class Unreadable(Exception):  # noqa: N818 (it says what the request is)
    """The request cannot be carried to another protocol: where and why, told to the client as a 400."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} {why}")

    def problem(self) -> Problem:
        """What the client is told."""
        text = f"codex-shim cannot translate this request: {self}"
        return Problem(400, "invalid_prompt", text, "invalid_request_error")


def read_parts(content: object, where: str) -> tuple[Part, ...]:
    """Read a content field."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),) if content else ()
    if not isinstance(content, list):
        raise Unreadable(where, "is neither a string nor a list of parts.")
    parts = (read_part(part, f"{where}[{place}]") for place, part in enumerate(content))
    return tuple(part for part in parts if part)


def read_part(part: object, where: str) -> Part | None:
    """Read one part; None for an empty text."""
    if isinstance(part, str):
        return Text(part) if part else None
    if not isinstance(part, dict):
        raise Unreadable(where, "is not an object.")
    kind = part.get("type")
    if isinstance(kind, str) and kind in TEXT_PARTS:
        return _text(part.get(TEXT_PARTS[kind]), where)
    match kind:
        case "input_image" | "image_url":
            return _image(part, where)
        case "input_file":
            return _file(part, where)
    raise Unreadable(
        where, f"has the type {kind!r}, which no translated upstream takes. Remove it."
    )


def text_of(parts: tuple[Part, ...]) -> str:
    """The text among the parts, joined as it was split."""
    return "".join(part.text for part in parts if isinstance(part, Text))


def _text(value: object, where: str) -> Text | None:
    if value is not None and not isinstance(value, str):
        raise Unreadable(where, "has a text that is not a string.")
    return Text(value) if value else None


def _image(part: Mapping[str, object], where: str) -> Image:
    source, detail = part.get("image_url"), part.get("detail")
    if isinstance(source, dict):
        detail = detail or source.get("detail")
        source = source.get("url")
    if not isinstance(source, str) or not source:
        raise Unreadable(
            where,
            "is an image without image_url. A file_id is known to OpenAI only: send the image as a data: or https URL.",
        )
    return Image(source, detail if isinstance(detail, str) else None)


def _file(part: Mapping[str, object], where: str) -> Text | None:
    data, name = part.get("file_data"), part.get("filename")
    if not isinstance(data, str):
        raise Unreadable(
            where,
            "is a file without file_data. Send a text file's content as a data: URL, or as text.",
        )
    text = _file_text(data)
    if text is None:
        raise Unreadable(
            where, "is a file that is not text; upstreams of this route take text and images only."
        )
    return Text(FILE_FORM.format(name=name if isinstance(name, str) else "", text=text))


def _file_text(data: str) -> str | None:
    """The text of `data:text/plain;base64,...`, of bare base64, or None when it is not text."""
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


def json_text(value: object) -> str:
    """Compact JSON of what a client sent as an object where a string belongs."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        # What was parsed may be nested deeper than what can be written.
        raise Unreadable(
            where="input", why=f"holds JSON that cannot be written: {error}."
        ) from error
