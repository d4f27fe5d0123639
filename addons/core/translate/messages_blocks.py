"""Turns as the alternating messages of the Anthropic API: content blocks, tool calls and their results, thinking.

Source: Anthropic API reference, "Messages", "Tool use", "Extended thinking"; what the API refuses is held by
`tests/strict/messages.py`. Never marks for caching and never asks for anything. Invariant: the blocks of h are a
prefix of the blocks of h+x, save for the last `passing` ones, which stand in for what has not come yet.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from addons.core.target import Target
from addons.core.translate.call_ids import anthropic_id
from addons.core.translate.conversation import (
    Assistant,
    Call,
    Image,
    Output,
    Part,
    Reasoning,
    System,
    Text,
)
from addons.core.translate.events import CallKind
from addons.core.translate.grouping import Exchange, Turn
from addons.core.translate.replay import unseal

Block = dict[str, Any]
Message = dict[str, Any]

RAW_ARGUMENTS = "_raw"
"""The one key of the input that stands for arguments of an earlier call that are no JSON object."""
OPENING = "[the conversation begins with an answer]"
GO_ON = "[continue]"
NO_OUTPUT = "[no output]"
NO_IMAGES = "[an image was left out: this model takes none]"
BAD_IMAGE = "[an image was left out: its data: URL cannot be read]"
IMAGE_OF = "[images that tool call {id} gave]"
LATER_SYSTEM = "<system>\n{text}\n</system>"

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_MEDIA_TYPES = {"image/jpg": "image/jpeg", "": "image/png"}
THINKING = frozenset({"thinking", "redacted_thinking"})


@dataclass(frozen=True, slots=True)
class Written:
    """The messages; the last `passing` blocks stand in for what has not come yet."""

    messages: list[Message]
    passing: int


def messages_of(turns: Iterable[Turn], target: Target) -> Written:
    """Write the turns. The first message is the user's and so is the last: newer models refuse to be prefilled."""
    writing = _Writing(target)
    for turn in turns:
        writing.add(turn)
    return writing.end()


def text_block(text: str) -> Iterator[Block]:
    """A text block; nothing for text that is blank, which the API refuses."""
    if text.strip():
        yield {"type": "text", "text": text}


@dataclass(slots=True)
class _Writing:
    """The messages so far."""

    target: Target
    messages: list[Message] = field(default_factory=list)
    passing: int = 0

    def add(self, turn: Turn) -> None:
        if isinstance(turn, Exchange):
            self._exchange(turn)
            return
        self.passing = 0
        if isinstance(turn, System):
            text = LATER_SYSTEM.format(text=turn.text) if turn.text.strip() else ""
            self._say("user", text_block(text))
        else:
            self._say("user", self._parts(turn.parts))

    def end(self) -> Written:
        if not self.messages or self.messages[-1]["role"] == "assistant":
            self._say("user", text_block(GO_ON))
            self.passing = 1
        return Written(self.messages, self.passing)

    def _exchange(self, exchange: Exchange) -> None:
        said = [block for item in exchange.blocks for block in self._said(item)]
        while said and said[-1]["type"] in THINKING:
            # An answer that broke off while it was thinking: the API refuses thinking without what it led to.
            said.pop()
        if said and not self.messages:
            self._say("user", text_block(OPENING))
        self._say("assistant", said)
        results = [self._result(output) for output in exchange.answers]
        after = [block for output in exchange.answers for block in self._images_after(output)]
        self._say("user", (*results, *after))
        self.passing = len(exchange.missing) if not after else 0

    def _say(self, role: str, blocks: Iterable[Block]) -> None:
        content = list(blocks)
        if not content:
            return
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += content
        else:
            self.messages.append({"role": role, "content": content})

    def _said(self, item: Reasoning | Assistant | Call) -> Iterator[Block]:
        if isinstance(item, Assistant):
            yield from text_block(item.text)
        elif isinstance(item, Call):
            yield {
                "type": "tool_use",
                "id": anthropic_id(item.call_id),
                "name": item.wire_name,
                "input": _input(item),
            }
        else:
            yield from self._thought(item)

    def _thought(self, item: Reasoning) -> Iterator[Block]:
        match unseal(item.opaque, self.target.lineage) if item.opaque else None:
            case {"thinking": str(thinking), **rest}:
                signature = rest.get("signature")
                yield {
                    "type": "thinking",
                    "thinking": thinking,
                    "signature": signature if isinstance(signature, str) else "",
                }
            case {"redacted_thinking": str(data)}:
                yield {"type": "redacted_thinking", "data": data}

    def _result(self, output: Output) -> Block:
        inside = self.target.profile.tool_images
        parts = (part for part in output.parts if inside or isinstance(part, Text))
        content = list(self._parts(parts)) or list(text_block(NO_OUTPUT))
        return {
            "type": "tool_result",
            "tool_use_id": anthropic_id(output.call_id),
            "content": content,
        }

    def _images_after(self, output: Output) -> Iterator[Block]:
        """The images of a result, for an upstream that does not look for them inside it."""
        images = [part for part in output.parts if isinstance(part, Image)]
        if images and not self.target.profile.tool_images:
            yield from text_block(IMAGE_OF.format(id=anthropic_id(output.call_id)))
            yield from self._parts(images)

    def _parts(self, parts: Iterable[Part]) -> Iterator[Block]:
        for part in parts:
            if isinstance(part, Text):
                yield from text_block(part.text)
            elif self.target.images:
                yield _image(part.url)
            else:
                yield from text_block(NO_IMAGES)


def _input(call: Call) -> object:
    if call.kind is CallKind.CUSTOM:
        return {"input": call.arguments}
    if not call.arguments.strip():
        return {}
    try:
        value = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        return {RAW_ARGUMENTS: call.arguments}
    return value if isinstance(value, dict) else {RAW_ARGUMENTS: call.arguments}


def _image(url: str) -> Block:
    form = _DATA_URL.match(url)
    if not form:
        return {"type": "image", "source": {"type": "url", "url": url}}
    media = form[1].strip().lower()
    data = _base64(url[form.end() :], encoded=form[2].lower().endswith(";base64"))
    if not data:
        return {"type": "text", "text": BAD_IMAGE}
    source = {
        "type": "base64",
        "media_type": _MEDIA_TYPES.get(media, media),
        "data": data,
    }
    return {"type": "image", "source": source}


def _base64(text: str, *, encoded: bool) -> str:
    """Standard base64 with its padding; empty when the text is none."""
    raw = unquote_to_bytes(text)
    if not encoded:
        return base64.b64encode(raw).decode()
    compact = b"".join(raw.split()).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    padded = compact + b"=" * (-len(compact) % 4)
    try:
        base64.b64decode(padded, validate=True)
    except binascii.Error:
        return ""
    return padded.decode()
