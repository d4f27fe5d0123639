"""Writes turns as the messages of the Anthropic API: content blocks, and where they are marked for prompt caching.

Source: Anthropic API reference, "Messages", "Tool use", "Extended thinking", "Prompt caching": at most four cache
breakpoints; a prefix is cached at a breakpoint, and is found at one or at most twenty blocks before one. The requests
that the API refuses are in `tests/strict/messages.py`. Never marks a thinking block (refused) or a provisional block
(replaced by the next request). Invariant: the blocks of a history are a prefix of the blocks of its extension, except
for the last `provisional` ones and for pictures beyond the limits (`messages.pictures`); marking adds only the key `cache_control`, to copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from addons.core.frozen import turn_value
from addons.core.protocols.canonical.conversation import (
    Assistant,
    Call,
    Image,
    Output,
    Part,
    Reasoning,
    System,
    Text,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import unwrap
from addons.core.protocols.canonical.turns import Exchange, Turn, anthropic_call_id
from addons.core.protocols.messages.pictures import limit_pictures, picture_block
from addons.core.upstream.target import Target

Block = dict[str, Any]
Message = dict[str, Any]

BlockPosition = tuple[int, int]
"""(index of the message, index of the block in it)."""

RAW_ARGUMENTS = "_raw"
"""The key of the input that holds the arguments of an earlier call which are not a JSON object."""
OPENING = "[the conversation begins with an answer]"
CONTINUE = "[continue]"
NO_OUTPUT = "[no output]"
NO_IMAGES = "[an image was left out: this model takes none]"
IMAGE_OF = "[images that tool call {id} gave]"
LATER_SYSTEM = "<system>\n{text}\n</system>"

THINKING_TYPES = frozenset({"thinking", "redacted_thinking"})
CACHE_CONTROL = {"type": "ephemeral"}
MAX_BREAKPOINTS = 4
LOOK_BACK = 20
"""How many blocks before a breakpoint the API searches for a cached prefix."""


@turn_value(frozen=True, slots=True)
class WrittenMessages:
    """The messages of a request."""

    messages: list[Message]
    provisional: int
    """How many blocks at the end are placeholders that the next request may replace."""


def write_messages(turns: Iterable[Turn], target: Target) -> WrittenMessages:
    """Write the turns. The first and the last message are the user's: newer models refuse a prefilled answer."""
    writer = _MessageWriter(target)
    for turn in turns:
        writer.add(turn)
    return writer.finish()


def text_blocks(text: str) -> list[Block]:
    """Return a text block; nothing for blank text, which the API refuses."""
    return [] if _is_blank(text) else [{"type": "text", "text": text}]


def _is_blank(text: str) -> bool:
    # not by `strip`, which copies the text
    return not text or text.isspace()


@dataclass(slots=True)
class _MessageWriter:
    """Collects the messages."""

    target: Target
    messages: list[Message] = field(default_factory=list)
    provisional: int = 0
    has_pictures: bool = False

    def add(self, turn: Turn) -> None:
        if isinstance(turn, Exchange):
            self._exchange(turn)
            return
        self.provisional = 0
        if isinstance(turn, System):
            text = LATER_SYSTEM.format(text=turn.text) if not _is_blank(turn.text) else ""
            self._append("user", text_blocks(text))
        else:
            self._append("user", self._parts(turn.parts))

    def finish(self) -> WrittenMessages:
        if not self.messages or self.messages[-1]["role"] == "assistant":
            self._append("user", text_blocks(CONTINUE))
            self.provisional = 1
        if self.has_pictures:
            limit_pictures(self.messages)
        return WrittenMessages(self.messages, self.provisional)

    def _exchange(self, exchange: Exchange) -> None:
        answer = [block for item in exchange.blocks for block in self._answer_blocks(item)]
        while answer and answer[-1]["type"] in THINKING_TYPES:
            # The answer was interrupted while thinking: the API refuses thinking that nothing follows.
            answer.pop()
        if answer and not self.messages:
            self._append("user", text_blocks(OPENING))
        self._append("assistant", answer)
        outputs = exchange.answers
        results = [self._result(output) for output in outputs]
        after: list[Block] = []
        if not self.target.profile.tool_images:
            after = [block for output in outputs for block in self._images_after(output)]
        self._append("user", results + after)
        self.provisional = len(exchange.missing) if not after else 0

    def _append(self, role: str, blocks: list[Block]) -> None:
        if not blocks:
            return
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += blocks
        else:
            self.messages.append({"role": role, "content": blocks})

    def _answer_blocks(self, item: Reasoning | Assistant | Call) -> Iterable[Block]:
        if isinstance(item, Assistant):
            return text_blocks(item.text)
        if isinstance(item, Call):
            block = {
                "type": "tool_use",
                "id": self._call_id(item.call_id),
                "name": item.upstream_name,
                "input": _input(item),
            }
            return (block,)
        return self._thinking(item)

    def _call_id(self, call_id: str) -> str:
        verbatim = self.target.profile.call_ids == "verbatim"
        return call_id if verbatim else anthropic_call_id(call_id)

    def _thinking(self, item: Reasoning) -> Iterator[Block]:
        match unwrap(item.opaque, self.target.reasoning_scope) if item.opaque else None:
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
        parts: Sequence[Part] = output.parts
        if not self.target.profile.tool_images:
            parts = [part for part in parts if isinstance(part, Text)]
        content = self._parts(parts) or text_blocks(NO_OUTPUT)
        return {
            "type": "tool_result",
            "tool_use_id": self._call_id(output.call_id),
            "content": content,
        }

    def _images_after(self, output: Output) -> Iterator[Block]:
        """Return the images of a result, for an upstream that does not accept them inside it."""
        images = [part for part in output.parts if isinstance(part, Image)]
        if images:
            yield from text_blocks(IMAGE_OF.format(id=self._call_id(output.call_id)))
            yield from self._parts(images)

    def _parts(self, parts: Iterable[Part]) -> list[Block]:
        blocks: list[Block] = []
        for part in parts:
            if isinstance(part, Text):
                blocks += text_blocks(part.text)
            elif self.target.images:
                self.has_pictures = True
                blocks.append(picture_block(part.url))
            else:
                blocks += text_blocks(NO_IMAGES)
        return blocks


def _input(call: Call) -> object:
    if call.kind is CallKind.CUSTOM:
        return {"input": call.arguments}
    if _is_blank(call.arguments):
        return {}
    try:
        value = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        return {RAW_ARGUMENTS: call.arguments}
    return value if isinstance(value, dict) else {RAW_ARGUMENTS: call.arguments}


def mark_for_caching(
    tools: list[Block], system: list[Block], messages: list[Message], provisional: int
) -> tuple[list[Block], list[Block], list[Message]]:
    """Return copies with cache breakpoints at the prefixes that the next request will contain.

    The last `provisional` blocks of the messages may be missing from the next request.
    """
    positions = _breakpoints(messages, provisional)
    remaining = MAX_BREAKPOINTS - len(positions)
    if system and remaining:
        system = _with_breakpoint(system, len(system) - 1)
        remaining -= 1
    if tools and remaining:
        tools = _with_breakpoint(tools, len(tools) - 1)
    return tools, system, _with_breakpoints(messages, positions)


def _breakpoints(messages: Sequence[Message], provisional: int) -> list[BlockPosition]:
    """Return the last blocks of the last two user turns, and one in between if they are far apart."""
    ends: list[BlockPosition] = []
    # The blocks between the two ends, with the last one.
    distance = 0
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        count = len(message["content"])
        # The provisional blocks are the last ones.
        kept = max(count - provisional, 0)
        provisional -= count - kept
        if kept and message["role"] == "user":
            ends.append((index, kept - 1))
            if len(ends) > 1:
                break
        if ends:
            distance += kept
    ends.reverse()
    if distance <= LOOK_BACK:
        return ends
    start = ends[0] if len(ends) > 1 else (-1, 0)
    return [*ends, *_breakpoint_between(messages, start)]


def _breakpoint_between(
    messages: Sequence[Message], start: BlockPosition
) -> Sequence[BlockPosition]:
    """Return the last block behind `start` from which `start` is found, unless only thinking is."""
    blocks = _positions_behind(messages, start)
    for message, block in reversed(tuple(islice(blocks, LOOK_BACK))):
        if messages[message]["content"][block]["type"] not in THINKING_TYPES:
            return ((message, block),)
    return ()


def _positions_behind(messages: Sequence[Message], start: BlockPosition) -> Iterator[BlockPosition]:
    for message in range(start[0] + 1, len(messages)):
        for block in range(len(messages[message]["content"])):
            yield message, block


def _with_breakpoint(blocks: list[Block], index: int) -> list[Block]:
    marked = blocks.copy()
    marked[index] = {**blocks[index], "cache_control": CACHE_CONTROL}
    return marked


def _with_breakpoints(messages: list[Message], positions: Sequence[BlockPosition]) -> list[Message]:
    marked = messages.copy()
    for message, block in positions:
        content = _with_breakpoint(marked[message]["content"], block)
        marked[message] = {**marked[message], "content": content}
    return marked
